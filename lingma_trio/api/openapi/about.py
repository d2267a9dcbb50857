"""What the gateway says of itself: models, health, readiness, capabilities, and its faults.

Describes bodies only; must not know what they are made from.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from lingma_trio.api.openapi.shapes import Answered

Upstream: TypeAlias = Literal["lingma", "acp", "simulator"]


class Fault(Answered):
    """What went wrong, and what to do about it."""

    message: str
    """For people."""
    type: str
    """The kind of fault."""
    param: str | None
    """The field at fault, where it is one."""
    code: str
    """For programs; docs/errors.md lists them all."""


class Error(Answered):
    """A fault in OpenAI's envelope."""

    error: Fault
    """The fault."""


class Model(Answered):
    """A model of the account."""

    id: str
    """What to ask for."""
    object: Literal["model"]
    """What it is."""
    created: int
    """Seconds since the epoch: when the gateway started."""
    owned_by: str
    """Who answers: `lingma`, or `lingma-simulator`."""
    name: str
    """What people call it, which may be asked for as well."""
    max_input_tokens: int | None
    """How many tokens it reads; null where Lingma does not tell."""
    max_tokens: int | None
    """How many tokens it writes, which Lingma tells of none: null."""


class ModelList(Answered):
    """The models of the account."""

    object: Literal["list"]
    """What it is."""
    data: list[Model]
    """The models."""


class Health(Answered):
    """The process runs."""

    status: Literal["ok"]
    """Nothing else is ever said."""


class Standing(Answered):
    """How one instance of Lingma stands."""

    name: str
    """Which one."""
    state: str
    """How far it is."""
    reason: str
    """Why it is no further."""


class AgentStanding(Answered):
    """How the way to one agent stands."""

    address: str
    """Where it is, as it was found by LINGMA_AGENTS."""
    agent: str
    """What it calls itself; empty as long as it has told nothing."""
    state: Literal["connecting", "connected", "unreachable"]
    """How far the connection is."""
    reason: str
    """Why it is no further, or which of its instances are refused."""


class Readiness(Answered):
    """Whether a question would be answered."""

    status: Literal["ready", "degraded", "not_ready", "draining"]
    """The verdict; degraded is ready, without the store that gateways share."""
    upstream: Upstream
    """Who answers."""
    instances: list[Standing]
    """Each instance."""
    agents: list[AgentStanding] | None = None
    """With LINGMA_UPSTREAM=agents: each agent."""
    notice: str = ""
    """With the simulator: that it is one, and why."""


class Surface(Answered):
    """One API that the gateway speaks."""

    path: str
    """Where questions go, by POST."""
    streaming: bool
    """Whether an answer can be sent as it comes."""


class ToolUse(Answered):
    """How the client's tools come to be called."""

    native: bool
    """Whether Lingma may call them by its own protocol."""
    emulated: bool
    """Whether calls are asked for in the prompt and read out of the answer, wherever it does not."""
    choices: list[Literal["none", "auto", "required", "named"]]
    """What a client may demand."""
    parallel: bool
    """Whether one answer may hold several calls."""


class Images(Answered):
    """What becomes of pictures."""

    sources: list[Literal["data", "http", "https"]]
    """Schemes of the addresses that are read."""
    max_bytes: int
    """The largest that is fetched."""
    without_vision: Literal["error", "placeholder"]
    """What a picture gets from a model that sees none: a clear 400, or a placeholder in the text."""


class Limits(Answered):
    """How much there is of everything."""

    max_in_flight: int | None
    """Answers at once, null for no limit."""
    max_queue: int
    """Requests that wait for their turn."""
    queue_timeout_seconds: float
    """The longest wait for it."""
    request_timeout_seconds: float
    """The longest that a request takes."""
    max_request_bytes: int
    """The largest body."""


class CapableModel(Answered):
    """What one model can do."""

    id: str
    """What to ask for."""
    name: str
    """What people call it."""
    default: bool
    """Whether it answers where none is named."""
    vision: bool
    """Whether it sees pictures."""
    reasoning: bool
    """Whether it shows its reasoning."""
    max_input_tokens: int | None
    """The longest conversation, null where Lingma does not tell."""


class Capabilities(Answered):
    """What can be asked of this gateway as it runs."""

    object: Literal["capabilities"]
    """What it is."""
    version: str
    """The gateway's."""
    upstream: Upstream
    """Who answers."""
    dialect: str | None
    """The dialect in which Lingma is asked, null while none is ready."""
    surfaces: list[Surface]
    """The APIs there are."""
    tools: ToolUse
    """The client's tools."""
    formats: list[Literal["text", "json_object", "json_schema"]]
    """What an answer can be made to be."""
    images: Images
    """Pictures."""
    limits: Limits
    """Bounds."""
    models: list[CapableModel]
    """The models of the account."""
