"""What clients were answered by the gateways of the first days, asked once more of today's: an upgrade breaks nothing.

Each file in `first_release` holds what one of them was asked and answered, byte for byte, with the simulator behind it,
and the settings that it knew. `keys.json` is a KEYS_FILE as the second one wrote it. Today's may say more than was said
then, and nothing less: a status, a kind of body, a field with a kind of value, an event of a stream, a metric.
"""

from __future__ import annotations

import json
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lingma_trio.config.settings import Settings
from tests.end_to_end.client import PATIENCE
from tests.end_to_end.gateway import Gateway, started

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

HOME = Path(__file__).with_name("first_release")
RELEASES = ("2026-11-23", "2026-11-25")
KEY = "k-1"
KEY_OF_THEN = "sk-3vQKk11vmPtF9Sgt67Mq3GAQ7HnmgmQpPsAXK328y-M"
SAID = frozenset(("object", "type", "role", "finish_reason", "stop_reason", "status", "code", "param"))
"""Fields by whose very words clients go on."""
CHANGED = {
    # Several answers are given today.
    "n of two": "200 application/json",
    # A wish that cannot be met was passed over, and is refused by name.
    "logprobs": "400 application/json",
    # Misses are counted by their reasons, forks among them, in lingma_gateway_session_misses_total.
    "/metrics": "; ".join(
        f"# TYPE lingma_gateway_session_cache_{what}_total counter is gone" for what in ("commits", "forks", "misses")
    ),
}
"""What is answered otherwise today, in how far, and above it why it may be."""


def recorded(release: str) -> dict[str, Any]:
    """What one of them left."""
    left: dict[str, Any] = json.loads((HOME / f"{release}.json").read_text(encoding="utf-8"))
    return left


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Today's, set up as those were."""
    directory = tmp_path_factory.mktemp("today")
    with started(directory, API_KEYS=KEY, LINGMA_SIMULATOR="first=0,gap=0") as running:
        yield running


def ask(port: int, asked: dict[str, Any]) -> tuple[int, str | None, set[str], str]:
    """The status, the kind of body, the names of the header's fields, and the body."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(asked["method"], asked["path"], asked["body"], asked["headers"])
        answer = connection.getresponse()
        names = {name.lower() for name, _ in answer.getheaders()}
        return answer.status, answer.getheader("content-type"), names, answer.read().decode()
    finally:
        connection.close()


def lacks(then: object, now: object, place: str = "", name: str = "") -> list[str]:
    """Where what is said now has not what was said then, or another kind of it."""
    match then, now:
        case dict(), dict():
            gone = [f"{place}.{key} is gone" for key in then.keys() - now.keys()]
            both = then.keys() & now.keys()
            return gone + [each for key in both for each in lacks(then[key], now[key], f"{place}.{key}", key)]
        case list(), list():
            if len(now) < len(then):
                return [f"{place} has {len(now)} of {len(then)}"]
            return [
                each for at, (a, b) in enumerate(zip(then, now, strict=False)) for each in lacks(a, b, f"{place}[{at}]")
            ]
        case str(), str() if name in SAID and then != now:
            return [f"{place} is {now!r}, was {then!r}"]
        case None, _:
            return []
    return [] if type(then) is type(now) else [f"{place} is {now!r}, was {then!r}"]


def parts(kind: str | None, body: str) -> list[Any]:
    """A body as what clients make of it: the object, a stream's events, or the names of metrics with their kinds."""
    if kind == "application/json":
        return [json.loads(body)]
    if kind and kind.startswith("text/event-stream"):
        lines = [line.partition(":") for line in body.splitlines() if line]
        return [
            {field: json.loads(value) if value.strip().startswith("{") else value.strip()} for field, _, value in lines
        ]
    return [line for line in body.splitlines() if line.startswith("# TYPE")]


def missing(asked: dict[str, Any], kind: str | None, body: str) -> list[str]:
    """What of the answer of then is not in that of now."""
    then, now = parts(asked["type"], asked["answer"]), parts(kind, body)
    if asked["type"] == "application/json":
        return lacks(then[0], now[0])
    if asked["path"] == "/metrics":
        return [f"{line} is gone" for line in then if line not in now]
    return [f"no event like {event}" for event in then if all(lacks(event, other) for other in now)]


@pytest.mark.parametrize("release", RELEASES)
def test_what_was_answered_is_answered(gateway: Gateway, release: str) -> None:
    """With the same status, the same kind of body and header, and all that was in them."""
    found: dict[str, str] = {}
    for asked in recorded(release)["exchanges"]:
        status, kind, fields, body = ask(gateway.port, asked)
        faults = [] if (status, kind) == (asked["status"], asked["type"]) else [f"{status} {kind}: {body[:200]}"]
        faults += [f"no {field}" for field in set(asked["fields"]) - fields]
        if not faults:
            faults = missing(asked, kind, body)
        if faults:
            found[asked["name"]] = "; ".join(sorted(faults)).partition(": {")[0]
    assert found == CHANGED


@pytest.mark.parametrize("release", RELEASES)
def test_settings_of_then_are_settings(release: str) -> None:
    """Whoever upgrades keeps the `.env` there is."""
    assert [name for name in recorded(release)["settings"] if name.lower() not in Settings.model_fields] == []


def test_keys_of_then_open(tmp_path: Path) -> None:
    """A file of keys that was written then is read, with the limits in it."""
    file = tmp_path / "keys.json"
    file.write_bytes((HOME / "keys.json").read_bytes())
    file.chmod(0o600)
    asked = {"method": "GET", "path": "/v1/models", "body": None, "headers": {"authorization": f"Bearer {KEY_OF_THEN}"}}
    with started(tmp_path / "gateway", KEYS_FILE=str(file), LINGMA_SIMULATOR="first=0,gap=0") as running:
        status, _, _, body = ask(running.port, asked)
        stranger = ask(running.port, {**asked, "headers": {"authorization": "Bearer sk-another"}})[0]
    assert (status, stranger) == (200, 401)
    assert [model["id"] for model in json.loads(body)["data"]] == ["org_auto"]
