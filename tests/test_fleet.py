"""The fleet: where each account's Lingma lives, whoever else is there, and what its environment holds."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from contextlib import ExitStack
from itertools import permutations
from pathlib import Path

import pytest
import trio
from pydantic import SecretStr
from trio.testing import MockClock

from lingma_trio.accounts import Account
from lingma_trio.config import Settings, load_settings
from lingma_trio.errors import ConfigurationFault
from lingma_trio.fleet import LOCK, LOCK_POLL, is_simulated, is_unconfigured, lock_holder, plan_fleet, simulator_notice
from lingma_trio.lingma.options import AgentOptions, LingmaOptions
from lingma_trio.systemd import VARIABLES as SYSTEMD_VARIABLES
from tests.planted import PLANTED, markers_in

ALICE, BOB, CAROL = (Account(name, SecretStr(f"password of {name}")) for name in ("alice", "bob", "carol"))

HOLDER = """
import sys
from pathlib import Path
from lingma_trio.config import Settings
from lingma_trio.fleet import plan_fleet
with plan_fleet(Settings(lingma_work_dir=Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


def settings(work_dir: Path, *accounts: Account, count: int | None = None) -> Settings:
    return Settings(lingma_work_dir=work_dir, lingma_accounts=accounts, lingma_instance_count=count)


def planned(wanted: Settings) -> list[LingmaOptions]:
    """What would be run, with every lock let go again."""
    with plan_fleet(wanted) as fleet:
        return [options for options in fleet if isinstance(options, LingmaOptions)]


def ports(fleet: list[LingmaOptions]) -> list[int | None]:
    return [options.port for options in fleet]


# --- agents ----------------------------------------------------------------------------------------------------------


def test_agents_have_a_place_and_a_token_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each account, in a directory of its name, whose environment holds its own token and nothing of ours."""
    monkeypatch.chdir(tmp_path)
    wanted = load_settings(
        {
            "LINGMA_UPSTREAM": "acp",
            "LINGMA_WORK_DIR": "work",
            "ACP_COMMAND": "agent --acp ''",
            "ACP_TOKENS": "ann:token-1,bob:token-2",
            "ACP_TOKEN_VARIABLE": "TOKEN",
            "ACP_MODE": "plan",
            "ACP_SESSIONS_PER_LIFE": "7",
            "LINGMA_STARTUP_TIMEOUT": "3",
            "LINGMA_RPC_TIMEOUT": "2",
            "LINGMA_MAX_IN_FLIGHT_PER_INSTANCE": "5",
        },
        None,
    )
    with plan_fleet(wanted) as fleet:
        assert lock_holder(tmp_path / "work" / "acp" / "bob") == str(os.getpid())
    agents = [options for options in fleet if isinstance(options, AgentOptions)]
    assert [(each.name, each.label, each.work_dir) for each in agents] == [
        ("acp-0", "ann", tmp_path / "work" / "acp" / "ann"),
        ("acp-1", "bob", tmp_path / "work" / "acp" / "bob"),
    ]
    assert [dict(each.environment or {})["TOKEN"] for each in agents] == ["token-1", "token-2"]
    assert all("API_KEYS" not in (each.environment or {}) for each in agents)
    assert {each.command for each in agents} == {("agent", "--acp", "")}
    assert {(each.mode, each.sessions_per_life, each.most_turns) for each in agents} == {("plan", 7, 5)}
    assert {(each.startup_timeout, each.rpc_timeout) for each in agents} == {(3, 2)}
    assert "token-1" not in repr(agents)


def test_agent_that_needs_no_token_is_the_only_one(tmp_path: Path) -> None:
    """It has a name on the disk, and none that is shown; nobody else may look where it lives."""
    work_dir = tmp_path / "work"
    wanted = load_settings({"LINGMA_UPSTREAM": "acp", "LINGMA_WORK_DIR": str(work_dir), "ACP_COMMAND": "agent"}, None)
    with plan_fleet(wanted) as (options,):
        assert (options.name, options.label, options.work_dir) == ("acp-0", "", work_dir / "acp" / "default")
        places = (work_dir, work_dir / "acp", options.work_dir)
        assert {place.stat().st_mode & 0o777 for place in places} == {0o700}


# --- names, directories and ports ------------------------------------------------------------------------------------


@pytest.mark.parametrize("accounts", [(), (ALICE,)])
def test_one_instance_keeps_directory_and_port(tmp_path: Path, accounts: tuple[Account, ...]) -> None:
    """A single Lingma runs where it is configured to, with an account or without."""
    (options,) = planned(settings(tmp_path, *accounts))
    assert (options.name, options.work_dir, options.port) == ("lingma-0", tmp_path, 36510)
    assert options.start_command()[1:] == ["start", f"--workDir={tmp_path}", "--socketPort=36510"]


def test_bounds_reach_every_instance(tmp_path: Path) -> None:
    """What the settings say of starting and answering holds for each instance."""
    wanted = Settings(
        lingma_work_dir=tmp_path,
        lingma_accounts=(ALICE, BOB),
        lingma_startup_timeout=1.0,
        lingma_rpc_timeout=2.0,
        lingma_heartbeat_sec=3.0,
    )
    found = [(options.startup_timeout, options.rpc_timeout, options.heartbeat) for options in planned(wanted)]
    assert found == [(1.0, 2.0, 3.0)] * 2


def test_several_have_their_own_below_it(tmp_path: Path) -> None:
    """Each of several has a directory of its own below the configured one, and a port that it takes by itself."""
    fleet = planned(settings(tmp_path, ALICE, BOB, CAROL))
    assert len({options.work_dir for options in fleet}) == 3
    assert all(options.work_dir.parent == tmp_path for options in fleet)
    assert all(options.work_dir.is_dir() for options in fleet)
    assert ports(fleet) == [None, None, None]


def test_where_the_system_chooses_the_port_it_chooses_all_of_them(tmp_path: Path) -> None:
    """A port of 0 is asked of the system by each instance."""
    wanted = Settings(lingma_work_dir=tmp_path, lingma_accounts=(ALICE, BOB), lingma_socket_port=0)
    assert ports(planned(wanted)) == [0, 0]


def test_the_directory_is_the_account_s_in_any_order(tmp_path: Path) -> None:
    """In any order of the list each account's Lingma has the same directory, which does not tell who it is."""
    for order in permutations((ALICE, BOB, CAROL)):
        fleet = planned(settings(tmp_path, *order))
        assert {options.account: options.work_dir.name for options in fleet} == {
            ALICE: "af20e5a7",
            BOB: "b8ae7a9b",
            CAROL: planned(settings(tmp_path, CAROL, BOB))[0].work_dir.name,
        }, "another hash would leave every account's login behind after an upgrade"


def test_the_name_is_the_place(tmp_path: Path) -> None:
    """Whoever reads a name, as anybody can, learns nothing of the account."""
    for order in permutations((ALICE, BOB, CAROL)):
        assert [options.name for options in planned(settings(tmp_path, *order))] == ["lingma-0", "lingma-1", "lingma-2"]


def test_more_instances_than_accounts_share_them(tmp_path: Path) -> None:
    """Instances above the accounts begin again with the first account, in a directory of their own, with a warning."""
    wanted = settings(tmp_path, ALICE, BOB, count=5)
    directories = [options.work_dir.name for options in planned(wanted)]
    alice, bob = directories[:2]
    assert directories == [alice, bob, f"{alice}-2", f"{bob}-2", f"{alice}-3"]
    assert any("share accounts" in warning for warning in wanted.warnings)


def test_several_without_an_account_have_places_too(tmp_path: Path) -> None:
    """Instances can be signed in by hand: without any account each still has a name and a directory of its own."""
    fleet = planned(settings(tmp_path, count=3))
    assert len({options.name for options in fleet}) == len({options.work_dir for options in fleet}) == 3


# --- the lock --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accounts", [(), (ALICE, BOB)])
def test_second_gateway_is_told_who_holds_the_directory(tmp_path: Path, accounts: tuple[Account, ...]) -> None:
    """Two gateways cannot share a work directory: the second is refused with the pid of the first."""
    wanted = settings(tmp_path, *accounts)
    with plan_fleet(wanted) as fleet:
        refusal = rf"LINGMA_WORK_DIR: .* is in use by another gateway \(pid {os.getpid()}\)"
        with pytest.raises(ConfigurationFault, match=refusal), plan_fleet(wanted):
            pass
        assert {lock_holder(options.work_dir) for options in fleet} == {str(os.getpid())}
    with plan_fleet(wanted) as fleet:
        assert len(fleet) == max(1, len(accounts))


async def test_successor_waits_for_the_directory(tmp_path: Path, autojump_clock: MockClock) -> None:
    """It plans beside the gateway that has the directory, and its instance says what it waits for until that one has
    let go; then the directory is its own.
    """
    steps: list[str] = []
    wanted = settings(tmp_path).model_copy(update={"lingma_bootstrap_always": False})
    with ExitStack() as before:
        before.enter_context(plan_fleet(settings(tmp_path)))
        with plan_fleet(wanted, patient=True) as (options,):
            assert options.prepare is not None
            async with trio.open_nursery() as nursery:
                nursery.start_soon(options.prepare, steps.append)
                await trio.sleep(10 * LOCK_POLL)
                assert len(nursery.child_tasks) == 1
                before.close()
            assert set(steps) == {f"the gateway before this one (pid {os.getpid()}) finishes its requests"}
            assert lock_holder(tmp_path) == str(os.getpid())
            with pytest.raises(ConfigurationFault), plan_fleet(settings(tmp_path)):
                pass
            count = len(steps)
            await options.prepare(steps.append)
            assert len(steps) == count, "later lives wait for nobody"
    assert lock_holder(tmp_path) is None


def test_successor_of_nobody_has_the_directory_at_once(tmp_path: Path) -> None:
    """Where the gateway before has died there is nothing to wait for."""
    wanted = settings(tmp_path).model_copy(update={"lingma_bootstrap_always": False})
    with plan_fleet(wanted, patient=True) as (options,):
        assert options.prepare is None
        assert lock_holder(tmp_path) == str(os.getpid())


def test_one_account_in_common_is_enough(tmp_path: Path) -> None:
    """A gateway that shares one account's directory with another is refused, and holds none of its other ones after."""
    with plan_fleet(settings(tmp_path, ALICE, BOB)):
        with pytest.raises(ConfigurationFault), plan_fleet(settings(tmp_path, CAROL, BOB)):
            pass
        (carols, _) = planned(settings(tmp_path, CAROL, Account("dave", SecretStr("secret"))))
        assert lock_holder(carols.work_dir) is None


def test_directories_apart_do_not_meet(tmp_path: Path) -> None:
    """Gateways with directories of their own run side by side."""
    with ExitStack() as stack:
        for name in ("one", "two"):
            stack.enter_context(plan_fleet(settings(tmp_path / name)))
        assert {lock_holder(tmp_path / name) for name in ("one", "two")} == {str(os.getpid())}


def test_lock_ends_with_its_holder(tmp_path: Path) -> None:
    """A gateway that was killed holds nothing: the next one starts at once, and puts its own pid in the file."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdin=-1, stdout=-1)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ConfigurationFault, match=rf"\(pid {holder.pid}\)"), plan_fleet(settings(tmp_path)):
            pass
        holder.kill()
        holder.wait()
    assert lock_holder(tmp_path) is None
    with plan_fleet(settings(tmp_path)):
        assert lock_holder(tmp_path) == str(os.getpid())


def test_directory_that_cannot_be_made_is_no_refusal(tmp_path: Path) -> None:
    """A start is not refused for a directory that cannot be had: the instance meets the fault, and /readyz tells it."""
    obstacle = tmp_path / "a file"
    obstacle.touch()
    (options,) = planned(settings(obstacle / "work"))
    assert options.work_dir == obstacle / "work"
    assert lock_holder(options.work_dir) is None


def test_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """What it leads to stays as it is; the start goes on, and the instance tells of the fault."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("of somebody else")
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    (work_dir / LOCK).symlink_to(elsewhere)
    with plan_fleet(settings(work_dir)):
        assert elsewhere.read_text() == "of somebody else"
        assert lock_holder(work_dir) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_nothing_is_written_into_another_user_s_directory(tmp_path: Path) -> None:
    """No lock either: the instance meets the same fault and tells it."""
    os.chown(tmp_path, 12345, -1)
    with plan_fleet(settings(tmp_path)):
        assert not list(tmp_path.iterdir())


def test_work_directory_is_private(tmp_path: Path) -> None:
    """A login lies there, so nobody else may look in."""
    (options,) = planned(settings(tmp_path / "work"))
    assert options.work_dir.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device that is full")
def test_full_disk_has_room_for_a_lock(tmp_path: Path) -> None:
    """The gateway starts, and has the directory for itself, though nobody can read by whose pid."""
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    os.mknod(work_dir / LOCK, stat.S_IFCHR | 0o600, os.makedev(1, 7))
    settings = Settings(lingma_work_dir=work_dir, lingma_bootstrap_always=False)
    with (
        plan_fleet(settings),
        pytest.raises(ConfigurationFault, match="in use by another gateway"),
        plan_fleet(settings),
    ):
        pass


# --- the environment -------------------------------------------------------------------------------------------------


def test_child_gets_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the gateway's secrets is in the environment of a Lingma, and everything else is."""
    given = {**PLANTED, "HTTPS_PROXY": "http://proxy.example"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    (options,) = planned(Settings(lingma_work_dir=tmp_path))
    assert options.environment is not None
    assert not [name for name, value in options.environment.items() if markers_in(value)]
    assert options.environment["HTTPS_PROXY"] == "http://proxy.example"
    assert "environment" not in repr(options)


def test_every_secret_setting_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever setting is a secret, now or later, its variable does not reach a Lingma."""
    for name, field in Settings.variables().items():
        if "Secret" in str(field.annotation) or "Account" in str(field.annotation):
            monkeypatch.setenv(name, "secret")
    (options,) = planned(Settings(lingma_work_dir=tmp_path))
    assert options.environment is not None
    assert not [name for name, value in options.environment.items() if value == "secret"]


def test_child_does_not_hear_what_systemd_says_to_the_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Lingma can neither take the gateway's sockets for its own nor speak to systemd in its name."""
    for name in SYSTEMD_VARIABLES:
        monkeypatch.setenv(name, "1")
    (options,) = planned(Settings(lingma_work_dir=tmp_path))
    assert options.environment is not None
    assert not {*SYSTEMD_VARIABLES} & {*options.environment}


# --- the simulator ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("upstream", "binary", "account", "simulated"),
    [
        ("auto", False, False, True),
        ("auto", True, False, False),
        ("auto", False, True, False),
        ("simulator", True, True, True),
        ("lingma", False, False, False),
    ],
)
def test_simulator_answers_only_where_nothing_else_could(
    tmp_path: Path, upstream: str, binary: bool, account: bool, simulated: bool
) -> None:
    """The simulator stands in where it is asked for, and by itself only without a binary and without an account."""
    program = tmp_path / "Lingma"
    if binary:
        program.touch()
    more = {"LINGMA_ACCOUNTS": "alice:secret"} if account else {}
    environ = {"LINGMA_UPSTREAM": upstream, "LINGMA_BIN": str(program), **more}
    settings = load_settings(environ, None)
    assert is_simulated(settings) is simulated
    assert bool(simulator_notice(settings)) is simulated


@pytest.mark.parametrize(
    ("upstream", "reason"), [("auto", "no Lingma binary and no account"), ("simulator", "LINGMA_UPSTREAM is simulator")]
)
def test_notice_tells_why_the_simulator_answers(tmp_path: Path, upstream: str, reason: str) -> None:
    """Who is told that the simulator answers is told what to change, which differs by how it came to that."""
    settings = load_settings({"LINGMA_UPSTREAM": upstream, "LINGMA_BIN": str(tmp_path / "Lingma")}, None)
    assert simulator_notice(settings).startswith(reason)
    assert "the bundled simulator answers, not Lingma" in simulator_notice(settings)


def test_simulator_touches_no_login(tmp_path: Path) -> None:
    """Play data lies in a directory of this one run, which goes with it; the configured one is not even made."""
    work_dir = tmp_path / "real"
    with plan_fleet(Settings(lingma_upstream="simulator", lingma_work_dir=work_dir)) as (options,):
        simulated = options.work_dir
        assert simulated.is_dir()
        assert isinstance(options, LingmaOptions)
        assert options.port == 0
    assert not simulated.exists()
    assert not work_dir.exists()


def test_nothing_configured_is_told_apart(tmp_path: Path) -> None:
    """An upstream that was chosen, an account, the program or a login: each of them is something."""
    data = {"LINGMA_DATA_DIR": str(tmp_path)}
    assert is_unconfigured(load_settings(data, None))
    assert not is_unconfigured(load_settings({**data, "LINGMA_UPSTREAM": "lingma"}, None))
    assert not is_unconfigured(load_settings({**data, "LINGMA_ACCOUNTS": "ann:one"}, None))
    user = load_settings(data, None).lingma_work_dir / "cache/user"
    user.parent.mkdir(parents=True)
    user.write_text("x")
    assert not is_unconfigured(load_settings(data, None))
    user.unlink()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/Lingma").touch()
    assert not is_unconfigured(load_settings(data, None))
