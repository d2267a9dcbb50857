"""The official Anthropic client, unmodified, sync and async, against a gateway process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic, Stream
from anthropic.types import Message, MessageParam, RawMessageStreamEvent

from tests.end_to_end.client import PATIENCE
from tests.end_to_end.gateway import SERVE, Gateway, started
from tests.end_to_end.upstreams import Upstream

# The async client leaves its generators to the garbage collector, which Trio warns of.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator '(anthropic|httpx2|httpcore2):ResourceWarning")

KEY = "key-of-the-tests-of-the-client"
MODEL = "claude-opus-5-5"
"""An alias, as Claude Code would ask for it."""

BEHIND = "dashscope_qwen3_coder"
AT_ONCE = "first=0,gap=0"
FIRST = "My favourite colour is teal."
RECALL = "What did I say first?"

CUT_SHORT = "Go on.\n#simulate deltas=40 partial=1 status=500"
"""A question whose answer fails after half of its text."""


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that asks for a key, with an alias, and an upstream that writes down what it is asked."""
    directory = tmp_path_factory.mktemp("client")
    aliases = f'{{"{MODEL}": "{BEHIND}"}}'
    with started(
        directory, SERVE, upstream, API_KEYS=KEY, MODEL_ALIASES=aliases, LINGMA_SIMULATOR=f"{AT_ONCE},record=1"
    ) as running:
        yield running


@contextmanager
def client_of(gateway: Gateway, *, key: str = KEY, prefix: str = "") -> Iterator[Anthropic]:
    """The sync client, without retries."""
    address = f"http://127.0.0.1:{gateway.port}{prefix}"
    with Anthropic(base_url=address, api_key=key, max_retries=0, timeout=PATIENCE) as client:
        yield client


@asynccontextmanager
async def async_client_of(gateway: Gateway) -> AsyncIterator[AsyncAnthropic]:
    """The async client, which runs on Trio here, with the key as a bearer's."""
    address = f"http://127.0.0.1:{gateway.port}"
    async with AsyncAnthropic(
        base_url=address, api_key=None, auth_token=KEY, max_retries=0, timeout=PATIENCE
    ) as client:
        yield client


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Anthropic]:
    """The sync client, without retries."""
    with client_of(gateway) as client:
        yield client


def user(text: str) -> MessageParam:
    return {"role": "user", "content": text}


def assistant(text: str) -> MessageParam:
    return {"role": "assistant", "content": text}


def ask(client: Anthropic, *messages: MessageParam, **fields: Any) -> Message:  # noqa: ANN401 - the client's own
    """Have one whole answer."""
    answer: Message = client.messages.create(**{"model": MODEL, "max_tokens": 1000, "messages": messages, **fields})
    return answer


def text_of(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def take_all(stream: Stream[RawMessageStreamEvent], events: list[RawMessageStreamEvent]) -> None:
    """Append each event as it comes, so that those before an error are kept."""
    for event in stream:
        events.append(event)  # noqa: PERF402 - `extend` promises nothing about those before an error


# --- models and counts


def test_models_are_listed_and_retrieved(client: Anthropic) -> None:
    """Each model and alias is listed on one page and can be retrieved by its id."""
    listed = list(client.models.list())
    assert [model.display_name for model in listed if model.id == MODEL] == ["Qwen3-Coder"]
    assert BEHIND in [model.id for model in listed]
    assert all(client.models.retrieve(model.id) == model for model in listed)


def test_tokens_are_counted(client: Anthropic) -> None:
    """A count is what an answer's usage then has, and grows with everything that is asked with."""
    counted = client.messages.count_tokens(model=MODEL, messages=[user("Count me.")])
    assert counted.input_tokens == ask(client, user("Count me.")).usage.input_tokens
    more = client.messages.count_tokens(model=MODEL, messages=[user("Count me.")], system="Be as brief as can be.")
    assert more.input_tokens > counted.input_tokens


# --- answers


def test_a_whole_answer(client: Anthropic) -> None:
    """One block of text, why it ended, and usage; the alias is what answers and who is asked is its model."""
    answer = ask(client, user("Hello there."))
    assert "Hello there." in text_of(answer)
    assert [block.type for block in answer.content] == ["text"]
    assert (answer.model, answer.role) == (MODEL, "assistant")
    assert (answer.stop_reason, answer.stop_sequence) == ("end_turn", None)
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0


async def test_an_answer_through_the_async_client(gateway: Gateway) -> None:
    """The async client reads the same, whole and as a stream, with its key in the other header."""
    async with async_client_of(gateway) as client:
        whole = await client.messages.create(model=MODEL, max_tokens=1000, messages=[user("Both ways.")])
        async with client.messages.stream(model=MODEL, max_tokens=1000, messages=[user("Both ways.")]) as stream:
            pieces = [text async for text in stream.text_stream]
    assert "".join(pieces) == text_of(whole)


def test_the_prefix_may_stand_in_the_address(gateway: Gateway) -> None:
    """A base address with or without `/v1` leads to the same place; the client adds its own either way."""
    with client_of(gateway) as client:
        assert client.post("/messages", cast_to=object, body={"messages": [user("Hi.")]})


def test_a_raw_stream(client: Anthropic) -> None:
    """The events come in Anthropic's order, and both that tell of usage have it."""
    with client.messages.create(model=MODEL, max_tokens=1000, messages=[user("Stream.")], stream=True) as stream:
        events = list(stream)
    kinds = [event.type for event in events]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert set(kinds[2:-3]) == {"content_block_delta"}
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    first, last = events[0], events[-2]
    assert first.type == "message_start"
    assert last.type == "message_delta"
    assert first.message.usage.input_tokens == last.usage.input_tokens
    assert last.delta.stop_reason == "end_turn"
    assert last.usage.output_tokens > 0


def test_the_stream_helper(client: Anthropic) -> None:
    """The client's own accumulation ends with the whole answer."""
    question = user("Help.\n#simulate deltas=10 gap=0.01")
    with client.messages.stream(model=MODEL, max_tokens=1000, messages=[question]) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert text_of(message) == "".join(pieces)
    assert len(pieces) > 1
    assert (message.stop_reason, message.model) == ("end_turn", MODEL)
    assert message.usage.output_tokens > 0


@pytest.mark.parametrize("form", ["push", "fence", "tag"])
@pytest.mark.parametrize("thinking", [{"type": "enabled", "budget_tokens": 1024}, {"type": "adaptive"}])
def test_reasoning_is_a_block_of_its_own(client: Anthropic, form: str, thinking: Any) -> None:  # noqa: ANN401
    """Reasoning stands before the text, signed, whole and streamed, and can be sent back as it came."""
    question = user(f"Think.\n#simulate reasoning={form}")
    whole = ask(client, question, thinking=thinking, max_tokens=2000)
    with client.messages.stream(model=MODEL, max_tokens=2000, messages=[question], thinking=thinking) as stream:
        streamed = stream.get_final_message()
    for message in (whole, streamed):
        thought, text = message.content
        assert thought.type == "thinking"
        assert text.type == "text"
        assert "I think about it" in thought.thinking
        assert "I think about it" not in text.text
        assert thought.signature
    again = ask(client, question, whole.to_param(), user(RECALL), thinking=thinking, max_tokens=2000)
    assert "Think." in text_of(again)


def test_reasoning_is_not_shown_unasked(client: Anthropic) -> None:
    """Without `thinking` the answer is its text alone."""
    answer = ask(client, user("Think.\n#simulate reasoning=push"))
    assert [block.type for block in answer.content] == ["text"]


def test_limits_end_the_answer(client: Anthropic) -> None:
    """A bound on tokens and a stop sequence end the answer, and it says which of them did."""
    bounded = ask(client, user("Long."), max_tokens=3)
    assert (bounded.stop_reason, bounded.usage.output_tokens <= 3) == ("max_tokens", True)
    stopped = ask(client, user("Long."), stop_sequences=["simulator"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "simulator")
    assert text_of(stopped).endswith("Lingma ")


# --- conversations


def test_a_conversation_goes_on_in_one_session(gateway: Gateway, client: Anthropic) -> None:
    """Later turns send the newest message only, and upstream remembers the first one."""
    seen = len(gateway.records)
    system: Any = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    messages = [user(FIRST)]
    for text in ("Go on.", "Go on again.", RECALL):
        answer = ask(client, *messages, system=system)
        messages += [answer.to_param(), user(text)]
        system = "Be brief."
    last = ask(client, *messages, system=system)
    assert f"“{FIRST}”" in text_of(last)
    first, *later = gateway.records[seen:]
    assert first["opens"]
    assert not any(record["opens"] for record in later)
    assert len({record["sessionId"] for record in later}) == 1
    assert [record["length"] for record in later] == [len(text) for text in ("Go on.", "Go on again.", RECALL)]


def test_both_apis_hold_one_conversation(gateway: Gateway, client: Anthropic) -> None:
    """A session belongs to a conversation and not to the API by which it came."""
    seen = len(gateway.records)
    first = ask(client, user("Begin here."))
    messages = [user("Begin here."), assistant(text_of(first)), user("End there.")]
    client.post("/v1/chat/completions", cast_to=object, body={"model": BEHIND, "messages": messages})
    assert [record["opens"] for record in gateway.records[seen:]] == [True, False]


# --- errors


def test_a_wrong_key_is_an_authentication_error(gateway: Gateway) -> None:
    """The client raises its class for 401, with Anthropic's type and our code."""
    with client_of(gateway, key="a-wrong-key") as client, pytest.raises(anthropic.AuthenticationError) as caught:
        client.models.list()
    assert (caught.value.type, caught.value.error_code) == ("authentication_error", "invalid_api_key")
    assert caught.value.request_id


@pytest.mark.parametrize(
    ("path", "method", "kind", "code"),
    [
        ("/v1/models/no-such-model", "get", anthropic.NotFoundError, "model_not_found"),
        ("/v1/messages/batches", "get", anthropic.NotFoundError, "not_found"),
        ("/v1/messages", "get", anthropic.APIStatusError, "method_not_allowed"),
        ("/v1/messages", "post", anthropic.BadRequestError, "invalid_request"),
        ("/v1/messages/count_tokens", "post", anthropic.BadRequestError, "invalid_request"),
    ],
)
def test_what_cannot_be_served_is_told_in_the_clients_terms(
    client: Anthropic, path: str, method: str, kind: type[anthropic.APIStatusError], code: str
) -> None:
    """Each status is its class, and the body has what the client looks for: message, type, code and request id."""
    with pytest.raises(kind) as caught:
        getattr(client, method)(path, cast_to=object, **({"body": {}} if method == "post" else {}))
    assert (caught.value.error_code, bool(caught.value.api_message)) == (code, True)
    body: Any = caught.value.body
    assert body["request_id"] == caught.value.request_id == caught.value.response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("knobs", "kind", "code"),
    [
        ("status=406", anthropic.BadRequestError, "content_filter"),
        ("status=400", anthropic.BadRequestError, "upstream_rejected"),
        ("status=500", anthropic.InternalServerError, "upstream_error"),
        ("status=408", anthropic.InternalServerError, "upstream_timeout"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_upstream_faults_before_the_answer_are_statuses(
    gateway: Gateway, client: Anthropic, knobs: str, kind: type[anthropic.APIStatusError], code: str, stream: bool
) -> None:
    """A turn that fails before its first text has the status that the fault means, streamed or not."""
    if code in ("upstream_rejected", "upstream_timeout"):
        gateway.upstream.needs("statuses")
    with pytest.raises(kind) as caught:
        ask(client, user(f"Fail.\n#simulate {knobs}"), stream=stream)
    assert caught.value.error_code == code


def test_a_stream_that_fails_raises_in_mid_iteration(client: Anthropic) -> None:
    """Text came, then the error is raised with its type and code; no stop reason was seen."""
    events: list[RawMessageStreamEvent] = []
    with (
        client.messages.create(model=MODEL, max_tokens=1000, messages=[user(CUT_SHORT)], stream=True) as stream,
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        take_all(stream, events)
    assert (caught.value.type, caught.value.error_code) == ("api_error", "upstream_error")
    assert "content_block_delta" in {event.type for event in events}
    assert not {"message_delta", "message_stop"} & {event.type for event in events}


def test_the_stream_helper_raises_as_well(client: Anthropic) -> None:
    """The helper never takes half an answer for a whole one."""
    with (
        client.messages.stream(model=MODEL, max_tokens=1000, messages=[user(CUT_SHORT)]) as stream,
        pytest.raises(anthropic.APIStatusError),
    ):
        stream.get_final_message()


# --- departures


async def test_a_client_that_leaves_frees_its_slot(gateway: Gateway) -> None:
    """Closing a stream that has not ended ends the turn, before the first text and after it."""
    for knobs in ("fault=stall_first", "fault=stall_mid"):
        async with async_client_of(gateway) as client:
            question = user(f"Stall.\n#simulate {knobs}")
            if knobs == "fault=stall_mid":
                stream = await client.messages.create(model=MODEL, max_tokens=1000, messages=[question], stream=True)
                async with stream:
                    assert (await anext(aiter(stream))).type == "message_start"
                    await gateway.until_limiter(in_flight=1)
            else:
                with pytest.raises(anthropic.APITimeoutError):
                    await client.messages.create(model=MODEL, max_tokens=1000, messages=[question], timeout=0.5)
        await gateway.until_limiter(in_flight=0)
