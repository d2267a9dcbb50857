"""Goes through the sign-in pages: looks, does the one thing that helps, and looks again.

Knows pages through `sight` and says what it came to. Gets past nothing that is there to stop a program: it recognises
such a page and reports it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping

from playwright.sync_api import Error, Locator, Page
from playwright.sync_api import TimeoutError as PageTimeout

from lingma_trio.login.messages import HumanReason, LoginOutcome, Order
from lingma_trio.login.sight import Arrived, Complaint, FormSeen, Nothing, Obstacle, Sight, Tab, look, visible
from lingma_trio.login.steps import Form, Steps

LOOK_EVERY = 0.25  # seconds
SETTLE = 0.75  # seconds a form is given to rebuild itself before it is filled in (protocol reference, 7.3)
REREAD_AFTER = 0.4  # seconds after which what was typed has to be there still
TRIES = 3  # how often one form is filled in; more looks like a robot, and is one
ANSWER_TIME = 15.0  # seconds the site may take to answer a form that was sent
SURE_AFTER = 2.0  # seconds for which a page has to show no form before it counts as one without
PATIENCE = 15.0  # seconds a page that has loaded may show nothing that is known
ACTION_TIME = 2.0  # seconds for one click or field; a form that is being rebuilt gets another look instead
_LONGEST_COMPLAINT = 200
WANTED: Mapping[HumanReason, str] = {
    "check_code": "the page asks for the code in a picture",
    "slider": "the page asks for a slider to be moved",
    "qr_only": "the page offers a QR code and no password form",
    "verification": "the page asks for a code that was sent by message or mail",
    "organisation": "the account has several organisations to choose from",
    "refused": "the page refuses the login",
}
"""What the operator is told of each reason."""


class Journey:
    """One attempt on one page. `say` is told the name of each step as it begins."""

    def __init__(self, page: Page, order: Order, steps: Steps, say: Callable[[str], None]) -> None:
        self._page = page
        self._order = order
        self._steps = steps
        self._say = say
        self._deadline = time.monotonic() + order.timeout
        self._tries: Counter[str] = Counter()
        self._sent: dict[str, float] = {}
        self._submitted = False
        self._lost_since: float | None = None
        page.set_default_timeout(ACTION_TIME * 1000)

    def go(self) -> LoginOutcome:
        """Walk until there is an outcome, for `order.timeout` seconds at the most."""
        outcome = self._open()
        while outcome is None and time.monotonic() < self._deadline:
            outcome = self._step()
        return outcome or self._ended(f"the sign-in was not over after {self._order.timeout:g} s")

    def _rest(self, seconds: float) -> None:
        """Let time pass, in which the page goes on."""
        self._page.wait_for_timeout(seconds * 1000)

    def _ended(self, detail: str) -> LoginOutcome:
        return LoginOutcome("timeout", detail=detail, submitted=self._submitted)

    def _open(self) -> LoginOutcome | None:
        self._say("opening the sign-in page")
        try:
            response = self._page.goto(self._order.url, wait_until="commit", timeout=self._order.timeout * 1000)
        except PageTimeout:
            return self._ended(f"the sign-in page did not answer within {self._order.timeout:g} s")
        except Error as error:
            return LoginOutcome("unreachable", detail=f"the sign-in page could not be opened: {_net_error(error)}")
        if response is not None and not response.ok:
            return LoginOutcome("unreachable", detail=f"the sign-in page answered with HTTP {response.status}")
        return None

    def _step(self) -> LoginOutcome | None:
        try:
            self._rest(LOOK_EVERY)
            return self._act(look(self._page, self._steps))
        except Error:
            # A page that navigates or rebuilds itself takes its elements along; the next look sees the new ones.
            if self._page.is_closed():
                return LoginOutcome("crashed", detail="the browser ended", submitted=self._submitted)
            return None

    def _act(self, sight: Sight) -> LoginOutcome | None:
        if not isinstance(sight, Nothing | Obstacle):
            self._lost_since = None
        outcome: LoginOutcome | None = None
        match sight:
            case Arrived():
                outcome = LoginOutcome("signed_in", submitted=self._submitted)
            case Obstacle():
                outcome = self._stopped(sight)
            case Complaint():
                outcome = self._refused(sight)
            case FormSeen(form) if self._may_fill(form):
                outcome = self._fill(sight)
            case Tab(handle):
                outcome = self._switch(handle)
            case Nothing(loading):
                outcome = self._lost(loading=loading)
        return outcome

    def _stopped(self, obstacle: Obstacle) -> LoginOutcome | None:
        if not obstacle.certain and self._lost_for() < SURE_AFTER:
            return None
        return LoginOutcome("needs_human", obstacle.reason, WANTED[obstacle.reason], self._submitted)

    def _switch(self, tab: Locator) -> LoginOutcome | None:
        self._tries["tab"] += 1
        if self._tries["tab"] > TRIES:
            return self._changed("the tab of the password form leads nowhere")
        self._say("switching to the password form")
        tab.click()
        return None

    def _changed(self, detail: str) -> LoginOutcome:
        return LoginOutcome("page_changed", detail=detail, submitted=self._submitted)

    def _refused(self, complaint: Complaint) -> LoginOutcome:
        text = self._order.without_credentials(complaint.text)[:_LONGEST_COMPLAINT]
        if complaint.wrong_password:
            return LoginOutcome("wrong_password", detail=text, submitted=self._submitted)
        return LoginOutcome("needs_human", "refused", text, self._submitted)

    def _may_fill(self, form: Form) -> bool:
        """Whether the form is not waiting for the answer to its last sending."""
        return time.monotonic() - self._sent.get(form.name, -ANSWER_TIME) >= ANSWER_TIME

    def _fill(self, seen: FormSeen) -> LoginOutcome | None:
        """Fill in and send a form whose fields keep what is typed; one that does not is tried again."""
        form, frame = seen.form, seen.frame
        self._tries[form.name] += 1
        if self._tries[form.name] > TRIES:
            return self._changed(f"the {form.name} did not take what was typed, {TRIES} times")
        self._say(f"filling in the {form.name}")
        self._rest(SETTLE)
        wanted = {form.username: self._order.username, form.password: self._order.password}
        asked = [(visible(frame, selector), text) for selector, text in wanted.items() if selector]
        fields = [(field, text) for field, text in asked if field is not None]
        for field, text in fields:
            field.fill(text)
        self._rest(REREAD_AFTER)
        if any(field.input_value() != text for field, text in fields):
            self._say(f"the {form.name} was wiped")
            return None
        submit = visible(frame, form.submit)
        if submit is not None:
            self._say(f"sending the {form.name}")
            self._submitted = self._submitted or bool(form.password)
            self._sent[form.name] = time.monotonic()
            submit.click()
        return None

    def _lost(self, *, loading: bool) -> LoginOutcome | None:
        if loading:
            self._lost_since = None
        elif self._lost_for() > PATIENCE:
            return self._changed(f"nothing known on {_place(self._page.url)}")
        return None

    def _lost_for(self) -> float:
        """Seconds since a way forward was last seen."""
        now = time.monotonic()
        if self._lost_since is None:
            self._lost_since = now
        return now - self._lost_since


def _place(url: str) -> str:
    """An address without its query, which holds the login's state."""
    return url.partition("?")[0]


def _net_error(error: Error) -> str:
    """The browser's own word for what went wrong; the rest of the message repeats the address."""
    return next((word for word in error.message.split() if word.startswith("net::")), "the browser gave no reason")
