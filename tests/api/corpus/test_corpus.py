"""Bodies in the forms that clients send them: what is valid reaches the prompt whole, what is not is refused by name.

Each line of the files beside this one is a body: `form` says what is special about it, `client` who sends such ones.
A body is given as JSON, or as the text it is in `raw`. With `refused`, the field that the fault names, it is not valid;
otherwise it is, and `keeps` are texts that the prompt has to hold beside those that are found in it.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from lingma_trio.api.anthropic.request import MessagesRequest, as_request, read_body
from lingma_trio.api.anthropic.threads import continued_from
from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.choices import SeveralAnswers
from lingma_trio.api.completions.request import parse as parse_completion
from lingma_trio.api.ollama.figures import Watch
from lingma_trio.api.ollama.request import Loading, OllamaRequest
from lingma_trio.api.ollama.request import parse_chat as parse_ollama_chat
from lingma_trio.api.ollama.request import parse_generate as parse_ollama_generate
from lingma_trio.api.openai.request import parse as parse_chat_completion
from lingma_trio.api.responses import asked as responses_form
from lingma_trio.api.responses.memory import recall
from lingma_trio.api.responses.request import ResponseRequest, read_request
from lingma_trio.emulation import rules
from lingma_trio.errors import InvalidRequest
from lingma_trio.http.picture_bounds import PictureBounds
from lingma_trio.http.pictures import Pictures
from lingma_trio.policy.transcript import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lingma_trio.api.answer_request import AnswerRequest
    from lingma_trio.turns import Prompt

HERE: Final = Path(__file__).parent
PICTURES: Final = Pictures(PictureBounds(max_size=1, seconds=1), enabled=True, fallback="error")
LEAST: Final = 500
"""Bodies in all."""

# Where a text is for the model. Within schemas, arguments and examples all of it is.
SAID: Final = frozenset(
    [
        "text",
        "content",
        "input",
        "arguments",
        "name",
        "description",
        "instructions",
        "output",
        "refusal",
        "title",
        "context",
        "prompt",
        "suffix",
        "system",
        "call_id",
        "tool_call_id",
        "tool_use_id",
        "definition",
        "tool_name",
        "namespace",
        "stdout",
        "stderr",
        "command",
        "commands",
    ]
)
WHOLE: Final = frozenset(
    ["parameters", "input_schema", "schema", "arguments", "input", "input_examples", "action", "operation"]
)
ADDRESSES: Final = frozenset({"url", "image_url"})
# Where nothing is for the model: its own reasoning, and what is the client's.
SILENT: Final = frozenset(
    {"metadata", "client_metadata", "cache_control", "citations", "annotations", "user", "prediction", "reasoning"}
)
SILENT_KINDS: Final = frozenset({"thinking", "redacted_thinking", "reasoning", "fallback"})
HOSTED: Final = frozenset({"web_search_20250305", "code_execution_20250825"})
"""Tools that nobody runs, of which the model is told in words of the gateway's."""


def parse_response(body: bytes) -> ResponseRequest:
    asked = read_as(responses_form.ResponseRequest, body)
    return read_request(asked, recall(asked, None, {}, most=1_000_000), "1")


def parse_messages(body: bytes) -> MessagesRequest:
    asked = read_body(body)
    continued_from(asked)
    return as_request(asked)


def parse_chat(body: bytes) -> AnswerRequest | SeveralAnswers:
    return parse_chat_completion(body).wanted()


def ollama(parse: Callable[[bytes, Watch], OllamaRequest | Loading]) -> Callable[[bytes], AnswerRequest]:
    """A reader of one of Ollama's, of a body that there is something to answer in."""

    def read(body: bytes) -> AnswerRequest:
        request = parse(body, Watch(0.0, lambda: 0.0))
        assert isinstance(request, OllamaRequest)
        return request

    return read


READERS: Final[dict[str, Callable[[bytes], AnswerRequest | SeveralAnswers]]] = {
    "chat": parse_chat,
    "completions": parse_completion,
    "messages": parse_messages,
    "responses": parse_response,
    "ollama_chat": ollama(parse_ollama_chat),
    "ollama_generate": ollama(parse_ollama_generate),
}
LINES: Final = frozenset({"ollama_chat", "ollama_generate"})
"""Surfaces that stream unless they are told otherwise, and have an answer's bounds among their options."""


def lines(surface: str) -> list[dict[str, Any]]:
    text = (HERE / f"{surface}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def bytes_of(line: dict[str, Any]) -> bytes:
    return line["raw"].encode() if "raw" in line else json.dumps(line["body"]).encode()


def said(value: Any, *, spoken: bool = False, whole: bool = False) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Yield every text in a body that is for the model, names of properties within schemas and arguments included."""
    match value:
        case str():
            if spoken and value.strip():
                yield value
        case list():
            for each in value:
                yield from said(each, spoken=spoken, whole=whole)
        case dict() if whole or value.get("type") not in SILENT_KINDS | HOSTED:
            for name, each in value.items():
                if whole:
                    yield name
                elif name in SILENT or is_label(name, value):
                    continue
                within = whole or (name in WHOLE and not isinstance(each, list))
                yield from said(each, spoken=within or name in SAID, whole=within)


def is_label(name: str, beside: dict[str, Any]) -> bool:
    """Whether a field is the id of a hosted call, whose result stands below it, or the name of an answer's format."""
    if name == "tool_use_id":
        return beside.get("type") != "tool_result"
    return name == "name" and "schema" in beside


def without_unusable(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body without its tools where none may be called: then the model is told that, and not of each."""
    if body.get("tool_choice") in ("none", {"type": "none"}):
        return {name: value for name, value in body.items() if name != "tools"}
    return body


def pictures(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Yield every address of a picture, and the data of those that are given as such."""
    match value:
        case list():
            for each in value:
                yield from pictures(each)
        case {"type": "image", "source": {"type": "base64", "data": str() as data}}:
            yield data
        case dict():
            for name, each in value.items():
                if name in ADDRESSES and isinstance(each, str):
                    yield each
                elif name == "images":
                    yield from each
                else:
                    yield from pictures(each)


def prompts_of(asked: AnswerRequest | SeveralAnswers) -> tuple[tuple[Prompt, ...], int, AnswerRequest]:
    """Return what is asked, how often each of it, and what holds for all of it."""
    if isinstance(asked, SeveralAnswers):
        return asked.prompts, asked.each, asked.request
    return (asked.prompt,), 1, asked


def told(prompt: Prompt) -> str:
    """Return the prompt as Lingma is given it, with the addresses of pictures that are sent beside it."""
    images = [image for message in prompt.messages for image in message.images]
    return "\n".join([render(prompt.messages, rules(prompt, known=False)), *images])


def holds(prompt: str, text: str) -> bool:
    """Whether a text stands in a prompt, as it is or as JSON writes it."""
    return text in prompt or json.dumps(text, ensure_ascii=False)[1:-1] in prompt


def last_name(param: str | None) -> str:
    """Return the name of the field that a path leads to, or the number of the entry."""
    return re.split(r"[.\[]", param or "")[-1].rstrip("]")


def bounds_in(body: dict[str, Any]) -> tuple[tuple[str, ...], int | None]:
    """Return what ends an answer, and the most that it may have."""
    options = body.get("options") or {}
    given = body.get("stop") or body.get("stop_sequences") or options.get("stop") or ()
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or body.get("max_output_tokens") or None
    return (given,) if isinstance(given, str) else tuple(given), limit or max(0, options.get("num_predict", 0)) or None


@pytest.mark.parametrize("surface", READERS)
def test_what_is_valid_loses_nothing(surface: str) -> None:
    """Each text, name, argument and picture of each valid body is in its prompt, and what bounds the answer is kept."""
    lost = []
    for line in lines(surface):
        if "refused" in line:
            continue
        try:
            prompts, each, request = prompts_of(READERS[surface](bytes_of(line)))
        except InvalidRequest as fault:
            lost.append(f"{line['form']}: refused, {fault.param}: {fault.message}")
            continue
        body = line["body"]
        prompt = "\n".join(map(told, prompts))
        if each != (body.get("n") or 1):
            lost.append(f"{line['form']}: n")
        wanted = [*said(without_unusable(body)), *pictures(body), *line.get("keeps", ())]
        lost += [f"{line['form']}: {text}" for text in wanted if not holds(prompt, text)]
        if (request.stop, request.max_tokens) != bounds_in(body):
            lost.append(f"{line['form']}: a bound of the answer")
        if request.stream != bool(body.get("stream", surface in LINES)):
            lost.append(f"{line['form']}: stream")
    assert not lost


@pytest.mark.parametrize("surface", READERS)
def test_what_is_not_valid_is_refused_by_name(surface: str) -> None:
    """Each other body is refused, and the fault names the field, also in its words."""
    wrong = []
    for line in lines(surface):
        if "refused" not in line:
            continue
        try:
            prompts, _, _ = prompts_of(READERS[surface](bytes_of(line)))
            for prompt in prompts:
                PICTURES.check(prompt)
        except InvalidRequest as fault:
            if fault.param != line["refused"] or last_name(fault.param) not in fault.message:
                wrong.append(f"{line['form']}: {fault.param} and not {line['refused']}: {fault.message}")
        else:
            wrong.append(f"{line['form']}: served")
    assert not wrong


def test_the_corpus_is_large_and_without_repetition() -> None:
    """There are as many bodies as were promised, and no two of a surface are alike or called alike."""
    every = {surface: lines(surface) for surface in READERS}
    assert sum(map(len, every.values())) >= LEAST
    for held in every.values():
        assert not [form for form, times in Counter(line["form"] for line in held).items() if times > 1]
        assert len({bytes_of(line) for line in held}) == len(held)


def test_the_comparison_can_fail() -> None:
    """What is looked for is found at any depth, and what is not there is missed."""
    body = {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "teal"}, {"type": "thinking", "text": "x"}]}
        ],
        "tools": [{"name": "look", "parameters": {"properties": {"at": {"enum": ["amber"]}}}}],
        "metadata": {"name": "none"},
    }
    assert {"teal", "look", "at", "amber"} <= set(said(body))
    assert not {"x", "none", "user"} & set(said(body))
    data = b64encode(b"picture").decode()
    assert [
        *pictures([{"type": "image", "source": {"type": "base64", "data": data}}, {"image_url": {"url": "u"}}])
    ] == [
        data,
        "u",
    ]
    assert holds('{"a":"b\\nc"}', "b\nc")
    assert not holds("teal", "amber")
