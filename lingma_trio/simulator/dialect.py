"""How the simulator's messages look on the wire: header style, frames per message, and the fast path of deltas.

Pure: frames in, WebSocket payloads out. Must not know what a message is about, but for the one that is sent most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic_core import to_json

from lingma_trio.simulator.script import Ask, Delta
from lingma_trio.simulator.updates import as_push

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lingma_trio.simulator.knobs import Knobs

_END_OF_HEADER: Final = b"\r\n\r\n"
_MARK: Final = "\x00"


class Dialect:
    """One process's way of putting frames into WebSocket messages."""

    def __init__(self, knobs: Knobs) -> None:
        self._name = b"content-length: " if knobs.lower_case_header else b"Content-Length: "
        self._more = b"\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8" if knobs.content_type else b""
        self._restyles = knobs.lower_case_header or knobs.content_type
        self._coalesce = max(knobs.coalesce, 1)
        self._split = knobs.split
        self._binary = knobs.binary

    def messages(self, frames: Iterable[bytes]) -> Iterator[str | bytes]:
        """Return the WebSocket payloads for frames that are sent at one time: str for text messages, bytes for binary.

        Frames are joined and cut as the knobs say; joined again, the payloads are the frames. Text is cut between
        characters, since a text message has to be valid by itself; binary messages are cut anywhere.
        """
        styled = [self._restyled(frame) for frame in frames] if self._restyles else list(frames)
        for start in range(0, len(styled), self._coalesce):
            joined = styled[start] if self._coalesce == 1 else b"".join(styled[start : start + self._coalesce])
            payload = joined if self._binary else joined.decode()
            if self._split:
                yield from (payload[cut : cut + self._split] for cut in range(0, len(payload), self._split))
            else:
                yield payload

    def _restyled(self, frame: bytes) -> bytes:
        body = frame[frame.index(_END_OF_HEADER) + len(_END_OF_HEADER) :]
        return b"%b%d%b\r\n\r\n%b" % (self._name, len(body), self._more, body)


class DeltaEncoder:
    """Encodes the notifications of one answer's deltas, which differ in their text only.

    Everything else is encoded once, which makes a delta several times cheaper than encoding its params anew.
    """

    def __init__(self, ask: Ask) -> None:
        method, params = as_push(ask, Delta(0.0, _MARK))
        template = {"jsonrpc": "2.0", "method": method, "params": params}
        self._before, self._after = to_json(template).split(to_json(_MARK), 1)
        self._constant = len(self._before) + len(self._after)

    def frame(self, text: str) -> bytes:
        """Return the framed notification of a delta with `text`."""
        encoded = to_json(text)
        return b"Content-Length: %d\r\n\r\n%b%b%b" % (
            self._constant + len(encoded),
            self._before,
            encoded,
            self._after,
        )
