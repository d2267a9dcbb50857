"""What clients of several gateways say and hear, and what the simulators' records prove of it.

Knows requests, answers and the simulators' record. Must not know which process answers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import trio
from pydantic_core import to_json

from tests.end_to_end.client import Answer, CutOff, connected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.end_to_end.client import Json

OK: Final = "ok"
CUT: Final = "cut off"
REFUSED: Final = "refused"
SILENT: Final = "silent"
PATIENCE: Final = 60.0
KEYS: Final = tuple(f"sk-of-the-scale-test-{number}" for number in range(8))
API_KEYS: Final = ",".join(f"key-{number}:{key}" for number, key in enumerate(KEYS))
WAITING: Final = "sk-of-the-scale-test-two-at-once"
COUNTED: Final = "sk-of-the-scale-test-ten-a-minute"
SUMMED: Final = "sk-of-the-scale-test-asked-twice"
KEYS_FILE: Final = "\n".join(
    [
        "keys:",
        *(f"- {{name: key-{number}, key: {key}, max_in_flight: 40}}" for number, key in enumerate(KEYS)),
        f"- {{name: waiting, key: {WAITING}, max_in_flight: 2}}",
        f"- {{name: summed, key: {SUMMED}}}",
        f"- {{name: counted, key: {COUNTED}, requests_per_minute: 10}}",
        "",
    ]
)
"""What gateways read where a key's limits are played."""

_FIRST_LENGTH: Final = 40  # of the first turn's question; each further turn, and each of its forks, has another length
_FORKS: Final = 2


@dataclass(frozen=True, slots=True)
class Heard:
    """How a request ended: `OK`, the code of the error, or how it was lost; and the text that came until then."""

    outcome: str
    text: str = ""
    first: float = 0.0
    """Seconds until the first text."""

    status: int = 0
    body: bytes = b""
    request_id: str = ""
    """By which the gateway's log names it."""


async def chat(port: int, key: str, messages: list[Json], **fields: Json) -> Heard:
    """Stream a chat, and see it through to whatever end it has."""
    return await post(port, key, "/v1/chat/completions", {"messages": messages, "stream": True, **fields})


async def post(port: int, key: str, path: str, fields: Json) -> Heard:
    """Send a request whose answer is a stream of chat chunks, or JSON."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    body = to_json({"model": "org_auto", **fields})
    began = trio.current_time()
    try:
        with trio.fail_after(PATIENCE):
            async with connected(port) as connection:
                await connection.send("POST", path, body, headers)
                head = await connection.head()
                piece = await connection.chunk()
                first = trio.current_time() - began
                more, complete = await connection.rest()
    except CutOff:
        return Heard(CUT)
    except trio.TooSlowError:
        return Heard(SILENT)
    except OSError:
        return Heard(REFUSED)
    names = {name.decode(): value.decode() for name, value in head.headers}
    return heard(Answer(head.status_code, names, piece + more, complete), first)


def heard(answer: Answer, first: float = 0.0) -> Heard:
    """What an answer says of itself."""
    kind = answer.headers.get("content-type", "")
    streamed = kind.startswith("text/event-stream")
    if not (streamed or kind.startswith("application/json")):  # the balancer's own
        return Heard(f"status {answer.status}", status=answer.status)
    error = answer.error if answer.complete or streamed else None
    outcome = OK if answer.complete else CUT
    if error is not None:  # also where the connection ends after it
        outcome = str(error.get("code") or error.get("type"))
    text = answer.text if streamed and error is None else ""
    return Heard(outcome, text, first, answer.status, answer.body, answer.headers.get("x-request-id", ""))


@dataclass(slots=True)
class Conversation:
    """One client's conversation; `name` is in its first question. Each question has the length of its turn and fork."""

    name: str
    key: str
    messages: list[Json] = field(default_factory=list)

    @property
    def turn(self) -> int:
        """How many questions were answered."""
        return len(self.messages) // 2

    def question(self, fork: int = 0) -> str:
        """The next question, as long as no other turn's or fork's."""
        beginning = f"{self.name} {self.turn} {fork}: "
        return beginning.ljust(_FIRST_LENGTH + _FORKS * self.turn + fork, "x")

    async def ask(self, port: int, fork: int = 0) -> Heard:
        """Ask the next question, and take the answer for this conversation's where it is whole."""
        question = {"role": "user", "content": self.question(fork)}
        said = await chat(port, self.key, [*self.messages, question])
        if said.outcome == OK:
            self.messages += [question, {"role": "assistant", "content": said.text}]
        return said

    async def race(self, *ports: int) -> list[Heard]:
        """Ask as many forks of the next question at once; what the first is answered is kept."""
        ends: dict[int, Heard] = {}
        forks = [Conversation(self.name, self.key, list(self.messages)) for _ in ports]

        async def run(fork: int) -> None:
            ends[fork] = await forks[fork].ask(ports[fork], fork)

        async with trio.open_nursery() as nursery:
            for fork in range(len(ports)):
                nursery.start_soon(run, fork)
        self.messages = forks[0].messages
        return [ends[fork] for fork in range(len(ports))]


def conversations(count: int, name: str) -> list[Conversation]:
    """So many, spread over the keys."""
    return [Conversation(f"{name}-{number}", KEYS[number % len(KEYS)]) for number in range(count)]


def outcomes(said: Iterable[Heard]) -> str:
    """How many ended how, for people."""
    return ", ".join(f"{count} {outcome}" for outcome, count in Counter(each.outcome for each in said).most_common())


def uses(record: Iterable[Json]) -> tuple[int, int]:
    """Of the simulators' record: how many questions went on in a session, and how many of those were its second of the
    same turn, which only a session that two requests went on with has.
    """
    turns: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for entry in record:
        if entry["kind"] == "ask" and entry["sessionId"]:
            turns[entry["sessionId"]][(entry["length"] - _FIRST_LENGTH) // _FORKS] += 1
    went_on = sum(sum(each.values()) for each in turns.values())
    return went_on, sum(count - 1 for each in turns.values() for count in each.values())
