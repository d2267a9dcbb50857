"""Answers an agent's requests for permission: no, in the way that it offers.

Permission is no sandbox: agents run some of their tools unasked. What is rejected here is the rest.
"""

from __future__ import annotations

from typing import Any, Final

PERMISSION: Final = "session/request_permission"

_NOES: Final = ("reject_once", "reject_always")  # the mildest first: what is to be kept would outlive the turn


def cancelled() -> dict[str, Any]:
    """The result for who asks in a turn that is on its way out, or offers no way to say no."""
    return {"outcome": {"outcome": "cancelled"}}


def rejection(params: dict[str, Any]) -> dict[str, Any]:
    """The result that says no to a request. Options are told by their kind: names, ids and places mean nothing."""
    offered = params.get("options")
    options = [each for each in offered if isinstance(each, dict)] if isinstance(offered, list) else []
    for kind in _NOES:
        for option in options:
            if option.get("kind") == kind and isinstance(option.get("optionId"), str):
                return {"outcome": {"outcome": "selected", "optionId": option["optionId"]}}
    return cancelled()
