"""`data:` addresses, escaped as RFC 2397 lets them be."""

from __future__ import annotations

import tracemalloc
from base64 import b64encode, encodebytes
from urllib.parse import quote

import pytest

from lingma_trio.api.data_address import plain_address, plain_base64
from tests.http.site import PNG

PLAIN = "data:image/png;base64,+/+/AA=="


@pytest.mark.parametrize(
    "address",
    [
        PLAIN,
        "data:image/png;base64,%2B%2F%2b%2fAA%3D%3d",
        "data:image/png;base64,%0A+/+/%0D%0a%20AA==%09",
        "data:image/png;base64,+/+/\r\n AA==",
        "data:image/png;base64,%2B%2F%2B%2F%41%41==",
    ],
)
def test_escapes_and_blanks_are_no_part_of_base64(address: str) -> None:
    """However a client escapes or wraps it, the address is the plain one."""
    assert plain_address(address) == PLAIN


@pytest.mark.parametrize("head", ["data:image/jpeg;base64,", "data:;base64,", "data:image/png;charset=utf-8;base64,"])
@pytest.mark.parametrize("wrapped", [b64encode(PNG), encodebytes(PNG), b"\r\n " + encodebytes(PNG)])
def test_picture_is_called_what_it_is(head: str, wrapped: bytes) -> None:
    """As one that is fetched."""
    assert plain_address(head + wrapped.decode()) == f"data:image/png;base64,{b64encode(PNG).decode()}"


def test_every_base64_is_the_standard_one() -> None:
    """Without its padding too, and with the letters of base64 in addresses."""
    plain = "data:image/jpeg;base64,/9j/4P/+/w=="
    assert plain_address("data:image/jpeg;base64,_9j_4P_-_w") == plain


@pytest.mark.parametrize("data", ["Qk0AAAAA", "AAAA", "AAAAA", "PHN2Zy8+", "AAAA" + "\u00e9" * 9, "AAAA====A"])
def test_picture_of_no_known_kind_keeps_its_name(data: str) -> None:
    """It is Lingma's to say whether it takes such."""
    assert plain_address(f"data:image/bmp;base64,{data}") == f"data:image/bmp;base64,{data}"


@pytest.mark.parametrize(
    "address",
    [
        "https://a.example/b%2Fc.png?d=%20",
        "data:image/svg+xml,%3Csvg%2F%3E",
        "data:text/plain,a%20base64,%41",
        "DATA:IMAGE/PNG; BASE64,AA==",
        "",
    ],
)
def test_other_addresses_stay_as_they_are(address: str) -> None:
    """An escape means what it does there."""
    assert plain_address(address) == address


def test_what_is_no_base64_does_not_become_some() -> None:
    """Whoever judges it still finds what does not belong there."""
    assert plain_base64("AA%3") == "AA%3"
    assert plain_base64("AA%ff%") == "AA\N{REPLACEMENT CHARACTER}%"
    assert plain_base64("AA%2541") == "AA%41"


@pytest.mark.parametrize("shift", range(3))
def test_escapes_of_a_long_one_are_read_wherever_they_stand(shift: int) -> None:
    """In whatever pieces it is read."""
    text = "A" * shift + b64encode(bytes(range(256)) * 1000).decode()
    assert plain_base64("".join(f"%{ord(each):02X}" for each in text)) == text
    assert plain_base64("A" * shift + quote(text, safe="")) == "A" * shift + text


def test_nothing_but_escapes_take_little_room() -> None:
    """Little more than a text of the same length that has none."""
    text = "%41" * 500_000
    tracemalloc.start()
    try:
        assert plain_base64(text) == "A" * 500_000
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 3 * len(text)
