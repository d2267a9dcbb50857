"""Open WebUI as a server of its own: its models, a conversation through it, and what it asks for on the side."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.agent_errand import until
from tests.conformance.clients import API_KEY, NODE_CLIENTS, gateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.end_to_end.gateway import Gateway

PROGRAM = NODE_CLIENTS / "open-webui" / ".venv" / "bin" / "open-webui"
PATIENCE = 60.0  # seconds for one answer
MODEL = "org_auto"
SCENES = [
    {"when": "### Task:", "answers": [{"text": '{"title": "Teal", "tags": ["colour"], "follow_ups": ["And amber?"]}'}]},
    {"when": "SCENE-OF-THE-TEST", "answers": [{"text": "Teal is a dark cyan."}, {"text": "Amber is warm."}]},
    {"when": "LONG-SCENE", "answers": [{"text": "Teal is a colour. " * 500, "knobs": "gap=0.1"}]},
]
FIRST = {"role": "user", "content": "SCENE-OF-THE-TEST: what is teal?"}
SIDE = {"title": "title", "tags": "tags", "follow_up": "follow_ups"}
"""What it asks for on the side, as its paths call it, and as what it asks for does."""


class Page:
    """What a browser does with Open WebUI at a port, signed in."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._headers = {"content-type": "application/json"}
        account = {"name": "dev", "email": "dev@example.com", "password": "Conformance-1-of-clients"}
        self._headers["authorization"] = f"Bearer {self.post('/api/v1/auths/signup', account)['token']}"

    def get(self, path: str) -> Any:  # noqa: ANN401 - any JSON
        """GET it."""
        return self._ask("GET", path)

    def post(self, path: str, body: Any) -> Any:  # noqa: ANN401 - any JSON
        """POST it."""
        return self._ask("POST", path, json.dumps(body))

    def says(self, *messages: dict[str, str]) -> str:
        """What the model says to a conversation."""
        answer = self.post("/api/chat/completions", {"model": MODEL, "messages": messages, "stream": False})
        return str(answer["choices"][0]["message"]["content"])

    @contextmanager
    def listening(self, *messages: dict[str, str]) -> Iterator[None]:
        """A stream of an answer that has begun, and is left at the end of the block."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        body = {"model": MODEL, "messages": messages, "stream": True}
        connection.request("POST", "/api/chat/completions", json.dumps(body), self._headers)
        connection.getresponse().read(1)
        yield
        connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()

    def _ask(self, method: str, path: str, body: str | None = None) -> Any:  # noqa: ANN401 - any JSON
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, self._headers)
            response = connection.getresponse()
            text = response.read()
            assert response.status == 200, text
            return json.loads(text)
        finally:
            connection.close()


@contextmanager
def open_webui(directory: Path, running: Gateway, *, side: bool) -> Iterator[Page]:
    """It, in front of a gateway; `side` says whether it asks for titles, tags and follow-ups."""
    directory.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    kinds = ("TITLE", "TAGS", "FOLLOW_UP")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "DATA_DIR": str(directory / "data"),
        "OFFLINE_MODE": "true",
        "HF_HUB_OFFLINE": "1",
        "ANONYMIZED_TELEMETRY": "false",
        "ENABLE_VERSION_UPDATE_CHECK": "false",
        "WEBUI_SECRET_KEY": "a-secret-of-the-conformance-run",
        "ENABLE_OLLAMA_API": "false",
        "OPENAI_API_BASE_URL": f"http://127.0.0.1:{running.port}/v1",
        "OPENAI_API_KEY": API_KEY,
        "RAG_EMBEDDING_ENGINE": "openai",
        "BYPASS_EMBEDDING_AND_RETRIEVAL": "true",
        **{f"ENABLE_{kind}_GENERATION": str(side).lower() for kind in kinds},
    }
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(PROGRAM), "serve", "--host", "127.0.0.1", "--port", str(port)],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    with process:
        try:
            until(lambda: process.poll() is not None or is_there(port))
            assert process.poll() is None, (directory / "log").read_text(encoding="utf-8")
            yield Page(port)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def is_there(port: int) -> bool:
    """Whether it serves at a port."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def answers(running: Gateway) -> list[dict[str, Any]]:
    """What the gateway's log says of each answer on chat completions."""
    logged = (json.loads(line) for line in running.log.splitlines() if line.startswith("{"))
    return [line for line in logged if line.get("event") == "request" and line["route"] == "chat"]


@pytest.mark.parametrize("side", [False, True], ids=["without side requests", "with side requests"])
def test_conversation(side: bool, tmp_path: Path) -> None:
    """Its models are the gateway's, a second turn goes on in the session, a stream that is left is cancelled.

    It asks for a title, tags and follow-ups where they are on, and for nothing where they are off.
    """
    scenes = tmp_path / "scenes.json"
    scenes.write_text(json.dumps(SCENES), encoding="utf-8")
    with (
        gateway(tmp_path / "gateway", knobs=f"record=1,scenes={scenes}") as running,
        open_webui(tmp_path / "webui", running, side=side) as page,
    ):
        assert MODEL in [model["id"] for model in page.get("/api/models")["data"]]
        first = page.says(FIRST)
        assert first == "Teal is a dark cyan."
        said = [FIRST, {"role": "assistant", "content": first}, {"role": "user", "content": "And amber?"}]
        assert page.says(*said) == "Amber is warm."
        assert [answer["session"] for answer in answers(running)] == ["opening", "hit"]
        for path, name in SIDE.items():
            told = page.post(f"/api/v1/tasks/{path}/completions", {"model": MODEL, "messages": said})
            assert (name in json.dumps(told.get("choices"))) == side
        assert len(answers(running)) == (2 + len(SIDE) if side else 2)
        with page.listening({"role": "user", "content": "LONG-SCENE: what is teal?"}):
            pass
        until(lambda: answers(running)[-1]["outcome"] == "cancelled")
