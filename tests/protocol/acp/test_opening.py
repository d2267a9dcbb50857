"""The way to an agent: request after request, no name that was not offered, and a prompt that begins with ours."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.protocol.acp.messages import AcpTerms, Agent
from lingma_trio.protocol.acp.opened import Choice, Choices, Opened
from lingma_trio.protocol.acp.opening import FIRST, LACKING, NEXT, AcpOpening, prompt_blocks
from lingma_trio.protocol.answer import Failed
from lingma_trio.protocol.failures import AGENT_ERROR, NO_PICTURE, REFUSED, SIGN_IN
from lingma_trio.protocol.messages import Question
from lingma_trio.protocol.opening import OpeningFault
from lingma_trio.protocol.request import Request
from tests.protocol.acp.played import DIRECTORY, Played, begin

PICTURE = "data:image/png;base64,iVBORw0KGgo="
OFFER = {
    "sessionId": "S",
    "modes": {"currentModeId": "default", "availableModes": [{"id": "default"}, {"id": "plan"}]},
    "models": {"currentModelId": "auto", "availableModels": [{"modelId": "auto"}, {"modelId": "m"}]},
}


def options(mode: str, model: str) -> list[dict[str, Any]]:
    """Configuration options with these in force."""
    return [
        {
            "id": category,
            "category": category,
            "currentValue": current,
            "options": [{"value": current}, *({"value": other} for other in others)],
        }
        for category, current, others in (("mode", mode, ["plan", "default"]), ("model", model, ["m", "auto"]))
    ]


def methods(played: Played) -> list[str]:
    """The methods of what was sent."""
    return [message["method"] for message in played.sent]


def failure(played: Played) -> Failed:
    """How the turn failed, which is all that came of it."""
    (event,) = played.sink.events
    assert isinstance(event, Failed)
    return event


def test_mode_and_model_are_chosen_one_after_the_other() -> None:
    """Each request is answered before the next one goes, and the prompt is the last."""
    played = begin(mode="plan")
    assert played.sent == [{"id": 1, "method": "session/new", "params": {"cwd": DIRECTORY, "mcpServers": []}}]
    played.answer(**OFFER)
    assert played.sent[1:] == [{"id": 2, "method": "session/set_mode", "params": {"sessionId": "S", "modeId": "plan"}}]
    played.answer()
    assert played.sent[2:] == [{"id": 3, "method": "session/set_model", "params": {"sessionId": "S", "modelId": "m"}}]
    assert not played.turn.answer.signs
    played.answer()
    assert played.turn.asked
    assert played.turn.session_id == "S"
    blocks = [{"type": "text", "text": FIRST}, {"type": "text", "text": "hi"}]
    assert played.sent[3:] == [{"id": 4, "method": "session/prompt", "params": {"sessionId": "S", "prompt": blocks}}]


def test_options_are_read_back_after_each_choice() -> None:
    """Choosing a mode may change the model: what is in force then is what counts, and what is in force is left."""
    played = begin(mode="plan")
    played.answer(sessionId="S", configOptions=options("default", "m"))
    played.answer(configOptions=options("plan", "auto"))
    played.answer(configOptions=options("plan", "m"))
    assert methods(played) == ["session/new", *["session/set_config_option"] * 2, "session/prompt"]
    assert [message["params"].get("value") for message in played.sent] == [None, "plan", "m", None]
    played = begin(mode="plan")
    played.answer(sessionId="S", configOptions=options("plan", "m"))
    assert methods(played) == ["session/new", "session/prompt"]


def test_a_model_that_is_not_offered_leaves_the_session_its_own() -> None:
    """Nothing is sent that the agent did not offer; one that offers none is asked as it is."""
    played = begin(model_key="gpt-5")
    played.answer(**OFFER)
    assert methods(played) == ["session/new", "session/prompt"]
    played = begin()
    played.answer(sessionId="S")
    assert methods(played) == ["session/new", "session/prompt"]


def test_a_session_that_is_there_is_not_opened_again() -> None:
    """An unused one is made ready and asked, one that holds the conversation is asked at once."""
    models = Choices((Choice("m", "M"), Choice("n", "N")), "n")
    played = begin(opened=Opened("spare", models=models))
    assert methods(played) == ["session/set_model"]
    assert played.turn.session_id == "spare"
    played = begin(session_id="held", is_reply=True, mode="plan")
    assert methods(played) == ["session/prompt"]
    assert played.sent[0]["params"]["sessionId"] == "held"
    assert played.sent[0]["params"]["prompt"][0] == {"type": "text", "text": NEXT}
    assert played.turn.aliases == ("session:held",)


@pytest.mark.parametrize(
    "result", [{}, {"sessionId": None}, {"sessionId": ""}, {"id": "S"}, {"sessionId": 7}], ids=repr
)
def test_no_session_fails_the_question(result: dict[str, Any]) -> None:
    """Whatever else the agent says, there is nothing to ask in."""
    played = begin()
    played.answer(**result)
    assert failure(played) == Failed(REFUSED, "it opened no session")
    assert not played.turn.asked


def test_a_mode_that_cannot_be_had_fails_the_question() -> None:
    """The operator's mode is there for a reason, so nothing is asked in another one."""
    played = begin(mode="yolo")
    played.answer(**OFFER)
    assert failure(played).reason.endswith("it offers default, plan")
    played = begin(mode="plan")
    played.answer(sessionId="S", configOptions=options("default", "m"))
    played.answer(configOptions=options("default", "m"))
    assert failure(played) == Failed(REFUSED, "it was told ACP_MODE=plan and stays in default")
    assert not played.turn.asked


def test_an_agent_that_cannot_choose_a_model_is_asked_with_its_own() -> None:
    """It lists models and does not know the method: that is no reason to ask it nothing."""
    played = begin()
    played.answer(**OFFER)
    played.refuse(-32601, "Method not found")
    assert methods(played) == ["session/new", "session/set_model", "session/prompt"]


@pytest.mark.parametrize(("code", "status"), [(-32000, SIGN_IN), (-32603, AGENT_ERROR), (-32602, AGENT_ERROR)], ids=str)
@pytest.mark.parametrize("step", [0, 1, 2])
def test_an_error_on_the_way_fails_the_question(step: int, code: int, status: int) -> None:
    """It fails with its reason at whichever step it comes, and nothing more is sent."""
    played = begin(mode="plan")
    for result in (OFFER, {})[:step]:
        played.answer(**result)
    played.refuse(code, "Authentication required")
    assert failure(played) == Failed(status, "Authentication required")
    assert len(played.sent) == step + 1
    assert not played.turn.asked


def test_pictures_are_blocks_where_the_agent_takes_them() -> None:
    """They follow the text, and their kind is told from their address."""
    question = Question("r", "look", "m", images=(PICTURE, "data:image/jpeg;base64,/9j/"), older_images=1)
    blocks = prompt_blocks(question, images=True)
    assert [block["type"] for block in blocks] == ["text", "text", "image", "image"]
    assert blocks[2] == {"type": "image", "mimeType": "image/png", "data": "iVBORw0KGgo="}


def test_pictures_that_an_agent_does_not_take_are_refused_or_told_of() -> None:
    """Those of older messages are left out with a word, the last message's are what it asks about."""
    older = Question("r", "look", "m", images=(PICTURE, PICTURE), older_images=2)
    texts = [block["text"] for block in prompt_blocks(older, images=False)]
    assert texts == [FIRST, LACKING.format(count=2), "look"]
    with pytest.raises(OpeningFault, match="no images") as caught:
        prompt_blocks(Question("r", "look", "m", images=(PICTURE, PICTURE), older_images=1), images=False)
    assert caught.value.status == NO_PICTURE
    played = begin(opened=Opened("S"), agent=Agent(images=False), images=(PICTURE,))
    assert failure(played).status == NO_PICTURE
    assert played.sent == []


words = st.text(max_size=20) | st.sampled_from(["/init", "/about", " /init", "\n/init", "!ls", "@/etc/passwd", ""])


@given(
    text=words,
    model=words,
    is_reply=st.booleans(),
    images=st.lists(words.map(lambda word: f"data:{word},{word}"), max_size=2),
    older=st.integers(0, 2),
    takes=st.booleans(),
)
def test_no_prompt_begins_with_what_a_client_sent(
    *, text: str, model: str, is_reply: bool, images: list[str], older: int, takes: bool
) -> None:
    """The first block is the same whatever is asked, and the client's words are in others, unaltered."""
    question = Question("r", text, model, is_reply=is_reply, images=tuple(images), older_images=older)
    try:
        blocks = prompt_blocks(question, images=takes)
    except OpeningFault:
        return
    first, *rest = blocks
    assert first == {"type": "text", "text": NEXT if is_reply else FIRST}
    assert {"type": "text", "text": text} in rest
    assert not first["text"].lstrip().startswith(("/", "!", "@", "#", "$"))


class Text(str):
    """A text of which it can be seen that nobody has it any more."""

    __slots__ = ("__weakref__",)


@pytest.mark.parametrize("session_id", ["", "S"])
def test_a_question_that_was_asked_is_kept_without_its_text(session_id: str) -> None:
    """A conversation is not in memory for as long as it is answered; an answer that comes late leads to nothing."""
    text = Text("Why?")
    question, weighed = Question("r", text, "m", session_id=session_id), weakref.ref(text)
    opening = AcpOpening(question, directory=DIRECTORY, terms=AcpTerms(Agent()))
    sent = opening.begin()
    while not opening.asked:
        sent = opening.answered(sent[-1], OFFER)
    del text, question, sent
    gc.collect()
    assert weighed() is None
    assert opening.answered(Request("session/prompt", {}), {}) == []
