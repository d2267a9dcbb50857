"""Opens dialogues with the instances of a pool, and says which models they can be held with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Literal

from lingma_trio.lingma.asker import Asker, DialogueOptions
from lingma_trio.lingma.dialogue import Dialogue, Means
from lingma_trio.lingma.limiter import Limiter
from lingma_trio.lingma.pool import Lease, Pool
from lingma_trio.lingma.seat import Seat, open_seat
from lingma_trio.policy.aliases import Aliases
from lingma_trio.policy.routing import affinity_key
from lingma_trio.protocol.catalogue import Model
from lingma_trio.sessions.conversation import Conversation
from lingma_trio.sessions.forms import Forms
from lingma_trio.sessions.proof import Seed
from lingma_trio.state.sessions import Sessions
from lingma_trio.threads import apart
from lingma_trio.turns import Prompt


class Dialogues:
    """The dialogues of one gateway. Whatever changes in the pool is told to the limiter, whose queue waits for it."""

    def __init__(self, limiter: Limiter, pool: Pool, sessions: Sessions, options: DialogueOptions) -> None:
        self._limiter = limiter
        self._pool = pool
        self._options = options
        self._means = Means(pool, sessions, options)
        self._forms = Forms()
        pool.on_change = limiter.stir
        sessions.tell(pool.discard)

    @property
    def default_model(self) -> str:
        """The key of the model that answers where none is named."""
        return self._pool.catalogue.resolve("", self._options.default_model)

    @property
    def aliases(self) -> Aliases:
        """Other names for models, which go before their own."""
        return self._options.aliases

    def find(self, model: str) -> Model | None:
        """The model that answers to this name; None where Lingma does not list it."""
        return self._options.find(model, self._pool.catalogue)

    @property
    def tool_mode(self) -> Literal["chat", "agent"]:
        """How questions are asked whose client declares tools; in `agent` mode Lingma may call them itself."""
        return self._options.tool_mode

    def names_of(self, model: str) -> tuple[str, ...]:
        """The key and the name of the model that answers to this name; the key alone of one that is in no list."""
        found = self.find(model)
        return (self._options.key(model, self._pool.catalogue),) if found is None else found.names

    async def lease(self, prompt: Prompt, asker: Asker) -> Lease:
        """What asking `prompt` needs beside a slot: an instance that has the model, and room on it.

        What ties a long conversation to an instance is found in a thread.
        """
        affinity = await apart(prompt.size, partial(affinity_key, tenant=asker.tenant, user=asker.user), prompt)
        return self._lease(asker, affinity)

    def seat(self, lease: Lease, asker: Asker, *, most: int = 0) -> AbstractAsyncContextManager[Seat]:
        """A seat to ask from, for the length of the block: a slot, and the instance that `lease` finds.

        `most` is how many seats the tenant may hold at once; <= 0 is no bound of its own. Raises at once where waiting
        cannot help: what `Pool.refusal` says; else as `Limiter.enter`.
        """
        return open_seat(self._limiter, lease, tenant=asker.tenant, most=most, entry=asker.entry)

    @asynccontextmanager
    async def spare_seat(self, asker: Asker, seat: Seat) -> AsyncIterator[Seat]:
        """One more seat for the request that has `seat`, with the idlest instance, once nobody else waits for it.

        Cancelling ends the wait, which nothing else does.
        """
        async with seat.spare(self._lease(asker, None)) as spare:
            yield spare

    def open(self, prompt: Prompt, asker: Asker, seat: Seat) -> AbstractAsyncContextManager[Dialogue]:
        """Ask `prompt` for the length of the block, from another seat where the instance went meanwhile.

        What tells which session it continues is taken of a long conversation in a thread. Raises what waiting raises.
        Leaving the block before the answer finished tells upstream to stop; before anything was asked it gives back the
        session that was to be continued.
        """
        return _Open(self._means, self._forms, prompt, asker, seat)

    def _lease(self, asker: Asker, affinity: bytes | None) -> Lease:
        return Lease(self._pool, lambda: self._options.key(asker.model, self._pool.catalogue), affinity=affinity)


class _Open:
    """The block of one dialogue. A class, since each answer has one and a generator costs three times the calls."""

    def __init__(self, means: Means, forms: Forms, prompt: Prompt, asker: Asker, seat: Seat) -> None:
        self._means = means
        self._forms = forms
        self._prompt = prompt
        self._asker = asker
        self._seat = seat
        self._dialogue: Dialogue

    async def __aenter__(self) -> Dialogue:
        means, prompt, asker, seat = self._means, self._prompt, self._asker, self._seat
        seed = Seed(asker.tenant, seat.model, means.options.mode_of(prompt), prompt.tools)
        conversation = await apart(prompt.size, Conversation, prompt, seed, self._forms)
        self._dialogue = dialogue = Dialogue(means, seat, prompt, conversation, asker)
        begun = False
        try:
            await dialogue.begin()
            begun = True
        finally:
            if not begun:
                dialogue.close()
        return dialogue

    async def __aexit__(self, *exception: object) -> None:
        self._dialogue.close()
