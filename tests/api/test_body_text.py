"""What a body is that is no JSON, in words that say what to send."""

from __future__ import annotations

import gzip

import pytest

from lingma_trio.api.completions.request import parse
from lingma_trio.errors import InvalidRequest

BODY = '{"prompt": "Hello."}'


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (gzip.compress(BODY.encode(), mtime=0), "compressed"),
        (BODY.encode("utf-8-sig"), "byte order mark"),
        (BODY.encode("utf-16"), "UTF-16"),
        (BODY.encode("utf-16-le"), "UTF-16"),
        (BODY.encode("utf-32"), "UTF-32"),
        (b'{"prompt": "\\ud83d"}', "lone surrogate"),
        (b'{"prompt": "\\udc00"}', "lone surrogate"),
        ('{"prompt": NaN}'.encode("utf-8-sig"), "byte order mark"),
        (b'{"prompt": NaN}', "one JSON object"),
        (b"{", "one JSON object"),
        (b"", "one JSON object"),
    ],
)
def test_body_that_cannot_be_read_is_called_what_it_is(body: bytes, word: str) -> None:
    """One sentence names what was sent."""
    with pytest.raises(InvalidRequest) as caught:
        parse(body)
    assert word in caught.value.message
    assert caught.value.param == "body"
