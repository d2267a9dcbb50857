"""The official OpenAI client, unmodified, sync and async, against a gateway process."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncStream, OpenAI, Stream
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam

from tests.end_to_end.client import PATIENCE, connected, question
from tests.end_to_end.gateway import POLL, SERVE, Gateway, launched, started
from tests.end_to_end.official import AT_ONCE, KEY, MODEL, async_client_of, client_of
from tests.end_to_end.upstreams import Upstream

# The async client leaves its generators to the garbage collector, which Trio warns of.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator '(openai|httpx2|httpcore2):ResourceWarning")

FIRST = "My favourite colour is teal."
RECALL = "What did I say first?"
RETRY_AFTER = 5.0
"""Seconds that a client is asked to wait when the queue is full."""

CUT_SHORT = "Go on.\n#simulate deltas=40 partial=1 status=500"
"""A question whose answer fails after half of its text."""


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that asks for a key, with an upstream that answers at once and writes down what it is asked."""
    directory = tmp_path_factory.mktemp("client")
    with started(directory, SERVE, upstream, API_KEYS=KEY, LINGMA_SIMULATOR=f"{AT_ONCE},record=1") as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[OpenAI]:
    """The sync client, without retries."""
    with client_of(gateway) as client:
        yield client


def user(text: str) -> ChatCompletionMessageParam:
    return {"role": "user", "content": text}


def assistant(text: str | None) -> ChatCompletionMessageParam:
    return {"role": "assistant", "content": text}


def text_of(completion: ChatCompletion) -> str:
    return completion.choices[0].message.content or ""


def joined(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def take_all(stream: Stream[ChatCompletionChunk], chunks: list[ChatCompletionChunk]) -> None:
    """Append each chunk as it comes, so that those before an error are kept."""
    for chunk in stream:
        chunks.append(chunk)  # noqa: PERF402 - `extend` promises nothing about those before an error


async def take_all_async(stream: AsyncStream[ChatCompletionChunk], chunks: list[ChatCompletionChunk]) -> None:
    """As `take_all`."""
    async for chunk in stream:
        chunks.append(chunk)  # noqa: PERF401 - a comprehension keeps nothing of what came before an error


def wait_for(gateway: Gateway, text: str) -> None:
    """Wait until the gateway listens and its log has `text`."""
    give_up = time.monotonic() + PATIENCE
    while not (gateway.port and text in gateway.log):
        assert gateway.running, gateway.log
        assert time.monotonic() < give_up, gateway.log
        time.sleep(POLL)


# --- models


def test_models_are_listed_and_retrieved(gateway: Gateway, client: OpenAI) -> None:
    """Each listed model can be retrieved by its id, and says who answers."""
    listed = client.models.list().data
    assert MODEL in [model.id for model in listed]
    for model in listed:
        assert model.object == "model"
        assert model.owned_by == gateway.upstream.owner
        assert client.models.retrieve(model.id) == model


async def test_models_through_the_async_client(gateway: Gateway) -> None:
    """The async client iterates over the same models."""
    async with async_client_of(gateway) as client:
        found = [model.id async for model in client.models.list()]
        assert (await client.models.retrieve(found[0])).id == found[0]
    assert MODEL in found


# --- answers


def test_a_whole_answer(client: OpenAI) -> None:
    """One answer with text, a finish reason, usage that adds up, and no reasoning where there is none."""
    answer = client.chat.completions.create(model=MODEL, messages=[user("Hello there.")])
    assert answer.object == "chat.completion"
    assert answer.model == MODEL
    assert "Hello there." in text_of(answer)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert not hasattr(answer.choices[0].message, "reasoning_content")


async def test_a_whole_answer_through_the_async_client(gateway: Gateway) -> None:
    """The async client reads the same."""
    async with async_client_of(gateway) as client:
        answer = await client.chat.completions.create(model=MODEL, messages=[user("Hello there.")])
    assert "Hello there." in text_of(answer)
    assert answer.choices[0].finish_reason == "stop"


def test_a_stream(client: OpenAI) -> None:
    """The role comes first and once, the finish reason last and once; all chunks share an id; no usage unasked."""
    with client.chat.completions.create(model=MODEL, messages=[user("Stream.")], stream=True) as stream:
        chunks = list(stream)
    assert [chunk.choices[0].delta.role for chunk in chunks] == ["assistant"] + [None] * (len(chunks) - 1)
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)
    assert "Stream." in joined(chunks)


async def test_a_stream_through_the_async_client(gateway: Gateway) -> None:
    """The async client puts the same text together from the stream as from a whole answer."""
    async with async_client_of(gateway) as client:
        stream = await client.chat.completions.create(model=MODEL, messages=[user("Both ways.")], stream=True)
        async with stream:
            chunks = [chunk async for chunk in stream]
        whole = await client.chat.completions.create(model=MODEL, messages=[user("Both ways.")])
    assert joined(chunks) == text_of(whole)


def test_usage_on_a_stream(client: OpenAI) -> None:
    """Asked for, the usage comes once, in a last chunk without choices, and is that of the whole answer."""
    with client.chat.completions.create(
        model=MODEL, messages=[user("Count.")], stream=True, stream_options={"include_usage": True}
    ) as stream:
        *chunks, last = list(stream)
    whole = client.chat.completions.create(model=MODEL, messages=[user("Count.")])
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert last.choices == []
    assert last.usage == whole.usage


def test_the_stream_helper(client: OpenAI) -> None:
    """The client's own accumulation ends with the whole answer."""
    with client.chat.completions.stream(
        model=MODEL, messages=[user("Help.")], stream_options={"include_usage": True}
    ) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        completion = stream.get_final_completion()
    assert completion.choices[0].message.content == "".join(deltas)
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None


async def test_the_async_stream_helper(gateway: Gateway) -> None:
    """The same with the async client."""
    async with (
        async_client_of(gateway) as client,
        client.chat.completions.stream(model=MODEL, messages=[user("Help.")]) as stream,
    ):
        deltas = [event.delta async for event in stream if event.type == "content.delta"]
        completion = await stream.get_final_completion()
    assert completion.choices[0].message.content == "".join(deltas)


@pytest.mark.parametrize("form", ["push", "fence", "tag"])
def test_reasoning_has_a_field_of_its_own(client: OpenAI, form: str) -> None:
    """Reasoning comes as `reasoning_content`, whole and streamed, and never within the text."""
    messages = [user(f"Think.\n#simulate reasoning={form}")]
    message = client.chat.completions.create(model=MODEL, messages=messages).choices[0].message
    with client.chat.completions.create(model=MODEL, messages=messages, stream=True) as stream:
        deltas = [chunk.choices[0].delta for chunk in stream]
    reasoning: Any = getattr(message, "reasoning_content", None)
    assert "I think about it" in reasoning
    assert "".join(getattr(delta, "reasoning_content", "") for delta in deltas) == reasoning
    assert "".join(delta.content or "" for delta in deltas) == message.content
    assert "I think about it" not in (message.content or "")


def test_limits_end_the_answer(client: OpenAI) -> None:
    """A bound on tokens ends with `length`, a stop sequence with `stop` and without the sequence."""
    bounded = client.chat.completions.create(model=MODEL, messages=[user("Long.")], max_completion_tokens=3)
    assert bounded.choices[0].finish_reason == "length"
    assert bounded.usage is not None
    assert bounded.usage.completion_tokens <= 3
    stopped = client.chat.completions.create(model=MODEL, messages=[user("Long.")], stop="simulator")
    assert stopped.choices[0].finish_reason == "stop"
    assert text_of(stopped).endswith("Lingma ")


# --- conversations


def test_a_conversation_goes_on_in_one_session(gateway: Gateway, client: OpenAI) -> None:
    """Later turns send the newest message only, and upstream remembers the first one."""
    seen = len(gateway.records)
    messages = [user(FIRST)]
    for text in ("Go on.", "Go on again.", RECALL):
        messages += [assistant(text_of(client.chat.completions.create(model=MODEL, messages=messages))), user(text)]
    last = client.chat.completions.create(model=MODEL, messages=messages)
    assert text_of(last) == f"The first thing you said was: “{FIRST}”."
    first, *later = gateway.records[seen:]
    assert first["opens"]
    assert not any(record["opens"] for record in later)
    assert len({record["sessionId"] for record in later}) == 1
    assert [record["length"] for record in later] == [len(text) for text in ("Go on.", "Go on again.", RECALL)]


async def test_a_streamed_conversation_goes_on_in_one_session(gateway: Gateway) -> None:
    """A stream's answer can be continued as well as a whole one, by the async client too."""
    async with async_client_of(gateway) as client:
        stream = await client.chat.completions.create(model=MODEL, messages=[user(FIRST)], stream=True)
        async with stream:
            answer = joined([chunk async for chunk in stream])
        last = await client.chat.completions.create(
            model=MODEL, messages=[user(FIRST), assistant(answer), user(RECALL)]
        )
    assert text_of(last) == f"The first thing you said was: “{FIRST}”."


# --- request ids


def test_request_ids(client: OpenAI) -> None:
    """Each response has an id of its own, or the one the client gave; an error has one as well."""
    ask = client.chat.completions.create
    answers = [ask(model=MODEL, messages=[user("Hi.")]) for _ in range(2)]
    assert len({answer._request_id for answer in answers} - {None}) == 2  # noqa: SLF001 - the client's own name
    given = ask(model=MODEL, messages=[user("Hi.")], extra_headers={"x-request-id": "given-by-the-client"})
    assert given._request_id == "given-by-the-client"  # noqa: SLF001 - the client's own name
    with pytest.raises(openai.BadRequestError) as caught:
        ask(model=MODEL, messages=[])
    assert caught.value.request_id


# --- errors


def test_a_wrong_key_is_an_authentication_error(gateway: Gateway) -> None:
    """The client raises its class for 401, which it does not retry."""
    sent: list[float] = []
    with client_of(gateway, key="a-wrong-key", retries=2, sent=sent) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.models.list()
        assert caught.value.code == "invalid_api_key"
    assert len(sent) == 1


def test_several_answers_to_one_request(client: OpenAI) -> None:
    """Each choice is whole and in its place, in one body as on a stream, and the usage is that of all."""
    asked: list[ChatCompletionMessageParam] = [user("Say it.")]
    one = client.chat.completions.create(model=MODEL, messages=asked)
    whole = client.chat.completions.create(model=MODEL, messages=asked, n=3)
    assert [choice.index for choice in whole.choices] == [0, 1, 2]
    assert {choice.message.content for choice in whole.choices} == {text_of(one)}
    assert one.usage is not None
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 3 * one.usage.completion_tokens
    assert whole.usage.prompt_tokens == one.usage.prompt_tokens
    with client.chat.completions.stream(
        model=MODEL, messages=asked, n=3, stream_options={"include_usage": True}
    ) as stream:
        streamed = stream.get_final_completion()
    assert [(choice.index, choice.finish_reason) for choice in streamed.choices] == [(n, "stop") for n in range(3)]
    assert {choice.message.content for choice in streamed.choices} == {text_of(one)}
    assert streamed.usage is not None
    assert streamed.usage.completion_tokens == whole.usage.completion_tokens


def test_several_prompts_are_continued_each(client: OpenAI) -> None:
    """An array of prompts has its answers in order, repeated for `n`."""
    done = client.completions.create(model=MODEL, prompt=["alpha", "beta"], n=2, echo=True)
    starts = ["alpha", "alpha", "beta", "beta"]
    assert [choice.index for choice in done.choices] == [0, 1, 2, 3]
    assert all(choice.text.startswith(start) for choice, start in zip(done.choices, starts, strict=True))


def test_a_bad_request_names_its_field(client: OpenAI) -> None:
    """The client's error carries the field and the code."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=[user("Hi.")], n=5)
    assert (caught.value.param, caught.value.code) == ("n", "invalid_request")
    assert caught.value.type == "invalid_request_error"


def test_what_is_not_there_is_a_not_found_error(client: OpenAI) -> None:
    """An unknown model and an endpoint that the gateway does not have are told apart by their codes."""
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("no-such-model")
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError) as caught:
        client.embeddings.create(model=MODEL, input="text")
    assert caught.value.code == "not_found"


@pytest.mark.parametrize(
    ("knobs", "kind", "code"),
    [
        ("status=406", openai.BadRequestError, "content_filter"),
        ("status=400", openai.BadRequestError, "upstream_rejected"),
        ("status=500", openai.InternalServerError, "upstream_error"),
        ("status=408", openai.InternalServerError, "upstream_timeout"),
        ("finish=no_text", openai.InternalServerError, "upstream_empty_answer"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_upstream_faults_before_the_answer_are_statuses(
    gateway: Gateway, client: OpenAI, knobs: str, kind: type[openai.APIStatusError], code: str, stream: bool
) -> None:
    """A turn that fails before its first text has the status that the fault means, streamed or not."""
    if code in ("upstream_rejected", "upstream_timeout"):
        gateway.upstream.needs("statuses")
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model=MODEL, messages=[user(f"Fail.\n#simulate {knobs}")], stream=stream)
    assert caught.value.code == code


def test_a_reached_limit_is_a_rate_limit_error_and_a_rest(upstream: Upstream, tmp_path: Path) -> None:
    """The client is told how long the account rests, and so is, at once, who would wait longer than the queue lets."""
    with (
        started(
            tmp_path,
            SERVE,
            upstream,
            API_KEYS=KEY,
            GATEWAY_QUEUE_TIMEOUT_SEC="5",
            LINGMA_SIMULATOR=f"{AT_ONCE},record=1",
        ) as running,
        client_of(running) as client,
    ):
        for question in ("Fail.\n#simulate status=429", "Try again at once."):
            with pytest.raises(openai.RateLimitError) as caught:
                client.chat.completions.create(model=MODEL, messages=[user(question)])
            assert caught.value.code == "upstream_rate_limited"
            assert 1 <= int(caught.value.response.headers["retry-after"]) <= 60


def test_a_stream_that_fails_raises_in_mid_iteration(client: OpenAI) -> None:
    """Text came, then the error is raised with its code; no finish reason was seen."""
    chunks: list[ChatCompletionChunk] = []
    with (
        client.chat.completions.create(model=MODEL, messages=[user(CUT_SHORT)], stream=True) as stream,
        pytest.raises(openai.APIError) as caught,
    ):
        take_all(stream, chunks)
    assert caught.value.code == "upstream_error"
    assert not isinstance(caught.value, openai.APIStatusError)
    assert joined(chunks)
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)


async def test_an_async_stream_that_fails_raises_in_mid_iteration(gateway: Gateway) -> None:
    """The same with the async client."""
    chunks: list[ChatCompletionChunk] = []
    async with async_client_of(gateway) as client:
        stream = await client.chat.completions.create(model=MODEL, messages=[user(CUT_SHORT)], stream=True)
        async with stream:
            with pytest.raises(openai.APIError) as caught:
                await take_all_async(stream, chunks)
    assert caught.value.code == "upstream_error"
    assert joined(chunks)
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)


def test_a_whole_answer_that_fails_half_way_is_an_error(client: OpenAI) -> None:
    """Half an answer is never handed out as a whole one."""
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=MODEL, messages=[user(CUT_SHORT)])
    assert caught.value.code == "upstream_error"


# --- gateways of their own


@pytest.mark.slow
def test_a_stream_cut_off_with_its_gateway_never_looks_finished(tmp_path: Path) -> None:
    """A gateway that is killed in mid-stream leaves the client with an error and without a finish reason."""
    chunks: list[ChatCompletionChunk] = []
    endless = [user("Stall.\n#simulate fault=stall_mid")]
    with (
        started(tmp_path, API_KEYS=KEY, LINGMA_SIMULATOR=AT_ONCE) as gateway,
        client_of(gateway) as client,
        client.chat.completions.create(model=MODEL, messages=endless, stream=True) as stream,
    ):
        chunks.append(next(stream))
        gateway.process.send_signal(signal.SIGKILL)
        with pytest.raises(openai.APIConnectionError):
            take_all(stream, chunks)
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)


@pytest.mark.slow
def test_a_client_that_comes_before_lingma_is_served_by_its_own_retries(program: Upstream, tmp_path: Path) -> None:
    """Where Lingma takes longer than the queue waits the client is told when to ask again, does so, and is answered."""
    sent: list[float] = []
    settings = {"GATEWAY_QUEUE_TIMEOUT_SEC": "0.2", "LINGMA_SIMULATOR": f"{AT_ONCE},info_delay=1.5"}
    with launched(tmp_path, SERVE, (), program, API_KEYS=KEY, **settings) as gateway:
        wait_for(gateway, "Running on")
        with client_of(gateway, retries=8, sent=sent) as client:
            answer = client.chat.completions.create(model=MODEL, messages=[user("Early.")])
    assert "Early." in text_of(answer)
    assert len(sent) > 1
    assert all(later - earlier >= 1.0 for earlier, later in itertools.pairwise(sent))


@pytest.mark.slow
async def test_a_full_gateway_is_asked_again_when_it_says_so(tmp_path: Path) -> None:
    """A 429 tells in its headers when to come back; the client keeps to it, and is served once there is room."""
    sent: list[float] = []
    settings = {"GATEWAY_MAX_IN_FLIGHT": "1", "GATEWAY_MAX_QUEUE": "0", "LINGMA_SIMULATOR": AT_ONCE}
    with started(tmp_path, API_KEYS=KEY, **settings) as gateway:
        async with connected(gateway.port) as holder:
            await holder.ask(question("Stall.\n#simulate fault=stall_mid"), {"authorization": f"Bearer {KEY}"})
            await gateway.until_limiter(in_flight=1)
            async with async_client_of(gateway) as client:
                with pytest.raises(openai.RateLimitError) as caught:
                    await client.chat.completions.create(model=MODEL, messages=[user("Me?")])
            assert caught.value.code == "queue_full"
            assert caught.value.response.headers["retry-after"] == f"{RETRY_AFTER:g}"
            assert caught.value.response.headers["retry-after-ms"] == f"{RETRY_AFTER * 1000:g}"
            async with async_client_of(gateway, retries=1, sent=sent) as client:
                with pytest.raises(openai.RateLimitError):
                    await client.chat.completions.create(model=MODEL, messages=[user("Me?")])
        await gateway.until_limiter(in_flight=0)
        async with async_client_of(gateway) as client:
            assert "Me?" in text_of(await client.chat.completions.create(model=MODEL, messages=[user("Me?")]))
    first, second = sent
    assert RETRY_AFTER <= second - first < RETRY_AFTER + 2


@pytest.mark.slow
def test_a_login_that_is_missing_is_not_asked_for_twice(program: Upstream, tmp_path: Path) -> None:
    """Asking again cannot sign anybody in: the client obeys and raises at once, although 503 is worth a retry."""
    sent: list[float] = []
    with launched(tmp_path, SERVE, (), program, API_KEYS=KEY, LINGMA_SIMULATOR=f"{AT_ONCE},login=out") as gateway:
        wait_for(gateway, '"state": "needs_login"')
        with client_of(gateway, retries=2, sent=sent) as client, pytest.raises(openai.InternalServerError) as caught:
            client.chat.completions.create(model=MODEL, messages=[user("Anybody?")])
    assert (caught.value.status_code, caught.value.code) == (503, "login_required")
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(sent) == 1
