"""The binary is there, executable, for this machine, complete and able to run; each want of that has a remedy."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

import pytest

from lingma_trio.doctor.checks.binary import check_file, check_libraries, check_version, missing_libraries
from lingma_trio.doctor.findings import Finding
from tests.doctor.support import lingma, only, script, settings_of, site_of
from tests.doctor.test_elf import elf

OTHER_MACHINE = 183 if os.uname().machine == "x86_64" else 62
THIS_MACHINE = 62 if os.uname().machine == "x86_64" else 183
INTERPRETER = Path(sys.executable).resolve()


def examined(directory: Path, **values: object) -> list[Finding]:
    return list(check_file(site_of(settings_of(directory, **values))))


def put(directory: Path, content: bytes, *, mode: int = 0o755) -> Path:
    """A binary with that content, beside a good helper."""
    lingma(directory)
    path = directory / "Lingma"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_good_binary_is_fine_and_shows_its_digest(tmp_path: Path) -> None:
    """So that two machines can be compared."""
    path = lingma(tmp_path)
    findings = examined(tmp_path)
    assert {finding.level for finding in findings} == {"fine"}
    assert hashlib.sha256(path.read_bytes()).hexdigest() in findings[0].what


def test_digest_is_held_against_the_one_that_is_asked_for(tmp_path: Path) -> None:
    """A binary that somebody exchanged is a fault, whatever else it can do."""
    path = lingma(tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert {finding.level for finding in examined(tmp_path, lingma_sha256=digest)} == {"fine"}
    fault = only(examined(tmp_path, lingma_sha256="0" * 64), "fault")
    assert digest in fault.what
    assert "0" * 64 in fault.what


def test_program_of_this_machine_is_fine(tmp_path: Path) -> None:
    """A real one, with a loader that is there."""
    put(tmp_path, b"")
    shutil.copyfile(INTERPRETER, tmp_path / "Lingma")
    assert {finding.level for finding in examined(tmp_path)} == {"fine"}


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: None])
def test_missing_binary_is_a_fault(tmp_path: Path, make: object) -> None:
    """Also where a directory has its name."""
    if callable(make):
        make(tmp_path / "Lingma")
    (finding,) = examined(tmp_path)
    assert finding.level == "fault"
    assert "LINGMA_BIN" in finding.remedy


@pytest.mark.parametrize("name", ["Lingma", "LingmaLocal"])
def test_missing_run_bit_is_a_fault_with_its_command(tmp_path: Path, name: str) -> None:
    """Unpacking by hand loses it, on both files."""
    lingma(tmp_path)
    (tmp_path / name).chmod(0o644)
    finding = only(examined(tmp_path), "fault")
    assert finding.remedy == f"chmod +x {tmp_path / name}"


def test_missing_helper_is_a_warning(tmp_path: Path) -> None:
    """Lingma may start without it, and fail at some work."""
    script(tmp_path / "Lingma", "exit 0")
    assert "LingmaLocal" in only(examined(tmp_path), "warning").what


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (elf(wide=True, order="<", machine=OTHER_MACHINE), "this machine is"),
        (elf(wide=True, order="<", machine=THIS_MACHINE, loader=b"/lib/ld-of-nobody.so\0"), "/lib/ld-of-nobody.so"),
        (b"MZ\x90\0", "another system"),
        (b"<html>not found</html>", "no program"),
        (b"", "no program"),
    ],
)
def test_binary_for_another_machine_is_a_fault(tmp_path: Path, content: bytes, word: str) -> None:
    """Another processor, another libc, another system, and what a broken download leaves."""
    put(tmp_path, content)
    finding = only(examined(tmp_path), "fault")
    assert word in finding.what
    assert finding.remedy


def test_simulator_in_its_place_is_told(tmp_path: Path) -> None:
    """Where it was asked for, and where `auto` found nothing better, with the way to Lingma itself."""
    (asked,) = examined(tmp_path, lingma_upstream="simulator")
    (fallen_back,) = examined(tmp_path, lingma_upstream="auto")
    assert (asked.level, fallen_back.level) == ("skipped", "skipped")
    assert "lingma-trio bootstrap" in fallen_back.remedy


async def test_version_is_the_binarys_own_word(tmp_path: Path) -> None:
    """A Lingma that tells it can be started here."""
    lingma(tmp_path)
    (finding,) = await check_version(site_of(settings_of(tmp_path)))
    assert finding == Finding("binary", "fine", "its version is 2.5.20")


async def test_binary_that_ends_badly_is_a_fault_with_its_last_words(tmp_path: Path) -> None:
    """Which are shown without secrets and without what a terminal would obey."""
    script(tmp_path / "Lingma", r"printf 'one\ncannot load planted-secret\033[31m\n' >&2; exit 127")
    settings = settings_of(tmp_path, admin_token="planted-secret")
    (finding,) = await check_version(site_of(settings))
    assert finding.level == "fault"
    assert "status 127" in finding.what
    assert finding.what.endswith("cannot load *** [31m")


async def test_binary_that_is_no_program_is_a_fault(tmp_path: Path) -> None:
    """The system refuses to start it."""
    put(tmp_path, elf(wide=True, order="<", machine=OTHER_MACHINE))
    (finding,) = await check_version(site_of(settings_of(tmp_path)))
    assert finding.level == "fault"
    assert "cannot be run" in finding.what


async def test_binary_that_does_not_answer_is_a_fault(tmp_path: Path) -> None:
    """It is not waited for."""
    script(tmp_path / "Lingma", "exec sleep 60")
    (finding,) = await check_version(site_of(settings_of(tmp_path)), seconds=0.2)
    assert finding.level == "fault"
    assert "within 0.2 s" in finding.what


async def test_binary_gets_none_of_the_gateways_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is the one that the gateway would give it."""
    monkeypatch.setenv("ADMIN_TOKEN", "planted")
    script(tmp_path / "Lingma", 'echo "token:$ADMIN_TOKEN"')
    (finding,) = await check_version(site_of(settings_of(tmp_path)))
    assert finding.what == "its version is token:"


async def test_nothing_is_asked_where_there_is_nothing_to_ask(tmp_path: Path) -> None:
    """Another check says what is missing."""
    site = site_of(settings_of(tmp_path))
    simulated = site_of(settings_of(tmp_path, lingma_upstream="simulator"))
    for each in (site, simulated):
        assert [*await check_version(each), *await check_libraries(each)] == []


async def test_libraries_of_a_real_program_are_there(tmp_path: Path) -> None:
    """As the system's own loader finds them."""
    settings = settings_of(tmp_path, lingma_bin=INTERPRETER)
    findings = await check_libraries(site_of(settings))
    assert {finding.level for finding in findings} <= {"fine"}


async def test_missing_library_is_a_fault_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loader's word is taken for it; here a loader that misses two."""
    script(
        tmp_path / "ldd",
        "echo 'linux-vdso.so.1 (0x0)'",
        "echo 'libc.so.6 => /lib/libc.so.6 (0x0)'",
        "echo 'libone.so.1 => not found'",
        "echo 'libtwo.so => not found'",
    )
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    put(tmp_path, elf(wide=True, order="<", machine=THIS_MACHINE))
    (finding,) = await check_libraries(site_of(settings_of(tmp_path)))
    assert finding.level == "fault"
    assert finding.what.endswith("libone.so.1, libtwo.so")


async def test_without_ldd_the_libraries_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version check tells in its own way whether the program starts."""
    put(tmp_path, elf(wide=True, order="<", machine=THIS_MACHINE))
    monkeypatch.setenv("PATH", str(tmp_path))
    (finding,) = await check_libraries(site_of(settings_of(tmp_path)))
    assert finding.level == "skipped"


def test_a_static_programs_ldd_misses_nothing() -> None:
    """It says so in words, and no word is a library."""
    assert missing_libraries("\tnot a dynamic executable\n") == []
