"""Script: what follows a question, for every knob of an answer, as plain data."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import Any

import pytest

from lingma_trio.simulator.chat_script import ChatScript, refusal
from lingma_trio.simulator.knobs import Knobs
from lingma_trio.simulator.script import Ask, Delta, Push, Step, Trouble

ASK = Ask("r-1", "s-1", "tell me", number=2, first="hello")
TEXT = "This is the Lingma simulator; no model was asked. You said: “tell me”."


def steps(*words: str, ask: Ask = ASK) -> list[Step]:
    return list(islice(ChatScript(ask, Knobs().turned(words)).steps(), 5000))


def text_of(played: list[Step]) -> str:
    return "".join(step.text for step in played if isinstance(step, Delta))


def deltas_of(played: list[Step]) -> list[Delta]:
    return [step for step in played if isinstance(step, Delta) and step.text]


def pushes_of(played: list[Step], method: str) -> list[dict[str, Any]]:
    return [step.params for step in played if isinstance(step, Push) and step.method == method]


def finish_of(played: list[Step]) -> dict[str, Any]:
    (finish,) = pushes_of(played, "chat/finish")
    return finish


def test_the_default_is_the_happy_path() -> None:
    """Process steps, deltas with empty ones between, and a finish that repeats the text."""
    played = steps()
    assert [push["step"] for push in pushes_of(played, "chat/process_step_callback")] == ["step_start", "step_end"]
    assert text_of(played).startswith(TEXT)
    assert "(message 2 of this session; the first was: “hello”.)" in text_of(played)
    assert Delta(deltas_of(played)[2].at, "") in played
    assert finish_of(played) == {
        "requestId": "r-1",
        "sessionId": "s-1",
        "reason": "",
        "statusCode": 200,
        "fullAnswer": text_of(played),
        "extra": {},
    }
    assert isinstance(played[-1], Push)


def test_a_new_session_gets_a_title() -> None:
    """With its first question, and not again."""
    assert pushes_of(steps(ask=Ask("r", "s", "tell me", first="tell me")), "session/title/update") == [
        {"sessionId": "s", "sessionTitle": "tell me"}
    ]
    assert pushes_of(steps(), "session/title/update") == []


def test_the_pace_is_that_of_the_knobs() -> None:
    """The first delta after `first`, the rest `gap` apart, everything times `scale`."""
    played = deltas_of(steps("first=3", "gap=0.5", "scale=0.1", "deltas=20"))
    assert len(played) == 20
    assert [step.at for step in played] == pytest.approx([0.3 + 0.05 * index for index in range(20)])


def test_frames_that_share_a_message_are_due_together() -> None:
    """Else a message with several frames would never come about."""
    times = [step.at for step in deltas_of(steps("first=0", "gap=1", "coalesce=3", "deltas=7"))]
    assert times == [0, 0, 0, 3, 3, 3, 6]


def test_a_burst_is_due_at_once() -> None:
    """With `chars` each padding delta is as long as asked."""
    played = deltas_of(steps("first=0", "gap=0", "deltas=500", "chars=80", "empties=0"))
    assert {step.at for step in played} == {0.0}
    assert len(played) == 500
    assert len(played[-1].text) == 80


def test_empties_can_be_left_out() -> None:
    """Then each delta says something."""
    assert all(step.text for step in steps("empties=0") if isinstance(step, Delta))


def test_time_never_runs_backwards() -> None:
    """Whatever the knobs, the steps are in order."""
    for words in (["reasoning=push"], ["reasoning=tag"], ["overwrite=replacing"], ["coalesce=4"], ["finish=duplicate"]):
        assert all(one.at <= other.at for one, other in pairwise(steps(*words)))


@pytest.mark.parametrize(
    ("word", "opening", "closing"),
    [("reasoning=fence", "\n````think::{THINK_TIME}\n", "\n````\n"), ("reasoning=tag", "<think>\n", "\n</think>\n\n")],
)
def test_embedded_reasoning_is_cut_within_its_markers(word: str, opening: str, closing: str) -> None:
    """The thought stands between the markers before the text, and no delta holds a whole marker."""
    played = steps(word)
    assert text_of(played).startswith(f"{opening}The user said “tell me”.")
    assert f"{closing}{TEXT}" in text_of(played)
    assert not any(marker.strip() in step.text for step in deltas_of(played) for marker in (opening, closing))


def test_pushed_reasoning_comes_before_the_text() -> None:
    """As chat/think, the last of them done and empty."""
    played = steps("reasoning=push")
    thoughts = pushes_of(played, "chat/think")
    assert "".join(push["text"] for push in thoughts).startswith("The user said “tell me”.")
    assert [push["step"] for push in thoughts[-2:]] == ["start", "done"]
    assert text_of(played).startswith(TEXT)


@pytest.mark.parametrize("word", ["overwrite=continuing", "overwrite=replacing"])
def test_an_overwrite_stands_for_everything_before_it(word: str) -> None:
    """Continuing begins with the text so far, replacing does not; the full answer is what a client should hold."""
    played = steps(word)
    (at,) = (i for i, step in enumerate(played) if isinstance(step, Push) and step.params.get("overwrite"))
    step = played[at]
    assert isinstance(step, Push)
    assert step.params["text"].startswith(text_of(played[:at])) is (word == "overwrite=continuing")
    assert finish_of(played)["fullAnswer"] == step.params["text"] + text_of(played[at:])


def test_a_finish_can_be_missing() -> None:
    """The text comes, and then nothing."""
    played = steps("finish=missing")
    assert text_of(played).startswith(TEXT)
    assert pushes_of(played, "chat/finish") == []


def test_a_finish_can_come_twice() -> None:
    """Both are the same."""
    first, second = pushes_of(steps("finish=duplicate"), "chat/finish")
    assert first == second


def test_a_chunk_can_come_after_the_finish() -> None:
    """The last step is a delta."""
    assert steps("finish=chunk_after")[-1] == Delta(deltas_of(steps())[-1].at, " (too late)")


@pytest.mark.parametrize(("word", "text"), [("finish=only_full_answer", TEXT), ("finish=no_text", "")])
def test_a_finish_can_come_without_deltas(word: str, text: str) -> None:
    """The text is in the full answer only, or nowhere."""
    played = steps(word)
    assert deltas_of(played) == []
    assert finish_of(played)["fullAnswer"].startswith(text)
    assert bool(finish_of(played)["fullAnswer"]) is bool(text)


@pytest.mark.parametrize(("word", "status"), [("finish=no_status", None), ("finish=text_status", "200")])
def test_a_status_can_be_missing_or_text(word: str, status: object) -> None:
    """Both spellings have to be read as success."""
    assert finish_of(steps(word)).get("statusCode") == status


@pytest.mark.parametrize("status", [400, 401, 403, 406, 408, 409, 429, 500, 601, 31404, 80408, 12345])
def test_an_error_has_a_reason_and_no_text(status: int) -> None:
    """The full answer is empty too."""
    played = steps(f"status={status}")
    assert deltas_of(played) == []
    assert finish_of(played)["statusCode"] == status
    assert finish_of(played)["reason"]
    assert finish_of(played)["fullAnswer"] == ""


def test_an_error_can_come_after_text() -> None:
    """Half of it, with a reason of one's own."""
    played = steps("status=500", "partial=1", "reason=broken")
    assert 0 < len(deltas_of(played)) < len(deltas_of(steps()))
    assert finish_of(played)["reason"] == "broken"


@pytest.mark.parametrize(("word", "addressed"), [("error_push=addressed", True), ("error_push=unaddressed", False)])
def test_an_error_push_ends_the_answer(word: str, addressed: bool) -> None:
    """Instead of a finish, with the request's id or without."""
    played = steps(word)
    (error,) = pushes_of(played, "error")
    assert error["message"]
    assert ("requestId" in error) is addressed
    assert pushes_of(played, "chat/finish") == []


def test_the_filter_can_time_out() -> None:
    """Then there is no finish."""
    played = steps("filter=timeout")
    assert pushes_of(played, "chat/filterTimeout") == [{"requestId": "r-1", "sessionId": "s-1"}]
    assert pushes_of(played, "chat/finish") == []


def test_the_filter_can_flag() -> None:
    """A flagged delta, and a finish with 601."""
    played = steps("filter=flagged", "partial=1")
    assert [push["isFiltered"] for push in pushes_of(played, "chat/answer")] == [True]
    assert finish_of(played)["statusCode"] == 601


def test_a_finish_can_name_another_session() -> None:
    """The deltas keep the old id."""
    played = steps(ask=Ask("r-1", "s-1", "hi", final_session_id="s-2"))
    assert finish_of(played)["sessionId"] == "s-2"


@pytest.mark.parametrize(
    ("word", "kind", "share"),
    [
        ("fault=crash_ask", "crash", 0),
        ("fault=crash_first_delta", "crash", 0.01),
        ("fault=crash_mid", "crash", 0.5),
        ("fault=crash_finish", "crash", 1),
        ("fault=drop_mid", "drop", 0.5),
        ("fault=malformed_ask", "malformed", 0),
        ("fault=malformed_mid", "malformed", 0.5),
        ("fault=stall_first", "hang", 0),
        ("fault=stall_mid", "hang", 0.5),
    ],
)
def test_a_fault_ends_the_script_where_it_says(word: str, kind: str, share: float) -> None:
    """Of a hundred deltas so many come before it, and nothing after it."""
    played = steps(word, "deltas=100", "empties=0")
    assert isinstance(played[-1], Trouble)
    assert played[-1].kind == kind
    assert len(deltas_of(played)) == 100 * share
    assert ChatScript(ASK, Knobs().turned([word])).endless is (kind == "hang")


def test_a_deaf_simulator_goes_on_answering() -> None:
    """It only never reads again."""
    played = steps("fault=deaf_ask")
    assert played[0] == Trouble(0.0, "deaf")
    assert played[1:] == steps()


def test_a_busy_stall_shows_signs_of_life_for_ever() -> None:
    """Process steps in place of deltas, a second apart, never an end."""
    played = steps("fault=busy_mid", "deltas=10", "first=0", "gap=0")
    assert len(played) == 5000
    beats = [step for step in played if isinstance(step, Push)][2:]
    assert {step.method for step in beats} == {"chat/process_step_callback"}
    assert [step.at for step in beats[:3]] == [1, 2, 3]
    assert len(deltas_of(played)) == 5


@pytest.mark.parametrize(("word", "late"), [("stop=finish", 0), ("stop=late_chunks", 2)])
def test_a_stopped_answer_finishes_as_cancelled(word: str, late: int) -> None:
    """At once or after late chunks; the full answer is what was said by then."""
    script = ChatScript(ASK, Knobs().turned([word, "gap=1", "empties=0"]))
    begun = list(islice(script.steps(), 5))
    ended = list(script.after_stop(9.0))
    assert len(deltas_of(ended)) == late
    assert ended[-1].at == 9 + late
    assert finish_of(ended)["reason"] == "cancelled"
    # The last step that was taken counts as said only when the next one is asked for.
    assert finish_of(ended)["fullAnswer"] == text_of(begun[:-1]) + text_of(ended)


def test_a_stop_can_be_met_with_silence() -> None:
    """Nothing more comes."""
    assert list(ChatScript(ASK, Knobs().turned(["stop=silence"])).after_stop(1.0)) == []


def test_a_stop_can_be_met_with_an_error_of_nobody() -> None:
    """It names no request and no session, and nothing follows it."""
    (error,) = ChatScript(ASK, Knobs().turned(["stop=error", "reason=gone"])).after_stop(1.0)
    assert error == Push(1.0, "error", {"message": "gone"})


def test_a_refusal_is_a_finish_and_nothing_else() -> None:
    """With the reason of the status, or one's own."""
    (plain,), (worded,) = refusal(ASK, 429), refusal(ASK, 429, "later")
    assert isinstance(plain, Push)
    assert isinstance(worded, Push)
    assert plain.params["statusCode"] == 429
    assert plain.params["reason"]
    assert worded.params["reason"] == "later"
