"""Keeps the keys in step with KEYS_FILE while the gateway runs.

Looks at the file's state every POLL seconds, and at once when asked, and reads it where that changed. A faulty file
changes nothing: the keys that were read last stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import structlog
import trio

from lingma_trio.errors import ConfigurationFault
from lingma_trio.http.tenants import Tenants, utc_now
from lingma_trio.keys.document import KeysFault, check_beside
from lingma_trio.keys.file import KeysOnDisk, Mark, mark_of, read_keys
from lingma_trio.keys.key import ApiKey
from lingma_trio.threads import DISK

POLL = 2.0  # seconds; one `stat` in a worker thread each time

log = structlog.get_logger("lingma_trio.keys")


def examine_keys(path: Path, fixed: Iterable[ApiKey]) -> KeysOnDisk:
    """What the file holds beside the `fixed` keys, for whoever does not serve. Waits for the disk.

    Raises `ConfigurationFault` with all that is wrong with it, as `KeyWatch.load` does.
    """
    try:
        found = read_keys(path)
        check_beside(fixed, found.keys)
    except KeysFault as fault:
        raise _as_a_setting(fault) from None
    return found


class KeyWatch:
    """The watch over one file. `edition` is that of the text whose keys are in force; `fault` says what is wrong with
    the file now, or is empty.
    """

    def __init__(self, path: Path, tenants: Tenants) -> None:
        self.path = path
        self.fault = ""
        self.edition = ""
        self.loaded_at: datetime | None = None
        self.loads = 0
        self.failures = 0
        self._tenants = tenants
        self._mark: Mark = ()
        self._begun = self._heeded = 0  # reads, in the order in which they began
        self._asked = trio.Event()

    def __repr__(self) -> str:
        return f"<KeyWatch {self.path} loads={self.loads} fault={self.fault!r}>"

    async def load(self) -> None:
        """Read the file for the first time. Raises `ConfigurationFault` with all that is wrong with it."""
        try:
            self._use(await DISK.run(read_keys, self.path, leave=True))
        except KeysFault as fault:
            raise _as_a_setting(fault) from None

    def look(self) -> None:
        """Read the file as soon as may be, whether or not it seems to have changed."""
        self._asked.set()

    async def take_up(self) -> None:
        """Read the file now, after an edit of our own; a fault in it is told as ever."""
        await self._reload(await DISK.run(mark_of, self.path, leave=True))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> NoReturn:
        """Watch, for ever. `load` comes first."""
        task_status.started()
        while True:
            with trio.move_on_after(POLL):
                await self._asked.wait()
            mark = await DISK.run(mark_of, self.path, leave=True)
            if self._asked.is_set() or mark != self._mark:
                self._asked = trio.Event()
                await self._reload(mark)

    async def _reload(self, mark: Mark) -> None:
        """Read the file. What is read by then by somebody who began later is newer, and stays."""
        self._begun += 1
        number = self._begun
        try:
            found = await DISK.run(read_keys, self.path, leave=True)
            if number > self._heeded:
                self._heeded = number
                self._use(found)
        except KeysFault as fault:
            if number < self._heeded:
                return
            self._heeded = number
            self._mark = mark  # what is faulty is not read again until it changes
            self.fault = str(fault)
            self.failures += 1
            log.error("keys_file_faulty", path=str(self.path), fault=self.fault, keys_kept=len(self._tenants))

    def _use(self, found: KeysOnDisk) -> None:
        before = {tenant.name for tenant in self._tenants}
        self._tenants.replace(found.keys)
        after = {tenant.name for tenant in self._tenants}
        self._mark = found.mark
        self.edition = found.edition
        self.fault = ""
        self.loads += 1
        self.loaded_at = utc_now()
        log.info("keys_loaded", keys=len(self._tenants), added=sorted(after - before), gone=sorted(before - after))
        if found.exposed:
            log.warning("keys_file_exposed", path=str(self.path), remedy="others can read it: chmod 600")


def _as_a_setting(fault: KeysFault) -> ConfigurationFault:
    return ConfigurationFault("\n".join(f"KEYS_FILE: {line}" for line in str(fault).splitlines()))
