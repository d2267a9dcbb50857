"""The way to a question with pictures: what Lingma does not take of older messages is left out, and said."""

from __future__ import annotations

from typing import Any

import pytest

from lingma_trio.protocol.failures import NO_DIALECT, REFUSED
from lingma_trio.protocol.jsonrpc import METHOD_NOT_FOUND
from lingma_trio.protocol.messages import Question
from lingma_trio.protocol.opening import ChatOpening, OpeningFault, SessionOpening, Spare
from lingma_trio.protocol.request import Refusal, Request

QUESTION = Question("r", "Why?", "auto")
FAILURE = {"success": False, "errorCode": "500", "errorMessage": "the store is full"}


def opening_of(older: int = 1, count: int = 2) -> tuple[ChatOpening, list[Request]]:
    """A question with pictures, the first of them of older messages, and its uploads."""
    images = tuple(f"data:image/png;base64,{number}" for number in range(count))
    opening = ChatOpening(Question("r", "Why?", "auto", images=images, older_images=older))
    return opening, opening.begin()


def report(upload: Request, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """What Lingma pushes of an upload that went well, unless told otherwise."""
    url = f"https://img.example/{upload.about}.png"
    return {"errorCode": "", "errorMessage": "", "result": {"requestId": upload.about, "imageUrl": url}, **more}


def fail(opening: ChatOpening, upload: Request, how: str) -> list[Request]:
    """Let an upload fail in one of the ways that there are."""
    match how:
        case "refused":
            return opening.refused(upload, Refusal(1, "the store is full"))
        case "answered":
            return opening.answered(upload, FAILURE)
        case "answered within":
            return opening.answered(upload, {"errorMessage": "the store is full", "result": {"success": False}})
        case "pushed":
            return opening.uploaded(report(upload, errorCode="500", errorMessage="the store is full"))
        case _:
            return opening.uploaded({**report(upload), "result": {"requestId": upload.about, "imageUrl": ""}})


@pytest.mark.parametrize("how", ["refused", "answered", "answered within", "pushed", "nowhere"])
def test_an_older_picture_that_is_not_taken_is_left_out(how: str) -> None:
    """However Lingma says it; the question says that one is lacking, and is asked with the rest."""
    opening, (old, new) = opening_of()
    assert fail(opening, old, how) == []
    (asked,) = opening.uploaded(report(new))
    assert asked.method == "chat/ask"
    assert asked.params["questionText"].endswith("could not be uploaded: 1.\n\nWhy?")
    assert asked.params["chatContext"]["imageUrls"] == ["https://img.example/r-2.png"]
    assert asked.params["chatContext"]["text"] == asked.params["questionText"]


@pytest.mark.parametrize("how", ["refused", "answered", "answered within", "pushed", "nowhere"])
def test_a_picture_of_the_last_message_is_needed(how: str) -> None:
    """A question about it is not asked without it, and the reason is Lingma's."""
    opening, (old, new) = opening_of()
    opening.uploaded(report(old))
    with pytest.raises(OpeningFault, match="no address" if how == "nowhere" else "the store is full"):
        fail(opening, new, how)
    assert not opening.asked


def test_the_last_to_be_settled_asks() -> None:
    """A failure may be the last thing that is heard; without any picture left the question has none."""
    opening, (old, new) = opening_of()
    assert opening.uploaded(report(new)) == []
    assert len(opening.refused(old, Refusal(1, "no"))) == 1
    opening, (first, second) = opening_of(older=2)
    assert opening.refused(first, Refusal(1, "no")) == []
    (asked,) = opening.refused(second, Refusal(1, "no"))
    assert asked.params["chatContext"] is None
    assert asked.params["questionText"].endswith("could not be uploaded: 2.\n\nWhy?")


def test_what_is_heard_twice_counts_once() -> None:
    """The answer and the push of one upload may both tell of a failure, and either may be late."""
    opening, (old, new) = opening_of()
    assert fail(opening, old, "answered") == fail(opening, old, "pushed") == []
    assert len(opening.uploaded(report(new))) == 1
    assert opening.uploaded(report(old)) == fail(opening, old, "pushed") == opening.overdue() == []


def test_silence_is_waited_for_no_longer() -> None:
    """Older pictures that nothing is heard of are left out; one of the last message is needed."""
    opening, (_, new) = opening_of()
    with pytest.raises(OpeningFault):
        opening.overdue()
    opening.uploaded(report(new))
    (asked,) = opening.overdue()
    assert asked.params["chatContext"]["imageUrls"] == ["https://img.example/r-2.png"]


def test_pictures_keep_their_order() -> None:
    """Whichever is there first, and nothing is added where none is lacking."""
    opening, (first, second) = opening_of(older=0)
    assert opening.uploaded(report(second)) == []
    (asked,) = opening.uploaded(report(first))
    assert asked.params["chatContext"]["imageUrls"] == ["https://img.example/r-1.png", "https://img.example/r-2.png"]
    assert asked.params["questionText"] == "Why?"


@pytest.mark.parametrize(
    ("model", "methods"), [("auto", ["session/prompt"]), ("other", ["session/set_model", "session/prompt"])]
)
def test_a_session_that_is_there_already_is_asked_in(model: str, methods: list[str]) -> None:
    """It is told the model where it has another one, and no session is made."""
    opening = SessionOpening(Question("r", "Why?", "auto"), directory="/work", timestamp=1, spare=Spare("s", model))
    sent = opening.begin()
    while not opening.asked:
        sent += opening.answered(sent[-1], {})
    assert [request.method for request in sent] == methods
    assert all(request.params["sessionId"] == "s" for request in sent)
    if len(sent) > 1:
        assert sent[0].params["modelId"] == "auto"


def test_a_session_is_made_and_told_its_model_before_it_is_asked_in() -> None:
    """Each request follows the answer to the one before it; what answers the question leads to nothing."""
    opening = SessionOpening(Question("r", "Why?", "auto"), directory="/work", timestamp=7)
    (made,) = opening.begin()
    assert (made.method, made.params["cwd"], made.params["timestamp"]) == ("session/new", "/work", 7)
    (told,) = opening.answered(made, {"sessionId": "s"})
    assert (told.method, told.params["sessionId"], told.params["timestamp"]) == ("session/set_model", "s", 7)
    assert [opening.asked] == [False]
    (asked,) = opening.answered(told, None)
    assert (asked.method, asked.params["sessionId"]) == ("session/prompt", "s")
    assert asked.params["prompt"] == [{"type": "text", "text": "Why?"}]
    assert opening.asked
    assert opening.answered(asked, {"sessionId": "other"}) == []
    assert opening.session_id == "s"
    assert all(request.awaited for request in (made, told, asked))


def test_a_session_that_is_continued_is_asked_in_at_once() -> None:
    """Nothing is made and nothing told."""
    opening = SessionOpening(Question("r", "Why?", "auto", session_id="s"), directory="/work", timestamp=7)
    (asked,) = opening.begin()
    assert (asked.method, asked.params["sessionId"], opening.asked) == ("session/prompt", "s", True)


def test_no_session_is_no_question() -> None:
    """Lingma's reason is told where it gives one, and otherwise that there is none to ask in."""
    opening = SessionOpening(Question("r", "Why?", "auto"), directory="/work", timestamp=7)
    (made,) = opening.begin()
    with pytest.raises(OpeningFault, match="it opened no session"):
        opening.answered(made, {"sessionId": ""})
    with pytest.raises(OpeningFault, match="too many"):
        opening.refused(made, Refusal(1, "too many"))
    assert not opening.asked


@pytest.mark.parametrize(
    "opening",
    [
        ChatOpening(Question("r", "Why?", "auto")),
        SessionOpening(Question("r", "Why?", "auto"), directory="/", timestamp=7),
    ],
    ids=["chat", "session"],
)
@pytest.mark.parametrize(("code", "status"), [(METHOD_NOT_FOUND, NO_DIALECT), (-32603, REFUSED)])
def test_a_request_that_is_not_known_is_told_apart(
    opening: ChatOpening | SessionOpening, code: int, status: int
) -> None:
    """It is the setting that helps there, and asking again does not."""
    (asked,) = opening.begin()
    with pytest.raises(OpeningFault, match="no such thing") as caught:
        opening.refused(asked, Refusal(code, "no such thing"))
    assert caught.value.status == status


def test_a_model_that_cannot_be_set_is_no_matter_of_dialect() -> None:
    """Whoever opened a session speaks it, and `LINGMA_DIALECT` helps nobody."""
    opening = SessionOpening(Question("r", "Why?", "auto"), directory="/", timestamp=7)
    (made,) = opening.begin()
    (told,) = opening.answered(made, {"sessionId": "s"})
    with pytest.raises(OpeningFault, match="does not set the model of its session: no such thing") as caught:
        opening.refused(told, Refusal(METHOD_NOT_FOUND, "no such thing"))
    assert caught.value.status == REFUSED


@pytest.mark.parametrize("code", ["", None, "0", "200", 0, 200])
def test_a_code_of_success_is_no_failure(code: object) -> None:
    """Lingma reports an upload that went well under several codes."""
    opening, (old, new) = opening_of()
    assert opening.answered(old, {"errorCode": code}) == []
    assert opening.uploaded(report(old, errorCode=code)) == []
    (asked,) = opening.uploaded(report(new, errorCode=code))
    assert asked.params["questionText"] == "Why?"


@pytest.mark.parametrize("spelling", ["errorMessage", "errorMsg", "errorCode"])
def test_the_reason_of_an_upload_is_what_there_is_of_one(spelling: str) -> None:
    """A message under either name, or else the code."""
    opening, (_, new) = opening_of()
    with pytest.raises(OpeningFault, match=r"^E_FULL$"):
        opening.answered(new, {"success": False, spelling: "E_FULL"})
