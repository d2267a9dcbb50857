"""The two kinds of described answers: those whose fields are all described, and those that have more.

Knows how a description becomes JSON Schema; must not know which objects there are.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict

Json: TypeAlias = dict[str, Any]
"""An object whose fields are not the gateway's business."""


class Open(BaseModel):
    """What the gateway answers where it has more fields than are described."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True, defer_build=True)


class Answered(BaseModel):
    """What the gateway answers: these fields and no others."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, defer_build=True)


class AnyObject(Open):
    """An object of any fields."""
