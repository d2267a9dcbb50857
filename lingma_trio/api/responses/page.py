"""A page of a list of items, as OpenAI's lists are asked for and answered.

Knows the query's fields and the list object; must not know what the items are of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from lingma_trio.api.json_text import encode
from lingma_trio.errors import InvalidRequest
from lingma_trio.policy.response_store import Items

LARGEST_PAGE: Final = 100
_USUAL_PAGE: Final = 20


class Page(NamedTuple):
    """What of a list is wanted: so many items after the one of the id `after`, or from the list's beginning."""

    limit: int = _USUAL_PAGE
    after: str = ""
    newest_first: bool = True


def read_page(query: Mapping[str, str]) -> Page:
    """Read `limit`, `after` and `order`; raises `InvalidRequest` that names the one at fault."""
    limit = query.get("limit", str(_USUAL_PAGE))
    if limit not in map(str, range(1, LARGEST_PAGE + 1)):
        raise InvalidRequest(f"limit must be a number from 1 to {LARGEST_PAGE}.", param="limit")
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise InvalidRequest("order must be asc or desc.", param="order")
    return Page(int(limit), query.get("after", ""), order == "desc")


def item_page(items: Items, page: Page) -> bytes:
    """Return the wanted page of `items`, which are oldest first, as JSON; raises `InvalidRequest` for no such item."""
    ordered = items[::-1] if page.newest_first else items
    ids = [identity for identity, _ in ordered]
    if page.after and page.after not in ids:
        raise InvalidRequest("after must be the id of an item of this list.", param="after")
    begin = ids.index(page.after) + 1 if page.after else 0
    wanted = ordered[begin : begin + page.limit]
    head = encode(
        {
            "object": "list",
            "first_id": wanted[0][0] if wanted else None,
            "last_id": wanted[-1][0] if wanted else None,
            "has_more": begin + len(wanted) < len(ordered),
        }
    )
    return b'%b,"data":[%b]}' % (head[:-1], b",".join(text for _, text in wanted))
