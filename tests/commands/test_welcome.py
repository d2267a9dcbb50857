"""The words of the start: every address is there, the request can be pasted, and what is missing is said."""

from __future__ import annotations

import shlex
from pathlib import Path

import trio
from pydantic_core import from_json
from trio.testing import MockClock

from lingma_trio.commands.welcome import PATIENCE, Welcome, say_welcome
from tests.doctor.support import settings_of
from tests.http.world import open_world

WELCOME = Welcome(url="http://127.0.0.1:8317", state="is ready", model="org_auto")


def test_request_can_be_pasted() -> None:
    """A shell makes the right words of it, whatever the model's name and the key are."""
    welcome = Welcome(url=WELCOME.url, state="", model="it's", key="sk-a'b c", keyed=True)
    program, *words = shlex.split(welcome.request())
    assert program == "curl"
    assert "http://127.0.0.1:8317/v1/chat/completions" in words
    assert "authorization: Bearer sk-a'b c" in words
    assert from_json(words[-1])["model"] == "it's"
    assert from_json(words[-1])["stream"] is True


def test_key_is_named_where_it_is_not_known() -> None:
    """With digests alone the request has a place for it; without keys it has none."""
    keyed = Welcome(url=WELCOME.url, state="", model="m", keyed=True)
    assert "Bearer YOUR-KEY" in keyed.request()
    assert "Bearer" not in WELCOME.request()


def test_block_has_api_page_and_request() -> None:
    """In few lines; the page with its link where there is one."""
    lines = WELCOME.lines()
    assert len(lines) < 10
    assert "http://127.0.0.1:8317/v1" in lines[2]
    assert "http://127.0.0.1:8317/ " in lines[3]
    assert "ADMIN_TOKEN" in lines[3]
    linked = Welcome(url=WELCOME.url, state="", model="m", link="abc").lines()
    assert "http://127.0.0.1:8317/page/link?once=abc " in linked[3]


async def test_a_person_who_is_needed_is_told_whose_login_it_is(tmp_path: Path, autojump_clock: MockClock) -> None:
    """At once, and with the command; nobody waits for what will not come by itself."""
    said: list[str] = []
    async with open_world() as world:
        world.instance.label = "work"
        world.instance.enter("needs_login")
        await say_welcome(settings_of(tmp_path, port=8317), world.services, said.append)
        assert trio.current_time() == 0
    assert "waits for a sign-in of work: " in said[0]
    assert "login --instance lingma-0\n" in said[0]


async def test_words_are_said_once_a_chat_would_be_answered(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Not before, unless that takes long: then with what it waits for."""
    said: list[str] = []
    settings = settings_of(tmp_path, port=8317)
    async with open_world() as world, trio.open_nursery() as nursery:
        world.instance.enter("starting", "Lingma is starting")
        nursery.start_soon(say_welcome, settings, world.services, said.append)
        await trio.sleep(PATIENCE / 2)
        assert said == []
        world.instance.enter("ready")
        await trio.sleep(1)
        assert " is ready\n" in said[0]
        world.instance.enter("starting", "Lingma is starting")
        nursery.start_soon(say_welcome, settings, world.services, said.append)
        await trio.sleep(PATIENCE + 1)
        assert "has begun, and Lingma is not ready yet: Lingma is starting\n" in said[1]
