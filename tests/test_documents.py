"""The pages of `docs/` and both READMEs hold together: links lead somewhere, lists are complete, copies are current."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.documents import PAGES, ROOT, anchors, blocks, headings, links, prose
from tests.faults import FAULTS

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
TROUBLESHOOTING = [ROOT / "docs" / "troubleshooting.md", ROOT / "docs" / "zh" / "troubleshooting.md"]
READMES = [ROOT / "README.md", ROOT / "README.zh.md"]
LONGEST_README = 150
TWINS = [ROOT / "README.zh.md", *sorted((ROOT / "docs" / "zh").glob("*.md"))]
ARCHITECTURE = ROOT / "docs" / "architecture.md"
CODES = {error.code for error in FAULTS}


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link is to a file of the project, and its anchor to a heading there."""
    lost = []
    for link in links(page):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


@each_page
def test_headings_stand_once(page: Path) -> None:
    """So that a link to one leads to one place."""
    assert sorted(set(headings(page))) == sorted(headings(page))


@pytest.mark.parametrize("index", [ROOT / "docs" / "README.md", ROOT / "docs" / "zh" / "README.md"], ids=["en", "zh"])
def test_every_page_is_in_the_index(index: Path) -> None:
    """Who opens `docs/` finds each page from there: in Chinese where it is."""
    linked = {(index.parent / link).resolve() for link in links(index)} | {index}
    wanted = set((ROOT / "docs").glob("*.md"))
    if index.parent.name == "zh":
        wanted = {ROOT / "docs" / "zh" / page.name for page in wanted}
    assert wanted <= linked


def test_every_page_has_a_place_in_the_site() -> None:
    """The site's navigation has each page once; `scripts/site` ends for one that it lacks."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    told = re.findall(r"^ +- (\S+\.md)$", text, flags=re.MULTILINE)
    assert sorted(told) == sorted(str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md"))


def test_readme_fits_on_a_few_screens() -> None:
    """In both languages; whatever needs more room has a page of its own."""
    assert [page.name for page in READMES if len(page.read_text(encoding="utf-8").splitlines()) > LONGEST_README] == []


@pytest.mark.parametrize("page", TROUBLESHOOTING, ids=["English", "Chinese"])
def test_every_error_code_has_an_entry(page: Path) -> None:
    """Whoever meets a code finds what it means and what to do, and no entry is for a code that there is not."""
    entries = [heading.strip("`") for heading in headings(page) if heading.startswith("`")]
    assert sorted(entries) == sorted(CODES)


def test_layers_are_those_of_the_contract() -> None:
    """The drawing of the layers in the architecture is the import contract's, line by line."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    drawing = next(block for block in blocks(ARCHITECTURE) if block.text.startswith("__main__\n"))
    assert [re.split(" {2,}", line)[0] for line in drawing.text.splitlines()] == contracts[0]["layers"]


def test_every_node_of_the_tree_is_explained() -> None:
    """The table below the drawing has each node, by the name without its number."""
    text = ARCHITECTURE.read_text(encoding="utf-8")
    drawing = next(block for block in blocks(ARCHITECTURE) if block.text.startswith("trio.run\n"))
    names = {
        re.sub(r"(of|life|listener|request) .*", r"\1 …", line.lstrip("│├└─ "))
        for line in drawing.text.splitlines()[1:]
    }
    cells = re.findall(r"^\| (`[^|]+) \|", text, flags=re.MULTILINE)
    explained = {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
    assert names
    assert names <= explained


def test_every_page_has_a_chinese_twin() -> None:
    """Of the same name, and no Chinese page is without an English one."""
    pages = {page.name for page in (ROOT / "docs").glob("*.md")}
    assert pages == {page.name for page in (ROOT / "docs" / "zh").glob("*.md")}


@pytest.mark.parametrize("page", TWINS, ids=lambda page: str(page.relative_to(ROOT)))
def test_chinese_page_is_in_step(page: Path) -> None:
    """It has the sections, the blocks and the named rows of the English one, and headings in Chinese."""
    english = ROOT / "README.md" if page.name == "README.zh.md" else ROOT / "docs" / page.name
    assert len(headings(page)) == len(headings(english))
    assert [block.language for block in blocks(page)] == [block.language for block in blocks(english)]
    assert named_rows(page) == named_rows(english)


def named_rows(page: Path) -> list[str]:
    """The names that rows of tables begin with."""
    return [name.strip("`") for name in re.findall(r"^\| (`[^`|]+`) ", prose(page), flags=re.MULTILINE)]


def test_what_is_not_run_says_why() -> None:
    """The list of the commands that no test runs, each with its reason; a mark that marks nothing is none."""
    marked = [block for page in PAGES for block in blocks(page) if block.reason]
    assert len(marked) == sum(prose(page).count("<!-- not run: ") for page in PAGES)
    for block in marked:
        print(f"{block.name}: {block.text.strip().splitlines()[0]} - {block.reason}")  # noqa: T201 - the list, with -s
        assert len(block.reason) > 20
