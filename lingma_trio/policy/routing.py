"""Which of several instances answers a request. Decided from a picture of the moment; knows no instance itself.

Affinity is rendezvous hashing: every name is scored with the key, and the order of the scores is the same on every
replica and after every restart. When a name comes or goes only its own share of the keys moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from lingma_trio.records import record
from lingma_trio.turns import Prompt

BUSIER_BY = 2
"""Turns by which the affine instance may exceed the idlest one: a warm cache is worth a little waiting, not a queue."""


def affinity_key(prompt: Prompt, *, tenant: str, user: str) -> bytes | None:
    """What ties a request to an instance whose caches are warm for it: its user, else its system prompt, if any.

    `tenant` keeps the users of different API keys apart.
    """
    told = [message.text for message in prompt.messages if message.role in ("system", "developer")]
    if not user and not told:
        return None
    words = ("user", tenant, user) if user else ("system", tenant, *told)
    key = blake2b(digest_size=32, person=b"lingma-affinity")
    for word in words:
        encoded = word.encode("utf-8", "surrogatepass")
        key.update(len(encoded).to_bytes(8) + encoded)
    return key.digest()


@record
class Candidate:
    """An instance that could answer now. `turns` is what it has under way; a `silent` one owes a first word."""

    name: str
    turns: int
    silent: bool = False


def affinity_order(key: bytes, names: Iterable[str]) -> list[str]:
    """Every name, the one with the strongest affinity to `key` first."""
    return sorted(names, key=lambda name: (_score(key, name), name), reverse=True)


def choose(candidates: Sequence[Candidate], *, affinity: bytes | None) -> str | None:
    """The name of the instance to ask, or None without candidates. A silent one is asked where all are.

    The one with the strongest affinity to the key `affinity`, unless it has BUSIER_BY turns more than the idlest; else
    the one with the fewest turns, of several the first in the order given.
    """
    by_name = {candidate.name: candidate for candidate in candidates if not candidate.silent}
    if not by_name:
        by_name = {candidate.name: candidate for candidate in candidates}
    if not by_name:
        return None
    idlest = min(by_name.values(), key=lambda candidate: candidate.turns)
    if affinity is not None:
        favourite = by_name[affinity_order(affinity, by_name)[0]]
        if favourite.turns - idlest.turns < BUSIER_BY:
            return favourite.name
    return idlest.name


def _score(key: bytes, name: str) -> bytes:
    return blake2b(
        name.encode("utf-8", "replace"), key=blake2b(key).digest(), digest_size=16, person=b"lingma-routing"
    ).digest()
