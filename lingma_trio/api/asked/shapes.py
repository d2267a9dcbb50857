"""The models that describe what a client sends, and the marks that say what is done with each field.

    class Asked...(Body):
        messages: Annotated[list[Message], READ]
        tools: Annotated[list[Tool] | None, EMULATED] = None
        seed: Annotated[Any, WITHOUT_EFFECT] = None
        logprobs: Annotated[Any, Refused("Lingma tells no probabilities; leave logprobs out", unless=(False,))] = None

Every field of a request has one mark, its docstring says what it is for, and `docs/api.md` lists both. A mark is no
comment: `Refused` refuses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

Handling: TypeAlias = Literal["read", "emulated", "refused", "without effect"]
"""What is done with a field: its meaning reaches Lingma, or is brought about by the gateway; a value is a fault; or it
may be there and changes nothing."""

MAX_UNKNOWN: Final = 16
_HARMLESS = re.compile(r"[A-Za-z0-9_.-]{1,64}")

OWN: Final = "lingma_trio"
"""The kind of a fault that words of our own describe."""


class Asked(BaseModel):
    """An object within a request. Null counts as absent; fields that are not named here are the client's own."""

    # What checks a body is built for the first one: of most surfaces a gateway is never asked.
    model_config = ConfigDict(
        extra="ignore", strict=True, use_attribute_docstrings=True, allow_inf_nan=False, defer_build=True
    )


class Body(Asked):
    """The whole of a request. A field that is not named here is served without effect, and `unknown` tells of it."""

    model_config = ConfigDict(extra="allow")

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the fields that are not described and hold something, in the order of the body.

        No more than MAX_UNKNOWN, and only those that may stand in a header and a log as they are.
        """
        named = (name for name, value in (self.model_extra or {}).items() if value is not None)
        return tuple(islice(filter(_HARMLESS.fullmatch, named), MAX_UNKNOWN))


@dataclass(frozen=True, slots=True)
class Mark:
    """What is done with the field that is annotated by it."""

    handling: Handling

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Say so in the document."""
        return {**handler(schema), "x-handling": self.handling}


READ: Final = Mark("read")
EMULATED: Final = Mark("emulated")
WITHOUT_EFFECT: Final = Mark("without effect")


@dataclass(frozen=True, slots=True)
class Refused(Mark):
    """A field that may not be there: the request is refused for the reason, unless it holds null or one of `unless`.

    `reason` is a sentence without its full stop that says what to do instead.
    """

    handling: Handling = field(default="refused", init=False)
    reason: str
    unless: tuple[object, ...] = field(default=(), kw_only=True)

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Refuse once the value has been read."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: object) -> object:
        if value is None or any(value == allowed and type(value) is type(allowed) for allowed in self.unless):
            return value
        raise fault(self.reason)


def fault(said: str) -> PydanticCustomError:
    """A fault to be raised by a validator: `said` is a sentence without its full stop, the field is found by place."""
    return PydanticCustomError(OWN, "{said}.", {"said": said})


def wrong(said: str) -> PydanticCustomError:
    """The same, said of the field: `said` follows on its path, as in `must not be empty`."""
    return PydanticCustomError(OWN, "{field} {said}.", {"said": said, "field": "{field}"})


def handling(described: FieldInfo) -> Handling:
    """What is done with a field of a described request; raises `ValueError` where its description does not say."""
    for note in described.metadata:
        if isinstance(note, Mark):
            return note.handling
    raise ValueError("a field of a request needs one of the marks " + ", ".join(get_args(Handling)))
