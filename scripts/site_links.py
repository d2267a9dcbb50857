"""A hook of mkdocs.yml: links from the pages to files of the repository that are no pages lead to the repository.

On the repository's own site such a link is relative, so that it leads to the same version; the documentation's site has
no such file. A link to a file that is not there is left as it is, and ends the build.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parent.parent
_LINK = re.compile(r"\]\((?P<path>\.\./[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


class File(Protocol):
    """Where a page comes from."""

    src_uri: str


class Page(Protocol):
    """What MkDocs knows of a page, as far as it matters here."""

    file: File


class Config(Protocol):
    """What `mkdocs.yml` says, as far as it matters here."""

    repo_url: str


def on_page_markdown(markdown: str, *, page: Page, config: Config, **_others: object) -> str:
    """The page's text with those links made absolute. MkDocs calls it by this name, with these arguments."""

    def absolute(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page.file.src_uri), found["path"]))
        if path.startswith("docs/") or not (ROOT / path).exists():
            return found[0]
        kind = "tree" if (ROOT / path).is_dir() else "blob"
        return f"]({config.repo_url}/{kind}/main/{path}{found['anchor'] or ''})"

    return _LINK.sub(absolute, markdown)
