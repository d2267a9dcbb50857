"""Pages of a list of items."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lingma_trio.api.responses.page import LARGEST_PAGE, Page, item_page, read_page
from lingma_trio.errors import InvalidRequest

ITEMS = tuple((str(number), b'{"id":"%d"}' % number) for number in range(5))


def page(**query: str) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(item_page(ITEMS, read_page(query)))
    return fields


def test_a_list_is_given_page_by_page() -> None:
    """The newest first, unless asked for the other way round; each page says whether there is more."""
    assert [item["id"] for item in page()["data"]] == ["4", "3", "2", "1", "0"]
    first = page(order="asc", limit="2")
    assert ([item["id"] for item in first["data"]], first["has_more"]) == (["0", "1"], True)
    last = page(order="asc", limit="3", after=first["last_id"])
    assert (last["first_id"], last["last_id"], last["has_more"]) == ("2", "4", False)


def test_an_empty_page_has_no_ends() -> None:
    """After the last item there is nothing."""
    assert page(after="0") == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


@pytest.mark.parametrize("limit", ["0", "-1", "x", str(LARGEST_PAGE + 1), "", "1" * 5000, "\u0663"])
def test_a_limit_is_a_number_within_bounds(limit: str) -> None:
    """Anything else is named."""
    with pytest.raises(InvalidRequest) as caught:
        read_page({"limit": limit})
    assert caught.value.param == "limit"


def test_the_largest_page_is_one() -> None:
    """The bound itself is allowed."""
    assert read_page({"limit": str(LARGEST_PAGE)}) == Page(LARGEST_PAGE)
