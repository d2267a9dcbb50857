"""One answer to one conversation: claims a session, asks, mends unseen what can be mended, commits on success.

Knows the session cache, its seat and its turns. What follows an attempt is decided in `policy.sequel` and done here.
Between deciding and doing there is no checkpoint, so a cancelled request leaves nothing half done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

import structlog
import trio

from lingma_trio.errors import AnswerMalformed, GatewayError
from lingma_trio.lingma.health import Asked
from lingma_trio.lingma.instance import Instance
from lingma_trio.lingma.pool import Pool
from lingma_trio.lingma.seat import Seat
from lingma_trio.lingma.turn import TurnBounds, UpstreamTurn
from lingma_trio.policy.aliases import Aliases
from lingma_trio.policy.answer_rules import rules
from lingma_trio.policy.fingerprint import Fingerprint, answer_digest, newest_calls, newest_part
from lingma_trio.policy.retry_budget import RetryBudget
from lingma_trio.policy.sequel import MOST_RETURNS, Ending, Sequel, Verdict, what_follows
from lingma_trio.policy.session_cache import Claim, Session, SessionCache
from lingma_trio.policy.transcript import render, render_newest
from lingma_trio.protocol.catalogue import Catalogue
from lingma_trio.protocol.messages import Question
from lingma_trio.threads import apart
from lingma_trio.turns import AnswerEvent, Finished, Message, Prompt, ToolCall

log = structlog.get_logger("lingma_trio.dialogue")


@dataclass(frozen=True, slots=True)
class DialogueOptions:
    """What every dialogue needs to know.

    `aliases` are other names for models, `default_model` stands in for names nobody knows. `mode` is how questions are
    asked, and `tool_mode` those whose client declares tools.
    """

    bounds: TurnBounds
    default_model: str
    mode: Literal["chat", "agent"]
    reuse_sessions: bool
    tool_mode: Literal["chat", "agent"] = "chat"
    aliases: Aliases = field(default_factory=Aliases)

    def key(self, requested: str, catalogue: Catalogue) -> str:
        """The key to ask Lingma with for a model by any name."""
        return catalogue.resolve(self.aliases.model(requested), self.default_model)

    def mode_of(self, prompt: Prompt) -> Literal["chat", "agent"]:
        """How a conversation is asked."""
        return self.tool_mode if _declared(prompt) else self.mode


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: a digest of the API key, the model by any name, and the client's own name for its user or nothing."""

    tenant: str
    model: str
    user: str = ""


@dataclass(frozen=True, slots=True)
class Means:
    """What all dialogues of a gateway share."""

    pool: Pool
    sessions: SessionCache
    options: DialogueOptions
    budget: RetryBudget = field(default_factory=RetryBudget)


@dataclass(slots=True)
class Attempt:
    """One question to one instance in one of its lives.

    `continued` names the session that was to hold the rest, `answered` says that something has come.
    """

    instance: Instance
    life: str
    turn: UpstreamTurn
    asked: Asked
    continued: str = ""
    answered: bool = False

    @property
    def alive(self) -> bool:
        """Whether the instance still lives that life."""
        return self.instance.life == self.life

    @property
    def replaced(self) -> bool:
        """Whether upstream answers out of another session than the one asked for: one that remembers nothing."""
        return bool(self.continued) and self.turn.answered_by not in ("", self.continued)


class Dialogue:
    """A conversation being answered. Take `batch`es until `Finished`, then `commit`; `Dialogues.open` closes it."""

    def __init__(self, means: Means, seat: Seat, prompt: Prompt, asker: Asker, known_by: Fingerprint) -> None:
        self._means = means
        self._seat = seat
        self._prompt = prompt
        self._tenant = asker.tenant
        self.model = seat.model
        self._tools = _declared(prompt)
        self._mode = means.options.mode_of(prompt)
        self._print = known_by
        self._claim = self._claim_session()
        self._attempt: Attempt | None = None
        self._complaint = ""  # what is to be said at the end of the whole conversation when it is asked again
        self._failure: GatewayError | None = None  # that of the attempt before, which stands if there is no other one
        self._left = ""  # the instance that the question is on its way from
        self._moves = 0
        self._returns = 0
        self._shown = False
        self._hit = False
        self._mended = 0  # deltas of the attempts before
        self._finished: Finished | None = None

    def __repr__(self) -> str:
        return f"<Dialogue {self.instance} hit={self.hit} {self._attempt!r}>"

    @property
    def hit(self) -> bool:
        """Whether the answer continues an upstream session."""
        return self._hit

    @property
    def instance(self) -> str:
        """The name of the instance that is asked."""
        return self._seat.instance.name

    @property
    def deltas(self) -> int:
        """Deltas with text that came from upstream."""
        return self._mended + (self._attempt.turn.deltas if self._attempt is not None else 0)

    async def ask(self, *, until: float) -> bool:
        """See that the question is on its way, in the queue for another seat where it needs one.

        Returns whether it is, at the time `until` at the latest. Raises what `Limiter.wait` raises, or the failure for
        which another seat is needed. Cancelling loses nothing.
        """
        while self._attempt is None:
            try:
                if not await self._seat.wait(until=until):
                    return False
                self._attempt = await self._put_first()
            except GatewayError as refusal:
                if self._failure is None:
                    raise
                raise self._failure from refusal
        return True

    async def batch(self, patience: float) -> list[AnswerEvent]:
        """Everything that has come since the last call; an empty list after `patience` seconds of nothing.

        As long as nothing was returned the client has seen nothing, and `policy.sequel` says which faults are mended
        unseen: a turn that failed for its instance's sake goes back into the queue for another one, and a session that
        upstream refuses, or replaces by an empty one, is given up for a fresh one with the whole conversation. Raises
        the `GatewayError` that ended the answer. Cancelling loses nothing.
        """
        until = trio.current_time() + patience
        while await self.ask(until=until):
            attempt = self._attempt
            assert attempt is not None
            failure: GatewayError | None = None
            events: list[AnswerEvent] = []
            try:
                events = await attempt.turn.batch(until - trio.current_time())
            except GatewayError as found:
                failure = found
            if failure is None and not events:
                break
            sequel = self._judge(attempt, failure)
            if sequel == "deliver":
                self._note(attempt, events)
                return events
            if failure is not None and sequel == "fail":
                raise failure
            self._give_up(attempt, sequel, failure)
        return []

    def ask_again(self, text: str) -> None:
        """Have a finished answer mended: ask `text` in the session that gave it, for `batch` to go on with.

        Where that session must not be continued, the whole conversation is asked afresh with `text` at its end, and
        where its life is over by any instance. Raises `AnswerMalformed` where too much was asked again lately.
        """
        attempt, finished = self._attempt, self._finished
        assert attempt is not None
        session_id = finished.session_id if finished is not None and finished.keep else ""
        now = trio.current_time()
        sequel = what_follows(
            Ending(
                complaint=True,
                kept=bool(session_id),
                alive=attempt.alive,
                affordable=self._means.budget.has(self._tenant, now),
            )
        )
        if sequel == "fail":
            raise AnswerMalformed(
                "the model's answer is not what the request demands, and too many answers had to be asked for again in"
                " the last seconds; send the request again in a moment"
            )
        self._means.budget.spend(self._tenant, now)
        self._finished = None
        self._complaint = text
        self._give_up(attempt, sequel, None)
        if sequel == "ask_again":
            self._attempt = self._put(text, session_id=session_id)

    def commit(self, sent: str, calls: Sequence[ToolCall] = ()) -> None:
        """Remember the session under the conversation as it now stands; `sent` and `calls` are what the client got.

        Does nothing for a turn that did not end well, so only the path of success calls it, nor for a conversation
        that nobody will continue.
        """
        finished, attempt = self._finished, self._attempt
        if not self._means.options.reuse_sessions or finished is None or not finished.keep or not finished.session_id:
            return
        if self._prompt.once or attempt is None:
            return
        session = Session(finished.session_id, attempt.instance.name, attempt.life)
        digest = answer_digest(sent, calls)
        self._means.sessions.commit(self._print.commit, digest, session, now=trio.current_time(), tenant=self._tenant)

    def close(self) -> None:
        """Let go of turn and session; upstream is told to stop if the turn still runs. Idempotent."""
        if self._attempt is not None:
            self._attempt.turn.close()
        self._drop_claim()

    def _claim_session(self) -> Claim | None:
        """Borrow the session to continue; one whose instance has no room is of no use, and left to others."""
        means, wanted = self._means, self._print.claim
        if not means.options.reuse_sessions or wanted is None:
            return None
        claim = means.sessions.claim(wanted, self._print.answer, now=trio.current_time(), alive=means.pool.holds)
        if claim is not None and not self._seat.move_to(claim.session.instance):
            claim.give_back()
            return None
        return claim

    def _drop_claim(self) -> None:
        if self._claim is not None:
            self._claim.give_back()
            self._claim = None

    async def _put_first(self) -> Attempt | None:
        """Ask what is to be asked of the instance whose seat this is; None where the seat had to be given back."""
        if self._claim is not None and self._means.pool.holds(self._claim.session):
            return self._continue(self._claim)
        self._drop_claim()
        told = rules(self._prompt, known=False)
        whole = await apart(self._prompt.size, render, self._prompt.messages, told)
        text = f"{whole}\n\n{self._complaint}" if self._complaint else whole
        attempt = self._put(text, images=_images(self._prompt.messages))
        if attempt is not None and self._left:
            log.info("turn_moved", instance=self._left, to=self.instance)
            if self._left in self._seat.without:
                self._means.budget.spend(self._tenant, trio.current_time())
            self._left = ""
        return attempt

    def _continue(self, claim: Claim) -> Attempt | None:
        newest = newest_part(self._prompt)
        text = render_newest(newest, rules(self._prompt, known=True), calls=newest_calls(self._prompt))
        attempt = self._put(text, images=_images(newest), session_id=claim.session.session_id)
        if attempt is not None:
            attempt.continued = claim.session.session_id
            self._hit = True
            claim.spend()
        return attempt

    def _put(self, text: str, *, images: tuple[str, ...] = (), session_id: str = "") -> Attempt | None:
        """Ask `text`, in a session of its own without `session_id`.

        Returns None where the instance went since the seat was given, which goes back into the queue then. Raises why,
        where that happened too often.
        """
        question = Question(
            request_id=uuid4().hex,
            text=text,
            model_key=self.model,
            session_id=session_id,
            is_reply=bool(session_id),
            mode=self._mode,
            images=images,
            tools=self._tools,
        )
        instance = self._seat.instance
        try:
            turn = UpstreamTurn(instance.channel(), question, self._means.options.bounds)
            asked = instance.asking(self.model)
            turn.open()
        except GatewayError:
            self._returns += 1
            if self._returns > MOST_RETURNS:
                raise
            self._drop_claim()
            self._seat.give_back()
            return None
        return Attempt(instance, instance.life, turn, asked)

    def _judge(self, attempt: Attempt, failure: GatewayError | None) -> Sequel:
        """What follows the attempt that failed so, or brought something; failures are noted."""
        means = self._means
        verdict: Verdict = "stands"
        if failure is not None:
            verdict = attempt.instance.failed(failure, attempt.asked)
            means.pool.changed()
        sequel = what_follows(
            Ending(
                failure=failure,
                verdict=verdict,
                shown=self._shown,
                continued=bool(attempt.continued),
                replaced=attempt.replaced,
                moves=self._moves,
                returns=self._returns,
                affordable=means.budget.has(self._tenant, trio.current_time()),
            )
        )
        self._moves += sequel == "move"
        self._returns += sequel == "queue_again"
        return sequel

    def _give_up(self, attempt: Attempt, sequel: Sequel, failure: GatewayError | None) -> None:
        """Let go of an attempt and make ready for the one that follows."""
        why = failure.code if failure is not None else sequel
        log.info(
            "attempt_given_up", instance=attempt.instance.name, sequel=sequel, why=why, hit=bool(attempt.continued)
        )
        self._mended += attempt.turn.deltas
        self._failure = failure
        self._attempt = None
        attempt.turn.close()
        self._drop_claim()
        if sequel != "ask_again":
            self._hit = False
        if sequel in {"move", "queue_again"}:
            self._left = attempt.instance.name
            self._seat.give_back(without=self._left if sequel == "move" else "")

    def _note(self, attempt: Attempt, events: list[AnswerEvent]) -> None:
        if not attempt.answered:
            attempt.answered = True
            attempt.instance.answered(attempt.asked)
        self._shown = True
        last = events[-1]
        if isinstance(last, Finished):
            self._finished = last
            self._means.budget.succeeded(self._tenant, trio.current_time())


def _images(messages: Sequence[Message]) -> tuple[str, ...]:
    return tuple(image for message in messages for image in message.images)


def _declared(prompt: Prompt) -> frozenset[str]:
    """The names of the tools that the answer may call."""
    toolbox = prompt.toolbox
    if toolbox is None or toolbox.choice == "none":
        return frozenset()
    return frozenset(tool.name for tool in toolbox.tools)
