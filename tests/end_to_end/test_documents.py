"""Every command of the documentation is run as it stands, and the tree that it shows is the one that runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.support import run
from tests.documents import PAGES, ROOT, Block, blocks
from tests.end_to_end.client import connected, question
from tests.end_to_end.gateway import Gateway, environment, started

pytestmark = pytest.mark.slow

KEY = "key-of-the-tests-of-the-documents"
SECONDS = 60.0
EVERY = [block for page in PAGES for block in blocks(page) if block.language in {"sh", "python"} and not block.reason]
RUN = list({(block.language, block.text): block for block in reversed(EVERY)}.values())
"""What stands on several pages, as on the one in Chinese, is the same command, and is run where it stands first."""
PROGRAMS = {
    "lingma-trio": f'#!/bin/sh\nexec "{sys.executable}" -m lingma_trio.cli "$@"\n',
    "python": f'#!/bin/sh\nexec "{sys.executable}" "$@"\n',
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway as the pages assume it, on a port of its own."""
    directory = tmp_path_factory.mktemp("gateway")
    with started(directory, API_KEYS=KEY, LINGMA_SIMULATOR="first=0,gap=0") as running:
        yield running


@pytest.mark.parametrize("block", RUN, ids=lambda block: block.name)
def test_block_runs(block: Block, gateway: Gateway, tmp_path: Path) -> None:
    """Each command of it ends well, and no answer of the gateway's is an error."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in PROGRAMS.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    text = block.text.replace("127.0.0.1:8317", f"127.0.0.1:{gateway.port}").replace('"KEY"', f'"{KEY}"')
    text = text.replace(" scripts/", f" {ROOT}/scripts/")
    command = ["bash", "-euo", "pipefail", "-c", text] if block.language == "sh" else [sys.executable, "-c", text]
    settings = {"KEY": KEY, "API_KEYS": KEY, "PORT": str(gateway.port), "PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment(tmp_path, settings),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert '"error"' not in done.stdout


async def test_documented_trees_are_the_running_one(tmp_path: Path) -> None:
    """Each node of the page is there with its parent, and no other, while an answer is streamed. README shows some of
    them, and the request at the end, which is gone with its client.
    """
    with started(tmp_path / "gateway", LINGMA_SIMULATOR="first=0,gap=600,deltas=9") as gateway:
        async with connected(gateway.port) as connection:
            await connection.ask(question("Hello."))
            await connection.head()
            running = drawn(run(tmp_path, "tree", PORT=str(gateway.port)).stdout)
        await gateway.until_limiter(in_flight=0)
        left = drawn(run(tmp_path, "tree", PORT=str(gateway.port)).stdout)
    assert running == nodes(re.findall(r"<!-- tree -->\n```\n(.+?)```", page("docs/architecture.md"), re.DOTALL)[0])
    for readme in ("README.md", "README.zh.md"):
        (shown,) = re.findall(r"```\n(trio\.run\n.+?)```", page(readme), re.DOTALL)
        told = nodes(re.sub(r" {2,}←.+$|(?<=turn) .+", "", shown, flags=re.MULTILINE))
        assert told <= running
        assert {path[-1] for path in told - left} == {"request  ID  chat, streaming", "turn"}


def page(name: str) -> str:
    """A page's text."""
    return (ROOT / name).read_text(encoding="utf-8")


def drawn(printed: str) -> set[tuple[str, ...]]:
    """The nodes of what the command printed, which ends with a count."""
    return nodes(printed.partition("\n\n")[0])


def nodes(tree: str) -> set[tuple[str, ...]]:
    """Each node of a drawn tree as its path from the root, without ids and ports."""
    path: list[str] = []
    found = set()
    for line in tree.splitlines():
        margin, name = re.fullmatch(r"([ │├└─]*)(.+)", line).groups()  # type: ignore[union-attr] # matches any line
        path = [*path[: len(margin) // 3], re.sub(r"req_\w+|:\d+$", " ID", name)]
        found.add(tuple(path))
    return found
