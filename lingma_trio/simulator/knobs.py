"""What can be turned on the simulator: one frozen set of knobs, read from `name=value` words.

The defaults are what the protocol reference holds to be Lingma's behaviour; the rest are its open points, its tolerated
variants and its faults. Knows nothing of sockets, files or time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ENVIRONMENT: Final = "LINGMA_SIMULATOR"
"""The variable that carries knobs as `name=value,name=value` to a simulator that is launched as an ordinary binary."""


class KnobFault(ValueError):
    """A word that turns no knob; the message says which would."""


@dataclass(frozen=True, slots=True)
class OfProcess:
    """What a knob means that holds for the whole process."""

    meaning: str


@dataclass(frozen=True, slots=True)
class OfAnswer:
    """What a knob means that can be set for the process and also for one answer."""

    meaning: str


Reasoning = Literal["none", "push", "fence", "tag"]
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
Form = Literal[
    "action",
    "array",
    "no_word",
    "wrong_word",
    "no_fence",
    "unclosed",
    "smart_quotes",
    "bad_json",
    "bad_arguments",
    "unknown_tool",
    "plain_json",
    "heading",
    "tool_code",
    "tag",
    "refusal",
    "announcement",
]
Quote = Literal["none", "last", "amid"]
Native = Literal["none", "invoke", "async", "results"]
Upload = Literal["taken", "unanswered", "refused", "failed", "failed_later", "silent", "unknown"]
Protocol = Literal["chat", "chat_but_stop", "session", "session_and_stop", "neither"]
Grandchild = Literal["none", "same_group", "own_group", "own_session"]
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

_FAULTS_BEFORE_ANSWERS: Final = ("none", "crash_start", "crash_before_info", "crash_connect", "crash_initialize")


@dataclass(frozen=True, slots=True)
class Knobs:
    """How this simulator behaves. Every knob can be set for the process, those of an answer also for one answer.

    Times are in seconds; those of an answer are multiplied by `scale`.
    Each field's annotation says what it means and how far it reaches.
    """

    # --- one answer: its pace and its text
    first: Annotated[float, OfAnswer("time from the question to the first delta")] = 2.0
    gap: Annotated[float, OfAnswer("time between two deltas; 0 sends them in one burst")] = 0.04
    scale: Annotated[float, OfAnswer("factor on every time of an answer")] = 1.0
    deltas: Annotated[int, OfAnswer("number of non-empty text deltas; 0 lets the text decide")] = 0
    chars: Annotated[
        int, OfAnswer("least number of characters in each delta that pads the answer up to `deltas`; 0 is a word")
    ] = 0
    empties: Annotated[int, OfAnswer("an empty delta follows after every so many; 0 sends none")] = 3
    reasoning: Annotated[
        Reasoning, OfAnswer("thoughts before the text: chat/think, or embedded as a fence or a tag")
    ] = "none"
    say: Annotated[
        str, OfAnswer("what the answer says, instead of quoting the question; quote it where it has blanks")
    ] = ""
    call: Annotated[str, OfAnswer("the tool that the answer calls, as NAME or NAME:{...} with arguments as JSON")] = ""
    form: Annotated[Form, OfAnswer("how a call is written: as it is asked for, as other models do it, or wrongly")] = (
        "action"
    )
    quote: Annotated[
        Quote, OfAnswer("the first block of the question that looks like a call is quoted: at the end, or amid words")
    ] = "none"
    native: Annotated[
        Native, OfAnswer("in agent mode calls are made by pushes instead: as which of the known builds makes them")
    ] = "none"
    # --- one answer: how it is acknowledged, ends, or goes wrong
    ack: Annotated[Acknowledgement, OfAnswer("reply to a chat/ask that was sent as a request")] = "none"
    overwrite: Annotated[
        Overwrite, OfAnswer("a delta in mid-answer that replaces everything, by the same text or another")
    ] = "none"
    finish: Annotated[Finish, OfAnswer("what the chat/finish looks like")] = "present"
    status: Annotated[
        int, OfAnswer("statusCode of the chat/finish; other than 200 there is no text before it, but see `partial`")
    ] = 200
    reason: Annotated[
        str, OfAnswer("reason of a chat/finish that is an error; empty chooses one that fits the status")
    ] = ""
    partial: Annotated[bool, OfAnswer("half of the text comes before an error, a filter or an error push")] = False
    error_push: Annotated[ErrorPush, OfAnswer("an `error` push ends the answer, with or without its requestId")] = (
        "none"
    )
    filter: Annotated[Filter, OfAnswer("chat/filterTimeout, or a delta with isFiltered and a finish with 601")] = "none"
    rename: Annotated[bool, OfAnswer("the chat/finish names another session id than the deltas did")] = False
    stop: Annotated[AfterStop, OfAnswer("what follows a chat/stop; error is a push that names no request")] = "finish"
    fault: Annotated[Fault, OfAnswer("what goes wrong, and where; of one answer from crash_ask on")] = "none"
    # --- the process
    fault_times: Annotated[
        int, OfProcess("the fault strikes so many times in one work directory, then no more; 0 is always")
    ] = 0
    exit_code: Annotated[int, OfProcess("exit code of a crash")] = 1
    info: Annotated[Info, OfProcess("form, place and completeness of the ready file")] = "text"
    info_delay: Annotated[float, OfProcess("time before the ready file is complete")] = 0.0
    accept_delay: Annotated[float, OfProcess("time before a WebSocket handshake is answered")] = 0.0
    ignore_sigterm: Annotated[bool, OfProcess("SIGTERM and SIGINT do nothing")] = False
    grandchild: Annotated[Grandchild, OfProcess("a child process that outlives its parent by up to a minute")] = "none"
    stderr_flood: Annotated[int, OfProcess("bytes written to stderr at start")] = 0
    ping_before_close: Annotated[bool, OfProcess("a ping goes out right before the close frame")] = False
    record: Annotated[bool, OfProcess("writes each question and stop to logs/asks.jsonl")] = False
    scenes: Annotated[str, OfProcess("file of answers written beforehand, line by line, for conversations to get")] = ""
    directives: Annotated[
        bool, OfProcess("a line `#simulate name=value ...` in a question turns the knobs of its answer")
    ] = True
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
    login_lasts: Annotated[int, OfProcess("the login expires after so many questions; 0 is never")] = 0
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
    limit: Annotated[int, OfProcess("answers at once; one more gets a finish with 429; 0 is no limit")] = 0

    @property
    def fault_of_answer(self) -> bool:
        """Whether the fault belongs to an answer, rather than to the process's start or a client's connecting."""
        return self.fault not in _FAULTS_BEFORE_ANSWERS

    def turned(self, words: Iterable[str]) -> Knobs:
        """Return these knobs with each `name=value` of `words` applied, later ones winning.

        Raises KnobFault for a word without `=`, an unknown name, or a value the knob does not take.
        """
        return self._with(words, _KNOBS)

    def turned_for_answer(self, words: Iterable[str]) -> Knobs:
        """As `turned`, for one answer: only the knobs that reach no further than an answer may be named."""
        return self._with(words, _ANSWER_KNOBS)

    def _with(self, words: Iterable[str], allowed: Mapping[str, _Knob]) -> Knobs:
        changes: dict[str, Any] = {}
        for word in words:
            name, equals, value = word.partition("=")
            if not equals or name not in allowed:
                raise KnobFault(f"{word!r} turns no knob; use name=value with one of {', '.join(allowed)}")
            changes[name] = allowed[name].read(value)
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class _Knob:
    """How a knob's value is read and described."""

    name: str
    kind: object
    default: object
    about: OfProcess | OfAnswer

    def __str__(self) -> str:
        reach = ", also for one answer" if isinstance(self.about, OfAnswer) else ""
        default = int(self.default) if isinstance(self.default, bool) else self.default
        return f"{self.name}={self.values} (default {default}{reach}): {self.about.meaning}"

    @property
    def values(self) -> str:
        """The values the knob takes, for people."""
        if get_origin(self.kind) is Literal:
            return "|".join(get_args(self.kind))
        return {bool: "0|1", int: "N", float: "SECONDS", str: "TEXT"}[cast("type", self.kind)]

    def read(self, value: str) -> object:
        """Return what `value` stands for; raises KnobFault when the knob does not take it."""
        try:
            return self._read(value)
        except ValueError as fault:
            raise KnobFault(f"{self.name}={value} is not possible; {self.name} takes {self.values}") from fault

    def _read(self, value: str) -> object:
        if get_origin(self.kind) is Literal:
            return _one_of(value, get_args(self.kind))
        if self.kind is bool:
            return _one_of(value, ("0", "1")) == "1"
        if self.kind is str:
            return value
        return _not_negative(int(value) if self.kind is int else float(value))


def environment_words(value: str) -> list[str]:
    """Return the words in the value of the environment variable, without blanks and empty ones."""
    return [word.strip() for word in value.split(",") if word.strip()]


def describe_knobs() -> str:
    """Return one line for each knob: its name, its values, its default and what it means."""
    return "\n".join(map(str, _KNOBS.values()))


def _one_of(value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(value)
    return value


def _not_negative(number: float) -> float:
    if not math.isfinite(number) or number < 0:
        raise ValueError(number)
    return number


def _read_knobs() -> dict[str, _Knob]:
    kinds = get_type_hints(Knobs, include_extras=True)
    knobs = {}
    for knob in fields(Knobs):
        kind, about = get_args(kinds[knob.name])
        knobs[knob.name] = _Knob(knob.name, kind, knob.default, about)
    return knobs


_KNOBS: Final[Mapping[str, _Knob]] = _read_knobs()
_ANSWER_KNOBS: Final[Mapping[str, _Knob]] = {
    name: knob for name, knob in _KNOBS.items() if isinstance(knob.about, OfAnswer)
}
