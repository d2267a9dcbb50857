"""Whose session is continued: real dialogues against the simulator, whose sessions prove what they hold.

Each test talks with a key of its own. `sessions` tells, from the gateway's log, what became of each request.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic_core import to_json

from tests.end_to_end.client import fetch
from tests.end_to_end.gateway import OPERATOR, SERVE, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.end_to_end.gateway import Gateway
    from tests.end_to_end.upstreams import Upstream

pytestmark = pytest.mark.slow

FIRST = "What did I say first?"
LOOK: Any = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "integer"}}}},
}
SCENES = [
    {"when": "SCENE-THREE", "answers": [{"calls": [{"tool": "look", "arguments": {"at": at}} for at in (1, 2, 3)]}]},
    {
        "when": "SCENE-WRONG",
        "answers": [
            {"text": "Well.", "calls": [{"tool": "look", "arguments": {"at": "there"}}]},
            {"calls": [{"tool": "look", "arguments": {"at": 1}}]},
            {"text": "All is well."},
        ],
    },
]
NAMES = [f"k{number}" for number in range(100)]


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose upstream answers at once, with a key for each test."""
    directory = tmp_path_factory.mktemp("proofs")
    scenes = directory / "scenes.json"
    scenes.write_text(json.dumps(SCENES), encoding="utf-8")
    keys = ",".join(f"{name}:sk-of-the-proofs-{name}" for name in NAMES)
    with started(
        directory, SERVE, upstream, API_KEYS=keys, LINGMA_SIMULATOR=f"first=0,gap=0,scenes={scenes}"
    ) as running:
        yield running


class Client:
    """Somebody with a key, who keeps no conversation: each request is what the test says."""

    def __init__(self, gateway: Gateway, name: str) -> None:
        self._gateway = gateway
        self._name = name

    async def ask(self, *messages: str | dict[str, Any], **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Ask with these messages, texts being the user's and the assistant's in turn; returns the answer's message."""
        told = [
            {"role": ("user", "assistant")[place % 2], "content": each} if isinstance(each, str) else each
            for place, each in enumerate(messages)
        ]
        headers = {"authorization": f"Bearer sk-of-the-proofs-{self._name}", "content-type": "application/json"}
        body = to_json({"model": "org_auto", "messages": told, **fields})
        answer = await fetch(self._gateway.port, "POST", "/v1/chat/completions", body, headers)
        assert answer.status == 200, answer.body
        message: dict[str, Any] = answer.json["choices"][0]["message"]
        return message

    async def says(self, *messages: str | dict[str, Any], **fields: Any) -> str:  # noqa: ANN401 - JSON
        """The text of the answer."""
        text: str = (await self.ask(*messages, **fields))["content"]
        return text

    async def sessions(self, count: int) -> list[str]:
        """What became of so many requests: hit, opening, or why there was no session."""

        def found() -> list[str]:
            logged = (json.loads(line) for line in self._gateway.log.splitlines() if line.startswith("{"))
            mine = [line for line in logged if line.get("event") == "request" and line.get("key") == self._name]
            return [line.get("miss") or line["session"] for line in mine]

        await self._gateway.until(lambda: len(found()) >= count)
        return found()


def saying(text: str) -> str:
    """A question that is answered with this text."""
    return f"Say it.\n#simulate say='{text}'"


@pytest.fixture
def client(gateway: Gateway, request: pytest.FixtureRequest) -> Client:
    """A client with a key that no other test has."""
    taken: list[str] = request.config.stash.setdefault(TAKEN, [])
    taken.append(NAMES[len(taken)])
    return Client(gateway, taken[-1])


TAKEN = pytest.StashKey[list[str]]()


async def test_partial_answer_goes_on_alone(client: Client) -> None:
    """Who goes on from a regenerated answer that was cut does not get the session of its sibling, who stays does."""
    question = saying("Green it is and green it stays.")
    whole = await client.says(question)
    part = await client.says(question, max_tokens=3)
    assert part != whole
    await client.says(question, part, FIRST)
    assert "Say it." in await client.says(question, whole, FIRST), "what the session holds"
    assert await client.sessions(4) == ["opening", "opening", "answer_differs", "hit"]


async def test_those_who_begin_alike_are_not_mixed_up(client: Client) -> None:
    """Two behind one key who begin with the same words: the one whose answer was cut does not get the other's."""
    question = saying("Yes, of course, with pleasure.")
    whole = await client.says(question)
    part = await client.says(question, max_tokens=2)
    await client.says(question, part, "More.")
    assert "Say it." in await client.says(question, whole, FIRST)
    assert (await client.sessions(4))[2:] == ["answer_differs", "hit"]


@pytest.mark.parametrize(
    ("said", "sent"),
    [("C++", "C#"), ("\U0001f44d", "\U0001f44e"), ("x = -1", "x = 1"), ("1.5", "15"), ("The end", "the end")],
)
async def test_symbols_count(client: Client, said: str, sent: str) -> None:
    """An answer that differs in a symbol, a digit or a letter's case is another answer."""
    question = saying(said)
    assert await client.says(question) == said
    await client.says(question, sent, FIRST)
    await client.says(question, said, FIRST)
    assert await client.sessions(3) == ["opening", "answer_differs", "hit"]


async def test_every_answer_counts_and_not_only_the_last(client: Client) -> None:
    """Two conversations that end alike are two: after "42" and after "7". So is one with an edited answer."""
    number, thanks = saying("42"), saying("OK.")
    assert await client.says(number) == "42"
    assert await client.says(number, "42", thanks) == "OK."
    await client.says(number, "7", thanks, "OK.", FIRST)
    await client.says(number, "42", thanks, "OK.", FIRST)
    assert await client.sessions(4) == ["opening", "hit", "no_entry", "hit"]


@pytest.mark.parametrize("sent", ["So  it\n is.\n", "So **it** is.", "<think>Well.</think>\nSo it is.", "*So it* is."])
async def test_formatting_that_clients_change_is_undone(client: Client, sent: str) -> None:
    """Blanks, emphasis and reasoning in front make no other conversation."""
    question = saying("So it is.")
    assert await client.says(question) == "So it is."
    await client.says(question, sent, FIRST)
    assert await client.sessions(2) == ["opening", "hit"]


async def test_session_is_told_that_only_one_call_was_made(client: Client) -> None:
    """Of three calls one was allowed: the session that made three is continued, and knows."""
    fields: dict[str, Any] = {"tools": [LOOK], "parallel_tool_calls": False}
    question = {"role": "user", "content": "SCENE-THREE"}
    answer = await client.ask(question, **fields)
    (call,) = answer["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"at": 1}
    result = {"role": "tool", "tool_call_id": call["id"], "content": "nothing"}
    await client.ask(question, answer, result, **fields)
    assert await client.sessions(2) == ["opening", "hit"]


async def test_session_is_told_that_its_answer_was_put_right(client: Client) -> None:
    """An answer that was asked for again is continued, with what the client has of it."""
    question = {"role": "user", "content": "SCENE-WRONG"}
    answer = await client.ask(question, tools=[LOOK])
    (call,) = answer["tool_calls"]
    result = {"role": "tool", "tool_call_id": call["id"], "content": "nothing"}
    assert (await client.ask(question, answer, result, tools=[LOOK]))["content"] == "All is well."
    assert await client.sessions(2) == ["opening", "hit"]


async def test_other_models_and_tools_are_told_apart(client: Client) -> None:
    """The same conversation with another model, or with tools, is a miss that says so."""
    question = saying("Yes.")
    await client.says(question)
    await client.says(question, "Yes.", FIRST, model="kmodel")
    await client.says(question, "Yes.", FIRST, tools=[LOOK])
    await client.says(question, "Yes.", FIRST)
    assert await client.sessions(4) == ["opening", "model", "tools", "hit"]


async def test_restarted_lingma_is_asked_everything(client: Client, gateway: Gateway) -> None:
    """A new life knows no session: the whole conversation is sent, and the miss says why."""
    question = saying("Yes.")
    await client.says(question)
    generation = (await gateway.stats())["instances"][0]["generation"]
    headers = {"authorization": OPERATOR["authorization"]}
    path = f"/internal/instances/{gateway.upstream.instance}-0/restart"
    restarted = await fetch(gateway.port, "POST", path, b"{}", headers)
    assert restarted.status == 200, restarted.body
    await gateway.until_generation(generation + 1)
    await gateway.until_ready()
    await client.says(question, "Yes.", FIRST)
    assert await client.sessions(2) == ["opening", "life_ended"]
