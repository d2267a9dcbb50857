"""Writes the script of one answer: which pushes follow a question, and when, under the knobs that hold for it.

Pure: a step's time is in seconds after the question, and whoever plays the script owns the clock and the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from lingma_trio.simulator.prose import answer_text, exactly, pieces, thought_text

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from lingma_trio.simulator.knobs import Knobs
    from lingma_trio.simulator.native_tools import NativeCalls

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

OK: Final = 200

_REASONS: Final = {
    400: "请求参数错误",
    401: "请先登录",
    403: "无权限或额度已用完",
    406: "内容不合规,已被过滤",
    408: "请求超时",
    409: "该会话正在回答上一个问题",
    429: "请求过于频繁,请稍后再试",
    500: "服务内部错误",
    601: "内容不合规,已被过滤",
    31404: "会话不存在",
    80408: "响应超时,点击继续",
}


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
    """In which of the two it was asked, and is answered."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A chat/answer with `text` and nothing special about it."""

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
    """A push that always wants a reply; `replied` is called when it comes."""

    at: float
    method: str
    params: dict[str, Any]
    replied: Callable[[], None]


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


def answer_params(ask: Ask, text: str, *, overwrite: bool = False, filtered: bool = False) -> dict[str, Any]:
    """Return the params of a chat/answer."""
    return {
        "requestId": ask.request_id,
        "sessionId": ask.session_id,
        "text": text,
        "overwrite": overwrite,
        "isFiltered": filtered,
        "timestamp": ask.timestamp,
        "extra": {"sessionType": ask.session_type},
    }


def refusal(ask: Ask, status: int, reason: str = "") -> Iterator[Step]:
    """Return the script of a question that gets a chat/finish with an error and nothing else."""
    yield _finish(ask, 0.0, status=status, reason=reason or _reason(status))


class Script:
    """The script of one answer, written as it is played: `steps` first, `after_stop` when a chat/stop cuts it short.

    `calls` are those that are made by pushes, after the text.
    """

    def __init__(self, ask: Ask, knobs: Knobs, calls: NativeCalls | None = None) -> None:
        self.calls = calls
        self._ask = ask
        self._knobs = knobs
        self._said: list[str] = []
        self._fails = knobs.status != OK or knobs.error_push != "none" or knobs.filter != "none"

    @property
    def endless(self) -> bool:
        """Whether the answer does not end by itself."""
        return self._knobs.fault in _ENDLESS

    def steps(self) -> Iterator[Step]:
        """Return the steps in order of time. A step counts as said once the next one is asked for."""
        opening = _OPENING_TROUBLE.get(self._knobs.fault)
        if opening is not None:
            yield Trouble(0.0, opening)
            if opening != "deaf":
                return
        yield self._process_step(0.0, "step_start")
        yield self._process_step(0.0, "step_end")
        if self._knobs.fault == "stall_first":
            yield Trouble(0.0, "hang")
            return
        end = yield from self._play_parts(self._thoughts(), self._texts())
        if end is None:
            return
        if self.calls is not None:
            yield from self.calls.steps(end)
        yield from self._ending(end)
        if self.calls is not None:
            yield self.calls.last_step(end)

    def after_stop(self, at: float) -> Iterator[Step]:
        """Return the steps after a chat/stop that arrived at `at`; the rest of `steps` is then never played."""
        if self._knobs.stop == "silence":
            return
        if self._knobs.stop == "error":
            yield Push(at, "error", {"message": self._knobs.reason or _reason(500)})
            return
        if self._knobs.stop == "late_chunks":
            for text in ("…", "…"):
                yield Delta(at, text)
                self._said.append(text)
                at += self._knobs.gap * self._knobs.scale
        yield self._finish(at, reason="cancelled")

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
            yield from self._part(part, at, overwrites=index == middle)
            if index == 0 and self._knobs.fault == "crash_first_delta":
                yield Trouble(at, "crash")
                return None
            if self._knobs.empties and (index + 1) % self._knobs.empties == 0:
                yield Delta(at, "")
        return at

    def _at(self, index: int) -> float:
        # Frames that are to share a message have to be due together.
        group = index - index % max(self._knobs.coalesce, 1)
        return (self._knobs.first + self._knobs.gap * group) * self._knobs.scale

    def _middle(self, at: float) -> Generator[Step, None, bool]:
        """Yield the fault that strikes in mid-answer; return whether the answer ends with it."""
        fault = self._knobs.fault
        if fault in _MIDDLE_TROUBLE:
            yield Trouble(at, _MIDDLE_TROUBLE[fault])
        elif fault == "busy_mid":
            interval = max(_BUSY_INTERVAL * self._knobs.scale, _LEAST_BUSY_INTERVAL)
            for beat in count(1):
                yield self._process_step(at + beat * interval, "step_retrieve_relevant_info")
        return fault in _MIDDLE_TROUBLE

    def _part(self, part: Delta | Push, at: float, *, overwrites: bool) -> Iterator[Step]:
        if isinstance(part, Push):
            yield Push(at, part.method, part.params)
            return
        if not overwrites or self._knobs.overwrite == "none":
            yield Delta(at, part.text)
            self._said.append(part.text)
            return
        again = "".join(self._said) + part.text
        if self._knobs.overwrite == "replacing":
            again = f"[{again}] "
        yield Push(at, "chat/answer", answer_params(self._ask, again, overwrite=True))
        self._said = [again]

    def _texts(self) -> list[Delta | Push]:
        if self._knobs.finish in ("only_full_answer", "no_text") or (self._fails and not self._knobs.partial):
            return []
        cut = self._cut_text()
        return [Delta(0.0, text) for text in (cut[: len(cut) // 2] if self._fails else cut)]

    def _cut_text(self) -> list[str]:
        text = self._ask.said
        if text is None:
            ask = self._ask
            text = answer_text(ask.newest, number=ask.number, first=ask.first, pictures=ask.pictures)
        if self._knobs.deltas:
            return exactly(text, count=self._knobs.deltas, chars=self._knobs.chars)
        return pieces(text)

    def _thoughts(self) -> list[Delta | Push]:
        thought = thought_text(self._ask.newest)
        match self._knobs.reasoning:
            case "none":
                return []
            case "push":
                return self._thought_pushes(pieces(thought))
            case "fence":
                return _in_small_pieces(f"\n{_FENCE}think::{{THINK_TIME}}\n{thought}\n{_FENCE}\n")
            case "tag":
                return _in_small_pieces(f"<think>\n{thought}\n</think>\n\n")

    def _thought_pushes(self, texts: list[str]) -> list[Delta | Push]:
        steps = [*(("start", text) for text in texts), ("done", "")]
        return [
            Push(
                0.0,
                "chat/think",
                {
                    "requestId": self._ask.request_id,
                    "sessionId": self._ask.session_id,
                    "text": text,
                    "step": step,
                    "timestamp": self._ask.timestamp,
                    "extra": {},
                },
            )
            for step, text in steps
        ]

    def _ending(self, at: float) -> Iterator[Step]:
        if self._knobs.fault == "crash_finish":
            yield Trouble(at, "crash")
        elif self._knobs.error_push != "none":
            addressee = {"requestId": self._ask.request_id} if self._knobs.error_push == "addressed" else {}
            yield Push(at, "error", {**addressee, "message": self._knobs.reason or _reason(500)})
        elif self._knobs.filter == "timeout":
            yield Push(at, "chat/filterTimeout", {"requestId": self._ask.request_id, "sessionId": self._ask.session_id})
        elif self._knobs.filter == "flagged":
            yield Push(at, "chat/answer", answer_params(self._ask, "", filtered=True))
            yield self._finish(at, status=601, reason=_reason(601))
        else:
            yield from self._finishes(at)

    def _finishes(self, at: float) -> Iterator[Step]:
        if self._knobs.finish == "missing":
            return
        if self._ask.number == 1:
            title = {"sessionId": self._ask.session_id, "sessionTitle": self._ask.newest}
            yield Push(at, "session/title/update", title)
        if self._knobs.finish == "only_full_answer":
            self._said = self._cut_text()
        status = self._knobs.status
        finish = self._finish(at, status=status, reason="" if status == OK else self._knobs.reason or _reason(status))
        if self._knobs.finish == "no_status":
            del finish.params["statusCode"]
        elif self._knobs.finish == "text_status":
            finish.params["statusCode"] = str(status)
        yield finish
        if self._knobs.finish == "duplicate":
            yield finish
        elif self._knobs.finish == "chunk_after":
            yield Delta(at, " (too late)")

    def _finish(self, at: float, *, status: int = OK, reason: str = "") -> Push:
        return _finish(self._ask, at, status=status, reason=reason, text="".join(self._said))

    def _process_step(self, at: float, step: str) -> Push:
        params = {
            "requestId": self._ask.request_id,
            "sessionId": self._ask.session_id,
            "step": step,
            "description": "",
            "status": "done",
            "result": None,
            "message": "",
        }
        return Push(at, "chat/process_step_callback", params)


def _in_small_pieces(text: str) -> list[Delta | Push]:
    return [Delta(0.0, text[start : start + _MARKUP_PIECE]) for start in range(0, len(text), _MARKUP_PIECE)]


def _finish(ask: Ask, at: float, *, status: int, reason: str, text: str = "") -> Push:
    params = {
        "requestId": ask.request_id,
        "sessionId": ask.final_session_id or ask.session_id,
        "reason": reason,
        "statusCode": status,
        "fullAnswer": text,
        "extra": {},
    }
    return Push(at, "chat/finish", params)


def _reason(status: int) -> str:
    return _REASONS.get(status, "未知错误")
