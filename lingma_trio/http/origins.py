"""Which web pages may use the API from a browser: CORS, with the headers that say so.

Knows origins and headers. A browser asks no key here, and what is allowed here is allowed to be read, no more: a key is
asked for all the same. No credentials of the browser's own are ever taken, for nothing of the API goes by them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

ANYBODY = "*"

METHODS = b"GET, HEAD, POST, DELETE"

EXPOSED = ", ".join(
    (
        *("x-request-id", "request-id", "retry-after", "retry-after-ms", "x-should-retry", "openai-processing-ms"),
        "x-ignored-fields",
        *(
            header
            for kind in ("requests", "tokens")
            for what in ("limit", "remaining", "reset")
            for header in (f"x-ratelimit-{what}-{kind}", f"anthropic-ratelimit-{kind}-{what}")
        ),
    )
).encode()
"""What scripts may read of a response's head beside its content type."""

MAX_AGE = b"7200"
"""Seconds for which a browser need not ask again; none keeps it for longer."""

_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~ ,-]{1,4096}")

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]


class Origins:
    """The origins that may use the API, as `Origin` names them, or anybody; nobody where there are none."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = frozenset(origin.encode() for origin in allowed)
        self._anybody = ANYBODY.encode() in self._allowed

    def __repr__(self) -> str:
        return f"<Origins {len(self._allowed)} anybody={self._anybody}>"

    def shared_with(self, headers: Mapping[bytes, bytes]) -> Headers:
        """What the head of any response says of who may read it, given the request's headers."""
        return tuple(self._shared_with(headers))

    def preflight(self, headers: Mapping[bytes, bytes]) -> Headers | None:
        """What answers the question whether a request may be sent; None where it is another question, or it may not.

        The headers that are asked for are allowed as they are named: a `*` would leave out `Authorization`, and the
        SDKs' own are many and change.
        """
        origin = headers.get(b"origin")
        if origin is None or b"access-control-request-method" not in headers or not self._allows(origin):
            return None
        wanted = headers.get(b"access-control-request-headers", b"")
        named = ((b"access-control-allow-headers", wanted),) if _NAMES.fullmatch(wanted) else ()
        return ((b"access-control-allow-methods", METHODS), *named, (b"access-control-max-age", MAX_AGE))

    def _shared_with(self, headers: Mapping[bytes, bytes]) -> Iterator[tuple[bytes, bytes]]:
        if not self._allowed:
            return
        if not self._anybody:
            yield b"vary", b"origin"
        origin = headers.get(b"origin")
        if origin is not None and self._allows(origin):
            yield b"access-control-allow-origin", ANYBODY.encode() if self._anybody else origin
            yield b"access-control-expose-headers", EXPOSED

    def _allows(self, origin: bytes) -> bool:
        return self._anybody or origin in self._allowed
