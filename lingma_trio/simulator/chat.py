"""The conversations of one simulated Lingma: takes questions and stops, and puts their answers on the stage.

Knows sessions, scripts and limits; must not know how calls arrive or replies leave.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from lingma_trio.simulator.chat_script import ChatScript, refusal
from lingma_trio.simulator.knob import KnobFault
from lingma_trio.simulator.native_tools import NativeCalls
from lingma_trio.simulator.prose import directive_words, gist
from lingma_trio.simulator.rpc import INTERNAL_ERROR, INVALID_PARAMS, NO_REPLY, Refused
from lingma_trio.simulator.scenes import Line, line_of, load_scenes, next_line, written
from lingma_trio.simulator.script import Ask, Step
from lingma_trio.simulator.sessions import Session, Sessions
from lingma_trio.simulator.stage import Performance, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lingma_trio.simulator.account import Account
    from lingma_trio.simulator.client import Client
    from lingma_trio.simulator.files import WorkDirectory
    from lingma_trio.simulator.knobs import Knobs
    from lingma_trio.simulator.pictures import Pictures

_Protocol = Literal["chat", "session"]

BAD_QUESTION: Final = 400
BUSY_SESSION: Final = 409
NOT_COVERED: Final = 403
TOO_MANY: Final = 429
NO_SUCH_SESSION: Final = 31404


class Chat:
    """Every session and every running answer of one process.

    Raises KnobFault where the scenes cannot be read.

    `make_id` makes session ids. `strikes` tells whether a fault that is due strikes, and counts it when it does.
    """

    def __init__(
        self,
        knobs: Knobs,
        *,
        pictures: Pictures,
        account: Account,
        stage: Stage,
        directory: WorkDirectory,
        make_id: Callable[[], str],
        strikes: Callable[[], bool],
    ) -> None:
        self.asks = 0
        self.stops = 0
        self.sessions = Sessions(make_id)
        self._knobs = knobs
        self._pictures = pictures
        self._account = account
        self._stage = stage
        self._directory = directory
        self._make_id = make_id
        self._strikes = strikes
        self._scenes = load_scenes(knobs)
        self._running: dict[str, tuple[Performance, Session | None]] = {}

    @property
    def active(self) -> int:
        """Answers that are running."""
        return len(self._running)

    def ask(self, client: Client, params: dict[str, Any]) -> object:
        """Take a chat/ask and start its answer; return the acknowledgement, or NO_REPLY.

        Raises Refused for a question without a fresh requestId, and where the knob wants an error for acknowledgement.
        """
        return self._take(client, params, self._pictures.named_in(params), "chat")

    def prompt(self, client: Client, params: dict[str, Any], pictures: tuple[str, ...]) -> None:
        """Take what a session/prompt asks, with these pictures, and start its answer; raises as `ask` does."""
        self._take(client, params, pictures, "session")

    def _take(
        self, client: Client, params: dict[str, Any], pictures: tuple[str, ...] | None, protocol: _Protocol
    ) -> object:
        request_id, text = params.get("requestId"), params.get("questionText")
        if not isinstance(request_id, str) or not request_id or not isinstance(text, str):
            raise Refused(INVALID_PARAMS, "a question needs a requestId and a questionText")
        if request_id in self._running:
            raise Refused(INVALID_PARAMS, "this requestId is being answered")
        self.asks += 1
        self._directory.log(f"Async chat, request id {request_id}, question of {len(text)} characters")
        self._record("ask", request_id, params.get("sessionId"), length=len(text))
        ask = Ask(
            request_id, _session_id(params), "", timestamp=_milliseconds(), pictures=pictures or (), protocol=protocol
        )
        if pictures is None:
            self._play(client, ask, refusal(ask, BAD_QUESTION, "图片不存在"))
            return NO_REPLY
        try:
            words = directive_words(text) if self._knobs.directives else []
            knobs = self._with_fault_counted(self._knobs.turned_for_answer(words))
            line = line_of(knobs)
        except KnobFault as fault:
            self._play(client, ask, refusal(ask, BAD_QUESTION, str(fault)))
            return NO_REPLY
        reply = _acknowledgement(knobs, request_id)
        if knobs.ack not in ("failure", "error"):
            self._begin(client, ask, params, knobs, line)
        return reply

    def stop(self, params: dict[str, Any]) -> object:
        """Take a chat/stop; one for a request that is not running does nothing."""
        self.stops += 1
        request_id = params.get("requestId")
        self._directory.log(f"Stop chat, request id {request_id}")
        self._record("stop", request_id, params.get("sessionId"))
        if isinstance(request_id, str) and request_id in self._running:
            self._stage.stop(self._running[request_id][0])
        return {}

    def stop_session(self, params: dict[str, Any]) -> object:
        """Take a chat/stopSession: stop whatever is being answered in it."""
        self._record("stop", None, params.get("sessionId"))
        for performance, session in list(self._running.values()):
            if session is not None and session.id == params.get("sessionId"):
                self._stage.stop(performance)
        return {}

    def approve(self, params: dict[str, Any]) -> object:
        """Take a tool/call/approve."""
        for performance, calls in self._makers_of(params.get("toolCallId")):
            calls.decide(params["toolCallId"], approval=params.get("approval") is True)
            self._stage.nudge(performance)
        return {}

    def take_result(self, params: dict[str, Any]) -> object:
        """Take a tool/invokeResult."""
        for performance, calls in self._makers_of(params.get("toolCallId")):
            calls.note_result(params["toolCallId"])
            self._stage.nudge(performance)
        return {"errorCode": None, "errorMessage": None}

    def client_gone(self, client: Client) -> None:
        """Take note that a client left. Its answers go on without it, but for those that only it could have ended."""
        for performance, _ in list(self._running.values()):
            if performance.client is client:
                self._stage.abandon(performance)

    def delete_session(self, params: dict[str, Any]) -> object:
        """Take a chat/deleteSessionById."""
        gone = self.sessions.delete(str(params.get("sessionId")))
        return {"success": gone, "errorCode": "" if gone else str(NO_SUCH_SESSION), "errorMessage": ""}

    def list_sessions(self) -> object:
        """Take a chat/listAllSessions."""
        return [_describe(session) for session in self.sessions.all()]

    def get_session(self, params: dict[str, Any]) -> object:
        """Take a chat/getSessionById. Raises Refused for an unknown session."""
        session = self.sessions.find(str(params.get("sessionId")))
        if session is None:
            raise Refused(INTERNAL_ERROR, "session not found")
        return _describe(session)

    def _makers_of(self, call_id: object) -> list[tuple[Performance, NativeCalls]]:
        """The answer that makes this call, with its calls; none for a call that nobody makes."""
        scripts = [(performance, performance.script) for performance, _ in self._running.values()]
        makers = [(performance, script.calls) for performance, script in scripts if isinstance(script, ChatScript)]
        return [(performance, calls) for performance, calls in makers if calls is not None and calls.holds(call_id)]

    def _begin(self, client: Client, ask: Ask, params: dict[str, Any], knobs: Knobs, line: Line | None) -> None:
        """Start the answer, or the refusal where there is none to be had; `line` is what its knobs say of its text."""
        status = self._reason_to_refuse(params)
        if status is not None:
            if not (self._is_logged_out() and self._knobs.logged_out_ask == "silence"):
                self._play(client, ask, refusal(ask, status))
            return
        self._account.note_question()
        session_id = _session_id(params)
        session = self.sessions.find(session_id) or self.sessions.open(session_id)
        session.questions.append(gist(params["questionText"]))
        session.busy = True
        if (found := next_line(self._scenes, session, params["questionText"])) is not None:
            line, knobs = found, knobs.turned_for_answer(found.knobs.split())
        ask = replace(
            ask,
            session_id=session.id,
            newest=session.questions[-1],
            number=len(session.questions),
            first=session.questions[0],
            session_type=str(params.get("sessionType") or "chat"),
            final_session_id=self._make_id() if knobs.rename else "",
        )
        calls = None
        if line is not None and line.calls and knobs.native != "none" and params.get("mode") == "agent":
            calls = NativeCalls(ask, line.calls, knobs.native, scale=knobs.scale)
            ask = replace(ask, said=line.text)
        elif line is not None:
            ask = replace(ask, said=written(line, knobs, params["questionText"]))
        script = ChatScript(ask, knobs, calls)
        self._play(client, ask, script.steps(), script=script, session=session)

    def _reason_to_refuse(self, params: dict[str, Any]) -> int | None:
        if self._is_logged_out():
            return self._knobs.logged_out_status
        if self._knobs.uncovered and _model_key(params) == self._knobs.uncovered:
            return NOT_COVERED
        if self._knobs.limit and self.active >= self._knobs.limit:
            return TOO_MANY
        session_id = _session_id(params)
        session = self.sessions.find(session_id)
        if session is None:
            return NO_SUCH_SESSION if session_id and self._knobs.stale == "error" else None
        return BUSY_SESSION if session.busy else None

    def _is_logged_out(self) -> bool:
        self._account.expire()
        return not self._account.signed_in

    def _play(
        self,
        client: Client,
        ask: Ask,
        steps: Iterator[Step],
        *,
        script: ChatScript | None = None,
        session: Session | None = None,
    ) -> None:
        def ended() -> None:
            del self._running[ask.request_id]
            self._directory.log(f"finish chat answer requestId {ask.request_id}")
            if session is not None:
                session.busy = False
                if ask.final_session_id:
                    self.sessions.rename(session, ask.final_session_id)

        performance = Performance(client, client.encoder(ask), script, steps, ended)
        self._running[ask.request_id] = (performance, session)
        self._stage.begin(performance)

    def _with_fault_counted(self, knobs: Knobs) -> Knobs:
        if not knobs.fault_of_answer or self._strikes():
            return knobs
        return replace(knobs, fault="none")

    def _record(self, kind: str, request_id: object, session_id: object, *, length: int = 0) -> None:
        if self._knobs.record:
            self._directory.record({"kind": kind, "requestId": request_id, "sessionId": session_id, "length": length})


def _session_id(params: dict[str, Any]) -> str:
    session_id = params.get("sessionId")
    return session_id if isinstance(session_id, str) else ""


def _model_key(params: dict[str, Any]) -> object:
    model: object = params
    for name in ("extra", "modelConfig", "key"):
        model = model.get(name) if isinstance(model, dict) else None
    return model


def _milliseconds() -> int:
    return int(time.time() * 1000)


def _describe(session: Session) -> dict[str, Any]:
    return {
        "sessionId": session.id,
        "sessionTitle": session.questions[0] if session.questions else "",
        "sessionType": "chat",
        "chatRecords": [{"sessionId": session.id, "question": question} for question in session.questions],
    }


def _acknowledgement(knobs: Knobs, request_id: str) -> object:
    """Return the reply to a chat/ask; raises Refused where the knob wants an error."""
    match knobs.ack:
        case "none":
            return NO_REPLY
        case "success":
            return {"success": True, "errorCode": "", "errorMessage": ""}
        case "is_success":
            return {"isSuccess": True, "requestId": request_id, "status": "success", "errorMessage": ""}
        case "failure":
            return {"success": False, "errorCode": "500", "errorMessage": "服务内部错误"}
        case "error":
            raise Refused(INTERNAL_ERROR, "failed to ask")
