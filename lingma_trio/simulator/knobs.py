"""What can be turned on the simulator: one frozen set of knobs, read from `name=value` words.

The defaults are what the protocol reference holds to be Lingma's behaviour; the rest are its open points, its tolerated
variants and its faults. Knows nothing of sockets, files or time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ENVIRONMENT: Final = "LINGMA_SIMULATOR"
"""The variable that carries knobs as `name=value,name=value` to a simulator that is launched as an ordinary binary."""

_ANSWER: Final = "answer"
_PROCESS: Final = "process"


class KnobFault(ValueError):
    """A word that turns no knob; the message says which would."""


def _answer(default: Any, meaning: str) -> Any:
    return field(default=default, metadata={"meaning": meaning, "reach": _ANSWER})


def _process(default: Any, meaning: str) -> Any:
    return field(default=default, metadata={"meaning": meaning, "reach": _PROCESS})


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
AfterStop = Literal["finish", "late_chunks", "silence"]
Info = Literal["text", "json", "json_name", "one_line_first", "never", "stale", "shared_dir"]
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

    Times are in seconds and are multiplied by `scale`. Fields say in their metadata what they mean and how far they reach.
    """

    # --- one answer: its pace and its text
    first: float = _answer(2.0, "time from the question to the first delta")
    gap: float = _answer(0.04, "time between two deltas; 0 sends them in one burst")
    scale: float = _answer(1.0, "factor on every time of an answer")
    deltas: int = _answer(0, "number of non-empty text deltas; 0 lets the text decide")
    chars: int = _answer(0, "least number of characters in each delta that pads the answer up to `deltas`; 0 is a word")
    empties: int = _answer(3, "an empty delta follows after every so many; 0 sends none")
    reasoning: Reasoning = _answer("none", "thoughts before the text: chat/think, or embedded as a fence or a tag")
    # --- one answer: how it is acknowledged, ends, or goes wrong
    ack: Acknowledgement = _answer("none", "reply to a chat/ask that was sent as a request")
    overwrite: Overwrite = _answer(
        "none", "a delta in mid-answer that replaces everything, by the same text or another"
    )
    finish: Finish = _answer("present", "what the chat/finish looks like")
    status: int = _answer(
        200, "statusCode of the chat/finish; other than 200 there is no text before it, but see `partial`"
    )
    reason: str = _answer("", "reason of a chat/finish that is an error; empty chooses one that fits the status")
    partial: bool = _answer(False, "half of the text comes before an error, a filter or an error push")
    error_push: ErrorPush = _answer("none", "an `error` push ends the answer, with or without its requestId")
    filter: Filter = _answer("none", "chat/filterTimeout, or a delta with isFiltered and a finish with 601")
    rename: bool = _answer(False, "the chat/finish names another session id than the deltas did")
    stop: AfterStop = _answer("finish", "what follows a chat/stop")
    fault: Fault = _answer("none", "what goes wrong, and where; of one answer from crash_ask on")
    # --- the process
    fault_times: int = _process(0, "the fault strikes so many times in one work directory, then no more; 0 is always")
    exit_code: int = _process(1, "exit code of a crash")
    info: Info = _process("text", "form, place and completeness of the ready file")
    info_delay: float = _process(0.0, "time before the ready file is complete")
    accept_delay: float = _process(0.0, "time before a WebSocket handshake is answered")
    ignore_sigterm: bool = _process(False, "SIGTERM and SIGINT do nothing")
    grandchild: Grandchild = _process("none", "a child process that outlives its parent by up to a minute")
    stderr_flood: int = _process(0, "bytes written to stderr at start")
    ping_before_close: bool = _process(False, "a ping goes out right before the close frame")
    record: bool = _process(False, "writes each question and stop to logs/asks.jsonl")
    directives: bool = _process(True, "a line `#simulate name=value ...` in a question turns the knobs of its answer")
    # --- the wire
    ids: bool = _process(False, "pushes are requests with ids instead of notifications")
    ack_wait: float = _process(0.0, "with ids: longest wait for the reply to a push before the next one is sent")
    coalesce: int = _process(1, "frames in one WebSocket message")
    split: int = _process(0, "longest WebSocket message in characters; frames go over several; 0 does not split")
    binary: bool = _process(False, "binary messages instead of text")
    lower_case_header: bool = _process(False, "content-length instead of Content-Length")
    content_type: bool = _process(False, "a Content-Type line after the Content-Length")
    noise: float = _process(0.0, "time between pushes that concern no answer; 0 sends none")
    # --- the account and the sessions
    before_initialize: Literal["error", "silence"] = _process(
        "error", "reply to a request that comes before initialize"
    )
    login: Literal["in", "out", "files"] = _process(
        "in", "signed in at start, signed out, or as the work directory says"
    )
    login_lasts: int = _process(0, "the login expires after so many questions; 0 is never")
    logged_out_ask: Literal["finish", "silence"] = _process("finish", "what a question gets while signed out")
    logged_out_status: int = _process(403, "statusCode of the finish that a question gets while signed out")
    models: Literal["normal", "empty", "alternative"] = _process("normal", "what config/queryModels returns")
    stale: Literal["fresh", "error"] = _process("fresh", "a question for an unknown session: an empty one, or an error")
    limit: int = _process(0, "answers at once; one more gets a finish with 429; 0 is no limit")

    @property
    def fault_of_answer(self) -> bool:
        """Whether the fault belongs to an answer, rather than to the process's start or a client's connecting."""
        return self.fault not in _FAULTS_BEFORE_ANSWERS

    def turned(self, words: Iterable[str]) -> Knobs:
        """Return these knobs with each `name=value` of `words` applied, later ones winning.

        Raises KnobFault for a word without `=`, an unknown name, or a value the knob does not take.
        """
        return self._with(words, _FIELDS)

    def turned_for_answer(self, words: Iterable[str]) -> Knobs:
        """As `turned`, for one answer: only the knobs that reach no further than an answer may be named."""
        return self._with(words, _ANSWER_FIELDS)

    def _with(self, words: Iterable[str], allowed: Mapping[str, Any]) -> Knobs:
        changes: dict[str, Any] = {}
        for word in words:
            name, equals, value = word.partition("=")
            if not equals or name not in allowed:
                raise KnobFault(f"{word!r} turns no knob; use name=value with one of {', '.join(allowed)}")
            changes[name] = _read_value(name, value, allowed[name])
        return replace(self, **changes)


def environment_words(value: str) -> list[str]:
    """Return the words in the value of the environment variable, without blanks and empty ones."""
    return [word.strip() for word in value.split(",") if word.strip()]


def describe_knobs() -> str:
    """Return one line for each knob: its name, its values, its default and what it means."""
    lines = []
    for knob in fields(Knobs):
        reach = "" if knob.metadata["reach"] == _PROCESS else ", also for one answer"
        default = knob.default if not isinstance(knob.default, bool) else int(knob.default)
        values = _values(_FIELDS[knob.name])
        lines.append(f"{knob.name}={values} (default {default!s:s}{reach}): {knob.metadata['meaning']}")
    return "\n".join(lines)


def _values(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    return {bool: "0|1", int: "N", float: "SECONDS", str: "TEXT"}[kind]


def _read_value(name: str, value: str, kind: Any) -> Any:
    try:
        if get_origin(kind) is Literal:
            return _one_of(value, get_args(kind))
        if kind is bool:
            return _one_of(value, ("0", "1")) == "1"
        if kind is str:
            return value
        return _not_negative(kind(value))
    except ValueError as fault:
        raise KnobFault(f"{name}={value} is not possible; {name} takes {_values(kind)}") from fault


def _one_of(value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(value)
    return value


def _not_negative(number: float) -> float:
    if not math.isfinite(number) or number < 0:
        raise ValueError(number)
    return number


_FIELDS: Final[Mapping[str, Any]] = get_type_hints(Knobs)
_ANSWER_FIELDS: Final[Mapping[str, Any]] = {
    knob.name: _FIELDS[knob.name] for knob in fields(Knobs) if knob.metadata["reach"] == _ANSWER
}
