"""The script of one answer as every protocol has it: which texts follow a question, and when, and what goes wrong.

Pure: a step's time is in seconds after the question, and whoever plays the script owns the clock and the wire. What is
of one protocol alone is a subclass's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from lingma_trio.simulator.common_knobs import OK
from lingma_trio.simulator.prose import answer_text, exactly, pieces, thought_text

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from lingma_trio.simulator.common_knobs import CommonKnobs

TroubleKind: TypeAlias = Literal["crash", "drop", "malformed", "deaf", "hang"]

_FENCE: Final = "````"
_MARKUP_PIECE: Final = 3
"""Characters in each delta of embedded reasoning: fewer than a marker has, so that every marker is cut."""

_BUSY_INTERVAL: Final = 1.0
_LEAST_BUSY_INTERVAL: Final = 0.05
"""Seconds between the signs of life of an answer that hangs, before and after scaling."""

_OPENING_TROUBLE: Final[dict[str, TroubleKind]] = {
    "crash_ask": "crash",
    "malformed_ask": "malformed",
    "deaf_ask": "deaf",
}
_MIDDLE_TROUBLE: Final[dict[str, TroubleKind]] = {
    "stall_mid": "hang",
    "crash_mid": "crash",
    "malformed_mid": "malformed",
    "drop_mid": "drop",
}

_ENDLESS: Final = ("stall_first", "stall_mid", "busy_mid")


@dataclass(frozen=True, slots=True)
class Ask:
    """A question as its script needs it. `newest` and `first` are gists; `number` counts the session's questions."""

    request_id: str
    session_id: str
    newest: str
    number: int = 1
    first: str = ""
    session_type: str = "chat"
    final_session_id: str = ""
    """The session id that chat/finish names; empty for the same as everywhere else."""
    timestamp: int = 0
    """When the question came, in milliseconds since 1970; the pushes of the answer carry it."""
    said: str | None = None
    """The answer's whole text, where it was written beforehand."""
    pictures: tuple[str, ...] = ()
    """What its pictures are, in words."""
    protocol: Literal["chat", "session"] = "chat"
    """In which of Lingma's two it was asked, and is answered."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer's text and nothing special about it."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Push:
    """Any other push."""

    at: float
    method: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """A push that always wants a reply; `replied` is called with its result when it comes."""

    at: float
    method: str
    params: dict[str, Any]
    replied: Callable[[object], None]


@dataclass(frozen=True, slots=True)
class Await:
    """Nothing follows until `is_over` is true, or `patience` seconds have passed."""

    at: float
    patience: float
    is_over: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that goes wrong here, on purpose. After a `hang` nothing comes until the answer is stopped."""

    at: float
    kind: TroubleKind


Step: TypeAlias = Delta | Push | Request | Await | Trouble


class Script(ABC):
    """The script of one answer, written as it is played: `steps` first, `after_stop` when a stop cuts it short."""

    def __init__(self, ask: Ask, knobs: CommonKnobs) -> None:
        self._ask = ask
        self._common = knobs
        self._said: list[str] = []

    @property
    def endless(self) -> bool:
        """Whether the answer does not end by itself."""
        return self._common.fault in _ENDLESS

    def steps(self) -> Iterator[Step]:
        """Return the steps in order of time. A step counts as said once the next one is asked for."""
        opening = _OPENING_TROUBLE.get(self._common.fault)
        if opening is not None:
            yield Trouble(0.0, opening)
            if opening != "deaf":
                return
        yield from self._beginning()
        if self._common.fault == "stall_first":
            yield Trouble(0.0, "hang")
            return
        end = yield from self._play_parts(self._thoughts(), self._texts())
        if end is None:
            return
        if self._common.fault == "crash_finish":
            yield Trouble(end, "crash")
        else:
            yield from self._ending(end)

    @abstractmethod
    def after_stop(self, at: float) -> Iterator[Step]:
        """Return the steps after a stop that arrived at `at`; the rest of `steps` is then never played."""

    @abstractmethod
    def _beginning(self) -> Iterator[Step]:
        """What comes before thoughts and text."""

    @abstractmethod
    def _ending(self, at: float) -> Iterator[Step]:
        """What comes after the text."""

    @abstractmethod
    def _thought_pushes(self, texts: list[str]) -> list[Delta | Push]:
        """The thoughts as pushes of their own."""

    @abstractmethod
    def _sign_of_life(self, at: float) -> Push:
        """A push that says nothing, of an answer that hangs."""

    def _fails(self) -> bool:
        """Whether the answer ends with an error, and has no text or half of it."""
        return self._common.status != OK

    def _has_text(self) -> bool:
        return not self._fails() or self._common.partial

    def _at(self, index: int) -> float:
        """When the part with this number is due."""
        return (self._common.first + self._common.gap * index) * self._common.scale

    def _part(self, part: Delta | Push, at: float, *, is_middle: bool) -> Iterator[Step]:  # noqa: ARG002
        """The steps of one thought or text."""
        if isinstance(part, Push):
            yield Push(at, part.method, part.params)
            return
        yield Delta(at, part.text)
        self._said.append(part.text)

    def _play_parts(
        self, thoughts: list[Delta | Push], texts: list[Delta | Push]
    ) -> Generator[Step, None, float | None]:
        """Yield the answer itself; return the time it ends, or None when a fault has ended everything."""
        middle = len(thoughts) + len(texts) // 2
        at = self._at(0)
        for index, part in enumerate([*thoughts, *texts]):
            at = self._at(index)
            if index == middle and (yield from self._middle(at)):
                return None
            yield from self._part(part, at, is_middle=index == middle)
            if index == 0 and self._common.fault == "crash_first_delta":
                yield Trouble(at, "crash")
                return None
            if self._common.empties and (index + 1) % self._common.empties == 0:
                yield Delta(at, "")
        return at

    def _middle(self, at: float) -> Generator[Step, None, bool]:
        """Yield the fault that strikes in mid-answer; return whether the answer ends with it."""
        fault = self._common.fault
        if fault in _MIDDLE_TROUBLE:
            yield Trouble(at, _MIDDLE_TROUBLE[fault])
        elif fault == "busy_mid":
            interval = max(_BUSY_INTERVAL * self._common.scale, _LEAST_BUSY_INTERVAL)
            for beat in count(1):
                yield self._sign_of_life(at + beat * interval)
        return fault in _MIDDLE_TROUBLE

    def _texts(self) -> list[Delta | Push]:
        if not self._has_text():
            return []
        cut = self._cut_text()
        return [Delta(0.0, text) for text in (cut[: len(cut) // 2] if self._fails() else cut)]

    def _cut_text(self) -> list[str]:
        text = self._ask.said
        if text is None:
            ask = self._ask
            text = answer_text(ask.newest, number=ask.number, first=ask.first, pictures=ask.pictures)
        if self._common.deltas:
            return exactly(text, count=self._common.deltas, chars=self._common.chars)
        return pieces(text)

    def _thoughts(self) -> list[Delta | Push]:
        thought = thought_text(self._ask.newest)
        match self._common.reasoning:
            case "none":
                return []
            case "push":
                return self._thought_pushes(pieces(thought))
            case "fence":
                return _in_small_pieces(f"\n{_FENCE}think::{{THINK_TIME}}\n{thought}\n{_FENCE}\n")
            case "tag":
                return _in_small_pieces(f"<think>\n{thought}\n</think>\n\n")


def _in_small_pieces(text: str) -> list[Delta | Push]:
    return [Delta(0.0, text[start : start + _MARKUP_PIECE]) for start in range(0, len(text), _MARKUP_PIECE)]
