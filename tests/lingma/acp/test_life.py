"""Lives of an agent that is a real process: from its start to whatever ends it, and what is left of it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import structlog.testing
import trio
import trio.testing
from pydantic import SecretStr

from lingma_trio.accounts import AgentAccount
from lingma_trio.errors import GatewayError, LoginRequired
from lingma_trio.lingma.acp.place import CONFIG, WORK, environment
from lingma_trio.lingma.bundle import BundleFault
from lingma_trio.lingma.instance import Instance
from lingma_trio.lingma.options import AgentOptions
from lingma_trio.lingma.process import OUTPUT_TAIL
from lingma_trio.lingma.turn import TurnBounds, UpstreamTurn
from lingma_trio.policy.backoff import Backoff
from lingma_trio.protocol.messages import Question
from lingma_trio.turns import AnswerEvent, Finished, TextDelta
from tests.lingma.support import WITH_GRANDCHILD, open_lifelines, python
from tests.lingma.witnessed import PATIENCE, Witnessed

ROOT = Path(__file__).parents[3]  # the package need not be installed where the tests run
BOUNDS = TurnBounds(first_delta=PATIENCE, idle=PATIENCE, max_size=100_000)
TOKEN = "a-token-of-the-agent"
RECORD = "record"
PROC = Path("/proc")


def agent(place: Path, *knobs: str, token: str = TOKEN, startup_timeout: float = PATIENCE) -> AgentOptions:
    """How to run the simulator as an agent with these knobs turned."""
    account = AgentAccount("team", SecretStr(token))
    turned = ",".join(["first=0", "gap=0", f"record={RECORD}", *knobs])
    return AgentOptions(
        name="acp-0",
        command=("env", f"PYTHONPATH={ROOT}", f"LINGMA_SIMULATOR={turned}", sys.executable, "-m",
                 "lingma_trio.simulator", "acp"),
        work_dir=place,
        startup_timeout=startup_timeout,
        rpc_timeout=5,
        environment=environment(place, account, "SIMULATOR_TOKEN", os.environ),
        account=account,
    )  # fmt: skip


class WitnessedAgent(Witnessed):
    """An agent that can be waited for."""

    @property
    def heard(self) -> list[dict[str, object]]:
        """What its agent has read."""
        record = self.work_dir / CONFIG / RECORD
        return [json.loads(line) for line in record.read_text().splitlines()]

    async def hears(self, method: str) -> None:
        """Wait until its agent has read a message of that method."""
        with trio.fail_after(PATIENCE):
            while not any(each["method"] == method for each in self.heard):  # noqa: ASYNC110 - a file tells nobody
                await trio.sleep(0.01)


@asynccontextmanager
async def living(how: AgentOptions, *, cap: float = 0.01) -> AsyncIterator[WitnessedAgent]:
    """An instance that lives as long as the block."""
    instance = WitnessedAgent(how, cap=cap)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(instance.lives.live)
        yield instance
        nursery.cancel_scope.cancel("the test is over")


async def answer(instance: Instance, question: str = "Why?", *, session_id: str = "") -> tuple[str, str]:
    """Ask; returns the text and the session. Raises what ended the turn."""
    turn = UpstreamTurn(
        instance.channel(), Question("a", question, "", session_id=session_id, is_reply=bool(session_id)), BOUNDS
    )
    turn.open()
    events: list[AnswerEvent] = []
    try:
        with trio.fail_after(PATIENCE):
            while not (events and isinstance(events[-1], Finished)):
                events += await turn.batch(PATIENCE)
    finally:
        turn.close()
    assert isinstance(events[-1], Finished)
    return "".join(event.text for event in events if isinstance(event, TextDelta)), events[-1].session_id


ACP_LINES = """
import json
for line in sys.stdin:
    asked = json.loads(line)
    answers = {"initialize": {"protocolVersion": 1}, "session/new": {"sessionId": "S"}}
    if asked["method"] == "session/prompt":
        update = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "x"}}
        print(json.dumps({"method": "session/update", "params": {"sessionId": "S", "update": update}}))
    result = answers.get(asked["method"], {"stopReason": "end_turn"})
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
time.sleep(60)
"""
"""An agent of few words, for `python`."""


def command_lines(mark: str) -> list[str]:
    """The command lines of the processes that have `mark` on theirs."""
    found = []
    for place in PROC.glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(place.read_bytes().decode())
    return [line for line in found if mark in line]


# --- it is ready -----------------------------------------------------------------------------------------------------


async def test_agent_is_ready_answers_and_goes_on(tmp_path: Path) -> None:
    """Its models are those that its first session offered, in which the first turn asks; the next goes on in it."""
    async with living(agent(tmp_path)) as instance:
        await instance.reach("ready")
        assert instance.account.catalogue.has("org_auto")
        assert instance.dialect == "acp"
        assert instance.account.login is None
        text, session_id = await answer(instance, "remember this")
        assert "remember this" in text
        again, same = await answer(instance, "and now", session_id=session_id)
        assert same == session_id
        assert "message 2" in again
        assert instance.standing.fault() is None
        assert instance.has_room()
        methods = [each["method"] for each in instance.heard]
    assert methods.count("session/new") == 1
    assert [each.get("complaint") for each in instance.heard if each.get("complaint")] == []


async def test_token_is_in_the_environment_and_nowhere_else(tmp_path: Path) -> None:
    """Neither on a command line nor in anything that is shown or logged."""
    with structlog.testing.capture_logs() as logs:
        how = agent(tmp_path)
        async with living(how) as instance:
            await instance.reach("ready")
            lines = command_lines(f"PYTHONPATH={ROOT}")
            variables = (PROC / str(instance.child) / "environ").read_bytes()
            shown = f"{instance!r} {instance.standing.told()} {how!r}"
    assert f"SIMULATOR_TOKEN={TOKEN}".encode() in variables
    assert len(lines) >= 1
    assert TOKEN not in str(lines)
    assert TOKEN not in shown
    assert TOKEN not in str(logs)


async def test_directory_to_work_in_is_emptied_before_each_life(tmp_path: Path) -> None:
    """What was left there is gone; the home stays."""
    (tmp_path / WORK).mkdir()
    (tmp_path / WORK / "GEMINI.md").write_text("said by somebody")
    async with living(agent(tmp_path)) as instance:
        await instance.reach("ready")
        assert list((tmp_path / WORK).iterdir()) == []
        assert (PROC / str(instance.child) / "cwd").readlink() == tmp_path / WORK
        (tmp_path / WORK / "MEMORY.md").write_text("said by somebody else")
        instance.lives.restart()
        await instance.reach("ready")
        assert list((tmp_path / WORK).iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("knobs", [("banner=1",), ("crlf=1",), ("split=7",), ("junk=1",), ("commands=late",)])
async def test_agent_with_odd_manners_is_served(knobs: tuple[str, ...], tmp_path: Path) -> None:
    """Banners, line ends, pieces of lines and lines that are none cost nothing but a count."""
    async with living(agent(tmp_path, *knobs)) as instance:
        await instance.reach("ready")
        assert (await answer(instance))[0]
        assert instance.account.program is not None
        assert (instance.account.program.oddities.junk > 0) == (knobs[0] in {"banner=1", "junk=1"})


# --- it is not -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token_at", ["initialize", "new"])
async def test_agent_without_a_login_says_which_settings_it_wants(token_at: str, tmp_path: Path) -> None:
    """It is tried again, with the longest pause, and nobody is let wait for that."""
    async with living(agent(tmp_path, f"tokens=another,token_at={token_at}"), cap=600) as instance:
        reason = await instance.reach("needs_login")
        assert "ACP_TOKENS" in reason
        assert "ACP_TOKEN_VARIABLE" in reason
        assert TOKEN not in reason
        fault = instance.standing.fault()
        assert isinstance(fault, LoginRequired)
        assert instance.standing.expected_in() is None
        assert not instance.has_room()
        instance.lives.restart()
        assert await instance.reach("needs_login") == reason
    assert instance.lives.restarts == 2


async def test_refused_prompt_ends_the_login_when_no_turn_runs(tmp_path: Path) -> None:
    """Some agents tell only then; the next life has to show whether it is any better."""
    async with living(agent(tmp_path, "tokens=another,token_at=prompt"), cap=600) as instance:
        await instance.reach("ready")
        with pytest.raises(LoginRequired) as refused:
            await answer(instance)
        instance.failed(refused.value, instance.asking(""))
        reason = await instance.reach("needs_login")
        assert "ACP_TOKENS" in reason
        assert await instance.reach("needs_login") == reason
        assert instance.lives.restarts == 1
        assert isinstance(instance.standing.fault(), LoginRequired)


async def test_mode_that_is_not_offered_is_told_with_those_that_are(tmp_path: Path) -> None:
    """The operator can choose one of them."""
    async with living(replace(agent(tmp_path), mode="nonsense"), cap=600) as instance:
        reason = await instance.reach("backing_off")
        assert "ACP_MODE=nonsense" in reason
        assert "plan" in reason
        assert instance.standing.expected_in() is not None
        assert f"no agent is ready: {reason}" in str(instance.standing.fault())


async def test_missing_program_is_told(tmp_path: Path) -> None:
    """By its name, and with what to set."""
    async with living(replace(agent(tmp_path), command=("no-such-agent", "--acp"))) as instance:
        reason = await instance.reach("backing_off")
        assert "'no-such-agent'" in reason
        assert "ACP_COMMAND" in reason


@pytest.mark.slow
@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        (("version=2",), "speaks version 2"),
        (("new=refused",), "the agent refused session/new: "),
        (("fault=crash_initialize",), "the agent ended with status"),
        (("fault=crash_new",), "the agent ended with status"),
    ],
)
async def test_start_that_fails_says_why(knobs: tuple[str, ...], words: str, tmp_path: Path) -> None:
    """And is tried again."""
    async with living(agent(tmp_path, *knobs)) as instance:
        for _ in range(2):
            assert words in await instance.reach("backing_off")


async def test_silent_start_is_bounded_and_shows_the_last_words(tmp_path: Path) -> None:
    """Those on stderr, without the token that the agent has printed among them."""
    source = "print('last words, my token is', os.environ['SIMULATOR_TOKEN'], file=sys.stderr); time.sleep(60)"
    how = replace(agent(tmp_path, startup_timeout=1.0), command=tuple(python(source)))
    async with living(how, cap=600) as instance:
        reason = await instance.reach("backing_off")
        assert "not ready within 1 s: it does not answer initialize" in reason
        assert "LINGMA_STARTUP_TIMEOUT" in reason
        assert instance.lives.detail.startswith("last words, my token is")
        assert TOKEN not in instance.lives.detail


async def test_agent_that_opens_no_session_is_told_of_as_such(tmp_path: Path) -> None:
    """It has answered what came before."""
    source = ACP_LINES.replace("flush=True)", "flush=True)\n    break")
    how = replace(agent(tmp_path, startup_timeout=1.0), command=tuple(python(source)))
    async with living(how, cap=600) as instance:
        assert "not ready within 1 s: it opens no session" in await instance.reach("backing_off")


async def test_refusal_of_a_session_keeps_what_stands_beside_its_reason(tmp_path: Path) -> None:
    """For the operator alone, and without the token: anybody may read the reason."""
    async with living(agent(tmp_path, "new=refused"), cap=600) as instance:
        reason = await instance.reach("backing_off")
        assert "\n" not in reason
        assert instance.lives.detail
        assert instance.lives.detail not in reason


@pytest.mark.slow
async def test_half_a_token_is_not_shown_either(tmp_path: Path) -> None:
    """The beginning of the last words cuts off where it may."""
    half = len(TOKEN) // 2
    source = f"sys.stderr.write(os.environ['SIMULATOR_TOKEN'] + 'x' * {OUTPUT_TAIL - half}); sys.exit(1)"
    how = replace(agent(tmp_path), command=tuple(python(source)))
    async with living(how, cap=600) as instance:
        await instance.reach("backing_off")
        assert instance.lives.detail.startswith("xxx")
        assert len(instance.lives.detail) > OUTPUT_TAIL - 2 * len(TOKEN)


async def test_login_of_an_agent_cannot_be_taken_along(tmp_path: Path) -> None:
    """It has none but its token."""
    with pytest.raises(BundleFault, match="ACP_TOKENS"):
        await Instance(agent(tmp_path), Backoff()).export_login()


@pytest.mark.slow
async def test_program_that_speaks_something_else_is_told_so(tmp_path: Path) -> None:
    """However much it prints."""
    how = replace(agent(tmp_path), command=("sh", "-c", "yes"))
    async with living(how, cap=600) as instance:
        assert "no messages of the protocol it should speak" in await instance.reach("backing_off")


# --- it ends ---------------------------------------------------------------------------------------------------------


async def test_killed_agent_fails_its_turns_and_is_back(tmp_path: Path) -> None:
    """A turn that runs is told that the connection is lost; the next life answers, and knows other sessions."""
    async with living(agent(tmp_path)) as instance:
        await instance.reach("ready")
        life = instance.life
        failures: list[GatewayError] = []

        async def ask() -> None:
            try:
                await answer(instance, "#simulate first=60\nlong")
            except GatewayError as failure:
                failures.append(failure)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await instance.hears("session/prompt")
            os.kill(instance.child, signal.SIGKILL)
        assert [failure.code for failure in failures] == ["upstream_lost"]
        assert "the agent ended with status -9" in await instance.reach("backing_off")
        await instance.reach("ready")
        assert instance.life != life
        assert (await answer(instance))[0]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_exit_of_the_leader_ends_the_life_though_a_child_holds_its_output(
    number: signal.Signals, tmp_path: Path
) -> None:
    """No end of file comes then; and the child does not outlive it."""
    async with open_lifelines() as lifelines:
        how = agent(tmp_path)
        how = replace(
            how,
            command=tuple(python(WITH_GRANDCHILD)),
            environment={**(how.environment or {}), **lifelines.environment},
        )
        async with living(how) as instance:
            lines = await lifelines.gather(2)
            os.kill(lines["program"].pid, number)
            assert "the agent ended with status" in await instance.reach("backing_off")
            await lines["grandchild"].cut()


@pytest.mark.slow
async def test_stubborn_agent_is_ended_with_its_life(tmp_path: Path) -> None:
    """One that stays at the end of its input, and one that ignores SIGTERM, are gone when the block is over."""
    async with living(agent(tmp_path, "eof=stays")) as instance:
        await instance.reach("ready")
        child = os.pidfd_open(instance.child)
    with trio.fail_after(PATIENCE):
        await trio.lowlevel.wait_readable(child)
    os.close(child)


@pytest.mark.slow
async def test_agent_that_goes_after_its_work_is_not_called_lost(tmp_path: Path) -> None:
    """Its process takes a moment to end, and why it does is said from the first of it."""
    source = "signal.signal(signal.SIGTERM, signal.SIG_IGN)" + ACP_LINES
    async with living(replace(agent(tmp_path), command=tuple(python(source)), sessions_per_life=1)) as instance:
        await instance.reach("ready")
        await answer(instance)
        await trio.testing.wait_all_tasks_blocked()
        assert instance.lives.state == "ready"
        state, reason = instance.standing.told()
        assert state == "backing_off"
        assert "ACP_SESSIONS_PER_LIFE" in reason


async def test_worn_agent_is_replaced_at_once(tmp_path: Path) -> None:
    """Where it closes no sessions, after so many; no pause is made, for nothing failed."""
    async with living(replace(agent(tmp_path, "close=0"), sessions_per_life=2), cap=600) as instance:
        for life in range(2):
            await instance.reach("ready")
            for _ in range(2):
                assert instance.has_room()
                await answer(instance)
            reason = await instance.reach("backing_off")
            assert "ACP_SESSIONS_PER_LIFE" in reason
            assert (instance.lives.replaced, instance.lives.restarts) == (life + 1, 0)
        await instance.reach("ready")


async def test_worn_agent_takes_no_turn_beside_the_last_one(tmp_path: Path) -> None:
    """It is no fault either: who asks waits in the queue for the new one, and the operator is told why."""
    told: list[None] = []
    async with living(replace(agent(tmp_path, "close=0"), sessions_per_life=1)) as instance:
        await instance.reach("ready")
        turn = UpstreamTurn(instance.channel(), Question("a", "#simulate first=60\nlong", ""), BOUNDS)
        turn.open()
        assert not instance.has_room()
        assert instance.standing.fault() is None
        assert instance.standing.expected_in() == 0
        assert "ACP_SESSIONS_PER_LIFE" in instance.standing.told()[1]
        instance.on_change = lambda: told.append(None)
        turn.close()
        await instance.reach("backing_off")
        await instance.reach("ready")
        assert told
        assert instance.has_room()
