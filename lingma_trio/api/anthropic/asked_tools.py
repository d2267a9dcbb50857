"""Tools, as Anthropic's clients declare them, choose among them and change them; what is made of them is `tools`'s."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from lingma_trio.api.asked.shapes import EMULATED, READ, WITHOUT_EFFECT, Asked, Refused

_NO_SERVERS = "MCP servers are not asked from here; let the client ask them and declare their tools as its own"


class MessagesTool(Asked):
    """A tool: the client's own, one whose schema Anthropic's clients take for known, or one that Anthropic would run.

    Of the last kind there is none here. The model is told so where there are others beside it; alone, or forced, it is
    refused by its name.
    """

    type: Annotated[str | None, READ] = None
    """`custom`, or nothing, for a tool of the client's; `bash_20250124` and the like for one of a known schema."""
    name: Annotated[str | None, EMULATED] = None
    """By what it is called."""
    description: Annotated[str | None, EMULATED] = None
    """What it does, for the model."""
    input_schema: Annotated[dict[str, Any] | None, EMULATED] = None
    """The JSON Schema of its input, which must be an object's."""
    strict: Annotated[bool | None, EMULATED] = None
    """Holds a call's input to the schema to the letter."""
    input_examples: Annotated[list[dict[str, Any]] | None, EMULATED] = None
    """Inputs to go by, which are told with the description."""
    defer_loading: Annotated[bool | None, EMULATED] = None
    """Leaves the tool out until the conversation refers to it; where Anthropic was to search the tools it is there."""
    max_characters: Annotated[Any, WITHOUT_EFFECT] = None
    """Of an editor: the client's own."""
    cache_control: Annotated[Any, WITHOUT_EFFECT] = None
    """Lingma caches as it does."""
    allowed_callers: Annotated[Any, WITHOUT_EFFECT] = None
    """Only the model calls."""
    eager_input_streaming: Annotated[Any, WITHOUT_EFFECT] = None
    """A call comes in one piece, once it is known to be one."""


class ToolChoice(Asked):
    """How the tools may be used."""

    type: Annotated[Literal["auto", "any", "tool", "none"] | None, EMULATED] = None
    """Whether one may, must or must not be called."""
    name: Annotated[str | None, EMULATED] = None
    """With `tool`: the one that has to be called."""
    disable_parallel_tool_use: Annotated[bool | None, EMULATED] = None
    """One call at the most."""


class ReferredTool(Asked):
    """A tool by its name."""

    type: Annotated[Literal["tool_reference"], READ]
    """What it is."""
    name: Annotated[str, EMULATED]
    """A tool of `tools`, or one that an earlier block defined."""


class DefinedTool(Asked):
    """A tool in full."""

    type: Annotated[Literal["tool_definition"], READ]
    """What it is."""
    definition: Annotated[MessagesTool, EMULATED]
    """As in `tools`."""


class ReferredServer(Asked):
    """Tools of an MCP server."""

    type: Annotated[Literal["mcp_tool_reference", "mcp_toolset_reference"], READ]
    """What it is."""
    server_name: Annotated[Any, Refused(_NO_SERVERS)]
    """Which server."""
    name: Annotated[Any, WITHOUT_EFFECT] = None
    """Which of its tools."""


class ToolAddition(Asked):
    """A tool that may be called from here on."""

    type: Annotated[Literal["tool_addition"], READ]
    """What it is."""
    tool: Annotated[Annotated[ReferredTool | DefinedTool | ReferredServer, Field(discriminator="type")], EMULATED]
    """Which one."""
    cache_control: Annotated[Any, WITHOUT_EFFECT] = None
    """Lingma caches as it does."""


class ToolRemoval(Asked):
    """A tool that may no longer be called."""

    type: Annotated[Literal["tool_removal"], READ]
    """What it is."""
    tool: Annotated[Annotated[ReferredTool | ReferredServer, Field(discriminator="type")], EMULATED]
    """Which one."""
    cache_control: Annotated[Any, WITHOUT_EFFECT] = None
    """Lingma caches as it does."""


ToolChange: TypeAlias = Annotated[ToolAddition | ToolRemoval, Field(discriminator="type")]
