"""Tools that a vendor would run: told of as absent, or refused by name."""

from __future__ import annotations

import pytest

from lingma_trio.api.hosted import absent, hosted, refused
from lingma_trio.errors import InvalidRequest


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("web_search_20250305", "web search"),
        ("web_search_preview", "web search"),
        ("web_fetch_20250910", "fetching of web pages"),
        ("code_execution_20250825", "running of code"),
        ("computer_use_preview", "use of a computer"),
        ("mcp", "tools of MCP servers"),
        ("function", ""),
        ("custom", ""),
    ],
)
def test_a_kind_is_known_by_its_beginning(kind: str, words: str) -> None:
    """Whatever version stands behind it."""
    assert hosted(kind) == words


def test_beside_other_tools_they_are_told_of() -> None:
    """In words, each once."""
    kinds = ["web_search", "web_search_preview", "mcp"]
    assert absent(kinds, declared=True, param="tools") == ("web search", "tools of MCP servers")
    assert absent([], declared=False, param="tools") == ()


def test_alone_they_are_refused_by_name() -> None:
    """An answer without them would pass for their result."""
    with pytest.raises(InvalidRequest, match=r"tools asks for web_search_20250305 \(web search\)") as caught:
        absent(["web_search_20250305"], declared=False, param="tools")
    assert caught.value.param == "tools"
    assert "asks for memory_20250818, which" in str(refused("memory_20250818", param="tool_choice"))
