"""A gateway without sockets that has a file of keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lingma_trio.http.key_watch import KeyWatch
from lingma_trio.keys.key import ApiKey, digest_of
from lingma_trio.private_files import write_new
from tests.http.page.browsing import ADMIN
from tests.http.world import World, open_world


@asynccontextmanager
async def with_file(path: Path) -> AsyncIterator[World]:
    """A gateway whose file of keys is empty, and which has a fixed key."""
    write_new(path, b"keys: []\n")
    async with open_world(admin=ADMIN, keys=(ApiKey("fixed", digest_of("fixed-key")),)) as world:
        tenants = world.services.gatekeeper.tenants
        world.services.key_watch = KeyWatch(path, tenants)
        await world.services.key_watch.load()
        yield world
