"""Holds an answer to what the client was promised: its tools, how they may be called, and the answer's format.

Sits between the events that come and what is made of them for the client. Knows when an answer has to be asked for
again and when it is to fail. Must not know who asks, or any surface.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from lingma_trio.emulation.answer_rules import call_complaint, format_complaint
from lingma_trio.emulation.call_check import CallCheck
from lingma_trio.emulation.format_check import FormatCheck
from lingma_trio.emulation.json_schema import Judge
from lingma_trio.emulation.mending import Mender
from lingma_trio.errors import AnswerMalformed
from lingma_trio.turns import AnswerEvent, Finished, Prompt, TextDelta, TextReplaced, ThoughtDelta

_MENDED: Final = (
    "Your last two answers reached the user as one: what the first said, and the calls whose results you are given."
    " That you were asked again was not passed on."
)
_CALLS: Final = (
    "Of your last two answers only the calls whose results you are given reached the user; that you were asked again"
    " was not passed on."
)
_ANEW: Final = "Of your last two answers only the second reached the user; that you were asked again was not passed on."
_UNSAID: Final = (
    "What you wrote beside the calls, from the first one on, was not passed on: nothing of it has happened."
)
_WORDLESS: Final = "Of your last answer only the calls were passed on: nothing else of it has happened."
_UNMADE: Final = "Of your calls only the first ones were made, those whose results you are given."
_TRIMMED: Final = "Of your last answer only the JSON was passed on, in the form that was asked for."


def check_of(prompt: Prompt, make_id: Callable[[], str]) -> AnswerCheck | None:
    """The check of the answer to `prompt`, or None where there is nothing to heed; `make_id` makes ids of calls."""
    callable_tools = prompt.toolbox is not None and prompt.toolbox.choice != "none"
    if not callable_tools and prompt.answer_format is None:
        return None
    return AnswerCheck(prompt, make_id)


class AnswerCheck:
    """One answer on its way through. `take` its events; then `complaint` is what to ask again with, or empty.

    An answer is asked for again once. A call of a declared tool goes out after that with whatever arguments it has, and
    where the second answer has none, the first one's do. What is wrong then still is an error where a call or a format
    is demanded; where calls are the model's choice, what was meant for one is shown as the text it is.
    """

    def __init__(self, prompt: Prompt, make_id: Callable[[], str]) -> None:
        toolbox = prompt.toolbox if prompt.toolbox is not None and prompt.toolbox.choice != "none" else None
        self._toolbox = toolbox
        self._mender = Mender(Judge())
        self._calls = CallCheck(toolbox, make_id, self._mender, prompt.messages) if toolbox is not None else None
        self._wanted = prompt.answer_format
        self._format = FormatCheck(self._wanted, self._mender) if self._wanted is not None else None
        self._again: Finished | None = None  # the end of the answer that is asked for again
        self._complaint = ""
        self._unsaid = False  # the upstream itself told of words that did not go out

    def take(self, events: Iterable[AnswerEvent]) -> list[AnswerEvent]:
        """Take events in order; returns what goes on to the client.

        Raises `AnswerMalformed` where the end shows that the answer cannot be used, also when it was asked for again.
        """
        passed: list[AnswerEvent] = []
        for event in events:
            match event:
                case Finished(unsaid=unsaid):
                    self._unsaid = self._unsaid or unsaid
                    passed += self._end(event)
                case ThoughtDelta():
                    passed.append(event)
                case _:
                    passed += self._collect(self._calls.take(event) if self._calls is not None else [event])
        return passed

    @property
    def altered(self) -> bool:
        """Whether the client was given what was taken back later."""
        return self._calls is not None and self._calls.overwritten

    @property
    def untold(self) -> str:
        """What the session has to be told before it goes on of how its answer was passed on, if not as it is."""
        told = []
        calls = self._calls
        alone = calls is not None and (calls.unheard or (calls.made and self._format is not None))
        if self._again is not None:
            told.append(_CALLS if alone else _MENDED if self._wanted is None else _ANEW)
        elif alone and self._format is not None and self._format.said:
            told.append(_WORDLESS)
        if self._unsaid or (calls is not None and calls.unsaid):
            told.append(_UNSAID)
        if calls is not None and calls.unmade:
            told.append(_UNMADE)
        if self._format is not None and self._format.trimmed:
            told.append(_TRIMMED)
        return " ".join(told)

    def complaint(self) -> str:
        """What to ask again with, now that the answer is over; the empty string where it need not be. Asks once."""
        complaint, self._complaint = self._complaint, ""
        return complaint

    def unmended(self) -> list[AnswerEvent]:
        """What goes out where nobody can ask with the complaint. Raises `AnswerMalformed` where nothing can."""
        assert self._again is not None
        events = self._end(self._again)
        self._again = None
        return events

    def _collect(self, events: list[AnswerEvent]) -> list[AnswerEvent]:
        """Keep text for the format's sake, where there is one."""
        if self._format is None:
            return events
        passed: list[AnswerEvent] = []
        for event in events:
            match event:
                case TextDelta(text):
                    self._format.text(text)
                case TextReplaced(text):
                    self._format.replace(text)
                case _:
                    passed.append(event)
        return passed

    def _end(self, finished: Finished) -> list[AnswerEvent]:
        passed: list[AnswerEvent] = []
        calls = self._calls
        if calls is not None:
            passed = self._collect(calls.end())
            if (calls.complaints or calls.lacking) and self._again is None:
                assert self._toolbox is not None
                self._ask_again(finished, call_complaint(self._toolbox, calls.complaints))
                return passed
            if self._format is None or calls.made or calls.lacking:
                passed += self._collect(calls.give_in())
            if calls.lacking:
                raise AnswerMalformed(
                    "the model called no tool as tool_choice demands, also when it was asked again; send the request"
                    " again, or describe the tools more plainly"
                )
            if calls.made:
                return [*passed, finished]
        if self._format is not None:
            if calls is not None:
                self._format.text(calls.behind)  # a format is no matter of the blocks, and shows none
            answer, fault = self._format.verdict()
            if not fault:
                passed.append(TextDelta(answer))
            elif self._again is None:
                assert self._wanted is not None
                self._ask_again(finished, format_complaint(self._wanted, fault))
                return passed
            else:
                passed += self._calls_instead(calls)
        return [*passed, finished]

    def _calls_instead(self, calls: CallCheck | None) -> list[AnswerEvent]:
        """The first answer's calls, where the second is no JSON."""
        passed = self._collect(calls.give_in()) if calls is not None else []
        if calls is None or not calls.made:
            raise AnswerMalformed(
                "the model's answer is not the JSON that the request's format demands, also when it was asked again;"
                " send the request again, or simplify the schema"
            )
        return passed

    def _ask_again(self, finished: Finished, complaint: str) -> None:
        """Make ready for another answer, which stands in the place of this one whole where nothing of it was shown."""
        self._again = finished
        self._complaint = complaint
        if self._calls is not None:
            self._calls.begin_again(anew=self._wanted is not None)
        if self._wanted is not None:
            self._format = FormatCheck(self._wanted, self._mender)
