"""Holds the calls of one answer to what the client declared, however they came: as text or as events.

Knows the client's toolbox and the events of an answer. Must not know prompts, surfaces, or who asks again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from pydantic_core import to_json

from lingma_trio.emulation.action_blocks import Faulty, Piece
from lingma_trio.emulation.action_json import Action
from lingma_trio.emulation.actions import ActionParser
from lingma_trio.emulation.mending import Mender
from lingma_trio.emulation.quotes import Quotes
from lingma_trio.turns import AnswerEvent, Message, TextDelta, TextReplaced, Toolbox, ToolCall, text_buffer

MAX_CALLS: Final = 128
"""Calls of one answer that reach the client; a model that makes more goes round in circles."""

_Key: TypeAlias = tuple[str, str]
"""What two calls have in common that are the same: name and arguments."""


class CallCheck:
    """One answer's calls, and its text without them.

    A call goes out as soon as it is known to be right, and no text does after it: what a model says beyond its calls it
    makes up. Where a call is demanded, text waits for one, since without it the text is void. `complaints` are what is
    wrong, to be looked at once the answer is over; `begin_again` takes another answer in its place, of which a call of
    a declared tool goes out with whatever arguments it has: who runs the tools knows best what to say of them. Where it
    has none, `give_in` hands out the first answer's. `mender` is the whole answer's; `asked` is the conversation, which
    the answer may quote.

    Blanks before a call are no words, so text ends without them until there is more of it.

    A call that stands twice in a text is two calls, as is one that Lingma reports under two ids. One that is read again
    because the text was replaced or the question put once more, or that comes both ways, is the same call.

    `unheard` says that no word went out of an answer that was asked for again for want of a call, `unsaid` and `unmade`
    that words beside the calls, or calls beyond those that may be made, did not, and `overwritten` that a call which
    did was made in a text that is void.
    """

    def __init__(
        self, toolbox: Toolbox, make_id: Callable[[], str], mender: Mender, asked: Sequence[Message] = ()
    ) -> None:
        tools = [tool for tool in toolbox.tools if toolbox.named in ("", tool.name)]
        self._tools = {tool.name: tool for tool in tools}
        self._required = toolbox.choice == "required"
        self._most = MAX_CALLS if toolbox.parallel else 1
        self._make_id = make_id
        self._mender = mender
        self._word = toolbox.word
        self._quotes = Quotes(asked)
        self._made: Counter[_Key] = Counter()
        self._reported: Counter[_Key] = Counter()
        self._reports: set[tuple[str, _Key]] = set()
        self._ids: set[str] = set()
        self._forget_withheld()
        self._faulty: list[ToolCall] = []
        self._again = False
        self._heard = True  # text goes out
        self.complaints: list[str] = []
        self.unheard = self.unsaid = self.unmade = self.overwritten = False
        self._read_anew()

    def _read_anew(self) -> None:
        """Another text is read, in the place of the one so far; calls that were made stand."""
        self._parser = ActionParser(list(self._tools), self._word, self._quotes)
        self._written: Counter[_Key] = Counter()
        self._waiting = text_buffer()  # text before a call that is demanded
        self.complaints.clear()

    def _forget_withheld(self) -> None:
        self._blanks: list[str] = []
        self._withholds = False
        self._withheld = text_buffer()  # blocks that are no calls, and the text behind the first of them
        self._behind = text_buffer()  # that text alone

    @property
    def lacking(self) -> bool:
        """Whether a call is demanded and there is none."""
        return self._required and not self._made

    @property
    def made(self) -> bool:
        """Whether there are calls."""
        return bool(self._made)

    def take(self, event: TextDelta | TextReplaced | ToolCall) -> list[AnswerEvent]:
        """Take the next event of the answer; returns what goes on."""
        match event:
            case TextDelta(text):
                blank = bool(self._blanks) or text[-1:].isspace()
                calm = not (blank or self._made or self._required or self._withholds)
                if calm and self._heard and self._parser.passes(text):
                    return [event]
                return self._pass_on(self._parser.feed(text))
            case TextReplaced(text):
                return self._replace(text)
            case ToolCall():
                return self._call_natively(event)

    def end(self) -> list[AnswerEvent]:
        """The answer is over: return what was held back."""
        return self._pass_on(self._parser.finish())

    def begin_again(self, *, anew: bool = False) -> None:
        """Another answer comes, to what is wrong with this one: only its calls count, unless nothing was shown of it.

        `anew` says so: then the other answer stands in its place whole.
        """
        self.unheard = bool(self._waiting.getvalue().strip())
        self._read_anew()
        self._reported.clear()
        self._again = True
        self._heard = anew
        if anew:
            self._forget_withheld()

    @property
    def behind(self) -> str:
        """The text behind blocks that are no calls, which waits to be shown behind them."""
        return self._behind.getvalue()

    def give_in(self) -> list[AnswerEvent]:
        """Return what was withheld, where there is no call in its place: calls as they are, and else the text of them.

        Nothing more comes.
        """
        faulty, self._faulty = self._faulty, []
        if self._written or self._reported:
            return []
        events = [event for call in faulty for event in self._make(call, self._reported if call.id else self._written)]
        withheld = "".join((*self._blanks, self._withheld.getvalue()))
        self._forget_withheld()
        return events if self._made or not withheld else [TextDelta(withheld)]

    def _pass_on(self, pieces: list[Piece]) -> list[AnswerEvent]:
        events: list[AnswerEvent] = []
        for piece in pieces:
            match piece:
                case str():
                    events += self._say(piece)
                case Action():
                    events += self._call(piece)
                case Faulty():
                    self.complaints.append(f"A block of it {piece.reason}.")
                    if self._heard:
                        self._withholds = True
                        self._withheld.write(piece.text)
        return events

    def _say(self, text: str) -> list[AnswerEvent]:
        if self._made or not self._heard:
            self.unsaid = self.unsaid or not text.isspace()
            return []
        if self._required:
            self._waiting.write(text)
            return []
        if self._withholds:
            self._withheld.write(text)
            self._behind.write(text)
            return []
        kept = text.rstrip()
        blank = text[len(kept) :]
        if not kept:
            self._blanks.append(blank)
            return []
        said = "".join((*self._blanks, kept))
        self._blanks = [blank] if blank else []
        return [TextDelta(said)]

    def _replace(self, text: str) -> list[AnswerEvent]:
        """Read the new text from its beginning; calls that were made stand, and those that Lingma reported."""
        self.overwritten = self.overwritten or bool(self._made)
        self._read_anew()
        if self._heard:
            self._forget_withheld()
        if not self._again:
            self._faulty = [call for call in self._faulty if call.id]
        events = self._pass_on(self._parser.feed(text))
        if self.overwritten or self._required or not self._heard:
            return events
        said = "".join(event.text for event in events if isinstance(event, TextDelta))
        return [TextReplaced(said), *(event for event in events if isinstance(event, ToolCall))]

    def _call(self, action: Action) -> list[AnswerEvent]:
        """Take a call that the model wrote."""
        try:
            arguments = to_json(action.arguments, inf_nan_mode="null").decode()  # as `1e400` is read
        except ValueError:
            self.complaints.append(f"The arguments of {action.name} cannot be written as JSON.")
            return []
        return self._hold_to_schema(ToolCall("", action.name, arguments), self._written)

    def _call_natively(self, call: ToolCall) -> list[AnswerEvent]:
        """Take a call that Lingma reported. Its arguments are an object already."""
        if call.name in self._tools:
            return self._hold_to_schema(call, self._reported)
        self.complaints.append(f"It calls {call.name}, which cannot be called now.")
        return []

    def _hold_to_schema(self, call: ToolCall, reading: Counter[_Key]) -> list[AnswerEvent]:
        tool = self._tools[call.name]
        arguments, fault = self._mender.fit(call.arguments, tool.parameters, strict=tool.strict)
        call = replace(call, arguments=arguments)
        if not fault or self._again:
            return self._make(call, reading)
        self.complaints.append(f"The arguments of {call.name} do not fit its schema: {fault}.")
        self._faulty.append(call)
        return []

    def _make(self, call: ToolCall, reading: Counter[_Key]) -> list[AnswerEvent]:
        """Let a call out that a reading has come to, unless it is one too many or was made from another reading."""
        if self._made.total() >= self._most:
            self.unmade = True
            return []
        key = (call.name, _canonical(call.arguments))
        if call.id:
            if (call.id, key) in self._reports:
                return []
            self._reports.add((call.id, key))
        reading[key] += 1
        if reading[key] <= self._made[key]:
            return []
        self._made[key] += 1
        if not call.id or call.id in self._ids:
            call = replace(call, id=self._make_id())
        self._ids.add(call.id)
        between = (*self._blanks, self.behind) if self.behind else ()
        said = "".join((self._waiting.getvalue(), *between)).rstrip()
        self._waiting = text_buffer()
        self._forget_withheld()
        return [TextDelta(said), call] if said else [call]


def _canonical(arguments: str) -> str:
    """The same for equal values, however they are written."""
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except ValueError:
        return arguments  # a number with more digits than Python reads
