"""The instances as one: who can be asked for what, who is, and for how long nobody can.

A choice is made synchronously, at the moment in which the queue gives a request its slot, and counted before anybody
else chooses: so it cannot go stale, and two cannot both be given the last room.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Sequence
from operator import is_

from lingma_trio.errors import GatewayError, QuotaExceeded, RateLimited, Unavailable
from lingma_trio.lingma.instance import Instance
from lingma_trio.policy.routing import Candidate, choose
from lingma_trio.protocol.catalogue import Catalogue
from lingma_trio.sessions.book import Session
from lingma_trio.sessions.counters import Gone
from lingma_trio.turns import NO_NAMES

BUSY_RETRY = 2.0  # seconds after which somebody may be there again of whom nothing is known
COMING = frozenset({"starting", "backing_off"})
"""The states of those that can be asked after a while, with nobody doing anything."""

AWAITED = 5.0  # seconds after which the first may be there, as far as anybody knows


def _nobody() -> None:
    """Tell nobody."""


class Pool:
    """Every instance of this gateway. `on_change` is called when one may be asked that could not be, or cannot be."""

    def __init__(self, instances: Sequence[Instance]) -> None:
        self.instances: tuple[Instance, ...] = ()
        self.on_change: Callable[[], None] = _nobody
        self.awaited: Callable[[], str] = str
        """Says why there may be instances soon although there is none yet; nothing where there are none to come."""
        self._by_name: dict[str, Instance] = {}
        self._known: list[Catalogue] = []
        self._catalogue = Catalogue.read({})
        for instance in instances:
            self.add(instance)

    def __repr__(self) -> str:
        return f"<Pool {list(self.instances)!r}>"

    @property
    def catalogue(self) -> Catalogue:
        """The models of all instances together; empty as long as none knows any."""
        known = [instance.account.catalogue for instance in self.instances]
        if not self._known or not all(map(is_, known, self._known)):
            self._known, self._catalogue = known, Catalogue.union(known)
        return self._catalogue

    def add(self, instance: Instance) -> None:
        """Have one more, whose name no other one has."""
        assert instance.name not in self._by_name
        self._by_name[instance.name] = instance
        self._count()
        instance.on_change = self.changed

    def remove(self, instance: Instance) -> None:
        """Have it no longer. Turns under way on it go on, and no new one comes to it."""
        del self._by_name[instance.name]
        instance.on_change = _nobody
        self._count()

    def changed(self) -> None:
        """Tell whoever waits for an instance to look again."""
        self.on_change()

    def named(self, name: str) -> Instance | None:
        """The instance of that name."""
        return self._by_name.get(name)

    def having(self, model: str, *, without: Collection[str] = ()) -> list[Instance]:
        """Those that may be asked for a model by its key: who lists it, or everybody where nobody does."""
        listed = [instance for instance in self.instances if instance.account.catalogue.has(model)]
        return [instance for instance in listed or self.instances if instance.name not in without]

    def _perhaps_having(self, model: str, *, without: Collection[str]) -> list[Instance]:
        """The same, and those on their way that have told no models yet: one of them may list it in a moment."""
        having = self.having(model, without=without)
        coming = (each for each in self.instances if each.lives.state in COMING and not each.account.catalogue.models)
        return [*having, *(each for each in coming if each not in having and each.name not in without)]

    def gone(self, session: Session) -> Gone | None:
        """Why a session cannot be continued: its instance, the life in which it was made, or the account is another."""
        instance = self._by_name.get(session.instance)
        if instance is None or not instance.life:
            return "instance_gone"
        if instance.life != session.life:
            return "life_ended"
        return None if instance.account.name == session.account else "account"

    def discard(self, session: Session) -> None:
        """Let go of a session that nobody will go on with, where its life still has it."""
        instance = self.named(session.instance)
        if instance is not None:
            instance.discard(session)

    def expected(self, model: str = "", *, without: Collection[str] = ()) -> float:
        """Seconds until an instance may be asked: 0 where one can be or is merely full, infinity where nobody knows."""
        if not self.instances and self.awaited():
            return AWAITED
        for instance in self.having(model, without=without):
            if instance.standing.fault(model) is None:  # as nearly always
                return 0.0
        return min((_expected(each, model) for each in self._perhaps_having(model, without=without)), default=math.inf)

    def refusal(self, model: str = "", *, without: Collection[str] = ()) -> GatewayError:
        """Why nobody can be asked, with the soonest wait of any.

        `Unavailable`, or what all of them have in common: `LoginRequired`, `ShuttingDown`, or `QuotaExceeded`, which is
        `RateLimited` where that is all that is the matter with one of them: asking again helps then.
        """
        faults = {
            instance.name: fault
            for instance in self._perhaps_having(model, without=without)
            if (fault := instance.standing.fault(model)) is not None
        }
        if not self.instances and (why := self.awaited()):
            return Unavailable(f"no Lingma instance is known: {why}; GET /readyz has more", retry_after=AWAITED)
        if not faults:
            return Unavailable("no other Lingma instance can be asked", retry_after=BUSY_RETRY)
        soonest = min(faults.values(), key=_wait)
        if len({type(fault) for fault in faults.values()}) == 1:
            return soonest
        if all(isinstance(fault, QuotaExceeded) for fault in faults.values()):
            return min((fault for fault in faults.values() if isinstance(fault, RateLimited)), key=_wait)
        reasons = "; ".join(f"{name}: {fault}" for name, fault in faults.items())
        return Unavailable(f"no Lingma instance can be asked ({reasons})", retry_after=soonest.retry_after)

    def _count(self) -> None:
        self.instances = tuple(self._by_name.values())
        self._known = []


class Lease:
    """Room for one turn on one instance: what a request needs beside a slot, for the limiter to take and release.

    `model` names the model by its key as the catalogue stands when it is asked; once the lease was taken it is settled.
    `without` are the names of instances that are not to be taken again.
    """

    def __init__(self, pool: Pool, model: Callable[[], str], *, affinity: bytes | None) -> None:
        self._pool = pool
        self._find_model = model
        self._found: tuple[Catalogue, str] | None = None
        self._affinity = affinity
        self._instance: Instance | None = None
        self._settled = False
        self.without: frozenset[str] = NO_NAMES

    def __repr__(self) -> str:
        return f"<Lease {self._instance!r} without={sorted(self.without)}>"

    @property
    def model(self) -> str:
        """The key of the model."""
        if self._settled and self._found is not None:
            return self._found[1]
        catalogue = self._pool.catalogue
        if self._found is None or self._found[0] is not catalogue:
            self._found = catalogue, self._find_model()
        return self._found[1]

    @property
    def instance(self) -> Instance:
        """The instance that was taken."""
        assert self._instance is not None
        return self._instance

    @property
    def wish(self) -> Hashable:
        """Whoever wants the same model of the same instances is served alike."""
        return self.model, self.without

    def expected(self) -> float:
        """As `Pool.expected`."""
        return self._pool.expected(self.model, without=self.without)

    def refusal(self) -> GatewayError:
        """As `Pool.refusal`."""
        return self._pool.refusal(self.model, without=self.without)

    def take(self) -> bool:
        """Take room on the instance that is best placed; returns whether any has room."""
        model = self.model
        open_ones = [each for each in self._pool.having(model, without=self.without) if _is_open(each, model)]
        if not open_ones:
            return False
        self._settled = True
        self._instance = instance = open_ones[0] if len(open_ones) == 1 else self._best_placed(open_ones)
        instance.seats += 1
        return True

    def move_to(self, name: str) -> bool:
        """Have room on the instance of that name in place of the one that was taken; returns whether it has any."""
        instance = self._pool.named(name)
        if instance is self.instance:
            return True
        model = self.model
        if instance not in self._pool.having(model, without=self.without) or not _is_open(instance, model):
            return False
        self.release()
        self._instance = instance
        instance.seats += 1
        return True

    def release(self) -> None:
        """Let another turn have the room."""
        self.instance.seats -= 1

    def _best_placed(self, open_ones: list[Instance]) -> Instance:
        candidates = [Candidate(each.name, each.load, each.health.silent) for each in open_ones]
        name = choose(candidates, affinity=self._affinity)
        return next(each for each in open_ones if each.name == name)


def _is_open(instance: Instance, model: str) -> bool:
    return instance.standing.fault(model) is None and instance.has_room(model)


def _wait(fault: GatewayError) -> float:
    return math.inf if fault.retry_after is None else fault.retry_after


def _expected(instance: Instance, model: str) -> float:
    if instance.standing.fault(model) is None:
        return 0.0
    wait = instance.standing.expected_in(model)
    return math.inf if wait is None else wait
