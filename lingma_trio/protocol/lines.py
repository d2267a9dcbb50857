"""Cuts a byte stream into lines, one message each, and wraps messages for sending: how agents speak on their pipes.

Knows bytes and line ends. Must not know what a message holds, or what to do with a line that is none.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

from lingma_trio.errors import ProtocolFault
from lingma_trio.protocol.framing import MAX_BODY

_HIGH: Final = rb"u[dD][89abAB][0-9a-fA-F]{2}"
_LOW: Final = rb"u[dD][c-fC-F][0-9a-fA-F]{2}"
# In this order, so that whole pairs and escaped backslashes are stepped over.
_ESCAPES: Final = re.compile(rb"\\(?:%b\\%b|(%b|%b)|.)" % (_HIGH, _LOW, _HIGH, _LOW), re.DOTALL)


class LineFramer:
    """The receiving half of a stream of lines.

    Feed it whatever the transport delivers, in any chunking. A line ends with LF, blanks round it are no part of it (a
    CR before the LF is one), blank lines are skipped, and a line that comes in many pieces costs its own length.
    """

    mixed: ClassVar[bool] = True
    """Programs print banners, warnings and goodbyes where messages belong."""

    def __init__(self) -> None:
        self._held = bytearray()  # grows by doubling, so that pieces of a byte cost no more than a byte each
        self._fault: str | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """Take the stream's next bytes; return the lines they complete, in order.

        Raises ProtocolFault on a line of more than MAX_BODY bytes, and on every call after that. Lines that the same
        bytes completed before the fault are lost with it.
        """
        if self._fault is not None:
            raise ProtocolFault(self._fault)
        *ended, rest = data.split(b"\n")
        lines = []
        for piece in ended:
            self._bound(len(piece))
            line = bytes(self._held + piece if self._held else piece).strip()
            self._held.clear()
            if line:
                lines.append(line)
        self._bound(len(rest))
        self._held += rest
        return lines

    def close(self) -> None:
        """Note the end of the stream.

        Raises ProtocolFault when it comes in the middle of a line, or after a fault.
        """
        if self._fault is None and self._held.strip():
            self._fault = f"the stream ended in the middle of a line, {len(self._held)} bytes into it"
        if self._fault is not None:
            raise ProtocolFault(self._fault)

    def wrap(self, body: bytes) -> bytes:
        """Return `body`, JSON without line ends, as one line, ready to be sent."""
        return body + b"\n"

    def _bound(self, more: int) -> None:
        if len(self._held) + more > MAX_BODY:
            self._fault = f"a line longer than {MAX_BODY} bytes"
            self._held.clear()
            raise ProtocolFault(self._fault)


def without_halves(line: bytes) -> bytes:
    r"""Return JSON whose escapes stand for whole characters: half of a pair becomes U+FFFD.

    Programs in JavaScript cut text between the halves, and write each as a `\ud83d` that no character is. Costs what
    the line is long.
    """
    if b"\\u" not in line:
        return line
    return _ESCAPES.sub(lambda found: rb"\ufffd" if found[1] else found[0], line)
