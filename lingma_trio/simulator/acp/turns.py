"""The sessions of one simulated agent: takes prompts, cancels and closes, and puts the turns on the stage.

Knows sessions, scripts and who has to wait; must not know how calls arrive.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from lingma_trio.simulator.acp.client import AcpClient, TurnEncoder
from lingma_trio.simulator.acp.offers import VERSION, Choices
from lingma_trio.simulator.acp.script import AcpScript
from lingma_trio.simulator.acp.wire import NOT_FOUND
from lingma_trio.simulator.knob import KnobFault
from lingma_trio.simulator.pictures import described
from lingma_trio.simulator.prose import directive_words, gist
from lingma_trio.simulator.rpc import INTERNAL_ERROR, INVALID_PARAMS, Refused
from lingma_trio.simulator.scenes import line_of, load_scenes, next_line, written
from lingma_trio.simulator.script import Ask
from lingma_trio.simulator.sessions import Session, Sessions
from lingma_trio.simulator.stage import Performance

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lingma_trio.simulator.acp.knobs import AcpKnobs
    from lingma_trio.simulator.acp.wire import Id
    from lingma_trio.simulator.stage import Stage

MARKER: Final = "SIMULATOR.md"
"""The file that /init writes into the session's working directory."""

_TOO_MANY: Final = 429


@dataclass(slots=True, eq=False)
class Turn:
    """A prompt that is being answered, or waits for the one before it."""

    number: Id
    text: str
    pictures: tuple[str, ...]
    command: str
    knobs: AcpKnobs
    performance: Performance | None = None
    script: AcpScript | None = None
    is_cut: bool = False


@dataclass(slots=True, eq=False)
class Room:
    """What a session is beside its questions: where it works, what it chose, and its turns."""

    session: Session
    cwd: Path
    choices: Choices = field(default_factory=Choices)
    running: Turn | None = None
    waiting: deque[Turn] = field(default_factory=deque)


class Turns:
    """Every session and every turn of one process. Raises KnobFault where the scenes cannot be read."""

    def __init__(
        self,
        knobs: AcpKnobs,
        *,
        client: AcpClient,
        stage: Stage,
        make_id: Callable[[], str],
        strikes: Callable[[], bool],
    ) -> None:
        self._knobs = knobs
        self._client = client
        self._stage = stage
        self._strikes = strikes
        self._scenes = load_scenes(knobs)
        self._sessions = Sessions(make_id)
        self._rooms: dict[str, Room] = {}

    @property
    def rooms(self) -> list[Room]:
        """The sessions that are open."""
        return list(self._rooms.values())

    def open(self, cwd: Path) -> Room:
        """Open a session."""
        session = self._sessions.open()
        room = self._rooms[session.id] = Room(session, cwd)
        return room

    def room(self, params: dict[str, Any]) -> Room:
        """Return the session that a call means; raises Refused, as the knob says, for one that is not open."""
        room = self._rooms.get(str(params.get("sessionId")))
        if room is not None:
            return room
        match self._knobs.unknown:
            case "invalid":
                raise Refused(INVALID_PARAMS, "Session not found")
            case "not_found":
                raise Refused(NOT_FOUND, "Resource not found")
            case "internal":
                raise Refused(INTERNAL_ERROR, "Internal error")

    def prompt(self, number: Id, params: dict[str, Any]) -> None:
        """Take a session/prompt; its response comes with the end of the turn. Raises Refused."""
        room = self.room(params)
        turn = self._read(number, params)
        if room.running is None:
            self._begin(room, turn)
            return
        match self._knobs.busy:
            case "queued":
                room.waiting.append(turn)
            case "displaced":
                self._displace(room, turn, "cancelled")
            case "refused":
                self._displace(room, turn, "error")
            case "unanswered":
                pass

    def cancel(self, params: dict[str, Any]) -> None:
        """Take a session/cancel: the turn that runs is cut, and those that wait end with it. Raises Refused."""
        room = self.room(params)
        self._drop_waiting(room)
        self._cut(room)

    def close(self, params: dict[str, Any]) -> object:
        """Take a session/close: what runs is cancelled, and the session is gone. Raises Refused."""
        room = self.room(params)
        self.cancel(params)
        del self._rooms[room.session.id]
        self._sessions.delete(room.session.id)
        return {}

    def _read(self, number: Id, params: dict[str, Any]) -> Turn:
        texts, pictures = _blocks(params.get("prompt"), images=self._knobs.images)
        text = "\n".join(texts)
        command = texts[0].split()[0] if self._knobs.slash and texts[0].startswith("/") else ""
        try:
            words = directive_words(text) if self._knobs.directives else []
            knobs = self._knobs.turned_for_answer(words)
            line_of(knobs)
        except KnobFault as fault:
            raise Refused(INVALID_PARAMS, str(fault)) from fault
        if knobs.fault_of_answer and not self._strikes():
            knobs = replace(knobs, fault="none")
        running = sum(room.running is not None for room in self._rooms.values())
        if knobs.limit and running >= knobs.limit:
            knobs = replace(knobs, status=_TOO_MANY, partial=False)
        return Turn(number, text, pictures, command, knobs)

    def _begin(self, room: Room, turn: Turn) -> None:
        session, knobs = room.session, turn.knobs
        session.questions.append(gist(turn.text))
        if (line := next_line(self._scenes, session, turn.text)) is not None:
            knobs = knobs.turned_for_answer(line.knobs.split())
        else:
            line = line_of(knobs)
        said = None if line is None else written(line, knobs, turn.text)
        ask = Ask(
            str(turn.number),
            session.id,
            session.questions[-1],
            number=len(session.questions),
            first=session.questions[0],
            said=self._obey(room, turn.command) if turn.command else said,
            pictures=turn.pictures,
        )
        turn.script = AcpScript(ask, knobs)
        encoder = TurnEncoder(self._client, turn.number, session.id, knobs)

        def ended() -> None:
            self._ended(room, turn)

        steps = turn.script.steps()
        room.running = turn
        turn.performance = Performance(self._client, encoder, turn.script, steps, ended)
        self._stage.begin(turn.performance)

    def _ended(self, room: Room, turn: Turn) -> None:
        room.running = None
        if turn.is_cut and self._knobs.history == "dropped":
            room.session.questions.pop()
        if room.waiting:
            self._begin(room, room.waiting.popleft())

    def _displace(self, room: Room, turn: Turn, how: Literal["cancelled", "error"]) -> None:
        if room.running is not None and room.running.script is not None:
            room.running.script.displaced = how
        room.waiting.append(turn)
        self._cut(room)

    def _cut(self, room: Room) -> None:
        if (turn := room.running) is not None and turn.performance is not None:
            turn.is_cut = True
            self._stage.stop(turn.performance)

    def _drop_waiting(self, room: Room) -> None:
        while room.waiting:
            self._client.answer(room.waiting.popleft().number, {"stopReason": "cancelled"})

    def _obey(self, room: Room, command: str) -> str:
        """Run a slash command; return what it says. One that is unknown is swallowed."""
        if command == "/init":
            (room.cwd / MARKER).write_text("# Written by /init\n")
            return f"Wrote {MARKER}."
        return f"lingma-simulator {VERSION}, signed in." if command == "/about" else ""


def _blocks(prompt: object, *, images: bool) -> tuple[list[str], tuple[str, ...]]:
    """The texts of a prompt, and what its pictures are. Raises Refused for what is no prompt."""
    texts: list[str] = []
    pictures: list[str] = []
    for block in prompt if isinstance(prompt, list) else ():
        match block:
            case {"type": "text", "text": str() as text}:
                texts.append(text)
            case {"type": "resource_link", "uri": str() as uri, "name": str()}:
                texts.append(uri)
            case {"type": "image", "mimeType": str() as kind, "data": str() as data} if images and (
                said := described(f"data:{kind};base64,{data}")
            ):
                pictures.append(said)
            case _:
                raise Refused(INVALID_PARAMS, "a prompt has blocks of the kinds that were offered")
    if not texts:
        raise Refused(INVALID_PARAMS, "a prompt has a text")
    return texts, tuple(pictures)
