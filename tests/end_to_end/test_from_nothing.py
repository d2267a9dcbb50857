"""The whole way of a first start: fetch the binary, run it, sign in with a browser, answer."""

from __future__ import annotations

import io
import os
import sys
import time
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import gettempdir
from threading import Thread
from urllib.request import Request, urlopen

import pytest
from pydantic_core import from_json, to_json

from lingma_trio.bootstrap.platforms import this_platform
from tests.end_to_end.client import PATIENCE
from tests.end_to_end.gateway import POLL, launched

pytestmark = pytest.mark.slow

LARGE_ENOUGH = 26_000_000
"""Random bytes, written as twice as many digits: smaller binaries are taken for damaged ones."""


class Quiet(SimpleHTTPRequestHandler):
    """Serves a directory and says nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Keep the test's output to itself."""


def program(size: int) -> bytes:
    """A binary of this many digits that is the simulator."""
    line = f'#!/bin/sh\nexec {sys.executable} -m lingma_trio.simulator "$@"\n# '
    return line.encode() + os.urandom(size).hex().encode()


@pytest.fixture
def package(tmp_path: Path) -> Iterator[str]:
    """The address of a package as the marketplace has them, one archive within another."""
    inner, directory = io.BytesIO(), tmp_path / "site"
    directory.mkdir()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(f"2.5.20/{this_platform().directory}/Lingma", program(LARGE_ENOUGH))
        archive.writestr(f"2.5.20/{this_platform().directory}/LingmaLocal", program(LARGE_ENOUGH // 8))
    with zipfile.ZipFile(directory / "lingma.vsix", "w") as archive:
        archive.writestr("extension/dist/bin/lingma-2.5.20.zip", inner.getvalue())
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory))) as server:
        Thread(target=server.serve_forever, args=(POLL,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/lingma.vsix"
        server.shutdown()


def ask(port: int) -> str:
    message = {"messages": [{"role": "user", "content": "Hello.\n#simulate first=0 gap=0"}]}
    request = Request(f"http://127.0.0.1:{port}/v1/chat/completions", data=to_json(message), method="POST")
    with urlopen(request) as answer:
        text: str = from_json(answer.read())["choices"][0]["message"]["content"]
    return text


def test_an_account_and_an_address_are_enough(tmp_path: Path, package: str) -> None:
    """Without a binary, a login or a hand, the gateway comes to answer, and says on the way what it is doing."""
    settings = {
        "LINGMA_UPSTREAM": "lingma",
        "LINGMA_BIN": str(tmp_path / "bin/Lingma"),
        "LINGMA_WORK_DIR": str(tmp_path / "work"),
        "LINGMA_SOCKET_PORT": "0",
        "LINGMA_BOOTSTRAP_ALWAYS": "true",
        "LINGMA_SOURCE_TYPE": "vsix",
        "LINGMA_VSIX_URL": package,
        "AUTO_LOGIN_ENABLED": "true",
        "LINGMA_USERNAME": "demo",
        "LINGMA_PASSWORD": "demo",
        "LINGMA_SIMULATOR": "login=out",
        "TMPDIR": gettempdir(),  # a profile in pytest's own is too deep for a browser's sockets
    }
    with launched(tmp_path / "gateway", **settings) as gateway:
        give_up = time.monotonic() + 2 * PATIENCE
        while not (gateway.port and '"state": "ready"' in gateway.log):
            assert time.monotonic() < give_up, gateway.log
            time.sleep(POLL)
        assert "Hello." in ask(gateway.port)
        assert '"event": "binary"' in gateway.log
        assert '"state": "signing_in"' in gateway.log
