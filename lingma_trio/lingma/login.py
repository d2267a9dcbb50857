"""Keeps one instance signed in: by itself where it can, else by offering a person the way to do it.

Knows when to try and when to let be. Does not know browsers, pages, or how the calls reach Lingma.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NoReturn, Protocol, TypeAlias

import structlog
import trio

from lingma_trio.accounts import Account
from lingma_trio.errors import InvalidRequest, RpcError, UpstreamError, UpstreamTimeout
from lingma_trio.login import client
from lingma_trio.login.messages import LoginOutcome
from lingma_trio.protocol.login import LoginLink, callback_params, link_requests, read_callback, read_link
from lingma_trio.protocol.messages import read_login

Call: TypeAlias = Callable[[str, dict[str, Any]], Awaitable[object]]
State: TypeAlias = Literal["idle", "waiting", "signing_in", "needs_human"]

COOL_DOWN = 600.0  # seconds between two sendings of the password; sooner, the site shows a slider (reference, 7.3)
PAUSE = 60.0  # seconds after an attempt that did not come as far as sending it
CONFIRM_TIME = 30.0  # seconds Lingma may take to report a login whose browser was sent back to it
STATUS_POLL = 1.5  # seconds between questions for the login state meanwhile (reference, 7.4)
LINK_LIFE = 300.0  # seconds a link is offered for; an attempt lives for five minutes and more (reference, 7.4)
LINKS_KEPT = 8  # links whose callback is still taken, so that one person's does not undo another's

_FOR_PEOPLE = frozenset({"needs_human", "wrong_password", "browser_missing"})
"""Outcomes that another attempt would meet again, or make worse."""

log = structlog.get_logger("lingma_trio.login")


class SignIn(Protocol):
    """What takes an account through a login link; `login.client.sign_in` has the contract."""

    async def __call__(
        self,
        url: str,
        account: Account,
        *,
        headless: bool,
        timeout: float,  # noqa: ASYNC109 - a worker's own
        browser: Path | None,
        on_report: Callable[[str], None],
    ) -> LoginOutcome:
        """Sign in, and return how that ended."""


@dataclass(frozen=True, slots=True)
class LoginOptions:
    """How to sign in. `timeout` is in seconds for one attempt, `max_retry` counts those after the first.

    `dedicated` says that the account belongs to an enterprise endpoint.
    """

    enabled: bool = True
    headless: bool = True
    timeout: float = 180.0
    max_retry: int = 2
    browser: Path | None = None
    dedicated: bool = False


class LoginKeeper:
    """One instance's login. It outlives the instance's lives, for the site remembers attempts over all of them.

    `keep` belongs into the nursery of a life; `call` calls Lingma on that life's channel. `note` has to be told each
    login state that Lingma reports. There is never more than one attempt at a time.
    """

    def __init__(
        self,
        name: str,
        account: Account | None,
        options: LoginOptions,
        *,
        call: Call,
        sign_in: SignIn = client.sign_in,
    ) -> None:
        self.state: State = "idle"
        self.reason = ""
        """Why the instance is not signed in, for anybody to see; empty while it is, or while nobody knows."""
        self._name = name
        self._account = account
        self._options = options
        self._call = call
        self._sign_in = sign_in
        self._logged_in: bool | None = None
        self._changed = trio.Event()
        self._attempt_scope: trio.CancelScope | None = None
        self._attempts = 0
        self._stuck = ""
        self._not_before = float("-inf")
        self._links: dict[str, LoginLink] = {}
        self._offered: tuple[str, float] | None = None

    def __repr__(self) -> str:
        return f"<LoginKeeper {self._name} {self.state} attempts={self._attempts}>"

    @property
    def url(self) -> str:
        """The login link on offer, or the empty string; for the operator alone, as it leads into this instance."""
        if self._offered is None or trio.current_time() - self._offered[1] > LINK_LIFE:
            return ""
        return self._offered[0]

    @property
    def next_attempt_in(self) -> float:
        """Seconds before which no attempt is made, 0 for none."""
        return max(0.0, self._not_before - trio.current_time())

    def note(self, *, logged_in: bool) -> None:
        """Take note of the login state that Lingma reports. A login ends an attempt and forgives the failed ones."""
        if logged_in:
            self._attempts = 0
            self._stuck = ""
            self._offered = None
            self._links.clear()
            self._enter("idle", "")
            if self._attempt_scope is not None:
                self._attempt_scope.cancel("the instance is signed in")
        if logged_in != self._logged_in:
            self._logged_in = logged_in
            self._wake()

    def retry(self) -> None:
        """Try again by itself although it had given up: what was in the way has been removed. Pauses are still kept."""
        self._attempts = 0
        self._stuck = ""
        self._wake()

    async def keep(self) -> NoReturn:
        """Sign in whenever `note` says that it is needed, for as long as the instance lives.

        Raises what `call` raises when the channel is lost. Cancelling ends the attempt with its browser; what was
        learned about the site is kept for the next life.
        """
        try:
            while True:
                if self._logged_in is not False:
                    await self._changed.wait()
                elif why_not := self._why_not():
                    await self._offer(why_not)
                elif self.next_attempt_in:
                    await self._cool_down()
                else:
                    await self._attempt(self._account)
        finally:
            self._logged_in = None
            self._enter("idle", "")

    async def link(self) -> str:
        """A login link for a person: the one on offer, or a fresh one. Raises `UpstreamError` where Lingma gives none.

        Cancelling is safe. Raises what `call` raises when the channel is lost.
        """
        if not self.url:
            link = await self._fresh_link()
            if link is None:
                raise UpstreamError("Lingma gives no login link; see its log in the work directory")
            self._offered = link.url, trio.current_time()
        return self.url

    async def take_callback(self, pasted: str) -> None:
        """Hand in the address a browser ended at when it could not reach Lingma; returns once Lingma is signed in.

        Raises `InvalidRequest` for what is no callback of a link from here or is refused by Lingma, `UpstreamError`
        where no login comes of it, and what `call` raises when the channel is lost. Cancelling stops the waiting only.
        """
        try:
            callback = read_callback(pasted)
        except ValueError as fault:
            raise InvalidRequest(str(fault), param="callback") from None
        link = self._links.get(callback.state)
        if link is None:
            raise InvalidRequest("this callback belongs to no open login link; take a new link", param="callback")
        self._links.pop(callback.state)
        self._offered = None
        try:
            await self._call("login/auth_callback", callback_params(link, callback))
        except RpcError as error:
            raise InvalidRequest(f"Lingma refused the callback ({error.code}); take a new link") from None
        if not await self._confirmed():
            raise UpstreamError(f"Lingma took the callback and reports no login after {CONFIRM_TIME:g} s")

    def _why_not(self) -> str:
        """Why no attempt can be made without a person; empty where one can."""
        if not self._options.enabled:
            return "automatic login is off (AUTO_LOGIN_ENABLED)"
        if self._account is None or not self._account.password.get_secret_value():
            return "no account with a password is configured (LINGMA_ACCOUNTS)"
        return self._stuck

    async def _offer(self, why: str) -> None:
        """Have a link ready for a person and wait until something changes."""
        changed = self._changed
        self._enter("needs_human", why)
        with suppress(RpcError, UpstreamError):
            await self.link()
        await changed.wait()

    async def _cool_down(self) -> None:
        changed = self._changed
        if self.state != "waiting":
            self._enter("waiting", f"{self.reason or 'not signed in'}; the next attempt has to wait")
        with trio.move_on_after(self.next_attempt_in):
            await changed.wait()

    async def _attempt(self, account: Account | None) -> None:
        """Make one attempt and draw the conclusions; `note` may end it, for somebody else can sign in meanwhile."""
        assert account is not None
        self._attempts += 1
        # Until the outcome tells better, also for an attempt that is cut off.
        self._not_before = trio.current_time() + COOL_DOWN
        self._enter("signing_in", "signing in")
        with trio.CancelScope() as scope:
            self._attempt_scope = scope
            try:
                self._conclude(await self._go(account))
            finally:
                self._attempt_scope = None

    async def _go(self, account: Account) -> LoginOutcome:
        link = await self._fresh_link()
        if link is None:
            return LoginOutcome("unreachable", detail="Lingma gives no login link")
        try:
            outcome = await self._sign_in(
                link.url,
                account,
                headless=self._options.headless,
                timeout=self._options.timeout,
                browser=self._options.browser,
                on_report=self._report,
            )
        except OSError as fault:
            return LoginOutcome("crashed", detail=f"the login worker could not be started: {fault.strerror}")
        if outcome.kind == "signed_in" and not await self._confirmed():
            return replace(
                outcome, kind="timeout", detail="the site sent the browser back, and Lingma reports no login"
            )
        return outcome

    def _conclude(self, outcome: LoginOutcome) -> None:
        self._not_before = trio.current_time() + (COOL_DOWN if outcome.submitted else PAUSE)
        if outcome.kind == "signed_in":
            return
        why = f"signing in failed ({outcome.reason or outcome.kind}): {outcome.detail}"
        if outcome.kind in _FOR_PEOPLE or self._attempts > self._options.max_retry:
            self._stuck = why
        self._enter("waiting", why)
        log.warning(
            "login_failed",
            instance=self._name,
            kind=outcome.kind,
            needs=outcome.reason,
            detail=outcome.detail,
            attempt=self._attempts,
            gives_up=bool(self._stuck),
        )

    async def _fresh_link(self) -> LoginLink | None:
        """A new link by the first call that gives one; its callback is taken from here on."""
        for method, params in link_requests(dedicated=self._options.dedicated):
            with suppress(RpcError, UpstreamTimeout):
                if (link := read_link(await self._call(method, params))) is not None:
                    self._links[link.state] = link
                    while len(self._links) > LINKS_KEPT:
                        self._links.pop(next(iter(self._links)))
                    return link
        return None

    async def _confirmed(self) -> bool:
        """Whether Lingma reports the login in time; tells `note` if so."""
        with trio.move_on_after(CONFIRM_TIME):
            while not self._logged_in:
                changed = self._changed
                with suppress(RpcError, UpstreamTimeout):
                    if read_login(await self._call("auth/status", {})).logged_in:
                        self.note(logged_in=True)
                with trio.move_on_after(STATUS_POLL):
                    await changed.wait()
        return bool(self._logged_in)

    def _report(self, step: str) -> None:
        log.info("login_step", instance=self._name, step=step)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _enter(self, state: State, reason: str) -> None:
        if state != self.state:
            log.info("login_state", instance=self._name, state=state, reason=reason)
        self.state = state
        self.reason = reason
