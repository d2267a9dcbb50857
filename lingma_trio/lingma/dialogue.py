"""One answer to one conversation: leases a session, asks, mends unseen what can be mended, commits on success.

Knows the book of sessions, its seat and its turns. What follows an attempt is decided in `policy.sequel` and done here.
Between deciding and doing there is no checkpoint, so a cancelled request leaves nothing half done. A store that is
shared is waited for at the claim and at the commit; what was decided before is looked at again then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import structlog
import trio

from lingma_trio.emulation import rules
from lingma_trio.errors import AnswerMalformed, GatewayError, InstanceBusy
from lingma_trio.lingma.asker import Asker, DialogueOptions, newest_question, question_of
from lingma_trio.lingma.attempt import Attempt
from lingma_trio.lingma.pool import Pool
from lingma_trio.lingma.seat import Seat
from lingma_trio.lingma.turn import Take, UpstreamTurn
from lingma_trio.policy.retry_budget import RetryBudget
from lingma_trio.policy.sequel import MOST_RETURNS, Ending, Sequel, Verdict, what_follows
from lingma_trio.policy.transcript import render
from lingma_trio.sessions.book import Session
from lingma_trio.sessions.commit import Commit, Delivered, how_committed
from lingma_trio.sessions.conversation import Conversation, newest_part
from lingma_trio.sessions.counters import Missed
from lingma_trio.state.sessions import Lease, Sessions
from lingma_trio.threads import apart
from lingma_trio.turns import AnswerEvent, Finished, Message, Prompt

log = structlog.get_logger("lingma_trio.dialogue")


@dataclass(frozen=True, slots=True)
class Means:
    """What all dialogues of a gateway share."""

    pool: Pool
    sessions: Sessions
    options: DialogueOptions
    budget: RetryBudget = field(default_factory=RetryBudget)


class Dialogue:
    """A conversation being answered. Take `batch`es until `Finished`, then `commit`; `Dialogues.open` closes it."""

    def __init__(self, means: Means, seat: Seat, prompt: Prompt, conversation: Conversation, asker: Asker) -> None:
        self._means = means
        self._seat = seat
        self._prompt = prompt
        self._tenant, self._trips = asker.tenant, asker.trips
        self.model = seat.model
        self._mode = means.options.mode_of(prompt)
        self._conversation = conversation
        self.miss: Missed | None = None
        """Why a conversation that goes on does not continue a session."""
        self._lease: Lease | None = None
        self._attempt: Attempt | None = None
        self._complaint = ""  # what is to be said at the end of the whole conversation when it is asked again
        self._failure: GatewayError | None = None  # that of the attempt before, which stands if there is no other one
        self._ahead = True  # whether to ask in a session that was there before: the instance has forgotten none yet
        self._left = ""  # the instance that the question is on its way from
        self._moves = 0
        self._returns = 0
        self._shown = False
        self._hit = False
        self._mended = 0  # deltas of the attempts before
        self._finished: Finished | None = None
        self._committed = False

    def __repr__(self) -> str:
        return f"<Dialogue {self.instance} hit={self.hit} {self._attempt!r}>"

    @property
    def hit(self) -> bool:
        """Whether the answer continues an upstream session."""
        return self._hit

    @property
    def session(self) -> Literal["hit", "miss", "opening", "off"]:
        """Whether it does, in the words of log and trace: a conversation that just begins neither hits nor misses."""
        if not self._means.options.reuse_sessions:
            return "off"
        if self._hit:
            return "hit"
        return "opening" if self.miss is None else "miss"

    @property
    def instance(self) -> str:
        """The name of the instance that is asked."""
        return self._seat.instance.name

    @property
    def deltas(self) -> int:
        """Deltas with text that came from upstream."""
        return self._mended + (self._attempt.turn.deltas if self._attempt is not None else 0)

    async def begin(self) -> None:
        """Claim the session that holds the rest, come in, and ask; `close` gives back what is left.

        A session is left to others while this waits for a place. Raises what `Entry.come_in` and `ask` raise.
        """
        self._lease = await self._claim()
        while not await self._seat.come_in():
            had_one = self._lease is not None
            self._drop_lease()
            await self._seat.stand_back()
            if had_one:
                self._lease = await self._claim()
        await self.ask(until=math.inf)

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

    async def follow(self, patience: float, take: Take) -> None:
        """Give `take` everything that comes, as it comes, until it returns False; nothing after `patience` seconds.

        As long as nothing was given the client has seen nothing, and `policy.sequel` says which faults are mended
        unseen: a turn that failed for its instance's sake goes back into the queue for another one, and a session that
        upstream refuses, or replaces by an empty one, is given up for a fresh one with the whole conversation. Raises
        the `GatewayError` that ended the answer. Cancelling loses nothing.
        """
        wants = True
        while wants:
            since = trio.current_time()
            wants = await self._follow(patience, take, since) if await self.ask(until=since + patience) else take([])

    async def _follow(self, patience: float, take: Take, since: float) -> bool:
        """Follow one attempt; returns whether `take` wants what comes of another."""
        attempt = self._attempt
        assert attempt is not None
        wants = True
        sequel: Sequel = "deliver"

        def given(events: list[AnswerEvent]) -> bool:
            nonlocal wants, sequel
            if events and not attempt.answered and attempt.continued:  # else it is delivered, whoever answers
                sequel = self._judge(attempt, None)
                if sequel != "deliver":
                    return False
            if events:
                self._note(attempt, events)
            wants = take(events)
            return wants and self._attempt is attempt  # which the taker may have had asked again

        failure = await attempt.turn.follow(patience, given, since=since)
        if failure is not None:
            sequel = self._judge(attempt, failure)
            if sequel == "fail":
                raise failure
        if sequel != "deliver":
            self._give_up(attempt, sequel, failure)
        return wants

    def ask_again(self, text: str) -> None:
        """Have a finished answer mended: ask `text` in the session that gave it, for `follow` to go on with.

        Where that session must not be continued, the whole conversation is asked afresh with `text` at its end, and
        where its life is over by any instance: no session is remembered for that, since none holds all of the answer.
        Raises `AnswerMalformed` where too much was asked again lately.
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
            if self._attempt is None:
                attempt.turn.discard()

    async def commit(self, delivered: Delivered) -> Commit:
        """Remember the session under the conversation as its client now has it, where it has what the session holds.

        Returns what became of the session. Only the path of success calls it. A long answer is digested in a thread;
        cancelling that remembers nothing.
        """
        finished, attempt, means = self._finished, self._attempt, self._means
        how = how_committed(
            delivered,
            reuse=means.options.reuse_sessions,
            once=self._prompt.once,
            confirmed=finished is not None and finished.keep and bool(finished.session_id),
        )
        if how in {"kept", "told"}:
            assert attempt is not None
            assert finished is not None
            held = await apart(delivered.size, self._conversation.answered, delivered.text, delivered.calls)
            session = Session(finished.session_id, attempt.instance.name, attempt.life, attempt.account)
            if attempt.holds_all and means.pool.gone(session) is None:
                now, untold = trio.current_time(), delivered.untold
                how = await means.sessions.commit(held, session, how, now=now, untold=untold, trips=self._trips)
                self._committed = how in {"kept", "told"}
                return how
            how = "altered"
        means.sessions.counters.count(how)
        return how

    def close(self) -> None:
        """Let go of turn and session; upstream is told to stop if the turn still runs. Idempotent.

        A session that was not committed is let go of for good: nobody will go on with it. What a client was shown of an
        answer that no session is remembered for leaves a mark on its conversation.
        """
        if self._attempt is not None:
            self._attempt.turn.close()
            if not self._committed:
                self._attempt.turn.discard()
        self._drop_lease()
        if self._shown and not (self._committed or self._prompt.once) and self._means.options.reuse_sessions:
            self._committed = True
            self._means.sessions.mark_altered(self._conversation.question, now=trio.current_time())

    async def _claim(self) -> Lease | None:
        """Lease the session to continue; one whose instance has no room is of no use, and left to others."""
        means, before, self.miss = self._means, self._conversation.before, None
        if before is None or not means.options.reuse_sessions:
            return None
        found = await means.sessions.claim(before, now=trio.current_time(), gone=means.pool.gone, trips=self._trips)
        if isinstance(found, str):
            self.miss = found
        elif self._seat.move_to(found.session.instance):
            return found
        else:
            found.give_back()
            means.sessions.counters.count_miss("busy")
            self.miss = "busy"
        return None

    def _drop_lease(self) -> None:
        if self._lease is not None:
            self._lease.give_back()
            self._lease = None
            self._means.sessions.counters.hits += self._hit

    async def _put_first(self) -> Attempt | None:
        """Ask what is to be asked of the instance whose seat this is; None where the seat had to be given back."""
        lease = self._lease
        if lease is not None and self._left and not self._seat.move_to(lease.session.instance):
            self._give_up_session("busy")
            lease = None
        if lease is not None:
            newest = await apart(self._prompt.size, newest_question, self._prompt, lease.untold)
            gone = self._means.pool.gone(lease.session)
            if gone is None:
                return self._continue(lease, newest)
            self._give_up_session(gone)
        told = rules(self._prompt, known=False)
        whole = await apart(self._prompt.size, render, self._prompt.messages, told)
        text = f"{whole}\n\n{self._complaint}" if self._complaint else whole
        attempt = self._put(text, self._prompt.messages)
        if attempt is not None and self._left:
            log.info("turn_moved", instance=self._left, to=self.instance)
            if self._left in self._seat.without:
                self._means.budget.spend(self._tenant, trio.current_time())
            self._left = ""
        return attempt

    def _continue(self, lease: Lease, text: str) -> Attempt | None:
        attempt = self._put(text, newest_part(self._prompt), session_id=lease.session.session_id)
        if attempt is not None:
            self._hit = True
            self._left = ""
            lease.spend()
        return attempt

    def _give_up_session(self, why: Missed) -> None:
        """The session cannot be continued after all: what was a hit is a miss from here on."""
        if self._lease is not None or self._hit:
            self.miss = why
            self._means.sessions.counters.count_miss(why)
        self._hit = False
        self._drop_lease()

    def _put(self, text: str, shown: Sequence[Message] = (), *, session_id: str = "") -> Attempt | None:
        """Ask `text`, which shows these messages, in a session of its own without `session_id`.

        Returns None where the instance went since the seat was given, which goes back into the queue then. Raises why,
        where that happened too often.
        """
        question = question_of(
            self._prompt, shown, text=text, model_key=self.model, mode=self._mode, session_id=session_id
        )
        instance = self._seat.instance
        try:
            turn = UpstreamTurn(instance.channel(), question, self._means.options.bounds, ahead=self._ahead)
            asked = instance.asking(self.model)
            turn.open()
        except GatewayError:
            self._returns += 1
            if self._returns > MOST_RETURNS:
                raise
            self._give_up_session("instance_gone")
            self._seat.give_back()
            return None
        return Attempt(instance, instance.life, instance.account.name, turn, asked, session_id, bool(self._complaint))

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
                shown=attempt.answered,
                continued=bool(attempt.continued),
                replaced=attempt.replaced,
                spurned=attempt.turn.spurned,
                moves=self._moves,
                returns=self._returns,
                affordable=means.budget.has(self._tenant, trio.current_time()),
            )
        )
        self._moves += sequel == "move"
        self._returns += sequel == "queue_again" and not isinstance(failure, InstanceBusy)
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
        if isinstance(failure, InstanceBusy) and attempt.proved and self._lease is not None:
            self._hit = False
            self._lease.unspend(now=trio.current_time())
        elif sequel != "ask_again":
            attempt.turn.discard()
            self._give_up_session("instance_gone" if sequel == "move" else "refused")
        self._ahead = sequel == "move" or (self._ahead and (failure is None or sequel != "afresh"))
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
