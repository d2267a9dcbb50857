"""The instances as one: picks who answers, synchronously, so that a choice is counted before anybody else chooses."""

from __future__ import annotations

from collections.abc import Container, Sequence

from lingma_trio.errors import GatewayError, Overloaded, Unavailable
from lingma_trio.lingma.instance import Instance
from lingma_trio.policy.routing import Candidate, choose
from lingma_trio.policy.session_cache import Session
from lingma_trio.protocol.catalogue import Catalogue

BUSY_RETRY = 2.0  # seconds after which an instance at its own limit is likely to have room


class Pool:
    """Every instance of this gateway."""

    def __init__(self, instances: Sequence[Instance]) -> None:
        self.instances = tuple(instances)
        self._by_name = {instance.name: instance for instance in self.instances}

    def __repr__(self) -> str:
        return f"<Pool {list(self.instances)!r}>"

    @property
    def catalogue(self) -> Catalogue:
        """The models of the first instance that knows any, a usable one before the others; empty if none does."""
        known = [instance for instance in self.instances if instance.catalogue.models]
        first = next((instance for instance in known if instance.fault() is None), None)
        return (first or known[0]).catalogue if known else Catalogue.read({})

    def check(self) -> None:
        """Raise what `pick` would raise if nobody can be asked; want of room is no reason, since it may pass."""
        if all(instance.fault() is not None for instance in self.instances):
            raise self._refusal()

    def holds(self, session: Session) -> bool:
        """Whether the session's instance still lives the life in which the session was made."""
        instance = self._by_name.get(session.instance)
        return instance is not None and instance.generation == session.generation

    def pick(self, *, session: Session | None, affinity: bytes | None, without: Container[str] = ()) -> Instance:
        """The instance to ask, not one of `without`.

        Raises `Unavailable`, `LoginRequired`, `ShuttingDown`, `QuotaExceeded` where all of them rest, or `Overloaded`
        where all that could are at their limit; with the soonest wait of any.
        """
        open_ones = [
            instance for instance in self.instances if instance.fault() is None and instance.name not in without
        ]
        candidates = [Candidate(instance.name, instance.turns) for instance in open_ones if instance.has_room()]
        name = choose(candidates, session=session.instance if session else None, affinity=affinity)
        if name is not None:
            return self._by_name[name]
        if open_ones:
            raise Overloaded("every Lingma instance is at its own limit; try again later", retry_after=BUSY_RETRY)
        raise self._refusal()

    def _refusal(self) -> GatewayError:
        faults = [fault for instance in self.instances if (fault := instance.fault()) is not None]
        if not faults:
            return Unavailable("no other Lingma instance can be asked", retry_after=BUSY_RETRY)
        waits = [fault.retry_after for fault in faults if fault.retry_after is not None]
        kinds = {type(fault) for fault in faults}
        if len(kinds) == 1:
            return min(faults, key=lambda fault: fault.retry_after or 0.0)
        reasons = "; ".join(f"{instance.name}: {instance.fault()}" for instance in self.instances if instance.fault())
        return Unavailable(f"no Lingma instance can be asked ({reasons})", retry_after=min(waits, default=None))
