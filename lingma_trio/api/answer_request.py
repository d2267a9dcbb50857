"""What every surface makes of a request's body, so that one HTTP edge can answer them all.

Knows prompts and encoders; must not know any surface's fields, HTTP or who answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lingma_trio.records import record

if TYPE_CHECKING:
    from lingma_trio.api.encoder import Encoder
    from lingma_trio.turns import Prompt


@record
class Origin:
    """Where an answer comes from, as it says itself.

    `id` is unique and safe in JSON and addresses, without a surface's prefix; `model` is the key of the model that
    answers; `created` is in seconds since the epoch.
    """

    id: str
    model: str
    created: int


class AnswerRequest(Protocol):
    """A checked request for one answer."""

    @property
    def prompt(self) -> Prompt:
        """What is asked."""
        ...

    @property
    def model(self) -> str:
        """The model's name as the client gave it, or empty for the gateway's default."""
        ...

    @property
    def stream(self) -> bool:
        """Whether the answer is sent as it comes."""
        ...

    @property
    def max_tokens(self) -> int | None:
        """The bound on the answer, None for none."""
        ...

    @property
    def stop(self) -> tuple[str, ...]:
        """The texts before which the answer ends."""
        ...

    @property
    def user(self) -> str:
        """The client's own name for its user, or empty."""
        ...

    @property
    def ignored(self) -> tuple[str, ...]:
        """Names of fields that nobody described, which are served without effect."""
        ...

    def encoder(self, origin: Origin) -> Encoder:
        """Return a fresh encoder of the answer, streamed or in one piece as the request says."""
        ...
