"""The body of a completion request: what is read, and which field a fault names."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.api.answer_request import Origin
from lingma_trio.api.choices import SeveralAnswers
from lingma_trio.api.completions import request as completions
from lingma_trio.api.completions.request import CompletionRequest
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Message, Usage


def read(**fields: object) -> CompletionRequest:
    """Read a body that has these fields, and a prompt unless it says otherwise."""
    return completions.read(json.dumps({"prompt": "Once", **fields}).encode())


def test_a_prompt_is_one_message_that_nobody_continues() -> None:
    """As a string or alone in an array; without a bound, whatever the default of old was."""
    request = read()
    assert request.prompt.messages == (Message("user", "Once"),)
    assert request.prompt.once
    assert read(prompt=["Once"]) == request
    assert (request.stream, request.max_tokens, request.stop, request.echo) == (False, None, (), False)


def test_every_field_is_read() -> None:
    """What shapes the answer is in the request; what cannot is ignored."""
    request = read(
        model=" qwen ",
        stream=True,
        stream_options={"include_usage": True},
        max_tokens=7,
        stop=["\n", "END"],
        user="me",
        echo=True,
        n=1,
        best_of=1,
        temperature=0.2,
    )
    assert (request.model, request.stream, request.include_usage) == ("qwen", True, True)
    assert (request.max_tokens, request.stop, request.user, request.echo) == (7, ("\n", "END"), "me", True)
    assert read(max_tokens=0).max_tokens is None


def test_several_prompts_and_several_answers_to_each() -> None:
    """Each prompt is a conversation of its own; an answer repeats the one that it continues."""
    request = read(prompt=["Once", "Twice"], n=2, best_of=2, echo=True)
    wanted = request.wanted()
    assert isinstance(wanted, SeveralAnswers)
    assert [prompt.messages[-1].text for prompt in wanted.prompts] == ["Once", "Twice"]
    assert wanted.each == 2
    choices = request.choices(Origin("7", "auto", 1))
    for index in range(4):
        choices.close(index, "stop")
    told = json.loads(choices.finish(Usage(1, 1)))["choices"]
    assert [(each["index"], each["text"]) for each in told] == [(0, "Once"), (1, "Once"), (2, "Twice"), (3, "Twice")]
    assert read().wanted() == read()


def test_a_suffix_makes_a_gap_to_be_filled() -> None:
    """The model is told which text comes before it and which after."""
    told, before, after = read(suffix="time").prompt.messages
    assert (told.role, before.text, after.text) == ("system", "Once", "time")


def test_the_encoder_is_that_of_a_completion() -> None:
    """Whole or in chunks, with an id of its own kind."""
    origin = Origin("7", "qwen", 1)
    whole = json.loads(read(echo=True).encoder(origin).finish("stop", Usage(1, 1)))
    assert (whole["id"], whole["object"], whole["choices"][0]["text"]) == ("cmpl-7", "text_completion", "Once")
    assert read(stream=True).encoder(origin).start().startswith(b'data: {"id":"cmpl-7"')


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a"] * 17}, "prompt"),
        ({"prompt": ["a"] * 9, "n": 2}, "n"),
        ({"prompt": [[1, 2]]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [7]}, "prompt"),
        ({"n": 5}, "n"),
        ({"best_of": 3}, "best_of"),
        ({"logprobs": 5}, "logprobs"),
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        ({"suffix": 7}, "suffix"),
        ({"echo": "yes"}, "echo"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"stop": 7}, "stop"),
        ({"stream_options": 7}, "stream_options"),
        ({"user": 7}, "user"),
        ({"model": []}, "model"),
    ],
)
def test_a_fault_names_its_field(fields: dict[str, object], param: str) -> None:
    """What cannot be served is the request's fault, and the message says where."""
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize("prompt", ["", " \n", [""], ["Once", " "], [1, 2]])
def test_a_blank_prompt_is_told_in_words(prompt: object) -> None:
    """Alone or among others; an empty one is OpenAI's own default, which has nothing that could be continued."""
    with pytest.raises(InvalidRequest, match="none of them blank"):
        read(prompt=prompt)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_request_or_the_clients_fault(body: bytes) -> None:
    """Whatever arrives, nothing else comes of it."""
    with suppress(InvalidRequest):
        completions.read(body)
