"""The text of a PDF, within bounds that its bytes say nothing of: a small file can hold any amount of work.

Knows the library that the extra `files` brings, which is imported where a request has a PDF and nowhere else. Must not
know how a request carries one. No clock is needed: what is bounded is counted.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from io import BytesIO
from typing import TYPE_CHECKING, Final, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from pypdf import PageObject
    from pypdf.generic import PdfObject

Made = TypeVar("Made")
Given = TypeVarTuple("Given")

MAX_PAGES: Final = 400
MAX_STEPS: Final = 400_000
"""Drawing steps of all pages together, also of several files that are one work. A page of a book has some hundred; a
step takes about twenty microseconds."""

STEP_BYTES: Final = 16
"""Of what a page is drawn by, be it its own content, a form or the table of a font's characters, for as much work as
one step."""

FILE_STEPS: Final = 200
"""What opening a file counts as, however little is in it."""

FORM_STEPS: Final = 20_000
"""What a form within a form counts as: it is read anew each time, however long it is."""

MAX_STREAM: Final = 4 * 1024 * 1024
"""Bytes of any one stream, unpacked."""

_STUMBLES: Final = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, OSError),
    *(RuntimeError, TypeError, ValueError, struct.error, zlib.error),
)
"""What the library lets out for files that are not as it expects."""


class PdfFault(Exception):
    """The text cannot be had; the message says why, as what follows on the file's name."""


class _Steps:
    """Counts the steps of one work, and stops at MAX_STEPS."""

    def __init__(self) -> None:
        self._left = MAX_STEPS
        self._forms: dict[str, int] = {}
        self._counted = 0  # of the page's steps, by the length of its content

    def open(self) -> None:
        """Count a file. Raises `PdfFault`."""
        self._use(FILE_STEPS)

    def begin(self, page: PageObject) -> None:
        """Count what reading a page takes beside its steps, and as many of these as it is long: what is no step has to
        be read all the same. Raises `PdfFault`.
        """
        self._forms = {str(name): _form_steps(form.get_object()) for name, form in _entries(page, "/XObject")}
        self._counted = _content_steps(page)
        self._use(1 + self._counted + sum(_font_steps(font.get_object()) for _, font in _entries(page, "/Font")))

    def take(self, operator: object, operands: Sequence[object], *_: object) -> None:
        """Count one step, before it is done. Raises `PdfFault`."""
        if operator == b"Do" and operands:
            self._use(self._forms.get(str(operands[0]), FORM_STEPS))
        elif self._counted:
            self._counted -= 1
        else:
            self._use(1)

    def check(self) -> None:
        """Raise `PdfFault` where there were too many; the library may have kept the fault to itself."""
        self._use(0)

    def _use(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise PdfFault("is too much work to read; send fewer pages, or its text")


_WORK: ContextVar[_Steps | None] = ContextVar("work on PDFs", default=None)


def as_one_work(function: Callable[[*Given], Made], *given: *Given) -> Made:
    """Call `function`, for which all PDFs together may be as much work as one: a request can hold thousands."""
    token = _WORK.set(_Steps())
    try:
        return function(*given)
    finally:
        _WORK.reset(token)


def pdf_text(data: bytes) -> str:
    """The text of all pages, each after a line with its number. Raises `PdfFault`."""
    try:
        from pypdf import apply_configuration, errors  # noqa: PLC0415 - an extra
    except ImportError:
        raise PdfFault(
            "is a PDF, which this gateway cannot read; send its text, or have the operator install the extra"
            " `files` (pip install 'lingma-trio[files]')"
        ) from None
    try:
        with apply_configuration(
            array_based_stream_maximum_output_length=MAX_STREAM,
            brotli_maximum_output_length=MAX_STREAM,
            lzw_maximum_output_length=MAX_STREAM,
            run_length_maximum_output_length=MAX_STREAM,
            stream_decoding_work_maximum_length=4 * MAX_STREAM,
            stream_parsing_work_maximum_count=MAX_STEPS,
            zlib_maximum_output_length=MAX_STREAM,
            zlib_maximum_recovery_input_length=MAX_STREAM // 64,
        ):
            texts = _texts(data)
    except PdfFault:
        raise
    except (errors.PyPdfError, errors.DependencyError, *_STUMBLES) as fault:
        raise PdfFault("is a PDF that cannot be read; send it otherwise, or its text") from fault
    if not any(texts):
        raise PdfFault("is a PDF without text, as scans are; send its pages as images, or its text")
    return "\n\n".join(f"[page {number}]\n{text}" for number, text in enumerate(texts, start=1) if text)


def _texts(data: bytes) -> list[str]:
    from pypdf import PdfReader  # noqa: PLC0415 - an extra

    steps = _WORK.get() or _Steps()
    steps.open()
    reader = PdfReader(BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise PdfFault("is a PDF with a password; send it without one, or its text")
    if len(reader.pages) > MAX_PAGES:
        raise PdfFault(f"is a PDF of more than {MAX_PAGES} pages; send fewer")
    texts = []
    for page in reader.pages:
        steps.begin(page)
        texts.append(page.extract_text(visitor_operand_before=steps.take).strip())
        steps.check()
    return texts


def _entries(page: PageObject, kind: str) -> Iterable[tuple[object, PdfObject]]:
    """What a page, or the tree of pages above it, names of one kind."""
    resources = page.get_inherited("/Resources", {})
    named = resources[kind] if isinstance(resources, dict) and kind in resources else None
    return named.items() if isinstance(named, dict) else ()


def _content_steps(page: PageObject) -> int:
    """What a page's own content counts as by its length; it may be in several streams."""
    found = page.get("/Contents")
    content = None if found is None else found.get_object()  # None, too, where the file has nothing of that number
    if isinstance(content, list):
        return sum(_stream_steps(part.get_object()) for part in content)
    return _stream_steps(content)


def _form_steps(form: object) -> int:
    return _stream_steps(form) if isinstance(form, dict) and form.get("/Subtype") == "/Form" else 1


def _font_steps(font: object) -> int:
    return 1 + _stream_steps(font["/ToUnicode"]) if isinstance(font, dict) and "/ToUnicode" in font else 1


def _stream_steps(stream: object) -> int:
    data = stream.get_data() if hasattr(stream, "get_data") else b""
    return 1 + len(data) // STEP_BYTES
