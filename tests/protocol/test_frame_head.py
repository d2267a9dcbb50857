"""What begins so is read as the frame that it is, by both sides."""

from __future__ import annotations

import pytest
from wsproto.frame_protocol import FrameProtocol, Opcode

from lingma_trio.protocol.frame_head import BINARY, TEXT, frame_head

SIZES = [0, 1, 125, 126, 127, 255, 256, 65535, 65536, 200_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kind", "opcode"), [(TEXT, Opcode.TEXT), (BINARY, Opcode.BINARY)])
def test_frame_of_a_server_is_a_library_s(size: int, kind: int, opcode: Opcode) -> None:
    """With such a head a frame is byte for byte what a library's server makes of the same message."""
    said = b"x" * size
    library = FrameProtocol(client=False, extensions=[])
    made = library.send_data(said.decode() if opcode is Opcode.TEXT else said, fin=True)
    assert frame_head(kind, size) + said == made
