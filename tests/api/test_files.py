"""Files as text of a prompt, as pictures, or refused with what they are."""

from __future__ import annotations

from base64 import b64encode

import pytest

from lingma_trio.api.files import File, FileFault, framed, read_data
from tests.api.test_pdf_text import pdf


def encoded(data: bytes, media_type: str = "") -> str:
    """A `data:` address, or base64 alone without a media type."""
    text = b64encode(data).decode()
    return f"data:{media_type};base64,{text}" if media_type else text


@pytest.mark.parametrize(
    ("value", "media_type", "text"),
    [
        (encoded(b"a,b\n1,2", "text/csv"), "", "a,b\n1,2"),
        (encoded(b'{"a": 1}', "application/json"), "", '{"a": 1}'),
        (encoded(b"def f(): ...", "text/x-python"), "", "def f(): ..."),
        (encoded(b"x = 1", "application/octet-stream"), "", "x = 1"),
        (encoded(b"<svg/>", "image/svg+xml"), "", "<svg/>"),
        (encoded("通义".encode()), "", "通义"),
        (encoded("通义".encode(), "text/plain;charset=utf-8"), "", "通义"),
        (encoded("通义".encode("gbk"), "text/plain;charset=GBK"), "", "通义"),
        (encoded("a".encode("utf-16")), "", "a"),
        (encoded(b"\xef\xbb\xbfa"), "text/plain", "a"),
        ("data:text/plain,a%20b", "", "a b"),
        ("data:text/plain;base64,aD4%2BPw%3D%3d%0D%0A", "", "h>>?"),
        ("aG\nk=", "text/markdown", "hi"),
        (encoded(b""), "text/plain", ""),
    ],
)
def test_text_of_any_type_is_read(value: str, media_type: str, text: str) -> None:
    """What decodes as text is text, whatever it is called."""
    assert read_data(value, name="n", media_type=media_type) == File(f"[file n]\n{text}\n[end of file n]")


def test_a_pdf_is_read_by_its_type_or_its_beginning() -> None:
    """The text of its pages stands below its name, also where nobody said what it is."""
    data = pdf(b"BT /F1 12 Tf (Hello) Tj ET")
    for value in (encoded(data, "application/pdf"), encoded(data)):
        assert read_data(value, name="a.pdf").text == "[file a.pdf]\n[page 1]\nHello\n[end of file a.pdf]"


def test_a_picture_is_a_picture() -> None:
    """It is no text; its address is as it was given, or made of base64 and its type."""
    assert read_data("data:image/png;base64,AAAA", name="") == File(image="data:image/png;base64,AAAA")
    assert read_data("AAAA", name="", media_type="image/PNG") == File(image="data:image/png;base64,AAAA")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (encoded(b"PK\x03\x04\x00\x00", "application/zip"), "is of the type application/zip, which holds no text"),
        (encoded(b"\x00\x01"), "is of no known type"),
        (encoded(b"\xff", "text/plain"), "holds no text in UTF-8"),
        (encoded(b"II", "image/tiff"), "is of the type image/tiff; send a PNG"),
        (encoded(b"%PDF-1.4 junk"), "is a PDF that cannot be read"),
        ("no base64!", "must be base64"),
        ("data:text/plain;base64", "without a comma"),
    ],
)
def test_what_holds_no_text_is_refused_with_what_it_is(value: str, said: str) -> None:
    """The fault names the file and its type, or what is wrong with the field."""
    with pytest.raises(FileFault) as caught:
        read_data(value, name="b.bin")
    assert said in str(caught.value)
    assert ("the file b.bin" in str(caught.value)) == (said[:2] in {"is", "ho"})


def test_no_name_can_break_out_of_its_line() -> None:
    """A name is cut, on one line and without brackets, so that nothing passes for the end of a file."""
    assert framed("t", "a]\n[end of file" + "x" * 500).startswith("[file a) (end of filexxx")
    assert len(framed("t", "x" * 500).splitlines()[0]) == len("[file ]") + 200
    assert framed("t", " \n") == "[file]\nt\n[end of file]"
