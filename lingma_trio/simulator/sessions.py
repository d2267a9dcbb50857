"""What the simulator remembers of its conversations, so that an answer can prove what its session holds.

Knows nothing of the wire or of time. Session ids are made by the caller's function, so that tests can foretell them.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from lingma_trio.simulator.scenes import Progress

MAX_SESSIONS: Final = 10_000
"""Sessions remembered; the one unused for longest is forgotten first, as Lingma reclaims sessions too."""


@dataclass(slots=True, eq=False)
class Session:
    """A conversation: the gists of its questions, oldest first, and whether one of them is being answered.

    `progress` is where it stands in answers that were written beforehand.
    """

    id: str
    questions: list[str] = field(default_factory=list)
    busy: bool = False
    progress: Progress | None = None


class Sessions:
    """The conversations of one process."""

    def __init__(self, make_id: Callable[[], str]) -> None:
        self._make_id = make_id
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def find(self, session_id: str) -> Session | None:
        """Return the session with this id, as one that has just been used, or None."""
        session = self._sessions.get(session_id)
        if session is not None:
            self._sessions.move_to_end(session_id)
        return session

    def open(self, session_id: str = "") -> Session:
        """Return a new, empty session; its id is made here unless the client brings one."""
        session = Session(session_id or self._make_id())
        self._sessions[session.id] = session
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return session

    def rename(self, session: Session, session_id: str) -> None:
        """Give `session` another id; the old one is unknown from here on."""
        self._sessions.pop(session.id, None)
        session.id = session_id
        self._sessions[session.id] = session

    def delete(self, session_id: str) -> bool:
        """Forget the session with this id; False when there was none."""
        return self._sessions.pop(session_id, None) is not None

    def all(self) -> list[Session]:
        """Return every session, the one used last at the end."""
        return list(self._sessions.values())
