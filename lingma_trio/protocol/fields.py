"""Reads single fields of what Lingma sends, none of which can be trusted to be there or to have its type.

What JSON is read as has the types that are named here and none derived from them, so that no call is needed to tell.
"""

from __future__ import annotations

import re
from typing import Any

_STATUS = re.compile(r"\s*-?[0-9]{1,9}\s*")


def string(params: dict[str, Any], name: str) -> str:
    """The text of a field, or the empty string."""
    value = params.get(name)
    return value if type(value) is str else ""


def mapping(params: dict[str, Any], name: str) -> dict[str, Any]:
    """The object of a field, or an empty one."""
    value = params.get(name)
    return value if type(value) is dict else {}


def status(params: dict[str, Any]) -> int | None:
    """`statusCode`, which some versions send as a string; None where there is none or it makes no sense."""
    value = params.get("statusCode")
    if type(value) is int:  # a truth value is none
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is str and _STATUS.fullmatch(value):
        return int(value)
    return None
