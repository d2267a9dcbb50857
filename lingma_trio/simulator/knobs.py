"""What can be turned on the simulated Lingma: one frozen set of knobs.

The defaults are what the protocol reference holds to be Lingma's behaviour; the rest are its open points, its tolerated
variants and its faults. Knows nothing of sockets, files or time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from lingma_trio.simulator.common_knobs import CommonKnobs
from lingma_trio.simulator.knob import OfAnswer, OfProcess

Overwrite = Literal["none", "continuing", "replacing"]
Finish = Literal[
    "present",
    "missing",
    "duplicate",
    "chunk_after",
    "only_full_answer",
    "no_text",
    "no_status",
    "text_status",
]
ErrorPush = Literal["none", "addressed", "unaddressed"]
Filter = Literal["none", "timeout", "flagged"]
Acknowledgement = Literal["none", "success", "is_success", "failure", "error"]
AfterStop = Literal["finish", "late_chunks", "silence", "error"]
Info = Literal["text", "json", "json_name", "one_line_first", "never", "stale", "shared_dir"]
SignIn = Literal[
    "form",
    "ram",
    "qr_first",
    "qr_first_old",
    "qr_only",
    "check_code",
    "slider",
    "punish",
    "verification",
    "organisation",
    "changed",
]
Native = Literal["none", "invoke", "async", "results"]
Upload = Literal["taken", "unanswered", "refused", "failed", "failed_later", "silent", "unknown"]
Protocol = Literal["chat", "chat_but_stop", "session", "session_and_stop", "neither"]
Fault = Literal[
    "none",
    "crash_start",
    "crash_before_info",
    "crash_connect",
    "crash_initialize",
    "crash_ask",
    "crash_first_delta",
    "crash_mid",
    "crash_finish",
    "drop_mid",
    "stall_first",
    "stall_mid",
    "busy_mid",
    "malformed_ask",
    "malformed_mid",
    "deaf_ask",
]


@dataclass(frozen=True, slots=True)
class Knobs(CommonKnobs):
    """How this Lingma behaves."""

    # --- one answer: how it is acknowledged, ends, or goes wrong
    stop: Annotated[AfterStop, OfAnswer("what follows a chat/stop; error is a push that names no request")] = "finish"
    fault: Annotated[Fault, OfAnswer("what goes wrong, and where; of one answer from crash_ask on")] = "none"
    native: Annotated[
        Native, OfAnswer("in agent mode calls are made by pushes instead: as which of the known builds makes them")
    ] = "none"
    ack: Annotated[Acknowledgement, OfAnswer("reply to a chat/ask that was sent as a request")] = "none"
    overwrite: Annotated[
        Overwrite, OfAnswer("a delta in mid-answer that replaces everything, by the same text or another")
    ] = "none"
    finish: Annotated[Finish, OfAnswer("what the chat/finish looks like")] = "present"
    error_push: Annotated[ErrorPush, OfAnswer("an `error` push ends the answer, with or without its requestId")] = (
        "none"
    )
    filter: Annotated[Filter, OfAnswer("chat/filterTimeout, or a delta with isFiltered and a finish with 601")] = "none"
    rename: Annotated[bool, OfAnswer("the chat/finish names another session id than the deltas did")] = False
    # --- the process
    info: Annotated[Info, OfProcess("form, place and completeness of the ready file")] = "text"
    info_delay: Annotated[float, OfProcess("time before the ready file is complete")] = 0.0
    accept_delay: Annotated[float, OfProcess("time before a WebSocket handshake is answered")] = 0.0
    ping_before_close: Annotated[bool, OfProcess("a ping goes out right before the close frame")] = False
    record: Annotated[bool, OfProcess("writes each question and stop to logs/asks.jsonl")] = False
    # --- the wire
    ids: Annotated[bool, OfProcess("pushes are requests with ids instead of notifications")] = False
    ack_wait: Annotated[
        float, OfProcess("with ids: longest wait for the reply to a push before the next one is sent")
    ] = 0.0
    coalesce: Annotated[int, OfProcess("frames in one WebSocket message")] = 1
    split: Annotated[
        int, OfProcess("longest WebSocket message in characters; frames go over several; 0 does not split")
    ] = 0
    binary: Annotated[bool, OfProcess("binary messages instead of text")] = False
    lower_case_header: Annotated[bool, OfProcess("content-length instead of Content-Length")] = False
    content_type: Annotated[bool, OfProcess("a Content-Type line after the Content-Length")] = False
    noise: Annotated[float, OfProcess("time between pushes that concern no answer; 0 sends none")] = 0.0
    # --- the account and the sessions
    before_initialize: Annotated[
        Literal["error", "silence"], OfProcess("reply to a request that comes before initialize")
    ] = "error"
    login: Annotated[
        Literal["in", "out", "files"], OfProcess("signed in at start, signed out, or as the work directory says")
    ] = "in"
    passwords: Annotated[
        str, OfProcess("who may sign in on the sign-in site, as name:password with a semicolon between two")
    ] = "demo:demo"
    sign_in: Annotated[
        SignIn, OfProcess("what the sign-in site shows: a form, another way in, or what only a person gets past")
    ] = "form"
    sign_in_delay: Annotated[float, OfProcess("time before the sign-in site answers a request")] = 0.0
    sign_in_wipes: Annotated[int, OfProcess("how often the sign-in form is rebuilt, empty, after it was filled in")] = 0
    logged_out_ask: Annotated[Literal["finish", "silence"], OfProcess("what a question gets while signed out")] = (
        "finish"
    )
    logged_out_status: Annotated[int, OfProcess("statusCode of the finish that a question gets while signed out")] = 403
    models: Annotated[Literal["normal", "empty", "alternative"], OfProcess("what config/queryModels returns")] = (
        "normal"
    )
    quota: Annotated[int, OfProcess("the quota that auth/status tells")] = 0
    plan: Annotated[
        Literal["refused", "told", "silent", "unknown"],
        OfProcess("what user/plan gets: an error, a plan, no reply, or no such method"),
    ] = "refused"
    stale: Annotated[
        Literal["fresh", "error"], OfProcess("a question for an unknown session: an empty one, or an error")
    ] = "fresh"
    looks: Annotated[
        Literal["answered", "refused", "silent"],
        OfProcess("what each auth/status but the first gets"),
    ] = "answered"
    uncovered: Annotated[
        str, OfProcess("key of a model that the plan does not cover: a question for it gets a finish with 403")
    ] = ""
    protocol: Annotated[
        Protocol, OfProcess("which questions it knows: chat/ask or session/prompt; each knows the chat/stop of its own")
    ] = "chat"
    upload: Annotated[
        Upload, OfProcess("what becomes of a picture: an address, an error now or in its push, or nothing more")
    ] = "taken"
    upload_limit: Annotated[
        int, OfProcess("characters of a picture's URI up to which it is taken, whatever `upload` says")
    ] = 0
    upload_time: Annotated[float, OfProcess("time from an upload to the push that tells what became of it")] = 0.0
