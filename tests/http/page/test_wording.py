"""The page's words: each in both languages, and the right language for a browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

import lingma_trio.http.page
from lingma_trio.errors import CancelledByOperator
from lingma_trio.http.page.chinese import CHINESE
from lingma_trio.http.page.english import ENGLISH
from lingma_trio.http.page.wording import choose_language
from lingma_trio.http.progress import Stage
from lingma_trio.metrics import STATES
from lingma_trio.sessions.counters import Missed
from tests.faults import FAULTS

PAGE = Path(lingma_trio.http.page.__file__).parent
SAME_IN_BOTH = {"title", "token"}


def test_both_languages_say_the_same_things() -> None:
    """No key is in one catalogue alone, and none is empty or left untranslated."""
    assert ENGLISH.keys() == CHINESE.keys()
    assert all(ENGLISH.values())
    assert all(CHINESE.values())
    assert {key for key in ENGLISH if ENGLISH[key] == CHINESE[key]} == SAME_IN_BOTH
    assert not [key for key in CHINESE if key not in SAME_IN_BOTH and not re.search(r"[\u4e00-\u9fff]", CHINESE[key])]


def test_both_languages_leave_the_same_gaps() -> None:
    """What is put into a sentence is put into it in both."""
    gaps = [{key: re.findall(r"\{\w+\}", text) for key, text in each.items()} for each in (ENGLISH, CHINESE)]
    assert gaps[0] == gaps[1]


def test_each_word_is_said_somewhere() -> None:
    """Nothing is kept that no template, and no handler, shows; those that are put together are known by their start."""
    sources = [
        path
        for path in PAGE.rglob("*")
        if path.suffix in {".html", ".py"} and path.name not in {"english.py", "chinese.py"}
    ]
    text = "".join(path.read_text() for path in sources)
    said = set(re.findall(r"\bt\.(\w+)", text)) | set(re.findall(r"fault_key=\"(\w+)\"", text))
    said |= set(re.findall(r"'(\w+)'", "".join(re.findall(r"for (?:column|name, plot, shape) in (.*?) %}", text))))
    parts = (
        *("state_", "session_", "miss_", "done_", "gateway_", "resume", "drain"),
        *("place_", "stage_", "span_", "outcome_", "advice_"),
    )
    assert [key for key in ENGLISH if key not in said and not key.startswith(parts)] == []


def test_each_state_has_a_word() -> None:
    """Whatever an instance comes to, the page can say it."""
    assert {f"state_{state}" for state in STATES} == {key for key in ENGLISH if key.startswith("state_")}


def test_each_miss_has_a_word() -> None:
    """Whyever a conversation found no session, the page can say it."""
    reasons = {each for part in get_args(Missed) for each in (get_args(part) or (part,))}
    assert {f"miss_{reason}" for reason in reasons} == {key for key in ENGLISH if key.startswith("miss_")}


def test_each_stage_has_words() -> None:
    """However far a request has come, and whatever its time went to."""
    stages = set(get_args(Stage))
    assert {f"stage_{stage}" for stage in stages} | {"stage_cancelled"} == said("stage_")
    assert {f"span_{stage}" for stage in stages} == said("span_")


def test_each_outcome_has_a_word_and_each_failure_advice() -> None:
    """Whatever becomes of a request, the page can say it and what to do about it."""
    codes = {error.code for error in FAULTS} - {"client_gone"}
    unharmed = {"ok", "cancelled", CancelledByOperator.code}
    assert said("outcome_") == {f"outcome_{code}" for code in codes | unharmed | {"cut_off"}}
    assert said("advice_") - {"advice_unknown"} == {f"advice_{code}" for code in (codes | {"cut_off"}) - unharmed}


def said(start: str) -> set[str]:
    return {key for key in ENGLISH if key.startswith(start)}


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("*", "en"),
        ("de,fr;q=0.5", "en"),
        ("zh", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("ZH-hans", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("en;q=0.3, zh;q=0.7", "zh"),
        ("de, zh;q=0.1", "zh"),
        ("zh;q=0", "en"),
        ("zh;q=junk,en;q=0.1", "en"),
        ("zhx", "en"),
        (";;,;q=,", "en"),
    ],
)
def test_language_is_the_browser_s(accepted: str, language: str) -> None:
    """The one ranked higher, in any notation; junk is no wish."""
    assert choose_language(accepted) == language
