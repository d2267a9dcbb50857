"""Clients of every surface: they hold conversations, leave, stop reading, look on, and know when they are lied to.

Knows what an answer must be, and which failures a client may see. Must not know what troubles the gateway, beyond when
it was away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import trio
from pydantic_core import to_json

from tests.chaos.surfaces import CUT, OK, History, Said, Surface
from tests.end_to_end.client import Answer, Connection, CutOff, connected
from tests.proof import turns_held

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from tests.chaos.scene import Scene
    from tests.chaos.surfaces import Json

SILENT: Final = "silent"
NOBODY: Final = "nobody listens"
LEFT: Final = "left"
PATIENCE: Final = 90.0  # seconds; no answer may take as long as all the gateway's own limits together
SLACK: Final = 1.0  # seconds in which a connection may still tell of a gateway that is back
LONGEST: Final = 8  # turns of a conversation
SMALL: Final = 4096  # bytes of a kernel's buffer that is full soon

VISIBLE: Final = frozenset(
    {
        "upstream_lost", "upstream_unavailable", "upstream_timeout", "upstream_error", "queue_timeout", "queue_full",
        "request_timeout", "shutting_down", "login_required", "cancelled_by_operator", "gateway_overloaded",
    }
)  # fmt: skip
"""The codes of failures that anybody may see while things die."""

FORGOTTEN: Final = frozenset({"previous_response_not_found"})
"""The codes that a client may see whose response was kept by a gateway that is gone."""


@dataclass(slots=True)
class Manner:
    """How one request's client behaves: it goes after `leaves` seconds, or reads nothing for `stalls` seconds."""

    leaves: float = 0.0
    stalls: float = 0.0
    rude: bool = False
    """Leaves with a RST."""


def manner(chance: random.Random) -> Manner:
    """One of them: most clients are patient."""
    drawn = chance.random()
    if drawn < 0.1:
        return Manner(leaves=chance.uniform(0, 1), rude=chance.random() < 0.5)
    if drawn < 0.14:
        return Manner(stalls=chance.uniform(0.5, 8))
    return Manner()


async def post(port: int, key: str, surface: Surface, body: Json, way: Manner) -> Said:
    """Ask, behave in that way, and see what comes of it to whatever end it has."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    try:
        with trio.fail_after(PATIENCE):
            async with connected(port, receive_buffer=SMALL if way.stalls else 0) as connection:
                return await _posted(connection, surface, to_json(body), headers, way)
    except CutOff:
        return Said(CUT)
    except trio.TooSlowError:
        return Said(SILENT)
    except OSError:
        return Said(NOBODY)


async def _posted(
    connection: Connection, surface: Surface, body: bytes, headers: Mapping[str, str], way: Manner
) -> Said:
    with trio.move_on_after(way.leaves or PATIENCE):
        try:
            await connection.send("POST", surface.path, body, headers)
        except trio.BrokenResourceError:
            return Said(CUT)
        await trio.sleep(way.stalls)
        head = await connection.head()
        read, complete = await connection.rest()
        names = {name.decode(): value.decode() for name, value in head.headers}
        return surface.said(Answer(head.status_code, names, read, complete))
    if way.rude:
        connection.reset()
    return Said(LEFT)


@dataclass(slots=True)
class Talker:
    """Somebody who holds one conversation after another over one surface, each under a name of its own."""

    name: str
    key: str
    surface: Surface
    chance: random.Random
    history: History = field(default_factory=History)
    kept_by: int = 0
    """The life of the gateway that keeps the newest response."""
    talks: int = 0
    questions: int = 0

    async def ask(self, scene: Scene) -> Said:
        """Ask the next question and check what comes. A failed one is not part of the conversation."""
        if len(self.history.asked) >= LONGEST:
            self.history, self.talks = History(), self.talks + 1
        self.questions += 1
        question = f"{scene.marker} {self.name} of {self.talks} asks {self.questions}"
        body = self.surface.request(self.history, question, stream=self.chance.random() < 0.7)
        way = manner(self.chance)
        began, keeper = trio.current_time(), scene.keeper
        said = await post(scene.port, self.key, self.surface, body, way)
        self.judge(scene, said, question, Asked(began, keeper, way))
        return said

    def judge(self, scene: Scene, said: Said, question: str, asked: Asked) -> None:
        """Count what was said to a question; what must not be is a finding."""
        scene.outcomes[self.surface.name][said.outcome] += 1
        if said.outcome == OK:
            try:
                held = turns_held(said.text, [*self.history.asked, question])
            except AssertionError as lie:
                scene.find(f"{self.surface.name}: {lie}", said)
                self.history = History()
                return
            scene.turns["went on in its session" if held > 1 else "told whole" if self.history.asked else "began"] += 1
            self.history.asked.append(question)
            self.history.answered.append(said.text)
            self.history.newest, self.kept_by = said.id, asked.keeper
        elif said.outcome in FORGOTTEN:
            if self.kept_by == scene.keeper and not scene.has_two:
                scene.find(f"{self.surface.name}: a response was forgotten by the gateway that kept it", said)
            self.history = History()
        elif not scene.may_be(said, self.key, asked):
            scene.find(f"{self.surface.name}: {said.outcome}", said)


@dataclass(frozen=True, slots=True)
class Asked:
    """When a request began, which gateway would keep its answer, and how its client behaved."""

    began: float
    keeper: int
    way: Manner = field(default_factory=Manner)


LOOKS: Final[tuple[tuple[str, str, bytes, frozenset[int]], ...]] = (
    ("GET", "/", b"", frozenset({200})),
    ("GET", "/healthz", b"", frozenset({200})),
    ("GET", "/readyz", b"", frozenset({200, 503})),
    ("GET", "/metrics", b"", frozenset({200})),
    ("GET", "/internal/stats", b"", frozenset({200})),
    ("GET", "/internal/requests", b"", frozenset({200})),
    ("GET", "/internal/tree", b"", frozenset({200})),
    ("GET", "/internal/usage", b"", frozenset({200})),
    ("GET", "/internal/use.csv", b"", frozenset({200})),
    ("GET", "/openapi.json", b"", frozenset({200})),
    ("GET", "/docs", b"", frozenset({200})),
    ("GET", "/v1/capabilities", b"", frozenset({200})),
    ("GET", "/v1/models", b"", frozenset({200, 503})),
    ("GET", "/v1/responses/resp_of_nobody", b"", frozenset({404})),
    ("POST", "/v1/embeddings", b'{"model": "org_auto", "input": "x"}', frozenset({404})),
    ("POST", "/v1/messages/count_tokens", b'{"messages": [{"role": "user", "content": "one two"}]}', frozenset({200})),
    ("POST", "/v1/chat/completions", b'{"messages": "none"}', frozenset({400})),
)
"""What is looked at, and the statuses that it may have."""


async def look(scene: Scene, chance: random.Random) -> None:
    """Look at one page, count, or refusal."""
    method, path, body, statuses = chance.choice(LOOKS)
    headers = {"authorization": f"Bearer {scene.token_for(path)}", "content-type": "application/json"}
    asked = Asked(trio.current_time(), scene.keeper)
    outcome, said = await _looked(scene.port, method, path, body, headers)
    scene.outcomes["looks"][outcome] += 1
    if said.status not in (statuses if said.status else {0}) or not (said.status or scene.may_be(said, "", asked)):
        scene.find(f"{method} {path}: {outcome}", said)


async def _looked(port: int, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[str, Said]:
    try:
        with trio.fail_after(PATIENCE):
            async with connected(port) as connection:
                await connection.send(method, path, body, headers)
                answer = await connection.answer()
    except (CutOff, trio.BrokenResourceError):
        return CUT, Said(CUT)
    except trio.TooSlowError:
        return SILENT, Said(SILENT)
    except OSError:
        return NOBODY, Said(NOBODY)
    if not answer.complete:
        return CUT, Said(CUT)
    tail = answer.body[-400:].decode(errors="replace")
    name = str(answer.status)
    return name, Said(name, "", "", answer.status, answer.headers.get("x-request-id", ""), tail)
