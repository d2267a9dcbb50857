"""What a chaos run must find is found, and what clients may see is not."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos.logins import Span, sent_away
from tests.chaos.machine import Machine, no_cores
from tests.chaos.remains import GROWTH, Holdings
from tests.chaos.scene import FICKLE, KEYS, Scene, scene
from tests.chaos.surfaces import CUT, OK, SURFACES, UNNAMED, Said
from tests.chaos.talks import NOBODY, SILENT, Asked, Manner, Talker
from tests.proof import turns_held

if TYPE_CHECKING:
    from pathlib import Path

ANSWER = (
    "This is the Lingma simulator; no model was asked. You said: “{}”. "
    "(message {} of this session; the first was: “{}”.)"
)
NOW = Asked(began=10, keeper=1)


@pytest.fixture
def stage(tmp_path: Path) -> Scene:
    """A scene whose gateway was away once, and whose clients this test speaks for."""
    (tmp_path / "disk").mkdir()
    made = scene(tmp_path, Machine(tmp_path / "disk"), "chat", 1, lambda _: None)
    made.aways.append([2, 3])
    made.lives = 1
    return made


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (ANSWER.format("b", 1, "x"), "another's"),
        (ANSWER.format("b", 3, "a"), "holds 3 questions"),
        (ANSWER.format("a", 1, "a"), "asked 'b'"),
        (ANSWER.format("b", 2, "a")[:-1], "cut or altered"),
        (2 * ANSWER.format("b", 2, "a"), "another's"),
    ],
    ids=["another's session", "one turn too many", "another question's", "cut", "twice"],
)
def test_wrong_session_is_seen(text: str, fault: str) -> None:
    """An answer out of another conversation, with a turn too many or too few, or not whole is a lie."""
    with pytest.raises(AssertionError, match=fault):
        turns_held(text, ["a", "b"])


def test_right_session_is_seen() -> None:
    """A session holds all of the conversation, or its end where it was told anew."""
    assert turns_held(ANSWER.format("b", 2, "a"), ["a", "b"]) == 2
    assert turns_held(ANSWER.format("b", 1, "b"), ["a", "b"]) == 1


SEEN = {
    "lost": (Said("upstream_lost"), NOW, True),
    "a bug": (Said("internal_error"), NOW, False),
    "cut off while it was away": (Said(CUT), replace(NOW, began=1), True),
    "cut off long after": (Said(CUT), NOW, False),
    "nobody there, long after": (Said(NOBODY), NOW, False),
    "silence": (Said(SILENT), NOW, False),
    "one who has left": (Said(CUT), replace(NOW, way=Manner(leaves=1)), True),
    "a key that is there": (Said("invalid_api_key"), NOW, False),
    "no code and no id": (Said(UNNAMED), NOW, False),
    "an invented code": (Said("oops"), NOW, False),
}


@pytest.mark.parametrize(("said", "asked", "may_be"), SEEN.values(), ids=SEEN)
def test_failures_are_told_apart(stage: Scene, said: Said, asked: Asked, may_be: bool) -> None:
    """A failure is one of those that clients may see then, or a finding."""
    assert stage.may_be(said, KEYS[0], asked) == may_be


def test_key_that_comes_and_goes_may_be_refused(stage: Scene) -> None:
    """That key and no other."""
    assert stage.may_be(Said("invalid_api_key"), FICKLE, NOW)


def test_lie_is_a_finding_with_seed_and_request(stage: Scene) -> None:
    """So that somebody can play it again and look it up in the log."""
    talker = Talker("client", KEYS[0], SURFACES[0], random.Random(1))
    talker.judge(stage, Said(OK, ANSWER.format("b", 1, "x"), request_id="req_1"), "b", NOW)
    assert len(stage.findings) == 1
    assert "seed 1" in stage.findings[0]
    assert "req_1" in stage.findings[0]


@pytest.mark.parametrize(
    ("lives", "takeovers", "findings"),
    [(1, 0, 1), (2, 0, 0), (2, 1, 0)],
    ids=["same gateway", "another life", "taken over"],
)
def test_response_is_forgotten_with_its_gateway_only(stage: Scene, lives: int, takeovers: int, findings: int) -> None:
    """The gateway that kept it has to have it."""
    talker = Talker("client", KEYS[0], SURFACES[1], random.Random(1), kept_by=stage.keeper)
    stage.lives, stage.takeovers = lives, takeovers
    talker.judge(stage, Said("previous_response_not_found"), "b", NOW)
    assert len(stage.findings) == findings


def at(second: float, **fields: object) -> dict[str, Any]:
    """A line of the log."""
    return {"timestamp": f"2026-11-29T10:00:{second:09.6f}Z", **fields}


def stands(second: float, instance: str, state: str) -> dict[str, Any]:
    return at(second, instance=instance, state=state)


TEN = datetime(2026, 11, 29, 10, tzinfo=UTC).timestamp()
ONE_OF_TWO = [stands(1, "a", "ready"), stands(2, "b", "ready"), stands(10, "a", "needs_login")]
LOGINS: dict[str, tuple[list[dict[str, Any]], list[Span], list[tuple[str, str]]]] = {
    "another is there": (ONE_OF_TWO, [], [("req_1", "b")]),
    "nobody is": ([*ONE_OF_TWO, stands(11, "b", "needs_login")], [], []),
    "the other is going": ([*ONE_OF_TWO, stands(21, "b", "needs_login")], [], []),
    "the other has just come": ([*ONE_OF_TWO[::2], stands(19.5, "b", "ready")], [], []),
    "the other ended since": ([*ONE_OF_TWO, stands(30, "b", "starting")], [], [("req_1", "b")]),
    "the other was drained": (ONE_OF_TWO, [Span("b", TEN + 18, TEN + 19.2)], []),
    "the other was drained before": (ONE_OF_TWO, [Span("b", TEN + 8, TEN + 12)], [("req_1", "b")]),
}


@pytest.mark.parametrize(("states", "drained", "found"), LOGINS.values(), ids=LOGINS)
def test_client_is_sent_to_sign_in_where_nobody_is(
    states: list[dict[str, Any]], drained: list[Span], found: list[tuple[str, str]]
) -> None:
    """Who was there all the while could have been asked; other ends are not looked at."""
    requests = [
        at(20, request_id="req_1", outcome="login_required", seconds=1.0),
        at(20, request_id="req_2", outcome="ok", seconds=1.0),
    ]
    assert list(sent_away(requests, states, drained)) == found


LEAN = Holdings(Counter({"trio.run": 1, "life N": 3}), Counter({"socket:[N]": 40}), 6, (), 10**8, {"in_flight": 0})
LEFT: dict[str, dict[str, Any]] = {
    "a task": {"tasks": Counter({"trio.run": 1, "life N": 3, "turn": 1})},
    "a task gone": {"tasks": Counter({"trio.run": 1, "life N": 2})},
    "a descriptor": {"descriptors": Counter({"socket:[N]": 41})},
    "a child": {"processes": 7},
    "a temporary file": {"temporary": ("tmp/left",)},
    "memory": {"resident": LEAN.resident + GROWTH + 1},
    "a slot": {"counts": {"in_flight": 1}},
}


@pytest.mark.parametrize("change", LEFT.values(), ids=LEFT)
def test_whatever_is_left_is_seen(change: dict[str, Any]) -> None:
    """One thing more than a fresh gateway has is told, and nothing where there is none."""
    assert len(replace(LEAN, **change).beyond(LEAN)) == 1
    assert LEAN.beyond(LEAN) == []


@pytest.mark.parametrize(
    ("pattern", "most", "lacks"),
    [
        ("core", -1, False),
        ("core.%p", 1, False),
        ("core", 0, True),
        ("|/bin/keeper %p", -1, True),
        ("/var/core", -1, True),
    ],
)
def test_search_for_cores_that_none_can_come_of_is_told(pattern: str, most: int, *, lacks: bool) -> None:
    """Where the kernel gives them to a program, or puts them elsewhere, finding none proves nothing."""
    assert bool(no_cores(pattern, most)) is lacks
