"""Plays what dies between gateways, agents and a store, with real processes, and prints what clients saw.

Called by `scripts/scale-test`, which says what its arguments are. Ends with 1 where a promise was not kept.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import trio

from tests.scaled import failovers, mixed, pace, plays
from tests.scaled.cluster import Cluster, cluster
from tests.scaled.table import Row, closing, played

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Play = Callable[[Cluster, Row], Awaitable[None]]

SETTINGS = {"GATEWAY_MAX_IN_FLIGHT": "200", "SESSION_CACHE_MAX_ENTRIES": "20000"}
SHORT, LONG = (60, 8.0), (1000, 60.0)
"""Conversations in each failover, and seconds of a rough network."""


def with_one_store(seconds: float, seed: int) -> dict[str, Play]:
    """The plays with one store, by what dies."""
    return {
        "a gateway, by SIGKILL": plays.gateway_killed,
        "one agent's Lingmas": partial(plays.lingmas_end, whole_agent=False),
        "an agent": partial(plays.lingmas_end, whole_agent=True),
        "an agent, between two turns": plays.sessions_miss_once,
        "the whole store, refused": partial(plays.store_away, frozen=False),
        "the whole store, frozen": partial(plays.store_away, frozen=True),
        "one gateway's way to the store": plays.one_cut_off,
        "a network that cuts, delays and heals": partial(plays.rough_network, seconds=seconds, seed=seed),
        "anything, at once": partial(mixed.everything_at_once, seconds=seconds, seed=seed),
        "nothing: what a key may and did": plays.limits_are_shared,
    }


def with_sentinels(count: int) -> dict[str, Play]:
    """The plays with a primary, a replica and three Sentinels."""
    return {
        "two primaries at once": partial(failovers.two_primaries, count=count),
        "the primary, parted from all but one gateway": partial(failovers.primary_parted, count=count),
        "the primary, killed": partial(failovers.primary_killed, count=count),
        # Last, since Sentinel takes ten seconds to make a replica of one that comes back.
        "the primary, silent and back": partial(failovers.primary_cut_off, count=count),
    }


MEASURED: dict[str, Play] = {
    "nothing: what a second gateway brings": pace.second_gateway,
    "nothing: what an agent and a store add": pace.short_answers,
}


async def play_all(
    directory: Path, only: str, shape: dict[str, Play], *, failover: bool = False, direct: bool = False
) -> list[Row]:
    """Play those that `only` is a part of, with one cluster."""
    wanted = {what: play for what, play in shape.items() if only in what}
    rows: list[Row] = []
    if not wanted:
        return rows
    async with cluster(directory, failover=failover, direct=direct, **SETTINGS) as running:
        for what, play in wanted.items():
            rows.append(await played(what, partial(play, running)))
            print("\n".join(rows[-1].lines), flush=True)
    return rows


async def main(arguments: argparse.Namespace) -> int:
    """Play everything; returns the exit status."""
    count, seconds = LONG if arguments.long else SHORT
    with TemporaryDirectory(prefix="lingma-scale-", ignore_cleanup_errors=True) as made:
        place = Path(arguments.keep or made)
        only = arguments.only
        rows = await play_all(place / "one", only, with_one_store(seconds, arguments.seed))
        rows += await play_all(place / "sentinels", only, with_sentinels(count), failover=True)
        rows += await play_all(place / "measured", only, MEASURED, direct=True)
    print(closing(rows))
    return int(not rows or any(row.faults for row in rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=14)
    parser.add_argument("--keep")
    sys.exit(trio.run(main, parser.parse_args()))
