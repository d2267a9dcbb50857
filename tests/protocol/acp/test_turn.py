"""A turn with an agent: what its updates show, what ends it, and that nobody but the gateway knows who cancelled."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.protocol.acp.messages import cancel
from lingma_trio.protocol.acp.turn import MAX_TOOLS, ran_after_all
from lingma_trio.protocol.answer import Failed
from lingma_trio.protocol.failures import (
    AGENT_ERROR,
    BROKEN_OFF,
    DECLINED,
    EMPTY_ANSWER,
    GAVE_UP,
    NO_ROOM,
    ODD_END,
    SILENCE,
)
from lingma_trio.turns import Finished
from tests.protocol.acp.played import Played, asked, begin
from tests.protocol.acp.recordings import RECORDINGS

REJECT = {"optionId": "cancel", "name": "Reject", "kind": "reject_once"}
ALLOW = {"optionId": "proceed_once", "name": "Allow", "kind": "allow_once"}


def thought(text: str) -> dict[str, Any]:
    """A chunk's content."""
    return {"type": "text", "text": text}


def end(played: Played) -> Finished | Failed:
    """How the turn ended."""
    event = played.sink.events[-1]
    assert isinstance(event, Finished | Failed)
    return event


def test_text_and_thoughts_are_told_apart() -> None:
    """Chunks come as they are, empty ones and other kinds of content show nothing, and all are signs of life."""
    played = asked()
    played.update("agent_thought_chunk", content=thought("hm"), messageId="1")
    played.say("Hel", "", "lo")
    played.update("agent_message_chunk", content={"type": "image", "data": "AA", "mimeType": "image/png"})
    played.update("agent_message_chunk", content=None)
    assert (played.sink.shown, played.sink.thoughts) == ("Hello", "hm")
    assert (played.turn.answer.signs, played.turn.answer.deltas) == (6, 3)
    played.answer(stopReason="end_turn")
    assert end(played) == Finished("S")
    assert played.turn.answer.confirmed


@pytest.mark.parametrize(
    ("reason", "event"),
    [
        ("end_turn", Finished("S")),
        ("max_tokens", Finished("S", length=True)),
        ("max_turn_requests", Failed(GAVE_UP, "")),
        ("refusal", Failed(DECLINED, "")),
        ("cancelled", Failed(BROKEN_OFF, "")),
        ("paused", Failed(ODD_END, "paused")),
        ("", Failed(ODD_END, "")),
        (None, Failed(ODD_END, "")),
    ],
)
def test_the_answer_to_the_prompt_ends_the_turn(reason: object, event: Finished | Failed) -> None:
    """Each reason to stop means one thing, with the text that came before it shown in any case."""
    played = asked()
    played.say("some")
    played.answer(stopReason=reason)
    assert end(played) == event
    assert played.turn.answer.confirmed
    assert played.sink.shown == "some"


@pytest.mark.parametrize("result", [None, [], "end_turn", 3])
def test_an_answer_to_the_prompt_that_makes_no_sense_ends_the_turn_as_failed(result: object) -> None:
    """Whatever it is, nothing more comes."""
    played = asked()
    played.read({"id": 1, "result": result})
    assert end(played) == Failed(ODD_END, "")


@pytest.mark.parametrize(
    ("reason", "status"), [("end_turn", EMPTY_ANSWER), ("max_tokens", NO_ROOM), ("cancelled", BROKEN_OFF)]
)
def test_no_text_is_no_answer(reason: str, status: int) -> None:
    """An end without a word fails; one for want of tokens, at once, means a prompt that fills the model's context."""
    played = asked()
    played.answer(stopReason=reason)
    assert end(played) == Failed(status, "")


@pytest.mark.parametrize("reason", ["end_turn", "max_tokens"])
def test_thoughts_alone_are_no_answer(reason: str) -> None:
    """A turn whose tool was rejected often ends after thoughts, and the next one would go on from nothing."""
    played = asked()
    played.update("agent_thought_chunk", content=thought("I would run touch"))
    played.answer(stopReason=reason)
    assert end(played) == Failed(EMPTY_ANSWER, "")


@pytest.mark.parametrize("shown", ["", "[Error] quota exceeded"], ids=["before", "after"])
def test_an_error_fails_the_turn_before_and_after_text(shown: str) -> None:
    """What an agent wrote before it answers with an error stays shown, and the turn has failed all the same."""
    played = asked()
    played.say(shown)
    played.refuse(-32603, "Internal error", {"details": "the model said no"})
    assert end(played) == Failed(AGENT_ERROR, "Internal error: the model said no")
    assert played.sink.shown == shown


def test_silence_fails_the_turn_whatever_came() -> None:
    """Agents retry in silence, so half an answer is none."""
    played = asked()
    played.say("half")
    played.turn.end_by_idle()
    assert end(played) == Failed(SILENCE, "")
    assert not played.turn.answer.confirmed
    assert played.turn.stop() == cancel("S")


def test_what_an_agent_says_outside_the_turn_is_not_heard() -> None:
    """Updates before the prompt, after its answer and of other sessions are dropped."""
    played = begin()
    played.answer(sessionId="S", models={"currentModelId": "n", "availableModels": [{"modelId": "m"}]})
    played.say("before")
    played.answer()
    params = {"sessionId": "T", "update": {"sessionUpdate": "agent_message_chunk", "content": thought("other")}}
    played.read({"method": "session/update", "params": params})
    played.say("hi")
    played.answer(stopReason="end_turn")
    played.say("late")
    assert played.sink.shown == "hi"


@pytest.mark.parametrize(
    "kind",
    ["user_message_chunk", "available_commands_update", "session_info_update", "usage_update", "notice", "", None, 3],
)
def test_updates_that_say_nothing_of_the_answer_are_no_sign_of_life(kind: Any) -> None:  # noqa: ANN401 - any JSON
    """What an agent tells at any time must not keep a turn waiting that makes no progress."""
    played = asked()
    played.update(kind, content=thought("x"), used=1, size=2)
    assert played.turn.answer.signs == 0
    assert played.sink.events == []


@pytest.mark.parametrize("peer_id", [0, 1, "q-7"], ids=repr)
def test_permission_is_refused_whatever_the_id(peer_id: int | str) -> None:
    """An id of the agent's may be that of the prompt, which is still waited for then."""
    played = asked()
    params = {"sessionId": "S", "toolCall": {"toolCallId": "t"}, "options": [ALLOW, REJECT]}
    played.read({"id": peer_id, "method": "session/request_permission", "params": params})
    assert played.sent[1:] == [
        {"id": peer_id, "result": {"outcome": {"outcome": "selected", "optionId": "cancel"}}},
    ]
    assert played.turn.answer.signs == 1
    played.say("I may not.")
    played.answer(stopReason="end_turn")
    assert end(played) == Finished("S")


def test_permission_is_cancelled_where_nothing_rejects_and_once_the_turn_is_over() -> None:
    """Never an error, and never null: a turn that waits for either never ends."""
    played = asked()
    request = {"id": 9, "method": "session/request_permission"}
    played.read({**request, "params": {"sessionId": "S", "options": [ALLOW]}})
    played.turn.end_by_idle()
    played.read({**request, "params": {"sessionId": "S", "options": [ALLOW, REJECT]}})
    assert played.sent[1:] == [{"id": 9, "result": {"outcome": {"outcome": "cancelled"}}}] * 2


@pytest.mark.parametrize("method", ["fs/read_text_file", "terminal/create", "craft/drainMidTurnQueue", "elicitation/x"])
def test_all_else_that_is_asked_is_unknown(method: str) -> None:
    """An agent that is told so goes on, and one that is told null hangs."""
    played = asked()
    played.read({"id": "a", "method": method, "params": {"sessionId": "S", "path": "/etc/passwd"}})
    (answer,) = played.sent[1:]
    assert (answer["id"], answer["error"]["code"]) == ("a", -32601)
    assert played.turn.answer.signs == 0


def test_tools_that_ran_are_told_once_and_by_kind_alone() -> None:
    """A title may hold words of a conversation; a tool that failed or was rejected did not run."""
    played = asked()
    played.update("tool_call", toolCallId="a", status="pending", kind="execute", title="touch secret")
    played.update("tool_call_update", toolCallId="a", status="in_progress")
    assert played.turn.take_ran() == []
    played.update("tool_call_update", toolCallId="a", status="completed", kind="execute")
    played.update("tool_call_update", toolCallId="a", status="completed", kind="execute")
    played.update("tool_call", toolCallId="b", status="completed", kind="touch secret")
    played.update("tool_call_update", toolCallId="c", status="failed", kind="edit")
    assert played.turn.take_ran() == ["execute", "other"]
    assert played.turn.take_ran() == []
    for number in range(2 * MAX_TOOLS):
        played.update("tool_call", toolCallId=f"t{number}", status="completed", kind="read")
    assert len(played.turn.take_ran()) == MAX_TOOLS - 3
    played.say("done")
    played.answer(stopReason="end_turn")
    assert end(played) == Finished("S")


def test_the_kind_of_a_tool_is_known_from_its_beginning() -> None:
    """Later reports of a call often tell nothing but how it stands."""
    played = asked()
    played.update("tool_call", toolCallId="a", status="pending", kind="execute")
    played.update("tool_call_update", toolCallId="a", status="completed")
    assert played.turn.take_ran() == ["execute"]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("current_mode_update", {"currentModeId": "acceptEdits"}),
        (
            "config_option_update",
            {
                "configOptions": [
                    {"id": "m", "category": "mode", "currentValue": "yolo", "options": [{"value": "yolo"}]}
                ]
            },
        ),
    ],
)
def test_a_session_that_left_its_mode_is_not_gone_on_with(kind: str, fields: dict[str, Any]) -> None:
    """The answer stands, and the next question gets a session in the operator's mode."""
    played = begin(mode="plan", session_id="S")
    played.update("current_mode_update", currentModeId="plan")
    played.say("a")
    played.update(kind, **fields)
    played.answer(stopReason="end_turn")
    assert end(played) == Finished("S", keep=False)
    played = asked()
    played.update(kind, **fields)
    played.say("a")
    played.answer(stopReason="end_turn")
    assert end(played) == Finished("S")


@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize("piece", [None, 7], ids=["whole", "pieces"])
def test_recordings_are_understood(name: str, piece: int | None) -> None:
    """What was said is shown, what was asked is answered, and the turn ends as it did, in any chunking."""
    recording = RECORDINGS[name]
    played = asked()
    wire = "".join(line + "\n" for line in recording.lines).encode()
    step = piece or len(wire)
    for start in range(0, len(wire), step):
        played.hear(wire[start : start + step])
    assert played.sink.shown == recording.text
    assert played.sink.events[-1] == recording.end
    assert tuple(played.sent[1:]) == recording.answers
    assert tuple(played.turn.take_ran()) == recording.ran


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
kinds = st.sampled_from(
    [
        "agent_message_chunk",
        "agent_thought_chunk",
        "tool_call",
        "tool_call_update",
        "plan",
        "current_mode_update",
        "config_option_update",
        "unheard_of",
    ]
)
updates = st.fixed_dictionaries(
    {"sessionUpdate": kinds | json_values},
    optional={
        "content": json_values | st.fixed_dictionaries({"text": json_values}),
        "toolCallId": json_values,
        "status": st.just("completed") | json_values,
        "kind": json_values,
        "currentModeId": json_values,
        "configOptions": json_values,
    },
)


@given(found=st.lists(updates | json_values, max_size=6), result=json_values)
def test_garbage_raises_nothing_and_the_turn_ends(found: list[Any], result: Any) -> None:  # noqa: ANN401 - any JSON
    """Whatever an agent says, the turn has one end, and it is the last event."""
    played = asked()
    for update in found:
        played.read({"method": "session/update", "params": {"sessionId": "S", "update": update}})
    played.read({"id": 1, "result": result})
    ends = [event for event in played.sink.events if isinstance(event, Finished | Failed)]
    assert ends == played.sink.events[-1:]


@pytest.mark.parametrize("kind", ["tool_call", "tool_call_update", "plan"])
def test_an_agent_at_work_is_alive(kind: str) -> None:
    """What it does and means to do shows nothing, and is waited for."""
    played = asked()
    for number in (1, 2):
        played.update(kind, toolCallId="c", status="pending")
        assert played.turn.answer.signs == number
    assert played.sink.events == []


def test_a_session_is_named_before_its_first_update() -> None:
    """So that a turn which is left early can be stopped and its session freed."""
    assert asked().turn.answer.session_id == "S"


def test_a_session_that_is_still_in_its_mode_is_gone_on_with() -> None:
    """An update that says what was so before changes nothing."""
    played = begin(mode="plan", session_id="S")
    played.update("current_mode_update", currentModeId="plan")
    played.say("a")
    played.answer(stopReason="end_turn")
    assert end(played) == Finished("S")


@pytest.mark.parametrize(
    ("method", "update", "kind"),
    [
        ("session/update", {"sessionUpdate": "tool_call_update", "status": "completed", "kind": "edit"}, "edit"),
        ("session/update", {"sessionUpdate": "tool_call", "status": "completed", "kind": "painting"}, "other"),
        ("session/update", {"sessionUpdate": "tool_call_update", "status": "pending", "kind": "edit"}, ""),
        ("session/update", {"sessionUpdate": "plan", "status": "completed", "kind": "edit"}, ""),
        ("session/told", {"sessionUpdate": "tool_call_update", "status": "completed", "kind": "edit"}, ""),
    ],
)
def test_a_tool_that_runs_after_its_turn_was_left_is_told_of(method: str, update: dict[str, Any], kind: str) -> None:
    """Only one that ran, by its kind."""
    assert ran_after_all(method, {"sessionId": "S", "update": update}) == kind
