"""An instance and its real child process: it becomes ready, notices what changes, and outlives every way to die."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import trio

from lingma_trio.errors import (
    ChannelLost,
    ContentFiltered,
    GatewayError,
    LoginRequired,
    QuotaExceeded,
    RateLimited,
    ShuttingDown,
    Unavailable,
    UpstreamTimeout,
)
from lingma_trio.lingma.asker import Asker, DialogueOptions
from lingma_trio.lingma.dialogues import Dialogues
from lingma_trio.lingma.instance import Instance
from lingma_trio.lingma.limiter import Limiter
from lingma_trio.lingma.lives import State
from lingma_trio.lingma.options import PORTS, LingmaOptions
from lingma_trio.lingma.pool import Pool
from lingma_trio.lingma.process import KILL_GRACE, TERM_GRACE
from lingma_trio.lingma.supervisor import ON_PURPOSE
from lingma_trio.lingma.turn import TurnBounds
from lingma_trio.policy.sequel import Verdict
from lingma_trio.sessions.book import SessionBook
from lingma_trio.sessions.commit import Delivered
from lingma_trio.state.sessions_memory import MemorySessions
from lingma_trio.turns import Finished, Message, Prompt, TextDelta
from tests.lingma.witnessed import PATIENCE, Witnessed
from tests.peers import MODELS, LinkedInstance, Nobody, batch, linked

ROOT = Path(__file__).parents[2]  # the package need not be installed where the tests run
QUICK = "first=0,gap=0"
BOUNDS = TurnBounds(first_delta=PATIENCE, idle=PATIENCE, max_size=100_000)


def options(work_dir: Path, *knobs: str, startup_timeout: float = PATIENCE, rpc_timeout: float = 5) -> LingmaOptions:
    """How to run the simulator with these knobs turned."""
    return LingmaOptions(
        name="lingma-0",
        command=(sys.executable, "-m", "lingma_trio.simulator"),
        work_dir=work_dir,
        port=0,
        startup_timeout=startup_timeout,
        rpc_timeout=rpc_timeout,
        environment={**os.environ, "PYTHONPATH": str(ROOT), "LINGMA_SIMULATOR": ",".join([QUICK, *knobs])},
    )


@asynccontextmanager
async def living(how: LingmaOptions) -> AsyncIterator[Witnessed]:
    """An instance that lives as long as the block."""
    instance = Witnessed(how)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(instance.lives.live)
        yield instance
        nursery.cancel_scope.cancel("the test is over")


class Talk:
    """A conversation with an instance, message by message."""

    def __init__(self, instance: Instance) -> None:
        self.sessions = SessionBook(max_entries=10, ttl=1000)
        self._messages: tuple[Message, ...] = ()
        how = DialogueOptions(BOUNDS, default_model="org_auto", mode="chat", reuse_sessions=True)
        limiter = Limiter(limit=10, queue_timeout=PATIENCE, max_queue=10)
        self._dialogues = Dialogues(limiter, Pool([instance]), MemorySessions(self.sessions), how)

    async def say(self, text: str) -> str:
        """Say something, and return the answer."""
        self._messages += (Message("user", text),)
        answer, ended = "", False
        prompt, asker = Prompt(self._messages), Asker("me", "")
        with trio.fail_after(PATIENCE):
            async with (
                self._dialogues.seat(await self._dialogues.lease(prompt, asker), asker) as seat,
                self._dialogues.open(prompt, asker, seat) as dialogue,
            ):
                while not ended:
                    for event in await batch(dialogue, PATIENCE):
                        answer += event.text if isinstance(event, TextDelta) else ""
                        ended = ended or isinstance(event, Finished)
                await dialogue.commit(Delivered(answer))
        self._messages += (Message("assistant", answer),)
        return answer


def gone(pid: int) -> bool:
    """Whether there is no such process any more."""
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return False
    return True


# --- becoming ready --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("info", ["text", "json", "json_name", "one_line_first", "shared_dir"])
async def test_ready_file_is_understood_in_every_form(info: str, tmp_path: Path) -> None:
    """Wherever and however Lingma says that it listens, the instance becomes ready and knows its models."""
    async with living(options(tmp_path, f"info={info}", "info_delay=0.1")) as instance:
        await instance.reach("ready")
        assert instance.standing.fault() is None
        assert instance.account.catalogue.find("org_auto") is not None
        assert (instance.lives.generation, instance.lives.restarts, instance.turns) == (1, 0, 0)


@pytest.mark.parametrize("ids", ["ids=0", "ids=1", "ids=1,ack_wait=5"])
@pytest.mark.parametrize("wire", ["binary=0", "coalesce=5,binary=1", "split=20,content_type=1,lower_case_header=1"])
async def test_conversation_goes_on_in_its_session(ids: str, wire: str, tmp_path: Path) -> None:
    """Turn after turn is answered out of one session, however Lingma's pushes are framed and whether they have ids."""
    async with living(options(tmp_path, ids, wire, "noise=0.01")) as instance:
        await instance.reach("ready")
        talk = Talk(instance)
        for number in range(3):
            assert await talk.say(f"Message number {number}")
        assert (talk.sessions.hits, talk.sessions.commits["kept"]) == (2, 3)
        assert instance.turns == 0


async def test_starting_instance_says_what_it_waits_for(tmp_path: Path) -> None:
    """Before it is ready an instance can be asked nothing, and says why."""
    async with living(options(tmp_path, "info=never")) as instance:
        assert await instance.reach("starting") == "Lingma is starting"
        with pytest.raises(Unavailable, match="no Lingma instance is ready"):
            instance.channel()


async def test_reason_within_is_not_the_clients(tmp_path: Path) -> None:
    """Why a life ended is for the operator; a client is told what that means to it, and for how long to wait."""
    async with living(options(tmp_path, "info=never", startup_timeout=0.05)) as instance:
        reason = await instance.reach("backing_off")
        refusal = instance.standing.fault()
    assert "not ready within" in reason
    assert refusal is not None
    assert "not ready within" not in refusal.message
    assert "it is being started again" in refusal.message
    assert refusal.retry_after


async def test_the_next_conversation_finds_a_session_of_this_life_that_is_open(tmp_path: Path) -> None:
    """Whoever begins one has another opened for it, which is gone with the life."""
    async with living(replace(options(tmp_path, "protocol=session"), dialect="session", sessions_ahead=1)) as instance:
        for life in range(2):
            await instance.reach("ready")
            for talk in range(2):
                await Talk(instance).say("Hello.")
                assert instance.account.ahead["taken"] == life + talk
                with trio.fail_after(PATIENCE):
                    while "spares=1" not in repr(instance.channel().ahead):  # noqa: ASYNC110 - nobody is told
                        await trio.sleep(0.01)
            instance.lives.restart()


@pytest.mark.slow
@pytest.mark.parametrize("knob", ["info=never", "info=stale,info_delay=60"])
async def test_lingma_that_is_never_ready_is_given_up(knob: str, tmp_path: Path) -> None:
    """Without a ready file of the child's own a life ends at the startup timeout, and says so."""
    async with living(options(tmp_path, knob, startup_timeout=1)) as instance:
        assert (await instance.reach("backing_off")).startswith("Lingma was not ready within 1 s: .info not ready; ")
        await instance.reach("starting")
        assert instance.lives.generation == 2


async def test_port_that_answers_late_is_waited_for(tmp_path: Path) -> None:
    """A WebSocket that takes its time to open is waited for."""
    async with living(options(tmp_path, "accept_delay=0.3")) as instance:
        await instance.reach("ready")
        assert instance.lives.restarts == 0


@pytest.mark.slow
async def test_port_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """The whole of a start is bounded, and its last step is named."""
    async with living(options(tmp_path, "accept_delay=60", startup_timeout=6)) as instance:
        assert "does not answer; see its log" in await instance.reach("backing_off")


async def test_binary_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    """A missing binary ends a life and never the gateway."""
    how = replace(options(tmp_path), command=(str(tmp_path / "missing"),))
    async with living(how) as instance:
        for _ in range(2):
            assert "could not be started" in await instance.reach("backing_off")


def test_command_line_is_the_real_binary_s(tmp_path: Path) -> None:
    """The arguments have the form the binary takes; a free port is chosen anew for every life."""
    anywhere = replace(options(tmp_path), command=("/bin/Lingma",), port=None)
    how = replace(anywhere, port=36510, endpoint="https://lingma.example")
    assert how.start_command() == [
        "/bin/Lingma", "start", f"--workDir={tmp_path}", "--socketPort=36510", "--endpoint=https://lingma.example",
    ]  # fmt: skip
    ports = {int(anywhere.start_command()[-1].removeprefix("--socketPort=")) for _ in range(20)}
    assert len(ports) > 1
    assert all(port in PORTS for port in ports)


# --- dying and living again ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("step", ["crash_start", "crash_before_info", "crash_connect", "crash_initialize"])
async def test_crash_while_starting_leads_to_another_start(step: str, tmp_path: Path) -> None:
    """Wherever a start breaks off, the process's end is told with what it printed, and the next start succeeds."""
    async with living(
        options(tmp_path, f"fault={step}", "fault_times=1", "exit_code=7", "stderr_flood=100")
    ) as instance:
        assert await instance.reach("backing_off") == "Lingma ended with status 7"
        assert step == "crash_start" or "floods its stderr" in instance.lives.detail
        await instance.reach("ready")
        assert (instance.lives.generation, instance.lives.restarts) == (2, 1)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["crash_ask", "crash_first_delta", "crash_mid", "crash_finish"])
async def test_crash_in_an_answer_fails_the_answer_and_not_the_instance(step: str, tmp_path: Path) -> None:
    """A turn that dies with its Lingma is told so at once; the next life answers, and knows no session of the last."""
    knobs = (f"fault={step}", "fault_times=1", "exit_code=7", "stderr_flood=100")
    async with living(options(tmp_path, *knobs)) as instance:
        await instance.reach("ready")
        talk = Talk(instance)
        with suppress(ChannelLost):  # after the finish the crash comes too late to be noticed
            await talk.say("one")
            assert step == "crash_finish"
        assert await instance.reach("backing_off") == "Lingma ended with status 7"
        assert "floods its stderr" in instance.lives.detail
        await instance.reach("ready")
        assert await Talk(instance).say("two")
        assert (instance.lives.generation, instance.lives.restarts, instance.turns) == (2, 1, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("malformed_mid", "a Content-Length that"),
        ("malformed_ask", "a Content-Length that"),
        ("drop_mid", "closed the channel"),
    ],
)
async def test_broken_channel_ends_the_life(fault: str, reason: str, tmp_path: Path) -> None:
    """A Lingma that breaks the protocol, or off, is ended and started again, although its process runs."""
    async with living(options(tmp_path, f"fault={fault}", "fault_times=1")) as instance:
        await instance.reach("ready")
        first = instance.child
        with pytest.raises(ChannelLost):
            await Talk(instance).say("one")
        assert reason in await instance.reach("backing_off")
        refusal = instance.standing.fault()
        assert refusal is not None
        assert reason not in refusal.message
        assert gone(first)
        await instance.reach("ready")
        assert await Talk(instance).say("two")


@pytest.mark.slow
async def test_killed_lingma_is_replaced(tmp_path: Path) -> None:
    """A SIGKILL from outside costs a life and nothing else."""
    async with living(options(tmp_path)) as instance:
        await instance.reach("ready")
        os.kill(instance.child, signal.SIGKILL)
        assert await instance.reach("backing_off") == "Lingma ended with status -9"
        await instance.reach("ready")
        assert instance.lives.generation == 2


@pytest.mark.slow
async def test_hanging_lingma_is_noticed_and_ended(tmp_path: Path) -> None:
    """A Lingma that answers nothing any more ends its life at the next look, is killed, and is replaced."""
    async with living(options(tmp_path, rpc_timeout=0.3)) as instance:
        await instance.reach("ready")
        first = instance.child
        os.kill(first, signal.SIGSTOP)
        instance.account.recheck()
        assert "did not answer auth/status" in await instance.reach("backing_off")
        assert gone(first)
        assert instance.lives.rpc_errors == {"auth/status": 1}
        await instance.reach("ready")


async def test_flood_of_output_holds_nothing_up(tmp_path: Path) -> None:
    """A program that writes more than a pipe holds becomes ready all the same."""
    async with living(options(tmp_path, "stderr_flood=1000000")) as instance:
        await instance.reach("ready")


async def test_cancelling_ends_the_process(tmp_path: Path) -> None:
    """An instance that is cancelled leaves no process, no note, and a reason for those who still ask."""
    async with living(options(tmp_path)) as instance:
        await instance.reach("ready")
        pid = instance.child
        assert not gone(pid)
    assert gone(pid)
    assert not (tmp_path / ".gateway-child").exists()
    assert instance.lives.state == "stopped"
    with pytest.raises(ShuttingDown):
        instance.channel()


@pytest.mark.slow
async def test_lingma_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """Ending takes no longer than the two graces, whatever the program does about signals."""
    async with living(options(tmp_path, "ignore_sigterm=1")) as instance:
        await instance.reach("ready")
        pid = instance.child
        began = trio.current_time()
    assert gone(pid)
    assert TERM_GRACE < trio.current_time() - began < TERM_GRACE + KILL_GRACE


# --- what the operator asks for --------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_restart_is_another_life_at_once(tmp_path: Path) -> None:
    """A new process takes the place of the old one, which has ended; a turn under way fails and can be sent again."""
    async with living(options(tmp_path, "first=60")) as instance:
        await instance.reach("ready")
        first = instance.child
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                with pytest.raises(ChannelLost):
                    await Talk(instance).say("one")

            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            instance.lives.restart()
        assert await instance.reach("backing_off") == ON_PURPOSE
        await instance.reach("ready")
        assert gone(first)
        assert (instance.lives.generation, instance.lives.restarts, instance.turns) == (2, 1, 0)


async def test_turn_runs_on_while_its_instance_drains() -> None:
    """Only new turns are refused: one that asks again in its own channel is not."""
    async with linked() as link:
        instance = LinkedInstance(link.channel)
        instance.standing.drain()
        assert isinstance(instance.standing.fault(), Unavailable)
        assert instance.channel() is link.channel


@pytest.mark.slow
async def test_drained_instance_stays_so_over_a_restart(tmp_path: Path) -> None:
    """Whoever drains an instance, changes something and starts it anew says when it may be used again."""
    async with living(options(tmp_path)) as instance:
        await instance.reach("ready")
        instance.standing.drain()
        instance.lives.restart()
        await instance.reach("backing_off")
        await instance.reach("ready")
        assert instance.standing.told()[0] == "drained"
        instance.standing.resume()
        assert instance.standing.fault() is None


# --- login and models ------------------------------------------------------------------------------------------------


async def test_logged_out_lingma_needs_a_login(tmp_path: Path) -> None:
    """An instance without a login runs, cannot be asked, and says what to do; no restart would help."""
    async with living(options(tmp_path, "login=out")) as instance:
        assert f"sign in with `lingma-trio login --instance {instance.name}`" in await instance.reach("needs_login")
        with pytest.raises(LoginRequired, match="sign in"):
            instance.channel()
        assert instance.lives.restarts == 0


async def test_expired_login_is_noticed_at_the_next_look(tmp_path: Path) -> None:
    """A login that ends between two questions is found out without a restart."""
    async with living(options(tmp_path, "login_lasts=1")) as instance:
        await instance.reach("ready")
        assert await Talk(instance).say("one")
        instance.account.recheck()
        await instance.reach("needs_login")
        assert instance.lives.restarts == 0


async def test_question_that_finds_the_login_gone_makes_the_instance_look(tmp_path: Path) -> None:
    """A question that fails for want of a login is told so, and the instance knows it from then on."""
    async with living(options(tmp_path, "login_lasts=1")) as instance:
        await instance.reach("ready")
        talk = Talk(instance)
        assert await talk.say("one")
        with pytest.raises(LoginRequired):
            await talk.say("two")
        await instance.reach("needs_login")


async def test_refused_look_ends_no_answer(tmp_path: Path) -> None:
    """A Lingma that refuses to say who is signed in goes on to answer, in the same life."""
    async with living(options(tmp_path, "looks=refused", "gap=0.02", "deltas=50")) as instance:
        await instance.reach("ready")
        async with trio.open_nursery() as nursery:

            async def look() -> None:
                while not instance.lives.rpc_errors.get("auth/status"):
                    instance.account.recheck()
                    await trio.sleep(0.01)

            nursery.start_soon(look)
            assert await Talk(instance).say("one")
        assert (instance.lives.state, instance.lives.generation) == ("ready", 1)


async def test_late_look_ends_no_answer(tmp_path: Path) -> None:
    """A Lingma that does not say who is signed in while it streams an answer is alive."""
    knobs = ("looks=silent", "gap=0.02", "deltas=50")
    async with living(options(tmp_path, *knobs, rpc_timeout=0.3)) as instance:
        await instance.reach("ready")
        async with trio.open_nursery() as nursery:

            async def look() -> None:
                await trio.sleep(0.1)
                instance.account.recheck()

            nursery.start_soon(look)
            assert await Talk(instance).say("one")
        assert instance.lives.rpc_errors == {"auth/status": 1}
        assert (instance.lives.state, instance.lives.generation) == ("ready", 1)


async def test_model_that_the_plan_does_not_cover_rests_alone(tmp_path: Path) -> None:
    """Lingma's 403 for one model leaves the instance and its other models as they are."""
    async with living(options(tmp_path, "uncovered=org_auto")) as instance:
        await instance.reach("ready")
        with pytest.raises(QuotaExceeded):
            await Talk(instance).say("one")
        assert isinstance(instance.standing.fault("org_auto"), QuotaExceeded)
        assert instance.standing.fault() is None


async def test_models_are_asked_for_anew_when_lingma_says_so(tmp_path: Path) -> None:
    """A push that the models changed leads to a fresh list, at once."""
    async with living(options(tmp_path, "noise=0.05")) as instance:
        await instance.reach("ready")
        before = instance.account.catalogue
        await instance.reach("ready")
        assert instance.account.catalogue == before
        assert instance.account.catalogue is not before


async def test_lingma_without_models_is_ready(tmp_path: Path) -> None:
    """An empty list of models keeps nobody from asking: the default model may be served all the same."""
    async with living(options(tmp_path, "models=empty")) as instance:
        await instance.reach("ready")
        assert not instance.account.catalogue.models
        assert await Talk(instance).say("one")


# --- what failed turns mean ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [
        (QuotaExceeded("used up"), "move"),
        (RateLimited("too many"), "move"),
        (LoginRequired("gone"), "move"),
        (ChannelLost("gone"), "move"),
        (UpstreamTimeout("silent"), "move"),
        (ContentFiltered("no"), "stands"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_failed_turn_tells_of_its_instance(failure: GatewayError, verdict: Verdict) -> None:
    """Whether another instance may do better depends on whose fault it was."""
    async with linked() as link:
        instance = LinkedInstance(link.channel)
        assert instance.failed(failure, instance.asking("org_auto")) == verdict


async def test_instance_rests_after_its_quota_is_hit(autojump_clock: trio.testing.MockClock) -> None:
    """An instance whose quota is used up is not asked for a while, and says for how long."""
    async with linked() as link:
        instance = LinkedInstance(link.channel)
        instance.failed(RateLimited("used up", retry_after=40), instance.asking("org_auto"))
        await trio.sleep(15)
        fault = instance.standing.fault()
        assert isinstance(fault, QuotaExceeded)
        assert fault.retry_after == 25
        await trio.sleep(25)
        assert instance.standing.fault() is None


async def test_dialect_is_found_out_at_the_handshake(tmp_path: Path) -> None:
    """A Lingma that knows `chat/*` is asked in it; nobody knows of any dialect while there is no channel."""
    async with living(replace(options(tmp_path), dialect="auto")) as instance:
        before = instance.dialect
        await instance.reach("ready")
        assert (before, instance.dialect) == (None, "chat")
        assert await Talk(instance).say("Hello")


async def test_turns_are_those_of_the_present_life() -> None:
    """Where there is none to ask, none is under way; those about to be asked have room with those that are."""
    async with linked() as link:
        instance = LinkedInstance(link.channel, most_turns=2)
        assert (instance.turns, instance.load) == (0, 0)
        link.channel.register("a", Nobody())
        instance.seats, instance.elsewhere = 1, 2
        assert (instance.turns, instance.load) == (1, 3)
        instance.elsewhere = 0
        assert instance.has_room()
        instance.seats = 2
        assert not instance.has_room()
        instance.lives.present.channel = None
        assert (instance.turns, instance.life, instance.dialect) == (0, "", None)
        assert not instance.has_room()


async def test_orders_of_the_operator_are_told_to_whoever_waits() -> None:
    """Who is drained is waited for no longer, and who is resumed may be asked again."""
    async with linked() as link:
        instance = LinkedInstance(link.channel)
        told: list[bool] = []
        instance.on_change = lambda: told.append(instance.standing.drained)
        await instance.take_order("drain")
        await instance.take_order("resume")
        assert told == [True, False]


async def test_another_account_is_told_to_whoever_waits() -> None:
    """It may be asked although the one before rests, and who looks sees whose it is."""
    async with linked() as link:
        instance = LinkedInstance(link.channel)
        told: list[tuple[str, bool]] = []
        instance.account.pushed("auth/report", {"name": "one", "id": "1"})
        before = instance.account.name
        instance.rest(100.0)
        instance.on_change = lambda: told.append((instance.account.name, instance.standing.fault() is None))
        instance.account.pushed("auth/report", {"name": "another", "id": "2"})
        assert told == [(instance.account.name, True)]
        assert instance.account.name != before


async def test_change_of_the_state_is_told_once() -> None:
    """Being in it again changes nothing."""
    async with linked() as link:
        instance = LinkedInstance(link.channel)
        told: list[State] = []
        instance.on_change = lambda: told.append(instance.lives.state)
        for state in (instance.lives.state, "backing_off", "backing_off", "ready"):
            instance.enter(state)
        assert told == ["backing_off", "ready"]


async def test_completed_login_is_looked_at_at_once() -> None:
    """And a retry forgives the failed attempts; where nobody is signed in a link is made ready."""
    async with linked() as link:
        instance = LinkedInstance(link.channel)
        await instance.sign_in()  # which there is no need for yet
        async with trio.open_nursery() as nursery:
            nursery.start_soon(instance.account.begin_life, link.channel)
            await link.peer.answer(await link.peer.called("auth/status"), {"status": 1})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(instance.sign_in)
            url = "https://sign-in.test/login?state=2-1&nonce=n1"
            await link.peer.answer(await link.peer.called("login/generateUrl"), {"loginUrl": url, "nonce": "n1"})
        assert instance.account.login.url == url
        async with trio.open_nursery() as nursery:
            pasted = "http://127.0.0.1/auth/callback?state=2-1&auth=a&token=t"
            nursery.start_soon(partial(instance.sign_in, callback=pasted))
            await link.peer.answer(await link.peer.called("login/auth_callback"), {})
            for _ in range(2):  # one that it asks whether it was of use, and the look
                await link.peer.answer(await link.peer.called("auth/status"), {"status": 2, "name": "ann", "id": "1"})
            await link.peer.answer(await link.peer.called("config/queryModels"), MODELS)
        assert instance.account.name
