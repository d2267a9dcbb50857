"""Whether KEYS_FILE can be used, and by whom else it can be read."""

from __future__ import annotations

from collections.abc import Iterator

from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.site import Site
from lingma_trio.errors import ConfigurationFault
from lingma_trio.http.key_watch import examine_keys
from lingma_trio.http.tenants import utc_now

NAME = "keys"


def check_keys(site: Site) -> Iterator[Finding]:
    """A finding for each fault of the file, or how many keys it has; no key is shown."""
    path = site.settings.keys_file
    if path is None:
        yield Finding(NAME, "skipped", "KEYS_FILE is not set")
        return
    try:
        found = examine_keys(path, site.settings.api_keys)
    except ConfigurationFault as fault:
        for line in str(fault).splitlines():
            yield Finding(NAME, "fault", line, "mend the file; `lingma-trio keys new` writes entries that fit")
        return
    expired = [key.name for key in found.keys if key.expires is not None and key.expires <= utc_now()]
    if expired:
        yield Finding(NAME, "warning", f"expired: {', '.join(expired)}", "`lingma-trio keys revoke NAME`, or a new key")
    if found.exposed:
        yield Finding(NAME, "warning", f"others than its owner can read {path}", f"chmod 600 {path}")
    if not expired and not found.exposed:
        yield Finding(NAME, "fine", f"{path} has {len(found.keys)} keys")
