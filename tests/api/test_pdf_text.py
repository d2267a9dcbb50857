"""The text of PDFs, and how much work one may hold."""

from __future__ import annotations

import subprocess
import sys
import zlib

import pytest

from lingma_trio.api.pdf_text import FILE_STEPS, MAX_PAGES, MAX_STEPS, PdfFault, as_one_work, pdf_text

HELLO = b"BT /F1 12 Tf (Hello) Tj ET"


def pdf(*pages: bytes, resources: bytes = b"", beside: tuple[bytes, ...] = ()) -> bytes:
    """A PDF of pages that draw so; `beside` are objects from number 4 on."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    objects += beside
    kids = []
    for drawn in pages:
        packed = zlib.compress(drawn)
        kids.append(b"%d 0 R" % (len(objects) + 1))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Resources << /Font << /F1 3 0 R >> %s >>"
            b" /Contents %d 0 R >>" % (resources, len(objects) + 2)
        )
        objects.append(stream(packed, b"/Filter /FlateDecode"))
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    written, places = bytearray(b"%PDF-1.4\n"), []
    for number, value in enumerate(objects, start=1):
        places.append(b"%010d 00000 n \n" % len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, value)
    table = b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, b"".join(places))
    end = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(written))
    return bytes(written) + table + end


def stream(data: bytes, about: bytes = b"") -> bytes:
    """A stream object."""
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), about, data)


def test_pages_follow_each_other_with_their_numbers() -> None:
    """Each page has a line that names it; one without text has none."""
    assert pdf_text(pdf(HELLO, b"", b"BT /F1 12 Tf (again) Tj ET")) == "[page 1]\nHello\n\n[page 3]\nagain"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%PDF-1.4 junk", "cannot be read"),
        (b"", "cannot be read"),
        (pdf(b""), "without text"),
        (pdf(*[HELLO] * (MAX_PAGES + 1)), "more than 400 pages"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, said: str) -> None:
    """A broken file, a scan and a library of a file are refused, each in its own words."""
    with pytest.raises(PdfFault, match=said):
        pdf_text(data)


FORM = b"/Type /XObject /Subtype /Form /BBox [0 0 9 9]"


@pytest.mark.parametrize(
    "data",
    [
        pdf(b" " * 40_000_000),
        pdf(b"BT /F1 12 Tf %s ET" % (b"(a) Tj " * 100_000), *[b"q Q " * 50_000] * 4),
        pdf(b"1 " * (2 * MAX_STEPS)),
        pdf(HELLO, *[b" " * 4_000_000] * 2),
        pdf(
            b"/A Do " * 2_000,
            resources=b"/XObject << /A 4 0 R >>",
            beside=(stream(b"1 " * 50_000, FORM),),
        ),
        pdf(
            b"/A Do " * 50,
            resources=b"/XObject << /A 4 0 R >>",
            beside=(
                stream(b"/B Do " * 50, FORM + b" /Resources << /XObject << /B 5 0 R >> >>"),
                stream(b"1 " * 50_000, FORM),
            ),
        ),
    ],
    ids=["bomb", "steps", "numbers", "blanks", "forms", "forms within forms"],
)
def test_no_file_holds_more_work_than_its_bounds(data: bytes) -> None:
    """However it is packed, drawn again and nested, reading ends in a fault after bounded work."""
    with pytest.raises(PdfFault, match=r"too much work|cannot be read"):
        pdf_text(data)


@pytest.mark.parametrize("content", [b"99 0 R", b"[99 0 R]", b"null", b"[]", b"(x)", b"1 0 R"])
def test_page_whose_content_is_not_there_has_no_text(content: bytes) -> None:
    """The others are read all the same, as any viewer shows them."""
    whole = pdf(HELLO, HELLO)
    data = whole.replace(b"/Contents 5 0 R", b"/Contents " + content)
    assert data != whole
    assert pdf_text(data) == "[page 2]\nHello"


def test_several_files_hold_no_more_work_than_one() -> None:
    """As long as they are read as one work: the next has all of it again."""
    long = pdf(HELLO + b" " * 4_000_000)

    def read(times: int) -> str:
        return "".join(pdf_text(long) for _ in range(times))

    for _ in range(2):
        assert as_one_work(read, 1) == "[page 1]\nHello"
    with pytest.raises(PdfFault, match="too much work"):
        as_one_work(read, 2)
    assert read(2)


def test_opening_many_files_is_work() -> None:
    """However little is in them: a request holds thousands."""

    def last_fault() -> str:
        said = ""
        for _ in range(MAX_STEPS // FILE_STEPS + 1):
            with pytest.raises(PdfFault) as fault:
                pdf_text(b"%PDF-")
            said = str(fault.value)
        return said

    assert "too much work" in as_one_work(last_fault)


def test_without_the_extra_a_pdf_is_refused_by_its_name() -> None:
    """The library is imported for a PDF and for nothing else; where it is not there the fault says what to do."""
    code = (
        "import sys; sys.modules['pypdf'] = None\n"
        "from lingma_trio.api.pdf_text import PdfFault, pdf_text\n"
        "try: pdf_text(b'%PDF-')\n"
        "except PdfFault as fault: print(fault)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "lingma-trio[files]" in said


def test_what_a_page_draws_by_a_form_is_its_text() -> None:
    """A form is followed, and so is a picture passed over, as long as there is not too much of it."""
    form = stream(HELLO, b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /Font << /F1 3 0 R >> >>")
    picture = stream(b"\0", b"/Type /XObject /Subtype /Image /Width 1 /Height 1 /BitsPerComponent 8")
    drawn = pdf(b"/X Do /Y Do", resources=b"/XObject << /X 4 0 R /Y 5 0 R >>", beside=(form, picture))
    assert pdf_text(drawn) == "[page 1]\nHello"
