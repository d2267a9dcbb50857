"""The command line: what it offers, what that costs, and how it ends when it cannot begin."""

from __future__ import annotations

import inspect
import os
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lingma_trio import __version__
from lingma_trio.cli import cli
from lingma_trio.clients import CLIENTS
from lingma_trio.commands.starting import BAD_SETTINGS

MOST_MODULES = 160
"""What `--help` may load beyond an empty Python; click alone is some 90."""


def paths(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The command and all below it, as they are typed."""
    below = command.commands if isinstance(command, click.Group) else {}
    return [path, *(each for name, child in below.items() for each in paths(child, (*path, name)))]


def at(path: tuple[str, ...]) -> click.Command:
    """The command that is typed like that."""
    command: click.Command = cli
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    return command


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Runs commands in a directory without a `.env`."""
    monkeypatch.chdir(tmp_path)
    return CliRunner()


def python(*arguments: str, **more: str) -> str:
    """What Python prints for these arguments."""
    environment = {**os.environ, **more}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_help_names_the_commands_and_what_they_are_for(runner: CliRunner) -> None:
    """Each by the whole first sentence of its own help."""
    shown = " ".join(runner.invoke(cli, ["--help"]).output.split())
    for name, command in cli.commands.items():
        assert f" {name} {' '.join((command.help or '').split()).partition('. ')[0].removesuffix('.')}" in shown


@pytest.mark.parametrize("path", paths(cli), ids=" ".join)
def test_every_command_explains_itself(runner: CliRunner, path: tuple[str, ...]) -> None:
    """By `-h` as by `--help`."""
    short, long = (runner.invoke(cli, [*path, option]) for option in ("-h", "--help"))
    assert (short.exit_code, short.output) == (0, long.output)
    assert short.output.startswith("Usage: ")


def test_help_loads_no_command() -> None:
    """Whoever asks for help, of whichever command, waits for little more than Python and click."""
    asked = [[*path, "--help"] for path in paths(cli) if path != ("simulate",)]  # which passes that on
    calls = "".join(f"cli({words}, standalone_mode=False); " for words in asked)
    count = f"import sys; from lingma_trio.cli import cli; {calls}print(len(sys.modules), 'trio' in sys.modules)"
    *_, told = python("-c", count).splitlines()
    modules, trio = told.split()
    assert int(modules) - int(python("-c", "import sys; print(len(sys.modules))")) < MOST_MODULES
    assert trio == "False"


@pytest.mark.parametrize("path", [path for path in paths(cli) if not isinstance(at(path), click.Group)], ids=" ".join)
def test_what_is_asked_for_can_be_done(path: tuple[str, ...]) -> None:
    """Each command hands its options to a function that takes just those."""
    command = at(path)
    function = getattr(import_module(f"lingma_trio.commands.{path[0]}"), getattr(command.callback, "__name__", ""))
    inspect.signature(function).bind(**{str(each.name): None for each in command.params})


def test_clients_are_those_there_are() -> None:
    """The names that the command takes, which are written down so that asking for help need not load them."""
    (client,) = (each for each in cli.commands["clients"].params if each.name == "client")
    assert isinstance(client.type, click.Choice)
    assert list(client.type.choices) == list(CLIENTS)


@pytest.mark.parametrize("module", ["lingma_trio", "lingma_trio.cli"])
def test_version(module: str) -> None:
    """The version is the package's, also where the package is run as a module."""
    assert python("-m", module, "--version") == f"lingma-trio, version {__version__}\n"


def test_shells_complete_commands_and_options() -> None:
    """As click has shells ask; a name that is begun is completed without loading any command."""
    asked = {"_LINGMA_TRIO_COMPLETE": "bash_complete", "COMP_CWORD": "1"}
    assert python("-m", "lingma_trio", **asked, COMP_WORDS="lingma-trio st").split() == ["plain,status"]
    asked["COMP_CWORD"] = "2"
    assert "plain,--simulator" in python("-m", "lingma_trio", **asked, COMP_WORDS="lingma-trio serve --s").split()


def test_unknown_command(runner: CliRunner) -> None:
    """A command that there is not ends with status 2 and says so."""
    result = runner.invoke(cli, ["fly"])
    assert result.exit_code == 2
    assert "fly" in result.output


def test_faulty_settings_are_all_reported(runner: CliRunner) -> None:
    """Every fault of the settings is listed with an example, no value is shown, and the status is 2."""
    environment = {"PORT": "planted-port", "API_KEYS": "replace-with-a-long-random-key", "SSE_KEEPALIVE_SEC": "-1"}
    result = runner.invoke(cli, ["serve"], env=environment)
    assert result.exit_code == BAD_SETTINGS == 2
    for name in environment:
        assert f"{name}: " in result.stderr
        assert f"(example: {name}=" in result.stderr
    assert "planted" not in result.output


def test_simulator_has_the_command_line_of_the_binary(runner: CliRunner) -> None:
    """`simulate` passes everything on, also help and versions."""
    assert runner.invoke(cli, ["simulate", "version"]).output.strip()
    assert "--workDir" in runner.invoke(cli, ["simulate", "start", "--help"]).output
    assert runner.invoke(cli, ["simulate", "start"]).exit_code == 2


@pytest.mark.parametrize("name", ["SIGHUP", "SIGUSR2"])
@pytest.mark.parametrize("command", ["serve", "agent"])
def test_a_signal_that_comes_too_early_ends_no_server(command: str, name: str) -> None:
    """Who has keys read again, or a successor started, while the gateway still starts does not end it."""
    early = (
        "import os, signal, types, lingma_trio.cli as cli\n"
        f"def run(**_): os.kill(os.getpid(), signal.{name}); print('it starts')\n"
        f"cli.import_module = lambda _: types.SimpleNamespace({command}=run)\n"
        f"cli.cli([{command!r}])"
    )
    done = subprocess.run([sys.executable, "-c", early], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "it starts\n")


def test_output_that_a_full_disk_takes_not_is_told_in_a_line() -> None:
    """With status 1, and nothing of the program's insides."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "lingma_trio", "clients"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr == "lingma-trio: what it says cannot be written (No space left on device)\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_like_those_that_nobody_reads(closed: str, tmp_path: Path) -> None:
    """What is opened later does not get their numbers, and there is nothing to fall over."""
    script = f"PORT=1 exec {shlex.quote(sys.executable)} -m lingma_trio chat {closed}"
    done = subprocess.run(["/bin/sh", "-c", script], cwd=tmp_path, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (3, b"")
    init = f"exec {shlex.quote(sys.executable)} -m lingma_trio init {closed}"
    done = subprocess.run(["/bin/sh", "-c", init], cwd=tmp_path, capture_output=True, check=False, timeout=60)
    assert b"Traceback" not in done.stderr
