"""`bundle` carries a login from one work directory to another, and shows it to nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lingma_trio.config import Settings, load_settings
from lingma_trio.fleet import plan_fleet, real_fleet
from lingma_trio.lingma import bundle
from tests.commands.support import PATIENCE, run
from tests.end_to_end.gateway import environment

LOGIN = {"cache/id": b"machine", "cache/user": b"planted-user"}
TWO = {"LINGMA_ACCOUNTS": "ann:planted-x,bob:planted-y"}


def sign_in(work_dir: Path) -> Path:
    """Give a directory a login."""
    for name, data in LOGIN.items():
        (work_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (work_dir / name).write_bytes(data)
    return work_dir


def settings_of(work_dir: Path, **settings: str) -> Settings:
    return load_settings({"LINGMA_WORK_DIR": str(work_dir), "LINGMA_UPSTREAM": "lingma", **settings}, env_file=None)


def test_login_goes_from_one_machine_to_another(tmp_path: Path) -> None:
    """What is exported to a file, for its owner alone, is imported elsewhere; the export is logged without content."""
    old, new, file = sign_in(tmp_path / "old"), tmp_path / "new", tmp_path / "login.txt"
    exported = run(tmp_path, "bundle", "export", "--output", str(file), LINGMA_WORK_DIR=str(old))
    assert (exported.returncode, exported.stdout) == (0, "")
    assert "login_exported" in exported.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    imported = run(tmp_path, "bundle", "import", str(file), LINGMA_WORK_DIR=str(new))
    assert (imported.returncode, imported.stdout) == (0, f"{new} is logged in\n")
    assert {name: (new / name).read_bytes() for name in LOGIN} == LOGIN
    assert "planted" not in f"{exported} {imported}"


def test_pipe_takes_a_bundle(tmp_path: Path) -> None:
    """Without a file the bundle is the one line on standard output, and a dash reads it from standard input."""
    piped = run(tmp_path, "bundle", "export", LINGMA_WORK_DIR=str(sign_in(tmp_path / "old")))
    assert bundle.read(piped.stdout.encode()) == LOGIN
    assert piped.stdout.count("\n") == 1
    command = [sys.executable, "-m", "lingma_trio.cli", "bundle", "import", "-"]
    variables = environment(tmp_path, {"LINGMA_WORK_DIR": str(tmp_path / "new")})
    subprocess.run(command, cwd=tmp_path, env=variables, input=piped.stdout.encode(), check=True, timeout=PATIENCE)
    assert (tmp_path / "new/cache/user").read_bytes() == LOGIN["cache/user"]


def test_terminal_is_shown_nothing(tmp_path: Path) -> None:
    """A bundle is never printed where somebody may look on or scroll back."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "lingma_trio.cli", "bundle", "export"]
    variables = environment(tmp_path, {"LINGMA_WORK_DIR": str(sign_in(tmp_path / "old"))})
    ran = subprocess.run(
        command, cwd=tmp_path, env=variables, stdout=theirs, stderr=subprocess.PIPE, check=False, timeout=PATIENCE
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    with pytest.raises(OSError, match="Input/output error"):
        os.read(ours, 1)
    os.close(ours)
    assert ran.returncode == 1
    assert b"not shown on a terminal" in ran.stderr
    assert b"login_exported" not in ran.stderr


def test_instance_is_chosen_by_place_or_name(tmp_path: Path) -> None:
    """With several accounts each has a login of its own, found by its place in the list or its name in /readyz."""
    _ann, bob = real_fleet(settings_of(tmp_path, **TWO))
    sign_in(bob.work_dir)
    variables = {"LINGMA_WORK_DIR": str(tmp_path), **TWO}
    for wanted in ("1", bob.name):
        ran = run(tmp_path, "bundle", "export", "--instance", wanted, **variables)
        assert bundle.read(ran.stdout.encode()) == LOGIN
    assert "is not logged in" in run(tmp_path, "bundle", "export", **variables).stderr
    unknown = run(tmp_path, "bundle", "export", "--instance", "2", **variables)
    assert (unknown.returncode, bob.name in unknown.stderr) == (1, True)


def test_login_that_is_there_stays(tmp_path: Path) -> None:
    """An import never replaces a login."""
    work_dir, file = sign_in(tmp_path / "work"), tmp_path / "other"
    file.write_bytes(bundle.pack({"cache/id": b"other", "cache/user": b"other"}))
    ran = run(tmp_path, "bundle", "import", str(file), LINGMA_WORK_DIR=str(work_dir))
    assert (ran.returncode, "is logged in already" in ran.stderr) == (1, True)
    assert (work_dir / "cache/user").read_bytes() == LOGIN["cache/user"]


def test_running_gateway_is_not_pulled_the_rug_from_under(tmp_path: Path) -> None:
    """While a gateway uses the directory nothing is imported into it, and the gateway's pid is named."""
    file = tmp_path / "login"
    file.write_bytes(bundle.pack(LOGIN))
    work_dir = tmp_path / "work"
    with plan_fleet(settings_of(work_dir)):
        ran = run(tmp_path, "bundle", "import", str(file), LINGMA_WORK_DIR=str(work_dir))
        assert (ran.returncode, f"in use by a gateway (pid {os.getpid()})" in ran.stderr) == (1, True)
    assert run(tmp_path, "bundle", "import", str(file), LINGMA_WORK_DIR=str(work_dir)).returncode == 0


@pytest.mark.parametrize("arguments", [["export"], ["import", "/dev/null"]], ids=["export", "import"])
def test_agents_have_no_login_to_be_carried(tmp_path: Path, arguments: list[str]) -> None:
    """Their tokens are settings."""
    agent = {"LINGMA_UPSTREAM": "acp", "ACP_COMMAND": "agent", "LINGMA_WORK_DIR": str(tmp_path / "work")}
    ran = run(tmp_path, "bundle", *arguments, **agent)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "ACP_TOKENS" in ran.stderr


def test_faults_are_one_line(tmp_path: Path) -> None:
    """What is no bundle, cannot be read or cannot be written is said without a traceback."""
    (tmp_path / "junk").write_text("planted-junk!")
    work_dir = str(sign_in(tmp_path / "work"))
    for arguments in (["import", "junk"], ["import", "absent"], ["export", "--output", "absent/file"]):
        directory = work_dir if arguments[0] == "export" else str(tmp_path / "new")
        ran = run(tmp_path, "bundle", *arguments, LINGMA_WORK_DIR=directory)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert ran.stderr.splitlines()[-1].startswith("lingma-trio: ")
        assert "planted" not in ran.stderr
        assert "Traceback" not in ran.stderr
