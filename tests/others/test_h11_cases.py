"""What the own tests of h11 and wsproto send to a server, byte for byte, and what the edge makes of it.

The cases were written down while those tests ran (h11 0.16.0, wsproto 1.3.2), keys of WebSockets made the same.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fuzz.edge_inbound import as_h11_reads, as_the_edge_reads, check

CASES = [case.encode("latin-1") for case in json.loads(Path(__file__).with_name("h11_cases.json").read_text("ascii"))]
HOST = b"\r\nHost: a\r\n"
STRICTER = (b"\r\n ", b"\r\n\t")
"""Fields that are folded, which h11 unfolds: two readers may take them two ways, and the edge refuses them."""


def test_cases_are_there() -> None:
    """Of both, each once."""
    assert len(CASES) == len(set(CASES)) > 60
    assert any(b"Sec-WebSocket-Key" in case for case in CASES)


@pytest.mark.parametrize("host", [b"", HOST], ids=["as it is", "with a host"])
def test_edge_takes_what_h11_takes(host: bytes) -> None:
    """No more of it, in any cut, and no less, but where one reader may take it otherwise than another."""
    for case in CASES:
        sent = case.replace(b"\r\n", host, 1) if host and b"\nhost:" not in case.lower() else case
        check(sent)
        ours, theirs = as_the_edge_reads([sent]), as_h11_reads(sent)
        if any(mark in sent for mark in STRICTER):
            assert ours.refused
        elif not theirs.refused:
            assert ours == theirs, sent
        else:
            assert ours.refused, sent
