"""Work that leaves the loop: threads by kind, so that no kind of work waits for another.

Trio's own 40 threads are for whoever asks. Forty-five look-ups at a slow name server once took all of them, and
revoking a key, which reads a file, took 19 s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import trio

Made = TypeVar("Made")
Given = TypeVarTuple("Given")

LOOP_SIZE = 64 * 1024
"""Bytes of what a client sent that are worked on at once. With more than 10 ms of work in them, which is what 64 KB of
the smallest messages take, the loop would serve nobody for that long; a thread costs 0.1 ms."""


class Threads:
    """Threads for one kind of work, `at_once` of them; more of it waits."""

    def __init__(self, name: str, *, at_once: int) -> None:
        self._at_once = at_once
        self._limiter: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar(f"threads for {name}")

    @property
    def limiter(self) -> trio.CapacityLimiter:
        """What bounds them in this run of Trio."""
        try:
            return self._limiter.get()
        except LookupError:
            limiter = trio.CapacityLimiter(self._at_once)
            self._limiter.set(limiter)
            return limiter

    async def run(self, function: Callable[[*Given], Made], *given: *Given, leave: bool = False) -> Made:
        """Call `function` in a thread and return what it returns, or raise what it raises.

        Cancelling waits for it to end. With `leave` it leaves the thread to itself, which counts until it ends.
        """
        return await trio.to_thread.run_sync(function, *given, limiter=self.limiter, abandon_on_cancel=leave)


DISK = Threads("files", at_once=8)
"""For files, which a slow disk may keep waiting."""

NAMES = Threads("look-ups of names", at_once=16)
"""For look-ups at name servers, which are others' and may not answer for half a minute."""

WORK = Threads("long work", at_once=2)
"""For work on what clients sent. It is the interpreter's, of which there is one: more threads would only make the loop
wait its turn more often."""


async def apart(size: int, function: Callable[[*Given], Made], *given: *Given) -> Made:
    """Call a `function` that takes longer the more there is to work on: `size` bytes, as the client sent them.

    Up to LOOP_SIZE at once, where a thread would cost more than it saves; beyond it in a thread, which cancelling waits
    for. So the function must touch nothing that others change meanwhile, and the caller must not count on things being
    as they were. A thread does not help where one call in C takes long, since it keeps the interpreter. What is done at
    once lets nobody else run: it is short, and a turn of the scheduler would cost more.
    """
    if size <= LOOP_SIZE:
        await trio.lowlevel.checkpoint_if_cancelled()
        return function(*given)
    return await WORK.run(function, *given)
