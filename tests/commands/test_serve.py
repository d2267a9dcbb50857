"""`serve` takes its settings from options, environment and file, and says what is missing before anything runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.support import PATIENCE, run
from tests.end_to_end.gateway import SERVE, environment, launched, started
from tests.end_to_end.terminal import on_a_terminal
from tests.servers import free_port

UNSET = {"LINGMA_UPSTREAM": "", "LINGMA_DATA_DIR": "", "LINGMA_BOOTSTRAP_ALWAYS": "true"}

SETTLED = """
import gc
import trio
from lingma_trio.cli import cli

trio.run = lambda *_: print(gc.get_freeze_count() > 10_000, len(gc.get_objects()) < 2000, gc.get_threshold() < (2000,))
cli(["serve"])
"""


def test_what_stays_is_not_looked_through_again_and_again(tmp_path: Path) -> None:
    """By the time that a gateway serves, a full collection has next to nothing to look at: it holds the loop."""
    settings = environment(tmp_path, {"API_KEYS": "sk-of-the-collected"})
    told = subprocess.check_output([sys.executable, "-c", SETTLED], cwd=tmp_path, env=settings, timeout=PATIENCE)
    assert told == b"True True True\n"


CRASHING = """
import resource
import trio
from lingma_trio.cli import cli

most = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
trio.run = lambda *_: print(most != 0, resource.getrlimit(resource.RLIMIT_CORE) == (1, most))
cli(["serve"])
"""


def test_crash_leaves_no_core(tmp_path: Path) -> None:
    """Where the system would keep one, the gateway and what it starts leave none: it would hold keys and prompts.

    The limit is the one at which Linux hands it to no program either.
    """
    settings = environment(tmp_path, {"API_KEYS": "sk-of-the-crashed"})
    told = subprocess.check_output([sys.executable, "-c", CRASHING], cwd=tmp_path, env=settings, timeout=PATIENCE)
    assert told == b"True True\n"


FAILING = """
import trio
from lingma_trio.cli import cli

def run(*_):
    raise ExceptionGroup("of a task", [OSError("a bug")])

trio.run = run
cli(["serve"])
"""


def test_bug_is_not_told_as_the_address_s(tmp_path: Path) -> None:
    """What fails in the tree of tasks shows where, also where it is an error of the system."""
    settings = environment(tmp_path, {"API_KEYS": "sk-of-the-failed"})
    ended = subprocess.run(
        [sys.executable, "-c", FAILING], cwd=tmp_path, env=settings, timeout=PATIENCE, capture_output=True, check=False
    )
    assert ended.returncode == 1
    assert b"OSError: a bug" in ended.stderr
    assert b"cannot be listened on" not in ended.stderr


def test_nothing_configured_is_said_in_two_lines(tmp_path: Path) -> None:
    """With the two ways on; nothing is fetched, made or started."""
    done = run(tmp_path, "serve", **UNSET, HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    missing, ways_on = done.stderr.splitlines()
    assert f"no Lingma at {tmp_path}/.local/share/lingma-trio/bin/Lingma" in missing
    assert "lingma_trio init`" in ways_on
    assert "lingma_trio serve --simulator`" in ways_on
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("serve", "--simulator"), ("agent",)], ids=" ".join)
def test_store_without_its_client_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    """STATE_URL without the extra ends the start of either role with the remedy, and shows no password."""
    code = f"import sys; sys.modules['coredis'] = None; from lingma_trio.cli import cli; cli({list(words)})"
    given = {"AGENT_TOKEN": "t" * 40, "STATE_URL": "valkey://me:planted-password@127.0.0.1:1"}
    settings = environment(tmp_path, given)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=settings,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'lingma-trio[state]'" in done.stderr
    assert "planted-password" not in done.stderr


def test_store_of_another_kind_is_refused(tmp_path: Path) -> None:
    """A wrong scheme ends the start with the right ones, and shows no password."""
    done = run(tmp_path, "serve", "--simulator", STATE_URL="http://me:planted-password@127.0.0.1:1")
    assert done.returncode == 2
    assert "STATE_URL: is no valkey://" in done.stderr
    assert "planted-password" not in done.stderr


def test_certificates_for_agents_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    """With what they have to be, instead of a gateway that looks as if its agents were away."""
    files = {f"AGENT_{name}_FILE": str(tmp_path / name) for name in ("CERT", "KEY", "CA")}
    done = run(tmp_path, "serve", LINGMA_UPSTREAM="agents", LINGMA_AGENTS="wss://agent.example:8327", **files)
    assert done.returncode == 2
    assert "AGENT_CA_FILE cannot be used: No such file or directory; each has to be a file in PEM" in done.stderr


async def test_options_go_before_environment_and_file(tmp_path: Path) -> None:
    """Here the port and the simulator, where the environment names another port and Lingma."""
    port = free_port()
    command = (*SERVE, "--simulator", "--host", "127.0.0.1", "--port", str(port))
    with started(tmp_path, command, LINGMA_UPSTREAM="lingma", HOST="0.0.0.0", PORT="1") as gateway:
        assert gateway.port == port
        assert (await gateway.fetch("/readyz")).json["upstream"] == "simulator"


async def test_simulator_may_be_what_is_left(tmp_path: Path) -> None:
    """`--or-simulator` serves it where nothing is configured, and says why it answers."""
    settings = {**UNSET, "LINGMA_DATA_DIR": str(tmp_path / "data")}
    with started(tmp_path, (*SERVE, "--or-simulator"), **settings) as gateway:
        readiness = (await gateway.fetch("/readyz")).json
    assert readiness["upstream"] == "simulator"
    assert "no Lingma binary and no account are configured" in readiness["notice"]


async def test_what_is_configured_goes_before_what_is_left(tmp_path: Path) -> None:
    """`--or-simulator` leaves an account to Lingma, whose program is then missing."""
    account = {"LINGMA_USERNAME": "ann", "LINGMA_PASSWORD": "of-ann", "LINGMA_BOOTSTRAP_ALWAYS": "false"}
    places = {"LINGMA_UPSTREAM": "", "LINGMA_DATA_DIR": str(tmp_path / "data")}
    with launched(tmp_path, (*SERVE, "--or-simulator"), **account, **places) as gateway:
        await gateway.until(lambda: bool(gateway.port))
        assert (await gateway.fetch("/readyz")).json["upstream"] == "lingma"


async def test_another_file_may_hold_the_settings(tmp_path: Path) -> None:
    """`--env-file` takes the place of `.env`; one that is not there is told."""
    port = free_port()
    (tmp_path / "other.env").write_text(f"LINGMA_UPSTREAM=simulator\nPORT={port}\n")
    (tmp_path / ".env").write_text("PORT=nonsense\n")
    with launched(
        tmp_path, ("env", "-u", "PORT", "-u", "LINGMA_UPSTREAM", *SERVE, "--env-file", "other.env")
    ) as gateway:
        await gateway.until(lambda: bool(gateway.port))
        assert gateway.port == port
    assert run(tmp_path, "serve", "--env-file", "absent.env").returncode == 2


def test_terminal_is_greeted(tmp_path: Path) -> None:
    """With at most ten lines before it, in words for people; Ctrl-C ends it. A failed start greets nobody, and each way
    out that it names leads out.
    """
    settings = {"API_KEYS": "sk-of-the-welcome-0", "PORT": str(free_port()), "TERM": "xterm"}
    with on_a_terminal(SERVE, directory=tmp_path, environment=environment(tmp_path, settings)) as terminal:
        ready = terminal.until(r"lingma-trio \S+ is ready")
        log = terminal.screen[: ready.start()]
        assert log.count("\n") <= 10
        assert '{"' not in log
        terminal.until(r"Page +http://127\.0\.0\.1:\d+/page/link\?once=\S+")
        request = terminal.until(r"Try +(curl .+)\n")[1]
        answer = subprocess.run(request, shell=True, capture_output=True, text=True, timeout=PATIENCE, check=True)
        assert answer.stdout.count("data: ") > 3
        assert "[DONE]" in answer.stdout
        taken = run(tmp_path, "serve", **settings)
        assert taken.returncode == 3
        assert f"pid {terminal.process.pid} (" in taken.stderr
        assert "is ready" not in taken.stderr
        again = taken.stderr.rpartition("serve --port ")[2].strip()
        terminal.press("\x03")
        assert terminal.exit_status() == 0
    with started(tmp_path, (*SERVE, "--port", again)) as gateway:
        assert str(gateway.port) == again
        end = run(tmp_path, "serve", "--port", again).stderr.partition("End it with `")[2].partition("`")[0]
        subprocess.run(end, shell=True, check=True, timeout=PATIENCE)
        assert gateway.process.wait(PATIENCE) == 0


def test_file_is_not_greeted(tmp_path: Path) -> None:
    """Neither a key nor a link is written where the log goes."""
    with started(tmp_path, API_KEYS="sk-of-the-welcome-0") as gateway:
        log = gateway.log
    assert "once=" not in log
    assert "sk-of-the-welcome-0" not in log


def test_what_few_gateways_need_is_not_held_by_all() -> None:
    """Neither HTTP clients, nor the engine for expressions, nor what reads YAML and archives and writes pages, nor what
    describes the API.
    """
    names = {"httpx2", "httpcore2", "h2", "jsonschema_rs", "playwright", "coredis", "pypdf", "yaml", "jinja2"}
    names |= {"difflib", "tarfile", "lingma_trio.http.documents", "lingma_trio.api.openapi.operations"}
    code = "import sys; import lingma_trio.application, lingma_trio.commands.serve; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert not names.intersection(done.stdout.split())
