"""What the head of a request says: who asks, by which program, under which name.

Knows headers and ASGI's scope. Must not know what is asked, or what becomes of it.
"""

from __future__ import annotations

import os
import re

from starlette.types import Scope

ID_BYTES = 16  # of an id that no other request has
MAX_SESSION_NAME = 256
MAX_PROGRAM_NAME = 60
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_SESSION_HEADERS = (b"x-session-affinity", b"x-session-id")
_UNSHOWN = re.compile(r"[^\x20-\x7e]")


class RequestHead:
    """The head of one request.

    `request_id` is the client's own where it gives one, which it may do twice, and `id` no other request's.
    """

    __slots__ = ("_peer", "headers", "id", "request_id")

    def __init__(self, scope: Scope) -> None:
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self._peer = scope.get("client")
        self.id = os.urandom(ID_BYTES).hex()
        given = self.headers.get(b"x-request-id", b"")
        self.request_id = given.decode() if _REQUEST_ID.fullmatch(given) else f"req_{self.id}"

    def __repr__(self) -> str:
        return f"<RequestHead {self.request_id} {self.client}>"

    def text(self, name: bytes) -> str:
        """A header by its name in small letters, as text; empty where there is none."""
        return self.headers.get(name, b"").decode("latin-1")

    @property
    def for_anthropic(self) -> bool:
        """Whether the client speaks Anthropic's API, on a path that both have: its clients name their version."""
        return b"anthropic-version" in self.headers

    @property
    def offers_websocket(self) -> bool:
        """Whether the client would rather go on as a WebSocket."""
        return self.headers.get(b"upgrade", b"").lower() == b"websocket"

    @property
    def from_another_site(self) -> bool:
        """Whether a browser says that a page of another site asks, or leads here."""
        return self.headers.get(b"sec-fetch-site", b"none") not in {b"none", b"same-origin"}

    @property
    def client(self) -> str:
        """Which program asks, by its own word, and from where."""
        program = _UNSHOWN.sub("", self.text(b"user-agent")).partition(" (")[0][:MAX_PROGRAM_NAME]
        place = self._peer[0] if self._peer else ""
        return f"{program} · {place}" if program and place else program or place

    @property
    def session(self) -> str:
        """The client's own name for the session that the request is part of, or empty.

        No more than a preference for the account that answers; a name that is too long is none.
        """
        for header in _SESSION_HEADERS:
            if named := self.headers.get(header, b"").strip():
                return named.decode("latin-1") if len(named) <= MAX_SESSION_NAME else ""
        return ""
