"""`bootstrap` fetches the binary, says how far it is, and ends with a status that scripts can use."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import trio

from lingma_trio.bootstrap.platforms import this_platform
from tests.bootstrap.publisher import File, publishing, zipped
from tests.commands.support import PATIENCE
from tests.end_to_end.gateway import environment

COMMAND = [sys.executable, "-m", "lingma_trio.cli", "bootstrap"]
PROGRAM = b"#!/bin/sh\necho Lingma\nexit\n" + bytes(50_000_000)
DIGEST = hashlib.sha256(PROGRAM).hexdigest()


def real_package() -> bytes:
    """A package whose files are as large as real ones, for this machine."""
    above = f"extension/bin/{this_platform().directory}"
    files = {f"{above}/Lingma": PROGRAM, f"{above}/LingmaLocal": bytes(5_000_000)}
    return zipped(files, compression=zipfile.ZIP_STORED)


async def run(directory: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command while this test's own server goes on serving."""
    variables = environment(directory, {"LINGMA_BIN": str(directory / "bin/Lingma"), **settings})
    with trio.fail_after(PATIENCE):
        return await trio.run_process(
            [*COMMAND, *arguments],
            cwd=directory,
            env=variables,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )


@pytest.mark.slow
async def test_binary_comes_through_a_proxy_with_log_lines(tmp_path: Path) -> None:
    """The environment's proxy is used; digest and path are printed; where nobody watches there is a line per tenth."""
    async with publishing() as proxy:
        proxy.files["/latest.vsix"] = File(real_package(), etag='"1"')
        variables = {
            "LINGMA_SOURCE_TYPE": "vsix",
            "LINGMA_VSIX_URL": "http://lingma.invalid/latest.vsix",
            "http_proxy": proxy.base,
        }
        first = await run(tmp_path, **variables)
        again = await run(tmp_path, **variables)
        forced = await run(tmp_path, "--force", **variables)
    binary = tmp_path / "bin/Lingma"
    for ran in (first, again, forced):
        assert (ran.returncode, ran.stdout.decode()) == (0, f"{DIGEST}  {binary}\n")
    assert proxy.asked == ["http://lingma.invalid/latest.vsix"] * 3
    assert proxy.requests[1].headers["if-none-match"] == '"1"'
    assert [ran.stderr.count(b'"event": "download"') for ran in (first, again, forced)] == [11, 0, 11]
    assert (await trio.run_process([binary], capture_stdout=True)).stdout == b"Lingma\n"


@pytest.mark.slow
async def test_terminal_shows_a_bar(tmp_path: Path) -> None:
    """Where somebody watches there is a bar that ends at a hundred percent."""
    ours, theirs = os.openpty()
    async with publishing() as publisher, trio.open_nursery() as nursery:
        publisher.files["/latest.vsix"] = File(real_package())
        variables = environment(
            tmp_path,
            {
                "LINGMA_BIN": str(tmp_path / "bin/Lingma"),
                "LINGMA_SOURCE_TYPE": "vsix",
                "LINGMA_VSIX_URL": f"{publisher.base}/latest.vsix",
                "TERM": "xterm",
            },
        )
        shown: list[bytes] = []
        nursery.start_soon(_read_all, ours, shown)
        with trio.fail_after(PATIENCE):
            await trio.run_process(COMMAND, cwd=tmp_path, env=variables, stderr=theirs, capture_stdout=True)
        os.close(theirs)
    os.close(ours)
    assert b"100%" in b"".join(shown)
    assert b'"event": "download"' not in b"".join(shown)


async def _read_all(terminal: int, shown: list[bytes]) -> None:
    """Take what is shown, until nobody can show any more."""
    os.set_blocking(terminal, False)
    while True:
        await trio.lowlevel.wait_readable(terminal)
        try:
            shown.append(os.read(terminal, 65536))
        except OSError:
            return


async def test_nothing_to_be_had_is_status_1(tmp_path: Path) -> None:
    """Without a binary and without a source the reason is the last line."""
    async with publishing() as publisher:
        ran = await run(
            tmp_path, LINGMA_GALLERY_URL=f"{publisher.base}/gallery", LINGMA_VSIX_URL=f"{publisher.base}/vsix"
        )
    assert (ran.returncode, ran.stdout) == (1, b"")
    last = ran.stderr.decode().splitlines()[-1]
    assert last.startswith("lingma-trio: there is no Lingma, and none can be fetched: marketplace: ")
    assert last.endswith("/vsix answers 404")
    assert publisher.asked == ["/gallery/extensionquery", "/vsix"]


async def test_binary_that_is_there_will_do(tmp_path: Path) -> None:
    """One put there by hand is left alone, and is what a refresh that fails comes back to."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/Lingma").write_bytes(b"own")
    async with publishing() as publisher:
        settings = {"LINGMA_GALLERY_URL": publisher.base, "LINGMA_VSIX_URL": f"{publisher.base}/vsix"}
        for arguments in ([], ["--force"]):
            ran = await run(tmp_path, *arguments, **settings)
            assert ran.stdout.decode() == f"{hashlib.sha256(b'own').hexdigest()}  {tmp_path / 'bin/Lingma'}\n"
            assert ran.returncode == 0
    assert publisher.asked == ["/extensionquery", "/vsix"]
