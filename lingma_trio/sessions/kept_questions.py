"""Questions as bytes, for who keeps them elsewhere: what came back shorter is found by another gateway, too.

Must not know where they are kept. What was written by another version is as if nothing had been kept.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from lingma_trio.sessions.packing import DIGEST_BYTES
from lingma_trio.sessions.questions import Asked, Questions

VERSION: Final = 1
MOST_KEPT_BYTES: Final = 32 * 1024
"""Of one conversation. Questions that take more are not kept: those come back whole or are others."""

_NUMBER: Final = struct.Struct(">I")


def keep_questions(questions: Questions | None) -> bytes:
    """They as bytes; nothing where there are none or too many."""
    if questions is None or len(questions.turns) > MOST_KEPT_BYTES:
        return b""
    kept = bytearray([VERSION])
    _put(kept, _digests(questions.turns))
    _put_numbers(kept, sorted(questions.answers))
    kept += _NUMBER.pack(len(questions.asked))
    for place, asked in questions.asked.items():
        kept += _NUMBER.pack(place) + asked.whole + asked.attached
        _put(kept, asked.parts)
        _put(kept, sorted(asked.beginnings))
    return bytes(kept) if len(kept) <= MOST_KEPT_BYTES else b""


def read_questions(kept: bytes) -> Questions | None:
    """What `keep_questions` made bytes of; None for anything else."""
    if not kept or kept[0] != VERSION:
        return None
    reading = _Reading(kept)
    try:
        turns, answers = b"".join(reading.digests()), frozenset(reading.numbers())
        asked = {reading.number(): reading.asked() for _ in range(reading.number())}
    except (struct.error, EOFError):
        return None
    return Questions(turns, answers, asked) if reading.at == len(kept) else None


class _Reading:
    """Bytes that are read from the front. Raises `EOFError` or `struct.error` where they end too early."""

    def __init__(self, kept: bytes) -> None:
        self._kept = kept
        self.at = 1

    def number(self) -> int:
        (number,) = _NUMBER.unpack_from(self._kept, self.at)
        self.at += _NUMBER.size
        return int(number)

    def numbers(self) -> list[int]:
        return [self.number() for _ in range(self.number())]

    def digest(self) -> bytes:
        found = self._kept[self.at : self.at + DIGEST_BYTES]
        if len(found) < DIGEST_BYTES:
            raise EOFError
        self.at += DIGEST_BYTES
        return found

    def digests(self) -> list[bytes]:
        return [self.digest() for _ in range(self.number())]

    def asked(self) -> Asked:
        return Asked(self.digest(), self.digest(), tuple(self.digests()), frozenset(self.digests()))


def _digests(row: bytes) -> Iterator[bytes]:
    return (row[at : at + DIGEST_BYTES] for at in range(0, len(row), DIGEST_BYTES))


def _put(kept: bytearray, digests: Iterable[bytes]) -> None:
    row = b"".join(digests)
    kept += _NUMBER.pack(len(row) // DIGEST_BYTES) + row


def _put_numbers(kept: bytearray, numbers: Iterable[int]) -> None:
    packed = [_NUMBER.pack(number) for number in numbers]
    kept += _NUMBER.pack(len(packed)) + b"".join(packed)
