"""A client's questions in the forms in which they may come back: some clients leave out of them later what they added.

Qwen Code leaves its `<system-reminder>` part out of a session that it resumes, and aider the rules that it puts behind
a blank line. Anything else that is missing is an edit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from lingma_trio.records import record
from lingma_trio.sessions.packing import DIGEST_BYTES, digest, encode, pack
from lingma_trio.turns import Message

if TYPE_CHECKING:
    from lingma_trio.sessions.proof import Turns

MOST_REDUCTIONS: Final = 128
"""Forms in which one question may come back. Beyond it the question comes back whole or is another one."""

MOST_KEPT_REDUCTIONS: Final = 1024
MOST_KEPT_TURNS: Final = 1000
"""Of one conversation: of a longer one, or of more forms, no question comes back shorter. It bounds what
is kept to 100 KB."""

_GAP: Final = re.compile(r"\n[^\S\n]*\n\s*")
_NOTHING_ATTACHED: Final = digest(pack())


@record
class Asked:
    """One question in the forms in which it may come back: whole, in fewer parts, or cut at a blank line.

    `beginnings` are the digests of all that stands before each of its blank lines, `parts` those of its text parts, or
    none where there are too many.
    """

    whole: bytes
    attached: bytes
    parts: tuple[bytes, ...]
    beginnings: frozenset[bytes]

    @property
    def reductions(self) -> int:
        """How many forms there are beside the whole."""
        return len(self.beginnings) + (len(self.parts) if len(self.parts) > 1 else 0)

    def allows(self, returned: Asked) -> bool:
        """Whether `returned` is this question, or what is left of it where a client leaves something out."""
        if returned.attached != self.attached:
            return False
        if returned.whole == self.whole or returned.whole in self.beginnings:
            return True
        left = iter(self.parts)
        return bool(returned.parts) and all(part in left for part in returned.parts)


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions of one conversation, as they may come back: what is kept of a conversation beside its keys.

    `turns` are the digests of all turns in their normal form, `answers` the places of the answers among them, and
    `asked` holds by their place the questions of which something can be left out.
    """

    turns: bytes
    answers: frozenset[int]
    asked: Mapping[int, Asked]

    def come_back_as(self, later: Turns) -> bool:
        """Whether `later` is this conversation with questions left shorter than they were; its answers are the same.

        To be asked of those whose `answers` key agrees.
        """
        return len(later) * DIGEST_BYTES == len(self.turns) and all(
            self.turns[at * DIGEST_BYTES : (at + 1) * DIGEST_BYTES] == later.normal(at)
            or (at in self.asked and at in later.asked and self.asked[at].allows(later.asked[at]))
            for at in range(len(later))
            if at not in self.answers
        )


def read_question(message: Message) -> Asked:
    """The forms of one question. Most are one text without a blank line, which costs one digest."""
    whole = digest(encode(message.text))
    parts: tuple[bytes, ...] = (whole,)
    if message.breaks:
        few = len(message.breaks) < MOST_REDUCTIONS
        parts = tuple(digest(encode(part)) for part in _parts(message)) if few else ()
    return Asked(
        whole=whole,
        attached=digest(pack(*message.attachments)) if message.attachments else _NOTHING_ATTACHED,
        parts=parts,
        beginnings=frozenset(_beginnings(message.text)) if _GAP.search(message.text) else frozenset(),
    )


def _parts(message: Message) -> Iterator[str]:
    """The text parts of which a message was made: its text is them, joined by line ends."""
    at = 0
    for end in message.breaks:
        yield message.text[at:end]
        at = end + 1
    yield message.text[at:]


def _beginnings(text: str) -> Iterator[bytes]:
    """A digest of all that stands before each blank line, each from the one before."""
    said, at = blake2b(digest_size=DIGEST_BYTES), 0
    for count, gap in enumerate(_GAP.finditer(text)):
        if count == MOST_REDUCTIONS:
            return
        end = at + len(text[at : gap.start()].rstrip())
        said.update(encode(text[at:end]))
        if end:  # else nothing is left, and that is no question
            yield said.digest()
        said.update(encode(text[end : gap.end()]))
        at = gap.end()
