"""Content blocks, as Anthropic's clients send them.

Describes every kind there is, so that one that nobody described is refused by its name. What is made of them is
`content`'s and `messages`'s.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from lingma_trio.api.anthropic.asked_tools import ToolChange
from lingma_trio.api.asked.fields import MAX_PARTS
from lingma_trio.api.asked.shapes import EMULATED, READ, WITHOUT_EFFECT, Asked, Refused, wrong
from lingma_trio.api.files import File, FileFault, read_data

_MEDIA_TYPE = re.compile(r"image/[a-z0-9.+-]{1,40}")


def _media_type(value: str) -> str:
    kind = value.strip().lower()
    if not _MEDIA_TYPE.fullmatch(kind):
        raise wrong("must be a type such as image/png")
    return kind


class GivenBlock(Asked):
    """A block; a mark for caching means nothing here, since Lingma keeps its own cache."""

    cache_control: Annotated[Any, WITHOUT_EFFECT] = None
    """Lingma caches as it does."""


class GivenText(GivenBlock):
    """Text."""

    type: Annotated[Literal["text"], READ]
    """What it is."""
    text: Annotated[str, READ]
    """The text."""
    citations: Annotated[Any, WITHOUT_EFFECT] = None
    """Where an earlier answer had it from."""


class GivenThinking(GivenBlock):
    """Reasoning that a client sends back; it was no part of the answer and is left out."""

    type: Annotated[Literal["thinking", "redacted_thinking"], READ]
    """What it is."""
    thinking: Annotated[Any, WITHOUT_EFFECT] = None
    """The reasoning."""
    signature: Annotated[Any, WITHOUT_EFFECT] = None
    """What signs it."""
    data: Annotated[Any, WITHOUT_EFFECT] = None
    """The reasoning where it is sealed."""


class GivenFallback(GivenBlock):
    """Where another model went on; nothing of it is for the model."""

    type: Annotated[Literal["fallback", "mcp_tool_listing"], READ]
    """What it is."""
    from_: Annotated[Any, Field(alias="from"), WITHOUT_EFFECT] = None
    """Which model."""
    to: Annotated[Any, WITHOUT_EFFECT] = None
    """Which other one."""
    trigger: Annotated[Any, WITHOUT_EFFECT] = None
    """Why."""
    mcp_server_name: Annotated[Any, WITHOUT_EFFECT] = None
    """Whose tools they were."""
    tools: Annotated[Any, WITHOUT_EFFECT] = None
    """What they were; no server is asked here."""


class InlineData(Asked):
    """What a request has in itself."""

    type: Annotated[Literal["base64"], READ]
    """How it is given."""
    data: Annotated[str, READ]
    """Base64."""


class InlinePicture(InlineData):
    """A picture that the request holds."""

    media_type: Annotated[str, AfterValidator(_media_type), READ]
    """Such as `image/png`."""


class InlineDocument(InlineData):
    """A document that the request holds."""

    media_type: Annotated[str | None, READ] = None
    """Such as `application/pdf`, or a type of text."""
    _file: File = PrivateAttr()

    @property
    def file(self) -> File:
        """What a prompt can hold of it."""
        return self._file

    @model_validator(mode="after")
    def _read(self) -> Self:
        try:
            self._file = read_data(self.data, name="", media_type=self.media_type or "")
        except FileFault as unread:
            raise wrong(str(unread)) from unread
        return self


class DocumentElsewhere(Asked):
    """A document that is to be fetched."""

    type: Annotated[Literal["url"], READ]
    """How it is given."""
    url: Annotated[Any, Refused("Documents are not fetched; send what the document holds, as base64 or text")] = None
    """Where it is."""


class ByAddress(Asked):
    """What is to be fetched."""

    type: Annotated[Literal["url"], READ]
    """How it is given."""
    url: Annotated[str, READ]
    """Where it is."""


class ByFile(Asked):
    """A document that was uploaded to Anthropic; nothing was uploaded here."""

    type: Annotated[Literal["file"], READ]
    """How it is given."""
    file_id: Annotated[Any, Refused("Files are not kept here; send what the file holds in its place")] = None
    """Which file."""


class PictureByFile(Asked):
    """A picture that was uploaded to Anthropic; nothing of it is here."""

    type: Annotated[Literal["file"], READ]
    """How it is given."""
    file_id: Annotated[str, READ]
    """Which file: a 400 in the last message, since none is kept here, and a placeholder in older ones."""


class PlainText(Asked):
    """A document that is text."""

    type: Annotated[Literal["text"], READ]
    """How it is given."""
    data: Annotated[str, READ]
    """The text."""
    media_type: Annotated[Any, WITHOUT_EFFECT] = None
    """`text/plain`."""


class GivenImage(GivenBlock):
    """A picture."""

    type: Annotated[Literal["image"], READ]
    """What it is."""
    source: Annotated[Annotated[InlinePicture | ByAddress | PictureByFile, Field(discriminator="type")], READ]
    """Where it is."""
    transformations: Annotated[Any, WITHOUT_EFFECT] = None
    """Lingma takes pictures as it does."""


Inner: TypeAlias = Annotated[GivenText | GivenImage, Field(discriminator="type")] | str
InnerList: TypeAlias = Annotated[
    list[Annotated[Inner, Field(union_mode="left_to_right")]], Field(max_length=MAX_PARTS, fail_fast=True)
]


class BlocksWithin(Asked):
    """A document made of blocks."""

    type: Annotated[Literal["content"], READ]
    """How it is given."""
    content: Annotated[str | InnerList, READ]
    """Text and pictures."""


DocumentSource: TypeAlias = Annotated[
    PlainText | BlocksWithin | InlineDocument | DocumentElsewhere | ByFile, Field(discriminator="type")
]


class GivenDocument(GivenBlock):
    """A document: text, blocks, or the text of a PDF or of a file of text."""

    type: Annotated[Literal["document"], READ]
    """What it is."""
    source: Annotated[DocumentSource, READ]
    """Where it is."""
    title: Annotated[str | None, READ] = None
    """Stands above it."""
    context: Annotated[str | None, READ] = None
    """The same."""
    citations: Annotated[Any, WITHOUT_EFFECT] = None
    """Answers cite nothing."""


class GivenSearchResult(GivenBlock):
    """What a client's own search found."""

    type: Annotated[Literal["search_result"], READ]
    """What it is."""
    title: Annotated[str | None, READ] = None
    """Stands above it."""
    source: Annotated[str | None, READ] = None
    """The same."""
    content: Annotated[str | InnerList | None, READ] = None
    """The text."""
    citations: Annotated[Any, WITHOUT_EFFECT] = None
    """Answers cite nothing."""


class GivenToolReference(GivenBlock):
    """A tool that a client's search found: from here on it is declared, however late it was to be loaded."""

    type: Annotated[Literal["tool_reference"], READ]
    """What it is."""
    tool_name: Annotated[str, READ]
    """A tool of `tools`."""


ResultBlock: TypeAlias = (
    Annotated[
        GivenText | GivenImage | GivenDocument | GivenSearchResult | GivenToolReference | GivenThinking,
        Field(discriminator="type"),
    ]
    | str
)


class GivenToolUse(GivenBlock):
    """A call that the model made."""

    type: Annotated[Literal["tool_use"], READ]
    """What it is."""
    id: Annotated[str | None, READ] = None
    """By which its result refers to it."""
    name: Annotated[str, READ]
    """The tool."""
    input: Annotated[dict[str, Any] | None, READ] = None
    """What it was given."""
    caller: Annotated[Any, WITHOUT_EFFECT] = None
    """Who made it; here only the model does."""
    toolset_name: Annotated[Any, WITHOUT_EFFECT] = None
    """A set of Anthropic's that the tool is of."""


class GivenToolResult(GivenBlock):
    """What a tool of the client's answered."""

    type: Annotated[Literal["tool_result"], READ]
    """What it is."""
    tool_use_id: Annotated[str | None, READ] = None
    """The call."""
    content: Annotated[
        str
        | Annotated[
            list[Annotated[ResultBlock, Field(union_mode="left_to_right")]],
            Field(max_length=MAX_PARTS, fail_fast=True),
        ]
        | None,
        READ,
    ] = None
    """The answer."""
    is_error: Annotated[bool | None, READ] = None
    """Whether the tool failed, which the model is told."""
    toolset_name: Annotated[Any, WITHOUT_EFFECT] = None
    """A set of Anthropic's that the tool is of."""


class GivenHostedCall(GivenBlock):
    """A call that the model made of a tool that Anthropic ran, in a conversation that was begun there."""

    type: Annotated[Literal["server_tool_use", "mcp_tool_use"], READ]
    """What it is."""
    id: Annotated[Any, WITHOUT_EFFECT] = None
    """By which its result refers to it, which follows it anyhow."""
    name: Annotated[str, READ]
    """The tool."""
    input: Annotated[Any, READ] = None
    """What it was given."""
    server_name: Annotated[Any, WITHOUT_EFFECT] = None
    """The MCP server that had the tool."""
    caller: Annotated[Any, WITHOUT_EFFECT] = None
    """Who made it."""


class GivenHostedResult(GivenBlock):
    """What such a tool answered; what of it is sealed for Anthropic is left out."""

    type: Annotated[
        Literal[
            "web_search_tool_result",
            "web_fetch_tool_result",
            "code_execution_tool_result",
            "bash_code_execution_tool_result",
            "text_editor_code_execution_tool_result",
            "tool_search_tool_result",
            "advisor_tool_result",
            "mcp_tool_result",
        ],
        READ,
    ]
    """What it is."""
    content: Annotated[Any, READ] = None
    """The answer, which the model is shown as JSON."""
    is_error: Annotated[bool | None, READ] = None
    """Whether the tool failed, which the model is told."""
    tool_use_id: Annotated[Any, WITHOUT_EFFECT] = None
    """The call, which stands before it."""
    caller: Annotated[Any, WITHOUT_EFFECT] = None
    """Who made it."""


class GivenUpload(GivenBlock):
    """A file for a container; there are neither."""

    type: Annotated[Literal["container_upload"], READ]
    """What it is."""
    file_id: Annotated[Any, Refused("Files are not kept here, and code runs on no server here; leave the block out")]
    """Which file."""


class GivenCompaction(GivenBlock):
    """A summary in the place of everything that stands before it."""

    type: Annotated[Literal["compaction"], READ]
    """What it is."""
    content: Annotated[str | None, READ] = None
    """The summary; a block without one changes nothing."""
    tool_changes: Annotated[
        Annotated[list[ToolChange], Field(max_length=MAX_PARTS, fail_fast=True)] | None, EMULATED
    ] = None
    """How the tools had changed by its end."""
    encrypted_content: Annotated[Any, WITHOUT_EFFECT] = None
    """Sealed for Anthropic."""
    signature: Annotated[Any, WITHOUT_EFFECT] = None
    """What signs it."""


Tagged: TypeAlias = Annotated[
    GivenText
    | GivenToolUse
    | GivenToolResult
    | GivenImage
    | GivenThinking
    | GivenDocument
    | GivenSearchResult
    | GivenToolReference
    | ToolChange
    | GivenCompaction
    | GivenHostedCall
    | GivenHostedResult
    | GivenFallback
    | GivenUpload,
    Field(discriminator="type"),
]
Block: TypeAlias = Tagged | str
Blocks: TypeAlias = Annotated[
    list[Annotated[Block, Field(union_mode="left_to_right")]], Field(max_length=MAX_PARTS, fail_fast=True)
]
