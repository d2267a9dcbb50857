"""What can be turned on the simulated agent: one frozen set of knobs.

The defaults are what most agents do that were measured; the rest is what others do, and their faults. Knows nothing of
pipes, files or time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from lingma_trio.simulator.common_knobs import CommonKnobs
from lingma_trio.simulator.knob import OfAnswer, OfProcess

StopReason = Literal["end_turn", "max_tokens", "max_turn_requests", "refusal", "cancelled"]
AfterCancel = Literal["finish", "end_turn", "late_chunks", "silence", "error", "waits"]
ErrorCode = Literal["internal", "status", "auth"]
ErrorData = Literal["none", "text", "details", "message"]
Permission = Literal["none", "counted", "zero", "prompt", "text"]
Options = Literal["usual", "unusual", "no_reject", "none"]
Rejected = Literal["told", "no_text", "cancelled"]
Asks = Literal["none", "file", "terminal", "vendor"]
Tool = Literal["none", "fails", "runs"]
Aside = Literal["none", "warning", "error"]
Finish = Literal["present", "no_text"]
Usage = Literal["absent", "present", "zero"]
Fault = Literal[
    "none",
    "crash_start",
    "crash_initialize",
    "crash_new",
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
    "half_line_mid",
    "deaf_ask",
]
Offers = Literal["both", "models", "options", "neither"]
New = Literal["answered", "refused", "auth", "silent"]
Busy = Literal["queued", "displaced", "unanswered", "refused"]
Unknown = Literal["invalid", "not_found", "internal"]


@dataclass(frozen=True, slots=True)
class AcpKnobs(CommonKnobs):
    """How this agent behaves."""

    # --- one answer: what comes with its text
    message_ids: Annotated[bool, OfAnswer("chunks carry a messageId")] = False
    aside: Annotated[
        Aside,
        OfAnswer("text that is not the model's: a warning before the answer, or words before an error"),
    ] = "none"
    asks: Annotated[Asks, OfAnswer("a request before the text that the client never said it takes")] = "none"
    tool: Annotated[Tool, OfAnswer("a tool that nobody was asked about: its call fails, or it runs")] = "none"
    permission: Annotated[
        Permission,
        OfAnswer("a permission request before the text, its id a number, 0, that of the prompt, or a text"),
    ] = "none"
    options: Annotated[Options, OfAnswer("what a permission request offers")] = "usual"
    rejected: Annotated[
        Rejected, OfAnswer("what follows a rejection: the text, an end_turn without text, or `cancelled`")
    ] = "told"
    stray: Annotated[bool, OfAnswer("a response to a request that was never made comes before the text")] = False
    long_line: Annotated[int, OfAnswer("bytes of an update that comes before the text; 0 sends none")] = 0
    # --- one answer: how it ends, or goes wrong
    ends: Annotated[StopReason, OfAnswer("the stopReason; after `refusal` there was no text")] = "end_turn"
    finish: Annotated[Finish, OfAnswer("whether the response comes with a text before it")] = "present"
    usage: Annotated[Usage, OfAnswer("the usage of a response, all zeros or real")] = "absent"
    error: Annotated[ErrorCode, OfAnswer("the code of an error: -32603, the status itself, or -32000")] = "internal"
    data: Annotated[ErrorData, OfAnswer("the data of an error: a text, or an object with `details` or `message`")] = (
        "details"
    )
    stop: Annotated[
        AfterCancel,
        OfAnswer("what follows a session/cancel; `waits` is `cancelled`, but not before a permission is answered"),
    ] = "finish"
    stop_after: Annotated[float, OfAnswer("time from a session/cancel to what follows it")] = 0.0
    fault: Annotated[Fault, OfAnswer("what goes wrong, and where; of one answer from crash_ask on")] = "none"
    # --- the process
    record: Annotated[
        str, OfProcess("file that gets a line of JSON for each message; below HOME where it is no absolute path")
    ] = ""
    eof: Annotated[Literal["exits", "stays"], OfProcess("what the end of stdin means")] = "exits"
    slash: Annotated[bool, OfProcess("a first text that begins with / is a command; /init writes a file")] = True
    # --- the wire
    banner: Annotated[bool, OfProcess("a line that is no JSON at start")] = False
    farewell: Annotated[bool, OfProcess("a line that is no JSON at the end")] = False
    junk: Annotated[int, OfProcess("a line that is no JSON after every so many posts; 0 sends none")] = 0
    crlf: Annotated[bool, OfProcess("lines end with CRLF")] = False
    split: Annotated[int, OfProcess("longest write in bytes; lines go over several; 0 does not split")] = 0
    read_delay: Annotated[float, OfProcess("time before each read of stdin, of 4 KiB at most then")] = 0.0
    # --- the account, what is offered, and the sessions
    tokens: Annotated[str, OfProcess("tokens that open, with a semicolon between two; empty needs none")] = ""
    token_variable: Annotated[str, OfProcess("the variable that the token is read from")] = "SIMULATOR_TOKEN"  # noqa: S105
    token_at: Annotated[
        Literal["initialize", "new", "prompt"], OfProcess("where a wrong token or none is refused, with -32000")
    ] = "new"  # noqa: S105
    version: Annotated[int, OfProcess("the version of the protocol that is spoken")] = 1
    images: Annotated[bool, OfProcess("prompts may have images")] = True
    load: Annotated[bool, OfProcess("session/load is offered")] = False
    resume: Annotated[bool, OfProcess("session/resume is offered")] = False
    listing: Annotated[bool, OfProcess("session/list is offered")] = False
    close: Annotated[bool, OfProcess("session/close is offered")] = True
    offers: Annotated[Offers, OfProcess("in which form models and modes are offered")] = "both"
    names: Annotated[Literal["checked", "any"], OfProcess("whether a model has to be an offered one")] = "checked"
    new: Annotated[New, OfProcess("what a session/new gets: an answer, an error, -32000, or nothing")] = "answered"
    new_delay: Annotated[float, OfProcess("time before a session/new is answered")] = 0.0
    commands: Annotated[
        Literal["never", "soon", "late"],
        OfProcess("available_commands_update after session/new, or in each answer"),
    ] = "soon"
    history: Annotated[Literal["kept", "dropped"], OfProcess("what becomes of a cancelled question")] = "kept"
    busy: Annotated[
        Busy, OfProcess("a second prompt waits, ends the first with `cancelled` or an error, or is never answered")
    ] = "queued"
    unknown: Annotated[Unknown, OfProcess("the error for an unknown session: -32602, -32002 or -32603")] = "invalid"
