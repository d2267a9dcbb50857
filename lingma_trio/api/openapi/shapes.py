"""The two kinds of described objects: what a client sends, and what the gateway answers.

Knows how a description becomes JSON Schema; must not know which objects there are.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict

Json: TypeAlias = dict[str, Any]
"""An object whose fields are not the gateway's business."""


class Asked(BaseModel):
    """What a client sends. Fields that are not named are ignored, and null counts as absent."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True, defer_build=True)


class Answered(BaseModel):
    """What the gateway answers: these fields and no others."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, defer_build=True)


class AnyObject(Asked):
    """An object of any fields."""
