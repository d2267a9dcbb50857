"""Conversations as real clients send them: what a client goes on with is continued in its session.

`recorded/` holds what each client sent, request by request, in the version that is named there; how it was recorded
stands in its README. Here the same is sent again, to a gateway whose Lingma says what it said then.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic_core import from_json, to_json

from tests.end_to_end.client import Answer, fetch
from tests.end_to_end.gateway import started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.end_to_end.gateway import Gateway

RECORDED: dict[str, Any] = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "recorded").glob("*.json"))
}


def bodies(requests: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Path and body of each request: one is written as what differs from the one before."""
    body: dict[str, Any] = {}
    told: Any = []
    for request in requests:
        body = {
            name: value for name, value in {**body, **request["fields"]}.items() if name not in request.get("gone", ())
        }
        told = request["then"] if isinstance(request["then"], str) else [*told[: request["kept"]], *request["then"]]
        yield request["path"], {**body, request["in"]: told}


class Names:
    """What the gateway called responses and items then, and what it calls them now."""

    def __init__(self) -> None:
        self._now: dict[str, str] = {}
        self._response = ""
        self._message = ""

    def renewed(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body with the names of now."""
        if "previous_response_id" in body:
            body = {**body, "previous_response_id": self._response}
        if not isinstance(body.get("input"), list):
            return body
        return {**body, "input": [self._item(item) for item in body["input"]]}

    def note(self, answer: Answer) -> None:
        """Take note of what an answer of the Responses API calls things."""
        if answer.headers["content-type"].startswith("text/event-stream"):
            response: dict[str, Any] = next(
                (event["response"] for event in answer.events if event.get("type") == "response.completed"), {}
            )
        else:
            response = from_json(answer.body)
        self._response = response.get("id", "")
        self._message = next((item["id"] for item in response.get("output", ()) if item["type"] == "message"), "")

    def _item(self, item: dict[str, Any]) -> dict[str, Any]:
        if item.get("type") != "item_reference":
            return item
        return {**item, "id": self._now.setdefault(item["id"], self._message)}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose Lingma says what it said to the clients, with a key for each of them."""
    directory = tmp_path_factory.mktemp("recorded")
    scenes = directory / "scenes.json"
    said = {recording["scene"]["when"]: recording["scene"] for recording in RECORDED.values()}
    scenes.write_text(json.dumps(list(said.values())), encoding="utf-8")
    keys = ",".join(f"{name}:{key_of(name)}" for name in RECORDED)
    with started(directory, API_KEYS=keys, LINGMA_SIMULATOR=f"first=0,gap=0,scenes={scenes}") as gateway:
        yield gateway
        found = {name: outcomes(gateway, name) for name in RECORDED}
    hits = sum(session == "hit" for each in found.values() for session, _ in each)
    due = sum(session == "hit" for name in found if found[name] for session, _ in RECORDED[name]["sessions"])
    print(f"\nsessions: {hits} of {due} turns that go on were continued")  # noqa: T201 - for whoever runs it with -s


def key_of(name: str) -> str:
    return f"sk-of-the-client-{name}"


def outcomes(running: Gateway, name: str) -> list[list[str]]:
    """What the gateway's log says of the session of each answer, and why one was not continued."""
    logged = (json.loads(line) for line in running.log.splitlines() if line.startswith("{"))
    answers = [line for line in logged if line.get("event") == "request" and line.get("key") == name]
    return [[line["session"], line.get("miss", "")] for line in answers]


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDED)
async def test_what_a_client_goes_on_with_is_continued(name: str, running: Gateway) -> None:
    """Promise: from the second turn on every request of a recorded client that continues its conversation hits."""
    recording = RECORDED[name]
    names = Names()
    for path, body in bodies(recording["requests"]):
        headers = {"authorization": f"Bearer {key_of(name)}", "content-type": "application/json"}
        if path.endswith("/messages"):
            headers["anthropic-version"] = "2023-06-01"
        answer = await fetch(running.port, "POST", path, to_json(names.renewed(body)), headers)
        assert answer.status == 200, answer.body
        if path.endswith("/responses"):
            names.note(answer)
    await running.until(lambda: len(outcomes(running, name)) == len(recording["sessions"]))
    assert outcomes(running, name) == recording["sessions"]


def test_every_client_is_among_the_recorded() -> None:
    """Promise: the recordings are there, each names its client and version, and each continues its conversation."""
    assert len(RECORDED) >= 27
    for recording in RECORDED.values():
        assert recording["client"]
        assert recording["version"]
        assert sum(session == "hit" for session, _ in recording["sessions"]) >= 2
