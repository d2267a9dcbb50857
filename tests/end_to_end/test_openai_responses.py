"""The official OpenAI client's Responses and legacy completions, unmodified, against a gateway process."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest
import trio
from openai import OpenAI
from openai.types.responses import CustomToolParam, FunctionToolParam, NamespaceToolParam, Response
from pydantic import BaseModel

from tests.end_to_end.gateway import SERVE, Gateway, started
from tests.end_to_end.official import AT_ONCE, KEY, MODEL, async_client_of, client_of
from tests.end_to_end.upstreams import Upstream

pytestmark = pytest.mark.filterwarnings("ignore:Async generator '(openai|httpx2|httpcore2):ResourceWarning")

OTHER_KEY = "key-of-another-client-of-the-tests"
FIRST = "My favourite colour is teal."
RECALL = "What did I say first?"
CUT_SHORT = "Go on.\n#simulate deltas=40 partial=1 status=500"
"""A question whose answer fails after half of its text."""


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that asks for a key, with an upstream that answers at once and writes down what it is asked."""
    directory = tmp_path_factory.mktemp("client")
    with started(
        directory, SERVE, upstream, API_KEYS=f"{KEY},{OTHER_KEY}", LINGMA_SIMULATOR=f"{AT_ONCE},record=1"
    ) as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[OpenAI]:
    """The sync client, without retries."""
    with client_of(gateway) as client:
        yield client


def ask(client: OpenAI, text: str, previous: str | None = None) -> Response:
    return client.responses.create(model=MODEL, input=text, previous_response_id=previous)


# --- responses


def test_whole_response(client: OpenAI) -> None:
    """It is complete, has a text and token counts, and can be retrieved."""
    response = ask(client, FIRST)
    assert response.status == "completed"
    assert FIRST in response.output_text
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens > 0
    assert client.responses.retrieve(response.id) == response


def test_raw_stream(client: OpenAI) -> None:
    """The deltas are the text of the final response, reasoning is an item of its own."""
    events = list(
        client.responses.create(model=MODEL, input=f"{FIRST}\n#simulate reasoning=tag deltas=20", stream=True)
    )
    last = events[-1]
    assert last.type == "response.completed"
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == last.response.output_text
    assert [item.type for item in last.response.output] == ["reasoning", "message"]
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_helper_stream(client: OpenAI) -> None:
    """The client's own accumulation comes to the same response."""
    with client.responses.stream(model=MODEL, input=f"{FIRST}\n#simulate reasoning=push") as stream:
        texts = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert texts[-1] == final.output_text
    assert client.responses.retrieve(final.id).output_text == final.output_text


async def test_async_client(gateway: Gateway) -> None:
    """The async client streams and continues as the sync one does."""
    async with async_client_of(gateway) as client:
        async with client.responses.stream(model=MODEL, input=FIRST) as stream:
            first = await stream.get_final_response()
        second = await client.responses.create(model=MODEL, input=RECALL, previous_response_id=first.id)
    assert FIRST in second.output_text


def test_a_response_is_continued_with_the_newest_message_alone(client: OpenAI, gateway: Gateway) -> None:
    """Lingma is sent one line, in the session it already has, and still knows what came first."""
    first = ask(client, FIRST)
    second = ask(client, RECALL, first.id)
    assert FIRST in second.output_text
    continued = gateway.records[-1]
    assert (continued["kind"], continued["length"], continued["opens"]) == ("ask", len(RECALL), False)
    items = client.responses.input_items.list(second.id, order="asc").data
    assert [item.type for item in items] == ["message"] * 3


def test_a_conversation_as_items_is_continued_too(client: OpenAI, gateway: Gateway) -> None:
    """A client that keeps the items itself, as Codex does, has the same session."""
    first = client.responses.create(model=MODEL, input=[{"role": "user", "content": FIRST}], store=False)
    kept = [item.model_dump(exclude_none=True) for item in first.output]
    items = [{"role": "user", "content": FIRST}, *kept, {"role": "user", "content": RECALL}]
    second = client.responses.create(model=MODEL, input=items, store=False)  # type: ignore[arg-type]
    assert FIRST in second.output_text
    assert gateway.records[-1]["length"] == len(RECALL)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


def test_a_deleted_response_is_gone(client: OpenAI) -> None:
    """It can neither be retrieved nor continued."""
    response = ask(client, FIRST)
    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError) as lost:
        client.responses.retrieve(response.id)
    assert lost.value.code == "response_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, RECALL, response.id)
    assert (refused.value.code, refused.value.param) == ("previous_response_not_found", "previous_response_id")


def test_another_key_finds_nothing(client: OpenAI, gateway: Gateway) -> None:
    """What one key made is nobody else's."""
    response = ask(client, FIRST)
    with client_of(gateway, key=OTHER_KEY) as stranger:
        with pytest.raises(openai.NotFoundError):
            stranger.responses.retrieve(response.id)
        with pytest.raises(openai.BadRequestError):
            ask(stranger, RECALL, response.id)


def test_a_limit_makes_an_incomplete_response(client: OpenAI) -> None:
    """Streamed as well, it says which limit it was."""
    whole = client.responses.create(model=MODEL, input=FIRST, max_output_tokens=3)
    streamed = list(client.responses.create(model=MODEL, input=FIRST, max_output_tokens=3, stream=True))[-1]
    assert streamed.type == "response.incomplete"
    for response in (whole, streamed.response):
        assert response.status == "incomplete"
        assert response.incomplete_details is not None
        assert response.incomplete_details.reason == "max_output_tokens"


def test_a_response_that_breaks_off_has_failed(client: OpenAI) -> None:
    """The stream says so itself, with the text that came before, and nothing is kept."""
    events = list(client.responses.create(model=MODEL, input=CUT_SHORT, stream=True))
    last = events[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.type == "upstream_error"
    assert any(event.type == "response.output_text.delta" for event in events)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(last.response.id)


def test_what_cannot_be_served_is_refused(client: OpenAI) -> None:
    """In OpenAI's envelope, with the field's name."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input=FIRST, background=True)
    assert (caught.value.code, caught.value.param) == ("invalid_request", "background")


async def test_a_client_that_leaves_frees_its_slot(gateway: Gateway) -> None:
    """Closing the stream is enough; Lingma is told to stop."""
    async with async_client_of(gateway) as client:
        stream = await client.responses.create(
            model=MODEL, input="Talk.\n#simulate fault=stall_mid deltas=20", stream=True
        )
        async for event in stream:
            if event.type == "response.output_text.delta":
                break
        await gateway.until_limiter(in_flight=1)
        await stream.close()
        with trio.fail_after(20):
            await gateway.until_limiter(in_flight=0)


# --- completions


def test_whole_completion(client: OpenAI) -> None:
    """The text continues the prompt, which is repeated where that is asked for."""
    completion = client.completions.create(model=MODEL, prompt=FIRST, echo=True)
    assert completion.object == "text_completion"
    assert completion.choices[0].text.startswith(FIRST)
    assert len(completion.choices[0].text) > len(FIRST)
    assert completion.choices[0].finish_reason == "stop"


def test_streamed_completion(client: OpenAI) -> None:
    """In chunks, within the client's bounds."""
    chunks = list(client.completions.create(model=MODEL, prompt=f"{FIRST}\n#simulate deltas=20", stream=True, stop="!"))
    assert FIRST in "".join(chunk.choices[0].text for chunk in chunks)
    cut = list(client.completions.create(model=MODEL, prompt=FIRST, stream=True, max_tokens=2))
    assert cut[-1].choices[0].finish_reason == "length"


def test_completions_leave_sessions_alone(client: OpenAI, gateway: Gateway) -> None:
    """An editor asks at each key: what nobody continues takes no conversation's place."""
    first = ask(client, FIRST)
    for number in range(3):
        client.completions.create(model=MODEL, prompt=f"{FIRST} {number}")
    assert ask(client, RECALL, first.id).output_text
    assert gateway.records[-1]["length"] == len(RECALL)


# --- tools and formats


LOOK: FunctionToolParam = {
    "type": "function",
    "name": "look",
    "parameters": {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]},
    "strict": False,
}
PATCH: CustomToolParam = {"type": "custom", "name": "patch", "description": "Changes a file."}
TEAM: NamespaceToolParam = {
    "type": "namespace",
    "name": "team",
    "description": "Others.",
    "tools": [{"type": "function", "name": "look", "parameters": LOOK["parameters"]}],
}


def calling(call: str) -> str:
    """A question that is answered by a call."""
    return f"Go on.\n#simulate call='{call}'"


def test_a_function_is_called_and_its_result_continues_the_session(client: OpenAI, gateway: Gateway) -> None:
    """The call has its arguments, and what it returned goes to the session that asked for it."""
    first = client.responses.create(model=MODEL, input=calling('look:{"at":"x"}'), tools=[LOOK])
    (call,) = first.output
    assert call.type == "function_call"
    assert (call.name, call.arguments) == ("look", '{"at":"x"}')
    second = client.responses.create(
        model=MODEL,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "Seen."}],
        previous_response_id=first.id,
        tools=[LOOK],
    )
    assert "message 2 of this session" in second.output_text
    assert not gateway.records[-1]["opens"]


def test_a_call_is_streamed(client: OpenAI) -> None:
    """The helper puts the fragments of its arguments together."""
    with client.responses.stream(model=MODEL, input=calling('look:{"at":"x"}'), tools=[LOOK]) as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.function_call_arguments.delta"]
        final = stream.get_final_response()
    assert final.output[0].type == "function_call"
    assert snapshots[-1] == final.output[0].arguments


def test_tools_of_other_kinds_are_called_as_their_client_spells_them(client: OpenAI) -> None:
    """A custom tool is given a text, and a tool of a namespace has its own name beside the namespace."""
    custom = client.responses.create(model=MODEL, input=calling('patch:{"input":"a b"}'), tools=[PATCH]).output[0]
    assert custom.type == "custom_tool_call"
    assert (custom.name, custom.input) == ("patch", "a b")
    inner = client.responses.create(model=MODEL, input=calling('team__look:{"at":"x"}'), tools=[TEAM]).output[0]
    assert inner.type == "function_call"
    assert (inner.name, inner.namespace) == ("look", "team")


class Colour(BaseModel):
    """What a response may be parsed into."""

    name: str


def test_a_response_is_parsed(client: OpenAI) -> None:
    """A format's schema is kept, and the client makes its own object of the answer."""
    asked = 'Which?\n#simulate say=\'{"name":"teal"}\''
    parsed = client.responses.parse(model=MODEL, input=asked, text_format=Colour)
    assert parsed.output_parsed == Colour(name="teal")


def test_an_answer_that_keeps_to_no_format_is_refused(client: OpenAI) -> None:
    """Nothing is ever handed out under a promise that it breaks."""
    with pytest.raises(openai.InternalServerError) as caught:
        client.responses.parse(model=MODEL, input=FIRST, text_format=Colour)
    assert caught.value.code == "upstream_answer_malformed"
