"""The knobs that every protocol of the simulator has: an answer's pace, text and faults, and the process's.

Knows nothing of sockets, files or time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from lingma_trio.simulator.knob import OfAnswer, OfProcess, Turnable

Reasoning = Literal["none", "push", "fence", "tag"]
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
Grandchild = Literal["none", "same_group", "own_group", "own_session"]


OK: Final = 200
"""The status of an answer that ends well."""

_OF_START: Final = ("crash_start", "crash_before_info", "crash_connect", "crash_initialize", "crash_new")


@dataclass(frozen=True, slots=True)
class CommonKnobs(Turnable):
    """Each set of knobs narrows `stop` and `fault` to what its protocol has.

    Every knob can be set for the process, those of an answer also for one answer. Times are in seconds; those of an
    answer are multiplied by `scale`. Each field's annotation says what it means and how far it reaches.
    """

    # --- one answer: its pace, its text and its end
    first: Annotated[float, OfAnswer("time from the question to the first delta")] = 2.0
    gap: Annotated[float, OfAnswer("time between two deltas; 0 sends them in one burst")] = 0.04
    scale: Annotated[float, OfAnswer("factor on every time of an answer")] = 1.0
    deltas: Annotated[int, OfAnswer("number of non-empty text deltas; 0 lets the text decide")] = 0
    chars: Annotated[
        int, OfAnswer("least number of characters in each delta that pads the answer up to `deltas`; 0 is a word")
    ] = 0
    empties: Annotated[int, OfAnswer("an empty delta follows after every so many; 0 sends none")] = 3
    reasoning: Annotated[
        Reasoning, OfAnswer("thoughts before the text: as pushes of their own, or embedded as a fence or a tag")
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
    status: Annotated[
        int,
        OfAnswer("other than 200 the answer is an error, and has no text before it, but see `partial`"),
    ] = 200
    reason: Annotated[str, OfAnswer("what an error says; empty chooses words that fit the status")] = ""
    partial: Annotated[bool, OfAnswer("half of the text comes before an error")] = False
    stop: Annotated[str, OfAnswer("what follows a stop")] = "finish"
    fault: Annotated[str, OfAnswer("what goes wrong, and where; of one answer from crash_ask on")] = "none"
    # --- the process
    fault_times: Annotated[
        int, OfProcess("the fault strikes so many times in one work directory, then no more; 0 is always")
    ] = 0
    exit_code: Annotated[int, OfProcess("exit code of a crash")] = 1
    ignore_sigterm: Annotated[bool, OfProcess("SIGTERM and SIGINT do nothing")] = False
    grandchild: Annotated[Grandchild, OfProcess("a child process that outlives its parent by up to a minute")] = "none"
    stderr_flood: Annotated[int, OfProcess("bytes written to stderr at start")] = 0
    scenes: Annotated[str, OfProcess("file of answers written beforehand, line by line, for conversations to get")] = ""
    directives: Annotated[
        bool, OfProcess("a line `#simulate name=value ...` in a question turns the knobs of its answer")
    ] = True
    login_lasts: Annotated[int, OfProcess("the login expires after so many questions; 0 is never")] = 0
    limit: Annotated[int, OfProcess("answers at once; one more gets an error with 429; 0 is no limit")] = 0

    @property
    def fault_of_answer(self) -> bool:
        """Whether the fault belongs to an answer, rather than to the process's start or a client's connecting."""
        return self.fault != "none" and self.fault not in _OF_START
