"""The pages of `docs/`, README, `.env.example` and the code say the same."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner
from dotenv import dotenv_values
from pydantic import ByteSize, SecretStr
from pydantic_core import PydanticUndefinedType

from lingma_trio.agent.hosted import Hosted
from lingma_trio.agent.pages import Pages
from lingma_trio.agent.refusals import Refusals
from lingma_trio.cli import cli
from lingma_trio.config import Settings, load_settings
from lingma_trio.doctor.examination import CHECKS
from lingma_trio.doctor.round_trip import NAME as ROUND_TRIP
from lingma_trio.errors import ConfigurationFault
from lingma_trio.keys.examples import PLACEHOLDER_API_KEY
from lingma_trio.logs import Redactor
from lingma_trio.metrics import (
    AgentView,
    InstanceView,
    KeysFileView,
    KeyView,
    LimiterView,
    LinkView,
    Metrics,
    SessionsView,
)
from lingma_trio.simulator.acp.knobs import AcpKnobs
from lingma_trio.simulator.cli import simulate
from lingma_trio.simulator.knob import describe_knobs
from lingma_trio.simulator.knobs import Knobs
from tests.documents import PAGES, ROOT
from tests.faults import FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lingma_trio.simulator.common_knobs import CommonKnobs

ENV_EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
CHINESE = re.compile(r"[\u4e00-\u9fff]")

ASSIGNMENTS = dict(re.findall(r"^#([A-Z0-9_]+)=(.*)$", ENV_EXAMPLE, flags=re.MULTILINE))


def defaults() -> dict[str, str]:
    return {name: as_written(field.default) for name, field in Settings.variables().items()}


def as_written(default: object) -> str:
    match default:
        case None | () | PydanticUndefinedType():
            return ""
        case SecretStr():
            return default.get_secret_value()
        case bool():
            return str(default).lower()
        case ByteSize():
            return f"{default // 1024**2} MiB" if default >= 1024**2 else f"{default // 1024} KiB"
        case float():
            return f"{default:g}"
        case _:
            return str(default)


def rows(page: str) -> dict[str, list[str]]:
    """The cells of every row that begins with a name, by that name, in the tables of a page of `docs/`."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    lines = re.findall(r"^\| `([^`]+)` \| (.*) \|$", text, flags=re.MULTILINE)
    return {name: [cell.strip(" `") for cell in rest.split(" | ")] for name, rest in lines}


@pytest.mark.parametrize("script", ["configuration_page", "api_page", "licenses_page"])
def test_written_page_is_current(script: str) -> None:
    """It is what its sources make of it; the script of that name writes it anew."""
    program = [sys.executable, str(ROOT / "scripts" / f"{script}.py"), "--check"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def test_table_of_clients_is_current() -> None:
    """Every client that scripts/conformance knows has a row in its locked version; the script writes it anew."""
    program = [sys.executable, "-m", "tests.conformance.table"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def test_env_example_has_every_variable_and_its_default() -> None:
    """Each variable stands in `.env.example` once, commented out, with its default; API_KEYS with the placeholder."""
    assert defaults() | {"API_KEYS": PLACEHOLDER_API_KEY} == ASSIGNMENTS
    assert len(re.findall(r"^#[A-Z0-9_]+=", ENV_EXAMPLE, flags=re.MULTILINE)) == len(ASSIGNMENTS)


@pytest.mark.parametrize("name", sorted(Settings.variables()))
def test_env_example_explains_in_both_languages(name: str) -> None:
    """Above each variable stand a line in English and one in Chinese."""
    above = re.search(rf"((?:^# .*\n)+)^#{name}=", ENV_EXAMPLE, flags=re.MULTILINE)
    assert above, f"{name} has no comment"
    english, chinese, *_ = above[1].splitlines()
    assert CHINESE.search(chinese)
    assert not CHINESE.search(english)


def test_env_example_as_it_stands_changes_nothing() -> None:
    """A copy of `.env.example` without an edit is the defaults."""
    assert dotenv_values(ROOT / ".env.example") == {}
    assert load_settings({}, ROOT / ".env.example") == Settings()


def test_env_example_with_every_line_taken_in_is_refused_for_its_placeholder_alone(tmp_path: Path) -> None:
    """Each shown default is a value the settings accept, but the key everybody knows is not."""
    env_file = tmp_path / "settings.env"
    env_file.write_text(re.sub(r"^#(?=[A-Z0-9_]+=)", "", ENV_EXAMPLE, flags=re.MULTILINE), encoding="utf-8")
    with pytest.raises(ConfigurationFault, match=r"\AAPI_KEYS: entry 1 is an example that everybody can read[^\n]*\Z"):
        load_settings({}, env_file)
    assert load_settings({"API_KEYS": ""}, env_file) == Settings()


def test_every_error_code_is_listed() -> None:
    """Each code a client can meet is in the table with its status, its type and whether asking again can help."""
    shown = {code: tuple(cells[:3]) for code, cells in rows("errors.md").items()}
    assert shown == {
        error.code: (str(error.status), error.kind, "yes" if error.retryable else "no") for error in FAULTS
    }


class Busy:
    """A gateway's state in which every metric has a value."""

    def limiter_view(self) -> LimiterView:
        return LimiterView(in_flight=1, queued=1, refused_full=1, refused_late=1)

    def bytes_in_flight(self) -> int:
        return 1

    def sessions_view(self) -> SessionsView:
        return SessionsView(size=1, hits=1, misses={"model": 1}, commits={"kept": 1}, evictions=1, expiries=1)

    def key_views(self) -> Iterable[KeyView]:
        return [KeyView("ann", {"ok": 1}, prompt_tokens=1, answer_tokens=1, in_flight=1, queued=1)]

    def keys_file_view(self) -> KeysFileView:
        return KeysFileView(faulty=True, loads=1, failures=1)

    def agent_counts(self) -> dict[str, int]:
        return {"connected": 1}

    def link_view(self) -> LinkView:
        return LinkView(up=True, replicas=1, trips=1, failures={"late": 1})

    def instance_views(self) -> Iterable[InstanceView]:
        return [
            InstanceView(
                "lingma-0",
                "ready",
                turns=1,
                restarts=1,
                rpc_errors={"initialize": 1},
                allowance={"quota": 1},
                agent=AgentView({"edit": 1}, abandoned=1, junk=1),
                ahead={"taken": 1},
            )
        ]


def test_every_metric_is_listed() -> None:
    """The table has each metric as it is scraped, with its type, and no other."""
    metrics = Metrics()
    metrics.attach(Busy())
    scraped = dict(re.findall(r"^# TYPE (\S+) (\S+)$", metrics.page().decode(), flags=re.MULTILINE))
    shown = {name: cells[0] for name, cells in rows("metrics.md").items()}
    assert shown == {name: kind for name, kind in scraped.items() if not name.endswith("_created")}


def test_every_command_and_check_is_listed() -> None:
    """The tables are the command line's and, in the order of its output, `doctor`'s, no more and no less."""
    checks = list(dict.fromkeys([*(check.name for check in CHECKS), ROUND_TRIP]))
    told = list(rows("commands.md"))
    commands = [name for name in told if name.startswith("lingma-trio ")]
    assert sorted(commands) == sorted(f"lingma-trio {name}" for name in cli.list_commands(click.Context(cli)))
    assert told == commands + checks


def test_every_command_that_is_advised_is_there() -> None:
    """What the pages and the messages of the package tell people to type is a command."""
    texts = [path.read_text() for path in (*PAGES, *sorted((ROOT / "lingma_trio").rglob("*.py")))]
    advised = {name for text in texts for name in re.findall(r"`lingma-trio ([a-z]+)", text)}
    assert advised
    assert advised <= set(cli.list_commands(click.Context(cli)))


@pytest.mark.parametrize(("command", "knobs"), [("start", Knobs), ("acp", AcpKnobs)], ids=["lingma", "acp"])
def test_help_has_every_knob(command: str, knobs: type[CommonKnobs]) -> None:
    """The simulator's page sends people to its help for the knobs, and each of them is there with what it does."""
    assert f"lingma-trio simulate {command} --help" in (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")
    shown = CliRunner().invoke(simulate, [command, "--help"]).output
    assert [line for line in describe_knobs(knobs).splitlines() if line not in shown] == []


def test_every_metric_of_an_agent_is_named() -> None:
    """Where agents are described, in both languages, and no other is."""
    hosted = Hosted("one", [])
    scraped = Pages(hosted, Refusals(), Redactor(())).answer("/metrics", "")
    assert scraped is not None
    names = set(re.findall(r"^# TYPE (lingma_agent_\S+) ", scraped.body.decode(), flags=re.MULTILINE))
    for page in ("operations.md", "zh/operations.md"):
        assert set(re.findall(r"`(lingma_agent_\w+)`", (ROOT / "docs" / page).read_text(encoding="utf-8"))) == names
