"""LoginKeeper: one attempt at a time, long pauses, and a person, with a way to sign in, where a program must stop."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from pydantic import SecretStr

from lingma_trio.accounts import Account
from lingma_trio.errors import ChannelLost, InvalidRequest, RpcError, UpstreamError
from lingma_trio.lingma.login import (
    CONFIRM_TIME,
    COOL_DOWN,
    LINK_LIFE,
    LINKS_KEPT,
    PAUSE,
    STATUS_POLL,
    LoginKeeper,
    LoginOptions,
)
from lingma_trio.login.messages import LoginOutcome
from lingma_trio.simulator.knobs import Knobs
from lingma_trio.simulator.process import Launch, run
from tests.simulator.support import connected

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT = Account("demo", SecretStr("demo-password"))
OPTIONS = LoginOptions()
FAILED = LoginOutcome("timeout", detail="too slow", submitted=True)
UNSENT = LoginOutcome("unreachable", detail="no network")
SIGNED_IN = LoginOutcome("signed_in", submitted=True)


@dataclass
class Lingma:
    """What a keeper calls, as far as logins go. `newer` and `older` say which of its two calls give links."""

    signed_in: bool = False
    newer: bool = True
    older: bool = True
    refuses: bool = False
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    lost: bool = False

    @property
    def links(self) -> int:
        return sum(method in {"login/generateUrl", "auth/login"} for method, _ in self.calls)

    async def call(self, method: str, params: dict[str, Any]) -> object:
        await trio.lowlevel.checkpoint()
        if self.lost:
            raise ChannelLost("Lingma closed the channel")
        self.calls.append((method, params))
        number = self.links
        url = f"https://sign-in.test/login?state=2-{number}&nonce=n{number}"
        match method:
            case "auth/status":
                return {"status": 2 if self.signed_in else 1}
            case "login/generateUrl" if self.newer:
                return {"loginUrl": url, "nonce": f"n{number}", "success": True}
            case "auth/login" if self.older:
                return {"url": url, "success": True}
            case "login/auth_callback" if not self.refuses:
                self.signed_in = True
                return {"success": True}
        raise RpcError(method, 400, "refused")


@dataclass
class Worker:
    """Stands for the login worker: takes `seconds`, tells `outcomes` one after another, the last one for ever."""

    outcomes: list[LoginOutcome]
    seconds: float = 10.0
    before_end: Callable[[], None] = lambda: None
    began: list[float] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    options: dict[str, object] = field(default_factory=dict)
    cancelled: int = 0
    at_once: int = 0

    async def sign_in(
        self, url: str, account: Account, *, on_report: Callable[[str], None], **options: object
    ) -> LoginOutcome:
        assert account is ACCOUNT
        assert self.at_once == 0
        self.at_once += 1
        self.began.append(trio.current_time())
        self.urls.append(url)
        self.options = options
        on_report("a step")
        try:
            await trio.sleep(self.seconds)
        except trio.Cancelled:
            self.cancelled += 1
            raise
        finally:
            self.at_once -= 1
        self.before_end()
        return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]


@asynccontextmanager
async def kept(
    worker: Worker, lingma: Lingma, account: Account | None = ACCOUNT, options: LoginOptions = OPTIONS
) -> AsyncIterator[LoginKeeper]:
    """A keeper that runs, and has been told that a login is needed."""
    keeper = LoginKeeper("lingma-0", account, options, call=lingma.call, sign_in=worker.sign_in)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.keep)
        keeper.note(logged_in=False)
        yield keeper
        nursery.cancel_scope.cancel("the test is over")


def standing(keeper: LoginKeeper) -> str:
    """The keeper's state, which the type checker would take for settled after the first look."""
    return keeper.state


def gaps(worker: Worker) -> list[float]:
    """The pauses from each attempt's end to the next one's beginning, without the moments that polling takes."""
    pairs = zip(worker.began, worker.began[1:], strict=False)
    return [round(later - earlier - worker.seconds) for earlier, later in pairs]


# --- by itself -------------------------------------------------------------------------------------------------------


async def test_it_signs_in_when_that_is_needed(autojump_clock: trio.testing.MockClock, tmp_path: Path) -> None:
    """With a fresh link and the options it was given, and it is content once Lingma reports the login."""
    lingma = Lingma()

    def arrive() -> None:
        lingma.signed_in = True

    worker = Worker([SIGNED_IN], before_end=arrive)
    async with kept(worker, lingma, options=LoginOptions(headless=False, timeout=33.0, browser=tmp_path)) as keeper:
        await trio.sleep(5)
        assert (keeper.state, keeper.reason) == ("signing_in", "signing in")
        await trio.sleep(PAUSE + COOL_DOWN)
        assert (keeper.state, keeper.reason, keeper.url) == ("idle", "", "")
    assert worker.urls == ["https://sign-in.test/login?state=2-1&nonce=n1"]
    assert worker.options == {"headless": False, "timeout": 33.0, "browser": tmp_path}


async def test_nothing_is_done_before_the_state_is_known(autojump_clock: trio.testing.MockClock) -> None:
    """Nor while Lingma is signed in."""
    lingma, worker = Lingma(), Worker([FAILED])
    keeper = LoginKeeper("lingma-0", ACCOUNT, LoginOptions(), call=lingma.call, sign_in=worker.sign_in)
    with trio.move_on_after(1000):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.keep)
            await trio.sleep(500)
            keeper.note(logged_in=True)
    assert (worker.began, lingma.calls) == ([], [])


@pytest.mark.parametrize("dedicated", [False, True])
async def test_the_older_call_stands_in_for_the_newer(autojump_clock: trio.testing.MockClock, dedicated: bool) -> None:
    """Where the newer one is refused; an enterprise account says so in both."""
    lingma, worker = Lingma(newer=False), Worker([FAILED])
    async with kept(worker, lingma, options=LoginOptions(dedicated=dedicated)):
        await trio.sleep(5)
    kind = "dedicated" if dedicated else ""
    assert lingma.calls[0] == ("login/generateUrl", {"loginDedicatedType": kind})
    assert lingma.calls[1][0] == "auth/login"
    assert lingma.calls[1][1].get("loginDedicatedType", "") == kind
    assert len(worker.urls) == 1


async def test_no_link_is_an_attempt_that_failed(autojump_clock: trio.testing.MockClock) -> None:
    """No browser is started for it."""
    worker = Worker([FAILED])
    async with kept(worker, Lingma(newer=False, older=False), options=LoginOptions(max_retry=1)) as keeper:
        await trio.sleep(1)
        assert "Lingma gives no login link" in keeper.reason
        await trio.sleep(PAUSE + 1)
        assert (keeper.state, keeper.url) == ("needs_human", "")
        with pytest.raises(UpstreamError, match="no login link"):
            await keeper.link()
    assert worker.began == []


async def test_attempts_that_sent_the_password_are_far_apart(autojump_clock: trio.testing.MockClock) -> None:
    """The first and `max_retry` more, each with a link of its own, and then it is a person's turn."""
    worker = Worker([FAILED])
    async with kept(worker, Lingma(), options=LoginOptions(max_retry=2)) as keeper:
        await trio.sleep(15)
        assert standing(keeper) == "waiting"
        assert keeper.next_attempt_in == pytest.approx(COOL_DOWN, abs=10)
        await trio.sleep(10 * COOL_DOWN)
        assert standing(keeper) == "needs_human"
        assert "too slow" in keeper.reason
    assert gaps(worker) == [COOL_DOWN, COOL_DOWN]
    assert len(set(worker.urls)) == 3


async def test_attempts_that_sent_nothing_are_less_far_apart(autojump_clock: trio.testing.MockClock) -> None:
    """The site has seen no login."""
    worker = Worker([UNSENT, UNSENT, FAILED])
    async with kept(worker, Lingma(), options=LoginOptions(max_retry=2)):
        await trio.sleep(10 * COOL_DOWN)
    assert gaps(worker) == [PAUSE, PAUSE]


async def test_a_worker_that_does_not_start_is_an_attempt_that_failed(autojump_clock: trio.testing.MockClock) -> None:
    """And does not end the life of the instance."""

    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    worker = Worker([FAILED], before_end=fail)
    async with kept(worker, Lingma(), options=LoginOptions(max_retry=1)) as keeper:
        await trio.sleep(10 * PAUSE)
        assert standing(keeper) == "needs_human"
        assert "No space left" in keeper.reason
    assert gaps(worker) == [PAUSE]


@pytest.mark.parametrize(
    "outcome",
    [
        LoginOutcome("needs_human", "slider", "a slider", submitted=True),
        LoginOutcome("needs_human", "qr_only", "a QR code"),
        LoginOutcome("wrong_password", detail="wrong", submitted=True),
        LoginOutcome("browser_missing", detail="none"),
    ],
)
async def test_what_only_a_person_can_mend_is_not_tried_again(
    autojump_clock: trio.testing.MockClock, outcome: LoginOutcome
) -> None:
    """It says why, and has a link ready."""
    worker = Worker([outcome])
    async with kept(worker, Lingma(), options=LoginOptions(max_retry=9)) as keeper:
        await trio.sleep(15)
        assert standing(keeper) == "needs_human"
        assert (outcome.reason or outcome.kind) in keeper.reason
        assert outcome.detail in keeper.reason
        assert keeper.url == "https://sign-in.test/login?state=2-2&nonce=n2"
        await trio.sleep(10 * COOL_DOWN)
    assert len(worker.began) == 1


@pytest.mark.parametrize(
    ("account", "options", "reason"),
    [
        (ACCOUNT, LoginOptions(enabled=False), "AUTO_LOGIN_ENABLED"),
        (None, LoginOptions(), "LINGMA_ACCOUNTS"),
        (Account("demo", session_bundle=SecretStr("x")), LoginOptions(), "LINGMA_ACCOUNTS"),
    ],
)
async def test_without_leave_or_password_it_asks_a_person_at_once(
    autojump_clock: trio.testing.MockClock, account: Account | None, options: LoginOptions, reason: str
) -> None:
    """And names the variable."""
    worker = Worker([FAILED])
    async with kept(worker, Lingma(), account, options) as keeper:
        await trio.sleep(COOL_DOWN)
        assert standing(keeper) == "needs_human"
        assert reason in keeper.reason
    assert worker.began == []


async def test_a_login_that_lingma_does_not_report_has_failed(autojump_clock: trio.testing.MockClock) -> None:
    """The site's word is not enough."""
    lingma, worker = Lingma(), Worker([SIGNED_IN])
    async with kept(worker, lingma, options=LoginOptions(max_retry=0)) as keeper:
        await trio.sleep(11 + CONFIRM_TIME)
        assert standing(keeper) == "needs_human"
        assert "Lingma reports no login" in keeper.reason
    polls = sum(method == "auth/status" for method, _ in lingma.calls)
    assert polls == pytest.approx(CONFIRM_TIME / STATUS_POLL, abs=1)


async def test_a_login_by_somebody_else_ends_the_attempt(autojump_clock: trio.testing.MockClock) -> None:
    """With its browser."""
    worker = Worker([FAILED])
    async with kept(worker, Lingma()) as keeper:
        await trio.sleep(5)
        keeper.note(logged_in=True)
        await trio.testing.wait_all_tasks_blocked()
        assert (keeper.state, worker.cancelled) == ("idle", 1)
        await trio.sleep(COOL_DOWN)
    assert len(worker.began) == 1


async def test_a_login_forgives_the_attempts_before_it(autojump_clock: trio.testing.MockClock) -> None:
    """A later expiry starts a new series, though not before the cool-down of the last."""
    worker = Worker([FAILED])
    async with kept(worker, Lingma(), options=LoginOptions(max_retry=0)) as keeper:
        await trio.sleep(15)
        assert standing(keeper) == "needs_human"
        keeper.note(logged_in=True)
        assert (keeper.state, keeper.url) == ("idle", "")
        await trio.sleep(1)
        keeper.note(logged_in=False)
        await trio.sleep(1)
        assert standing(keeper) == "waiting"
        await trio.sleep(COOL_DOWN)
    assert gaps(worker) == [COOL_DOWN]


async def test_the_operator_can_have_it_tried_again(autojump_clock: trio.testing.MockClock) -> None:
    """With the cool-down kept, for the site keeps it too."""
    worker = Worker([LoginOutcome("needs_human", "slider", submitted=True), FAILED])
    async with kept(worker, Lingma()) as keeper:
        await trio.sleep(50)
        keeper.retry()
        await trio.sleep(COOL_DOWN)
    assert gaps(worker) == [COOL_DOWN]


async def test_a_lost_channel_ends_the_life_and_not_the_memory(autojump_clock: trio.testing.MockClock) -> None:
    """The next life waits until the cool-down that began in this one is over."""
    lingma, worker = Lingma(), Worker([SIGNED_IN])
    keeper = LoginKeeper("lingma-0", ACCOUNT, LoginOptions(), call=lingma.call, sign_in=worker.sign_in)
    keeper.note(logged_in=False)
    with pytest.RaisesGroup(ChannelLost):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.keep)
            await trio.sleep(5)
            lingma.lost = True
    assert standing(keeper) == "idle"
    lingma.lost = False
    keeper.note(logged_in=False)
    with trio.move_on_after(COOL_DOWN):
        await keeper.keep()
    assert gaps(worker) == [COOL_DOWN - worker.seconds]


async def test_cancelling_ends_the_attempt(autojump_clock: trio.testing.MockClock) -> None:
    """And counts it as one that may have sent the password."""
    worker = Worker([FAILED])
    async with kept(worker, Lingma()) as keeper:
        await trio.sleep(5)
    assert worker.cancelled == 1
    assert keeper.next_attempt_in == pytest.approx(COOL_DOWN - 5)


# --- by hand ---------------------------------------------------------------------------------------------------------


async def test_a_person_is_given_the_link_on_offer_while_it_is_young(autojump_clock: trio.testing.MockClock) -> None:
    """And a fresh one after that."""
    keeper = LoginKeeper("lingma-0", None, LoginOptions(), call=Lingma().call)
    first = await keeper.link()
    await trio.sleep(LINK_LIFE - 1)
    assert await keeper.link() == keeper.url == first
    await trio.sleep(2)
    assert keeper.url == ""
    assert await keeper.link() != first


async def test_a_pasted_callback_signs_in(autojump_clock: trio.testing.MockClock) -> None:
    """It is handed to Lingma with the nonce of its own link, also of an earlier one."""
    lingma = Lingma()
    async with kept(Worker([FAILED]), lingma, None) as keeper:
        await keeper.link()
        await trio.sleep(LINK_LIFE + 1)
        await keeper.link()
        await keeper.take_callback(" http://127.0.0.1:37510/auth/callback?state=2-1&auth=aa%2B&token=tt\n")
        assert (keeper.state, keeper.url) == ("idle", "")
    assert ("login/auth_callback", {"nonce": "n1", "auth": "aa+", "tokenString": "tt"}) in lingma.calls


@pytest.mark.parametrize(
    ("pasted", "fault"),
    [
        ("hello", "no callback address"),
        ("http://127.0.0.1/auth/callback?state=2-1", "no auth and no token"),
        ("http://127.0.0.1/auth/callback?state=2-9&auth=a&token=t", "no open login link"),
    ],
)
async def test_a_callback_that_is_none_of_ours_is_refused(pasted: str, fault: str) -> None:
    """Lingma is not bothered with it."""
    lingma = Lingma()
    keeper = LoginKeeper("lingma-0", None, LoginOptions(), call=lingma.call)
    await keeper.link()
    with pytest.raises(InvalidRequest, match=fault):
        await keeper.take_callback(pasted)
    assert len(lingma.calls) == 1


async def test_a_callback_is_taken_once() -> None:
    """Also where Lingma refuses it: its nonce is used up."""
    keeper = LoginKeeper("lingma-0", None, LoginOptions(), call=Lingma(refuses=True).call)
    await keeper.link()
    callback = "http://127.0.0.1/auth/callback?state=2-1&auth=a&token=t"
    for fault in ("Lingma refused the callback", "no open login link"):
        with pytest.raises(InvalidRequest, match=fault):
            await keeper.take_callback(callback)


async def test_a_callback_without_a_login_is_an_error(autojump_clock: trio.testing.MockClock) -> None:
    """Lingma said yes and stays signed out."""
    lingma = Lingma()

    async def call(method: str, params: dict[str, Any]) -> object:
        return {"status": 1} if method == "auth/status" else await lingma.call(method, params)

    keeper = LoginKeeper("lingma-0", None, LoginOptions(), call=call)
    await keeper.link()
    with pytest.raises(UpstreamError, match="reports no login"):
        await keeper.take_callback("http://127.0.0.1/auth/callback?state=2-1&auth=a&token=t")


async def test_links_are_not_kept_for_ever(autojump_clock: trio.testing.MockClock) -> None:
    """The oldest of many is forgotten."""
    keeper = LoginKeeper("lingma-0", None, LoginOptions(), call=Lingma().call)
    for _ in range(LINKS_KEPT + 1):
        await keeper.link()
        await trio.sleep(LINK_LIFE + 1)
    with pytest.raises(InvalidRequest, match="no open login link"):
        await keeper.take_callback("http://127.0.0.1/auth/callback?state=2-1&auth=a&token=t")
    await keeper.take_callback("http://127.0.0.1/auth/callback?state=2-2&auth=a&token=t")


def test_its_repr_tells_its_state() -> None:
    """It ends up in logs."""
    keeper = LoginKeeper("lingma-0", ACCOUNT, LoginOptions(), call=Lingma().call)
    assert repr(keeper) == "<LoginKeeper lingma-0 idle attempts=0>"


# --- the whole of it -------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_signed_out_lingma_is_signed_in_by_a_real_browser(tmp_path: Path) -> None:
    """A running simulator's link, the worker with its browser, the callback, and the simulator's own word for it."""
    launch, knobs = Launch(tmp_path, 0), Knobs().turned(["login=out"])
    reported = trio.Event()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            port = await nursery.start(partial(run, launch, knobs, crash=nursery.cancel_scope.cancel))
            async with connected(port) as caller:

                async def call(method: str, params: dict[str, Any]) -> object:
                    result = await caller.call(method, params)
                    if result.get("status") == 2:
                        reported.set()
                    return result

                keeper = LoginKeeper("lingma-0", Account("demo", SecretStr("demo")), LoginOptions(), call=call)
                nursery.start_soon(keeper.keep)
                keeper.note(logged_in=False)
                await reported.wait()
                await trio.testing.wait_all_tasks_blocked()
                assert (keeper.state, keeper.reason) == ("idle", "")
                nursery.cancel_scope.cancel("the test is over")
    assert (tmp_path / "cache" / "user").exists()


async def test_login_makes_the_links_before_it_useless(autojump_clock: trio.testing.MockClock) -> None:
    """A callback of one of them would sign in somebody else."""
    lingma = Lingma()
    async with kept(Worker([FAILED]), lingma, None) as keeper:
        await keeper.link()
        keeper.note(logged_in=True)
        assert keeper.url == ""
        with pytest.raises(InvalidRequest, match="no open login link") as refused:
            await keeper.take_callback("http://127.0.0.1/auth/callback?state=2-1&auth=a&token=t")
    assert refused.value.param == "callback"


async def test_callback_uses_the_link_up(autojump_clock: trio.testing.MockClock) -> None:
    """It is on offer no longer, also where nothing came of it."""
    keeper = LoginKeeper("lingma-0", None, LoginOptions(), call=Lingma(refuses=True).call)
    first = await keeper.link()
    with pytest.raises(InvalidRequest, match="refused"):
        await keeper.take_callback("http://127.0.0.1/auth/callback?state=2-1&auth=a&token=t")
    assert keeper.url == ""
    assert await keeper.link() != first


@pytest.mark.parametrize("kind", ["unreachable", "crashed", "signed_in"])
async def test_attempt_is_told_by_how_it_ended(kind: str, autojump_clock: trio.testing.MockClock) -> None:
    """In a word beside the reason; one that signed in has nothing to tell, and ends all attempts."""

    def fail() -> None:
        if kind == "crashed":
            raise OSError(errno.ENOSPC, "No space left on device")
        lingma.signed_in = kind == "signed_in"

    lingma = Lingma(newer=kind != "unreachable", older=kind != "unreachable")
    worker = Worker([SIGNED_IN], before_end=fail)
    async with kept(worker, lingma, options=LoginOptions(max_retry=0)) as keeper:
        await trio.sleep(1 if kind == "unreachable" else 11)
        assert (f"signing in failed ({kind})" in keeper.reason) == (kind != "signed_in")
        assert (standing(keeper) == "idle") == (kind == "signed_in")
