"""Whether Lingma's binary is there, is what it should be, and runs here."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
from collections.abc import Iterator
from pathlib import Path

import trio

from lingma_trio.doctor.elf import HEAD, Program, read_program
from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.program import ask_program
from lingma_trio.doctor.site import Site

NAME = "binary"
HELPER = "LingmaLocal"
PROGRAM_SECONDS = 10.0
"""For the binary to print its version, and for ldd."""

FETCH = "fetch it with `lingma-trio bootstrap`, or set LINGMA_BIN to a Lingma for this machine"


def check_file(site: Site) -> Iterator[Finding]:
    """The file itself: there, executable, for this machine, and which it is; and its helper beside it."""
    if site.simulated:
        yield simulator_finding(site)
        return
    if not site.has_lingma:
        return
    path = site.settings.lingma_bin
    try:
        if not path.is_file():
            yield Finding(NAME, "fault", f"there is no file {path}", FETCH)
            return
        with path.open("rb") as file:
            head = file.read(HEAD)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        yield Finding(NAME, "fault", f"{path} cannot be read ({error.strerror})", f"ls -l {shlex.quote(str(path))}")
        return
    yield _digest(site.settings.lingma_sha256, digest, path)
    yield from _run_bit(path)
    yield _platform(read_program(head), platform.machine())
    yield from _helper(path.with_name(HELPER))


def simulator_finding(site: Site) -> Finding:
    """That there is no Lingma to look at, and why."""
    if site.settings.lingma_upstream == "simulator":
        return Finding(NAME, "skipped", "LINGMA_UPSTREAM=simulator: the bundled simulator answers, not Lingma")
    what = f"neither {site.settings.lingma_bin} nor an account is there, so the bundled simulator answers"
    return Finding(NAME, "skipped", what, f"for Lingma itself: {FETCH}, and LINGMA_ACCOUNTS")


async def check_libraries(site: Site) -> list[Finding]:
    """The libraries that the binary loads, as the system's `ldd` finds them."""
    path = site.settings.lingma_bin
    if not site.has_lingma or not await trio.to_thread.run_sync(_is_dynamic, path, abandon_on_cancel=True):
        return []
    try:
        reply = await ask_program(["ldd", str(path)], environment=None, seconds=PROGRAM_SECONDS)
    except (OSError, trio.TooSlowError) as error:
        return [Finding(NAME, "skipped", f"its libraries were not looked at: ldd does not run ({error})")]
    missing = missing_libraries(reply.output)
    if missing:
        what = f"{path} needs libraries that are not there: {', '.join(missing)}"
        return [Finding(NAME, "fault", what, "install the packages that hold them; `apt-file search NAME` finds them")]
    return [Finding(NAME, "fine", "its libraries are there")]


async def check_version(site: Site, *, seconds: float = PROGRAM_SECONDS) -> list[Finding]:
    """Whether the binary runs at all, and which version it is."""
    path = site.settings.lingma_bin
    if not site.has_lingma or not os.access(path, os.X_OK) or not path.is_file():
        return []
    try:
        reply = await ask_program([str(path), "version"], environment=site.fleet[0].environment, seconds=seconds)
    except OSError as error:
        remedy = "see what `file` says of it; fetch it anew with `lingma-trio bootstrap --force`"
        return [Finding(NAME, "fault", f"{path} cannot be run ({error.strerror})", remedy)]
    except trio.TooSlowError:
        what = f"{path} did not tell its version within {seconds:g} s"
        return [Finding(NAME, "fault", what, f"see what `{shlex.quote(str(path))} version` does")]
    words = site.printable(reply.last_line)
    if reply.status != 0:
        what = f"{path} ended with status {reply.status} when asked for its version: {words or 'no word'}"
        return [Finding(NAME, "fault", what, f"see what `{shlex.quote(str(path))} version` says")]
    return [Finding(NAME, "fine", f"its version is {words or 'not told'}")]


def missing_libraries(output: str) -> list[str]:
    """The libraries that `ldd` did not find, in its order."""
    return [line.partition(" => ")[0].strip() for line in output.splitlines() if line.endswith(" => not found")]


def _is_dynamic(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return bool(read_program(file.read(HEAD)).loader)
    except OSError:
        return False


def _digest(wanted: str, digest: str, path: Path) -> Finding:
    if wanted and digest != wanted:
        what = f"{path} has SHA-256 {digest} and LINGMA_SHA256 asks for {wanted}"
        return Finding(
            NAME, "fault", what, "find out where the file comes from; clear LINGMA_SHA256 only if you trust it"
        )
    return Finding(NAME, "fine", f"{path} has SHA-256 {digest}")


def _run_bit(path: Path) -> Iterator[Finding]:
    if not os.access(path, os.X_OK):
        yield Finding(NAME, "fault", f"{path} may not be run by this user", f"chmod +x {shlex.quote(str(path))}")


def _platform(program: Program, machine: str) -> Finding:
    if program.kind == "script":
        return Finding(NAME, "fine", "it is a script, which starts Lingma in its own way")
    if program.kind == "foreign":
        return Finding(NAME, "fault", "it is a program for another system than Linux", FETCH)
    if program.kind == "unknown":
        return Finding(NAME, "fault", "it is no program: a broken download, perhaps", FETCH)
    if program.machine != machine:
        return Finding(NAME, "fault", f"it is for {program.machine} and this machine is {machine}", FETCH)
    if program.loader and not Path(program.loader).exists():
        remedy = "use a system with glibc (Debian, Ubuntu and Fedora have it, Alpine has not)"
        return Finding(NAME, "fault", f"it needs the loader {program.loader}, which this system has not", remedy)
    return Finding(NAME, "fine", f"it is for {machine}, and so is this machine")


def _helper(helper: Path) -> Iterator[Finding]:
    if not helper.is_file():
        remedy = "both files of a package belong side by side; `lingma-trio bootstrap` puts them there"
        yield Finding(NAME, "warning", f"{helper}, which the binary starts, is missing", remedy)
    elif not os.access(helper, os.X_OK):
        yield Finding(NAME, "fault", f"{helper} may not be run by this user", f"chmod +x {shlex.quote(str(helper))}")
    else:
        yield Finding(NAME, "fine", f"{HELPER} is beside it")
