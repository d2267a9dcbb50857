"""`doctor` says what is wrong and what to do, for people and for programs, and its exit status says how bad it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic_core import from_json

from tests.commands.support import PATIENCE, run
from tests.doctor.support import FAST, lingma, sign_in
from tests.end_to_end.gateway import SERVE, environment, started
from tests.lingma.support import running
from tests.servers import free_port

SECRETS = {"ADMIN_TOKEN": "planted-admin-token", "API_KEYS": "planted-key-of-clients"}


def installed(directory: Path) -> dict[str, str]:
    """The settings of a good installation with the simulator as its binary."""
    lingma(directory)
    sign_in(directory / "work")
    return {
        **SECRETS,
        "PORT": str(free_port()),
        "LINGMA_UPSTREAM": "lingma",
        "LINGMA_BIN": str(directory / "Lingma"),
        "LINGMA_WORK_DIR": str(directory / "work"),
        "LINGMA_SOCKET_PORT": "0",
    }


def test_good_installation_ends_with_0(tmp_path: Path) -> None:
    """Every line is fine, nothing is coloured, no secret is shown, and nothing is left running."""
    done = run(tmp_path, "doctor", **installed(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("all is fine\n")
    assert "chat: an answer of" in " ".join(done.stdout.split())
    assert "planted" not in done.stdout
    assert "\x1b" not in done.stdout
    assert running(str(tmp_path)) == []


def test_machine_form_is_one_object(tmp_path: Path) -> None:
    """With the same findings and the seconds of each step."""
    done = run(tmp_path, "doctor", "--json", **installed(tmp_path))
    report = from_json(done.stdout)
    assert (done.returncode, done.stderr, report["verdict"]) == (0, "", "fine")
    assert all(set(finding) == {"check", "level", "what", "remedy", "seconds"} for finding in report["findings"])
    assert [finding["check"] for finding in report["findings"] if finding["seconds"] is not None] == ["round trip"] * 4
    assert "planted" not in done.stdout


def test_warnings_end_with_1(tmp_path: Path) -> None:
    """Here a directory that others can read; no round trip is made where none is wanted."""
    settings = installed(tmp_path)
    (tmp_path / "work").chmod(0o755)
    done = run(tmp_path, "doctor", "--no-round-trip", **settings)
    assert done.returncode == 1
    assert f"→ chmod 700 {tmp_path}/work" in " ".join(done.stdout.split())
    assert done.stdout.endswith("1 warning\n")
    assert "round trip" not in done.stdout


def test_faults_end_with_2(tmp_path: Path) -> None:
    """Here a binary that is not there; and a crash's output goes nowhere else."""
    done = run(tmp_path, "doctor", **{**installed(tmp_path), "LINGMA_BIN": "/nowhere/Lingma"})
    assert (done.returncode, done.stderr) == (2, "")
    assert "there is no file /nowhere/Lingma" in done.stdout


def test_locale_without_the_letters_is_no_fault(tmp_path: Path) -> None:
    """Lingma complains in Chinese; what the terminal cannot show becomes a question mark."""
    settings = installed(tmp_path)
    lingma(tmp_path, f"{FAST},status=500")
    done = run(tmp_path, "doctor", **settings, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (2, "")
    assert "??????" in done.stdout


def test_crash_is_told_once(tmp_path: Path) -> None:
    """In the findings, and not by the log as well."""
    settings = installed(tmp_path)
    lingma(tmp_path, f"{FAST},fault=crash_start")
    done = run(tmp_path, "doctor", **settings)
    assert (done.returncode, done.stderr) == (2, "")
    assert " ".join(done.stdout.split()).count("ended with status") == 1


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_faulty_settings_are_all_told(tmp_path: Path, form: list[str]) -> None:
    """Nothing else can be looked at then."""
    done = run(tmp_path, "doctor", *form, PORT="planted", LINGMA_RPC_TIMEOUT="-1")
    assert (done.returncode, done.stderr) == (2, "")
    assert "PORT:" in done.stdout
    assert "LINGMA_RPC_TIMEOUT:" in done.stdout
    assert "planted" not in done.stdout


def test_interrupt_leaves_nothing_running(tmp_path: Path) -> None:
    """Ctrl-C in the middle of the round trip ends it, with the status that shells know, and without a traceback."""
    settings = installed(tmp_path)
    lingma(tmp_path, "info=never")
    command = [sys.executable, "-m", "lingma_trio.cli", "doctor"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path, settings), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        give_up = time.monotonic() + PATIENCE
        while not (tmp_path / "work/.gateway-child").exists():
            assert time.monotonic() < give_up
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (130, b"")
    assert running(str(tmp_path)) == []


def test_gateway_of_the_folder_is_examined_as_it_was_started(tmp_path: Path) -> None:
    """Its port and its simulator stand on its command line alone; no fault is found, and that it plays is a remark."""
    settings = {"HOME": str(tmp_path), "LINGMA_UPSTREAM": "", "PORT": ""}
    with started(tmp_path, (*SERVE, "--or-simulator", "--port", "0"), **settings):
        done = run(tmp_path, "doctor", **settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert "the running gateway answered with" in " ".join(done.stdout.split())
    assert "skipped  binary" in done.stdout
