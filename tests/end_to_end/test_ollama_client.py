"""Ollama's own client, unmodified, against a gateway process."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import trio
from ollama import ChatResponse, Client, ResponseError
from pydantic import BaseModel

from tests.end_to_end.client import PATIENCE
from tests.end_to_end.gateway import SERVE, Gateway, started
from tests.end_to_end.upstreams import Upstream

KEY = "key-of-the-tests-of-ollama-s-client"
MODEL = "org_auto"
ENDLESS = "Stall.\n#simulate fault=stall_mid"
CUT_SHORT = "Go on.\n#simulate deltas=40 partial=1 status=500"
OSLO = {"tool": "get_weather", "arguments": {"city": "Oslo"}}
SCENES = [
    {"when": "SCENE-TRIP", "answers": [{"text": "I will look.", "calls": [OSLO]}, {"text": "It is cold in Oslo."}]},
    {"when": "SCENE-JSON", "answers": [{"text": 'Here it is:\n```json\n{"city": "Oslo", "people": 700000}\n```\n'}]},
]


class Place(BaseModel):
    """What an answer is to be."""

    city: str
    people: int


def get_weather(city: str) -> str:
    """Tell the weather.

    Args:
      city: Where.
    """
    return f"-3 degrees in {city}"


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that asks for a key, and whose upstream plays the scenes at once."""
    directory = tmp_path_factory.mktemp("ollama")
    scenes = directory / "scenes.json"
    scenes.write_text(json.dumps(SCENES))
    simulator = f"first=0,gap=0,record=1,scenes={scenes}"
    with started(
        directory, SERVE, upstream, API_KEYS=KEY, IMAGE_FALLBACK="placeholder", LINGMA_SIMULATOR=simulator
    ) as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    """The client, with the key as a bearer's."""
    with client_of(gateway) as client:
        yield client


def client_of(gateway: Gateway, key: str = KEY) -> Client:
    return Client(host=f"http://127.0.0.1:{gateway.port}", headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE)


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def text_of(pieces: Sequence[ChatResponse]) -> str:
    return "".join(piece.message.content or "" for piece in pieces)


def take_all(stream: Iterator[ChatResponse], pieces: list[ChatResponse]) -> None:
    """Append each piece as it comes, so that those before an error are kept."""
    for piece in stream:
        pieces.append(piece)  # noqa: PERF402 - `extend` promises nothing about those before an error


def test_models_are_listed_and_shown(client: Client) -> None:
    """Each can be shown by the name it is listed by, and by that name without its tag."""
    listed = [model.model or "" for model in client.list().models]
    assert f"{MODEL}:latest" in listed
    assert [model.model for model in client.ps().models] == listed
    for name in listed:
        assert client.show(name) == client.show(name.removesuffix(":latest"))
        assert "completion" in (client.show(name).capabilities or ())


def test_a_chat_comes_whole_and_in_pieces(client: Client) -> None:
    """Both ways it is the same text, and the last piece has the figures."""
    whole = client.chat(f"{MODEL}:latest", [user("Both ways.")])
    *pieces, last = client.chat(f"{MODEL}:latest", [user("Both ways.")], stream=True)
    assert text_of(pieces) == whole.message.content
    assert whole.message.role == "assistant"
    for end in (whole, last):
        assert (end.done, end.done_reason, end.model) == (True, "stop", f"{MODEL}:latest")
        assert end.eval_count
        assert end.eval_duration
        assert end.total_duration
        assert end.created_at
    assert not any(piece.done for piece in pieces)


def test_a_second_turn_goes_on_in_its_session(client: Client, gateway: Gateway) -> None:
    """What was said before is not asked once more."""
    first = client.chat(MODEL, [user("My favourite colour is teal.")])
    second = client.chat(MODEL, [user("My favourite colour is teal."), first.message, user("What did I say?")])
    assert "message 2 of this session" in (second.message.content or "")
    assert not gateway.records[-1]["opens"]


def test_a_text_is_made(client: Client) -> None:
    """With a system message, whole and in pieces, and cut off where it is to be."""
    whole = client.generate(MODEL, "Once upon a time.", system="Be brief.")
    assert "Once upon a time." in (whole.response or "")
    pieces = list(client.generate(MODEL, "Once upon a time.", stream=True, options={"num_predict": 4}))
    assert pieces[-1].done_reason == "length"
    assert pieces[-1].eval_count == 4
    assert client.generate(MODEL, "def f(", suffix="return x").done


def test_a_model_is_loaded(client: Client) -> None:
    """There is nothing to do for it."""
    assert client.generate(MODEL, keep_alive="5m").done_reason == "load"
    assert client.chat(MODEL, keep_alive=0).done_reason == "unload"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_tools_are_called_in_two_steps(client: Client, gateway: Gateway, stream: bool) -> None:
    """A function of the client's is called, its result goes back, and the session goes on."""
    messages: list[Any] = [user(f"SCENE-TRIP, {'streamed' if stream else 'whole'}.")]

    def ask() -> Any:  # noqa: ANN401 - a message as the client has it, or puts it together
        if not stream:
            return client.chat(MODEL, messages, tools=[get_weather]).message
        pieces = list(client.chat(MODEL, messages, tools=[get_weather], stream=True))
        calls = [call for piece in pieces for call in piece.message.tool_calls or ()]
        return {"role": "assistant", "content": text_of(pieces), "tool_calls": calls}

    called = ask()
    (call,) = called["tool_calls"]
    assert (call.function.name, call.function.arguments) == ("get_weather", {"city": "Oslo"})
    messages += [
        called,
        {"role": "tool", "tool_name": "get_weather", "content": get_weather(**call.function.arguments)},
    ]
    assert ask()["content"] == "It is cold in Oslo."
    assert not gateway.records[-1]["opens"]


def test_a_format_is_kept(client: Client) -> None:
    """The answer is the JSON alone, whatever stood round it."""
    answer = client.chat(MODEL, [user("SCENE-JSON")], format=Place.model_json_schema())
    assert Place.model_validate_json(answer.message.content or "") == Place(city="Oslo", people=700_000)
    assert json.loads(client.chat(MODEL, [user("SCENE-JSON")], format="json").message.content or "")


def test_reasoning_has_a_field_of_its_own(client: Client) -> None:
    """It is there unless the client wants none of it."""
    thoughts = "Think.\n#simulate reasoning=tag"
    whole = client.chat(MODEL, [user(thoughts)], think=True)
    assert "I think about it" in (whole.message.thinking or "")
    assert "I think about it" not in (whole.message.content or "")
    pieces = list(client.generate(MODEL, thoughts, think="low", stream=True))
    assert "I think about it" in "".join(piece.thinking or "" for piece in pieces)
    assert client.chat(MODEL, [user(thoughts)], think=False).message.thinking is None


def test_a_picture_is_taken(client: Client) -> None:
    """Bytes of a picture are read; what is none is refused by its place."""
    answer = client.chat(MODEL, [{**user("Look."), "images": [png()]}])
    assert answer.done
    with pytest.raises(ResponseError, match=r"messages\[0\]\.images\[0\] must be a PNG") as refused:
        client.chat(MODEL, [{**user("Look."), "images": [b"no picture at all"]}])
    assert refused.value.status_code == 400


def test_faults_are_texts(client: Client, gateway: Gateway) -> None:
    """Before the answer with a status, in its middle by the last line."""
    with client_of(gateway, "a-wrong-key") as stranger, pytest.raises(ResponseError) as refused:
        stranger.list()
    assert refused.value.status_code == 401
    with pytest.raises(ResponseError, match="no-such-model") as missing:
        client.show("no-such-model")
    assert missing.value.status_code == 404
    with pytest.raises(ResponseError, match="no embeddings"):
        client.embed(MODEL, "Hello.")
    with pytest.raises(ResponseError, match=r"status 500|: 500"):
        client.chat(MODEL, [user("Fail.\n#simulate status=500")])
    pieces: list[ChatResponse] = []
    with pytest.raises(ResponseError, match=r"status 500|: 500"):
        take_all(client.chat(MODEL, [user(CUT_SHORT)], stream=True), pieces)
    assert text_of(pieces)
    assert not any(piece.done for piece in pieces)


async def test_closing_the_stream_frees_the_slot(client: Client, gateway: Gateway) -> None:
    """The client leaves, so Lingma stops."""
    stream = client.chat(MODEL, [user(ENDLESS)], stream=True)
    await trio.to_thread.run_sync(next, stream)
    await gateway.until_limiter(in_flight=1)
    await trio.to_thread.run_sync(stream.close)  # type: ignore[attr-defined] # which is a generator
    await gateway.until_limiter(in_flight=0)


def png() -> bytes:
    """The smallest picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
