"""The script of an answer of Lingma's: the pushes of `chat/*`, and its ways to end.

Pure, as the script is that it completes. The pushes of `session/*` are made of these, see `updates`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lingma_trio.simulator.common_knobs import OK
from lingma_trio.simulator.script import Ask, Delta, Push, Script, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lingma_trio.simulator.knobs import Knobs
    from lingma_trio.simulator.native_tools import NativeCalls

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
    yield _finish(ask, 0.0, status=status, reason=reason or reason_for(status))


class ChatScript(Script):
    """The script of one answer. `calls` are those that are made by pushes, after the text."""

    def __init__(self, ask: Ask, knobs: Knobs, calls: NativeCalls | None = None) -> None:
        super().__init__(ask, knobs)
        self.calls = calls
        self._knobs = knobs

    def after_stop(self, at: float) -> Iterator[Step]:
        """Return the steps after a chat/stop that arrived at `at`; the rest of `steps` is then never played."""
        if self._knobs.stop == "silence":
            return
        if self._knobs.stop == "error":
            yield Push(at, "error", {"message": self._knobs.reason or reason_for(500)})
            return
        if self._knobs.stop == "late_chunks":
            for text in ("…", "…"):
                yield Delta(at, text)
                self._said.append(text)
                at += self._knobs.gap * self._knobs.scale
        yield self._finish(at, reason="cancelled")

    def _beginning(self) -> Iterator[Step]:
        yield self._process_step(0.0, "step_start")
        yield self._process_step(0.0, "step_end")

    def _sign_of_life(self, at: float) -> Push:
        return self._process_step(at, "step_retrieve_relevant_info")

    def _fails(self) -> bool:
        return super()._fails() or self._knobs.error_push != "none" or self._knobs.filter != "none"

    def _has_text(self) -> bool:
        return self._knobs.finish not in ("only_full_answer", "no_text") and super()._has_text()

    def _at(self, index: int) -> float:
        # Frames that are to share a message have to be due together.
        return super()._at(index - index % max(self._knobs.coalesce, 1))

    def _part(self, part: Delta | Push, at: float, *, is_middle: bool) -> Iterator[Step]:
        if isinstance(part, Push) or not is_middle or self._knobs.overwrite == "none":
            yield from super()._part(part, at, is_middle=is_middle)
            return
        again = "".join(self._said) + part.text
        if self._knobs.overwrite == "replacing":
            again = f"[{again}] "
        yield Push(at, "chat/answer", answer_params(self._ask, again, overwrite=True))
        self._said = [again]

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
        if self.calls is not None:
            yield from self.calls.steps(at)
        yield from self._ends(at)
        if self.calls is not None:
            yield self.calls.last_step(at)

    def _ends(self, at: float) -> Iterator[Step]:
        if self._knobs.error_push != "none":
            addressee = {"requestId": self._ask.request_id} if self._knobs.error_push == "addressed" else {}
            yield Push(at, "error", {**addressee, "message": self._knobs.reason or reason_for(500)})
        elif self._knobs.filter == "timeout":
            yield Push(at, "chat/filterTimeout", {"requestId": self._ask.request_id, "sessionId": self._ask.session_id})
        elif self._knobs.filter == "flagged":
            yield Push(at, "chat/answer", answer_params(self._ask, "", filtered=True))
            yield self._finish(at, status=601, reason=reason_for(601))
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
        finish = self._finish(
            at, status=status, reason="" if status == OK else self._knobs.reason or reason_for(status)
        )
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


def reason_for(status: int) -> str:
    """The words that go with a status."""
    return _REASONS.get(status, "未知错误")
