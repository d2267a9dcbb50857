"""The first five minutes, from the wheel to answers, as somebody has them who follows what is printed.

A user without rights, in a home that is empty, types into a shell on a terminal. What the programs print as the next
step is what is typed next, and the lines are counted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from tests.end_to_end.terminal import Terminal, on_a_terminal
from tests.lingma.support import running
from tests.servers import free_port

ROOT = Path(__file__).parents[2]
UV = ROOT / ".venv-uv/bin/uv"
NOBODY = 65534
AS_NOBODY = (
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
    "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search",
)  # fmt: skip
"""Leaves root nothing but to read: the interpreter may lie in root's own home."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not UV.exists(), reason="scripts/environment has not made the uv that builds the wheel"),
]


def build(*arguments: str | Path) -> None:
    """Have uv do something."""
    environment = {**os.environ, "UV_SYSTEM_CERTS": "true"}
    subprocess.run([UV, "--quiet", *arguments], check=True, cwd=ROOT, env=environment, timeout=120)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the commands of the wheel, which finds what it depends on in this very environment."""
    place = tmp_path_factory.mktemp("wheel")
    python = place / "environment/bin/python"
    build("build", "--wheel", "--python", sys.executable, "--out-dir", place)
    build("venv", "--python", sys.executable, place / "environment")
    build("pip", "install", "--no-deps", "--offline", "--python", python, *place.glob("*.whl"))
    (packages,) = (place / "environment").glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place / "environment/bin"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An ordinary user's empty home."""
    place = tmp_path / "home"
    place.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(place, NOBODY, NOBODY)
    return place


@contextmanager
def shell(programs: Path, home: Path, port: int) -> Iterator[Terminal]:
    """A shell of that user's."""
    command = (*(AS_NOBODY if os.geteuid() == 0 else ()), "sh", "-i")
    environment = {
        "HOME": str(home),
        "PATH": f"{programs}:/usr/bin:/bin",
        "PORT": str(port),
        "PS1": "$ ",
        "NO_COLOR": "1",
    }
    with on_a_terminal(command, directory=home, environment=environment) as terminal:
        terminal.until(r"\$ ")
        yield terminal


def test_two_lines_lead_to_an_answer(programs: Path, home: Path) -> None:
    """`init --yes`, the command that it prints, and the request that this prints; then everything else it names."""
    with shell(programs, home, free_port()) as first, shell(programs, home, 0) as second:
        first.type("lingma-trio init --yes")
        first.type(first.until(r"Next: (.+)\n")[1])
        first.until(r"lingma-trio \S+ is ready")
        assert first.typed == 2
        link = first.until(r"Page +(\S+)")[1]
        request = first.until(r"Try +(curl .+)\n")[1]
        chat, clients = first.until(r"More +(.+ chat), (.+ clients),").groups()

        second.type(request)
        second.until(r'data: .*"delta".*\n')
        second.until(r"data: \[DONE\]")
        second.type(chat)
        second.until("Ctrl-D ends")
        second.until("> ")
        second.type("Hello")
        second.until("no model was asked")
        second.until("> ")
        second.press("\x04")
        second.until(r"\$ ")
        second.type(clients)
        one = second.until(r"\n(.+ clients codex)\n")[1]
        second.type(one)
        second.until(r'base_url = "http://127\.0\.0\.1:\d+/v1"')
        second.type("lingma-trio doctor; echo status $?")
        second.until(r"\nall is fine\nstatus 0\n")
        second.type("lingma-trio init; echo status $?")
        second.until(r"nothing was changed[^$]*status 0\n")

        with urlopen(link, timeout=30) as shown:
            assert b'<form method="post" action="/page/link">' in shown.read()
        once = link.partition("once=")[2]
        with urlopen(link.partition("?")[0], urlencode({"once": once}).encode(), timeout=30) as page:
            assert page.status == 200

        first.press("\x03")
        first.until(r"\$ ")
    assert (home / ".env").stat().st_mode & 0o777 == 0o600
    assert running(str(home)) == []


def test_start_without_settings_leads_on(programs: Path, home: Path) -> None:
    """Both ways that it names can be taken; nothing was made before."""
    with shell(programs, home, free_port()) as terminal:
        terminal.type("lingma-trio serve")
        init, simulator = terminal.until(r"\n`(.+ ?init)` .+; `(.+ --simulator)` ").groups()
        terminal.until(r"\$ ")
        assert [path.name for path in home.iterdir()] == []
        terminal.type(simulator)
        terminal.until(r"lingma-trio \S+ is ready")
        terminal.press("\x03")
        terminal.until(r"\$ ")
        terminal.type(f"{init} --yes")
        terminal.until(r"Next: ")
    assert running(str(home)) == []
