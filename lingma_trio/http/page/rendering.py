"""Writes a view down as HTML. Everything that is not of the page itself is escaped on its way into a template."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import TYPE_CHECKING

from lingma_trio.http.page.places import PLACES
from lingma_trio.http.page.reasons import tell
from lingma_trio.http.page.view import View, bar_of, clock_time, machine_time
from lingma_trio.http.page.wording import CATALOGUES, Language
from lingma_trio.threads import DISK

if TYPE_CHECKING:
    from jinja2 import Environment

STATIC: Mapping[str, tuple[bytes, bytes]] = {
    name: (kind, files("lingma_trio.http.page").joinpath("static", name).read_bytes())
    for name, kind in (
        ("style.css", b"text/css; charset=utf-8"),
        ("script.js", b"text/javascript; charset=utf-8"),
        ("copy.js", b"text/javascript; charset=utf-8"),
        ("api.js", b"text/javascript; charset=utf-8"),
        ("markdown.js", b"text/javascript; charset=utf-8"),
        ("playground.js", b"text/javascript; charset=utf-8"),
        ("icon.svg", b"image/svg+xml"),
    )
}
"""The page's own files: their content type and their bytes."""

EDITION = blake2b(b"".join(content for _, content in STATIC.values()), digest_size=8).hexdigest()
"""Changes with the files, so that a browser may keep them for ever."""

_TEMPLATES = {
    path.name: path.read_text(encoding="utf-8")
    for path in files("lingma_trio.http.page").joinpath("templates").iterdir()
    if path.name.endswith(".html")
}
"""Read here like the other files: a gateway that may open no more of them goes on to show its page."""


async def prepare() -> None:
    """Have at hand what fills the templates in, before a page is rendered.

    It is read in a thread the first time, since that takes longer than others should wait; a gateway whose page nobody
    looks at never holds it. Cancelling waits for that.
    """
    if not _environment.cache_info().currsize:
        await DISK.run(_environment)


@cache
def _environment() -> Environment:
    import yaml  # noqa: F401, PLC0415 - what a page says of clients is written with it
    from jinja2 import DictLoader, Environment, StrictUndefined  # noqa: PLC0415 - see `prepare`

    environment = Environment(
        loader=DictLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.get_template("link.html")  # the first one has Python load what it reads templates with
    environment.filters |= {"clock": clock_time, "machine": machine_time, "bar": bar_of, "tell": tell}
    return environment


def render_page(view: View, language: Language) -> bytes:
    """The whole of a place."""
    return _render("page", view, language).encode()


def render_regions(view: View, language: Language) -> dict[str, str]:
    """The parts that are kept up to date, by name; for somebody who is signed in."""
    assert view.signed_in
    return {name: _render(name, view, language) for name in view.place.regions}


def render_link(words: Mapping[str, str], language: Language, link: str) -> bytes:
    """The page of one button that a link leads to; without `link` the page that says that it is over."""
    template = _environment().get_template("link.html")
    return template.render(t=words, language=language, edition=EDITION, link=link).encode()


def _render(name: str, view: View, language: Language) -> str:
    template = _environment().get_template(f"{name}.html")
    return template.render(
        view=view,
        panels=view.panels,
        t=CATALOGUES[language],
        language=language,
        edition=EDITION,
        places=PLACES.values(),
    )
