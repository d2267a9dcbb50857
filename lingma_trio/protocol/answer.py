"""What a client has been shown of one answer, and how the answer ends: the part that every dialect shares.

Knows what a delta, an overwrite, a call and an end mean for what was shown before. Must not know which pushes carry
them, JSON, ids, sockets or the clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lingma_trio.protocol.failures import EMPTY_ANSWER, SILENCE
from lingma_trio.protocol.reasoning import MAX_BLANKS, ReasoningSplitter
from lingma_trio.protocol.tools.cards import CardCutter, ToolCard
from lingma_trio.turns import Finished, TextDelta, ThoughtDelta, ToolCall, text_buffer

OK = 200

MAX_STRETCHES = 256
"""Stretches of reasoning that are shown; later ones are left out. Each is a block of its own to its client, with events
and ids round it, so an answer that turned from one kind to the other at every word would be multiplied a hundredfold.
Models that think between their calls do so some dozen times."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Upstream ended the turn with an error. `status` is upstream's, or one of the negative ones of `failures`."""

    status: int
    reason: str


class TurnSink(Protocol):
    """Where the events go. Called synchronously, in order; nothing follows `finished` or `failed`."""

    def text(self, text: str) -> None:
        """More of the answer."""

    def thought(self, text: str) -> None:
        """More of the reasoning."""

    def replaced(self, text: str) -> None:
        """The answer so far is void; `text` stands in its place."""

    def call(self, call: ToolCall) -> None:
        """A call of one of the client's tools. No text follows."""

    def finished(self, event: Finished) -> None:
        """The answer is complete."""

    def failed(self, failed: Failed) -> None:
        """The answer will not be completed."""


def _ignored(card: ToolCard) -> None:
    """A card that means nothing to anybody."""


class Answer:
    """One answer in the making; what comes after its end is dropped.

    `signs` counts the signs of life, empty deltas included; `deltas` the deltas with text. `confirmed` says that
    upstream itself ended the turn, so that there is nothing left to stop. Once the client's tools are called the answer
    is theirs to go on with, so whatever upstream still says is no part of it.
    """

    def __init__(self, sink: TurnSink, *, on_card: Callable[[ToolCard], None] = _ignored) -> None:
        self._sink = sink
        self._on_card = on_card
        self._splitter = ReasoningSplitter()
        self._cards = CardCutter()
        # What the sink has been given of the text, and of the thoughts within it.
        self._text = text_buffer()
        self._thoughts = text_buffer()
        self._thought_aside = False
        self._pondering = False  # the newest of what was shown is reasoning
        self._stretches = 0
        self.session_id = ""
        self.signs = 0
        self.deltas = 0
        self.calls = 0
        self._unsaid = False  # something was written after the calls
        self.ended = False
        self.confirmed = False

    def text(self, text: str, deltas: int = 1) -> None:
        """More of the answer, reasoning and cards within it included, in so many deltas with text."""
        if not text:
            return
        self.deltas += deltas
        if self.calls:
            self._pass_over(self._cards.feed(text))
            return
        if self._splitter.passes(text):
            self._show(text)
        else:
            self._emit(self._splitter.feed(text))

    def thought(self, text: str) -> None:
        """More of the reasoning, from where it has a place of its own."""
        if not text:
            return
        self.deltas += 1
        if not self.calls:
            self._thought_aside = True
            self._show_thought(text)

    def overwrite(self, text: str) -> None:
        """Put `text` in the place of all that came before, telling the sink only what that changes.

        Compared is what was shown, not what was sent: filling in the duration in a fence's first line changes nothing.
        Thoughts cannot be taken back, so those of the new text are shown only where they continue the old ones.
        """
        self.deltas += bool(text)
        if self.calls:
            self._unsaid = True
            self._cards = CardCutter()
            self._pass_over(self._cards.feed(text))
        else:
            self._replace(text)

    def call(self, call: ToolCall) -> None:
        """The model calls one of the client's tools."""
        if self.ended:
            return
        if not self.calls:
            self._flush()
        self.calls += 1
        self._sink.call(call)

    def finish(self, status: int | None, reason: str, whole: str = "") -> None:
        """Upstream ended the turn. `whole` repeats the answer's text, and serves only where none came.

        Calls that were made stand, whatever became of the turn after them.
        """
        self.confirmed = True
        if status is not None and status != OK:
            # Lingma's own numbers are not negative, and ours must not be mistaken for them.
            self.fail(max(status, 0), reason)
            return
        self._flush()
        if not self.calls:
            self._serve(whole)
        if self._text.tell() or self._thoughts.tell() or self._thought_aside or self.calls:
            self._end(Finished(self.session_id, unsaid=self._unsaid))
        else:
            self.fail(EMPTY_ANSWER, reason)

    def complete(self, *, length: bool, keep: bool, lack: int) -> None:
        """Upstream ended the turn well, at the longest answer that it gives where `length` says so.

        Without text the turn failed with the status `lack`: thoughts alone are no answer here. `keep` says whether the
        session may be gone on with.
        """
        if self.ended:
            return
        self._flush()
        if self._text.tell():
            self._end(Finished(self.session_id, keep=keep, length=length))
        else:
            self.fail(lack, "")

    def end_by_idle(self) -> None:
        """Nothing has come for too long: an answer whose end upstream never confirmed, or none at all."""
        if self.ended:
            return
        self._flush()
        if self._text.tell() or self.calls:
            self._end(Finished(self.session_id, keep=False))
        else:
            self.fail(SILENCE, "")

    def fail(self, status: int, reason: str) -> None:
        """The answer will not be completed; calls that were made are an answer all the same."""
        if self.ended:
            return
        if self.calls:
            self._end(Finished(self.session_id, keep=False))
            return
        self._flush()
        self.ended = True
        self._sink.failed(Failed(status, reason))

    def see_session(self, session_id: object) -> None:
        """Note the session that a push names, if it names one."""
        if isinstance(session_id, str) and session_id:
            self.session_id = session_id

    def _end(self, event: Finished) -> None:
        self.ended = True
        self._sink.finished(event)

    def _replace(self, text: str, *, behind: str = "") -> None:
        self._splitter, self._cards = ReasoningSplitter(), CardCutter()
        events = self._splitter.feed(text)
        answer = "".join(self._without_cards("".join(e.text for e in events if isinstance(e, TextDelta))))
        if behind:
            answer = behind + answer.lstrip()
        thought = "".join(event.text for event in events if isinstance(event, ThoughtDelta))
        # What is longer cannot be continued, and is not looked at: an overwrite costs its own length.
        shown, pondered = self._text.tell(), self._thoughts.tell()
        if len(thought) > pondered and thought.startswith(self._thoughts.getvalue()):
            self._ponder(thought[pondered:])
        if len(answer) < shown or not answer.startswith(self._text.getvalue()):
            self._text = text_buffer(answer)
            self._pondering = False
            self._sink.replaced(answer)
        elif len(answer) > shown:
            self._say(answer[shown:])

    def _serve(self, whole: str) -> None:
        """Show an answer that comes at the end where no more was shown than blanks, such as stand behind reasoning."""
        if self._text.tell() > MAX_BLANKS:
            return
        blanks = self._text.getvalue()
        if blanks.strip() or (blanks and not whole.strip()):
            return
        self._replace(whole, behind=blanks)
        self._flush()

    def _flush(self) -> None:
        if self.calls:
            self._pass_over(self._cards.flush())
            return
        self._emit(self._splitter.flush())
        self._tell(self._cards.flush())

    def _emit(self, events: list[TextDelta | ThoughtDelta]) -> None:
        for event in events:
            if isinstance(event, TextDelta):
                self._show(event.text)
            else:
                self._ponder(event.text)

    def _show(self, text: str) -> None:
        if self._cards.passes(text):
            self._say(text)
        else:
            self._tell(self._cards.feed(text))

    def _tell(self, pieces: list[str | ToolCard]) -> None:
        for piece in pieces:
            if isinstance(piece, ToolCard):
                self._on_card(piece)
            else:
                self._say(piece)

    def _pass_over(self, pieces: list[str | ToolCard]) -> None:
        """Take no more of what is written after a call than the names of further calls."""
        for piece in pieces:
            if isinstance(piece, ToolCard):
                self._on_card(piece)
            else:
                self._unsaid = self._unsaid or not piece.isspace()

    def _without_cards(self, text: str) -> list[str]:
        pieces = self._cards.feed(text)
        for piece in pieces:
            if isinstance(piece, ToolCard):
                self._on_card(piece)
        return [piece for piece in pieces if isinstance(piece, str)]

    def _say(self, text: str) -> None:
        self._text.write(text)
        self._pondering = False
        self._sink.text(text)

    def _ponder(self, text: str) -> None:
        self._thoughts.write(text)
        self._show_thought(text)

    def _show_thought(self, text: str) -> None:
        self._stretches += not self._pondering
        self._pondering = True
        if self._stretches <= MAX_STRETCHES:
            self._sink.thought(text)
