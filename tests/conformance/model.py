"""A model that agents ask in place of their makers': it plays along with a word in the question and keeps a record.

Speaks as much as agents need of Gemini's API and of OpenAI's Responses. The newest message decides: `COUNT 5` is
answered in five words, `COUNT 900 SLOWLY` with a pause before each, `CALL tool {"a": 1}` by that call until there is a
result, whether the agent offered the tool or not, `FAIL 400` by that status; and anything else by the first word of the
conversation that looks like `marker-1`. Must not know agents or the gateway.
"""

from __future__ import annotations

import re
import select
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = Any
TROUBLE = "the model is in trouble"
GAP = 0.05  # seconds before each word of an answer that comes slowly
_COUNT = re.compile(r"COUNT (\d+)( SLOWLY)?")
_CALL = re.compile(r"CALL (\w+) (\{.*\})")
_FAIL = re.compile(r"FAIL (\d{3})")
_MARKER = re.compile(r"\bmarker-\w+")


@dataclass(slots=True)
class Question:
    """What a model was asked, and what became of it.

    Times are monotonic: `ended` is when the answer was, and `left` when the asker hung up before that.
    """

    token: str
    said: list[str]
    newest: str
    has_result: bool
    tools: list[str]
    pictures: int
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    left: float | None = None

    @property
    def words(self) -> list[str]:
        """The words of the answer."""
        if count := _COUNT.search(self.newest):
            return [f"{number} " for number in range(1, int(count[1]) + 1)]
        found = next((marker[0] for text in self.said if (marker := _MARKER.search(text))), "nothing")
        return ["You ", "said ", found, "."]

    @property
    def gap(self) -> float:
        """Seconds before each word."""
        count = _COUNT.search(self.newest)
        return GAP if count and count[2] else 0.0

    @property
    def call(self) -> tuple[str, Json] | None:
        """The tool to call and its arguments, where the answer is a call."""
        found = None if self.has_result else _CALL.search(self.newest)
        return (found[1], from_json(found[2])) if found else None


class Gemini:
    """`:streamGenerateContent`."""

    @staticmethod
    def question(token: str, body: Json) -> Question:
        """Read a request."""
        contents = body.get("contents", [])
        mine = [content for content in contents if content.get("role", "user") == "user"]
        texts = ["\n".join(part.get("text", "") for part in content["parts"]) for content in mine]
        has_result = bool(mine) and any("functionResponse" in part for part in mine[-1]["parts"])
        declared = [each for tool in body.get("tools", []) for each in tool.get("functionDeclarations", [])]
        asked = [text for text in texts if text.strip()]
        pictures = sum("inlineData" in part for content in mine for part in content["parts"])
        names = [each["name"] for each in declared]
        return Question(token, texts, asked[-1] if asked else "", has_result, names, pictures)

    def word(self, text: str) -> bytes:
        """A piece of the answer."""
        return self._event([{"text": text}])

    def call(self, name: str, given: Json) -> bytes:
        """A call of a tool."""
        return self._event([{"functionCall": {"name": name, "args": given}}])

    def end(self) -> bytes:
        """The last event."""
        return self._event([{"text": ""}], finishReason="STOP")

    @staticmethod
    def _event(parts: list[Json], **more: str) -> bytes:
        usage = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}
        candidate = {"content": {"role": "model", "parts": parts}, "index": 0, **more}
        return _event({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "mock"})


class Responses:
    """OpenAI's `/v1/responses`."""

    def __init__(self) -> None:
        self._items: list[Json] = []
        self._written = ""

    @staticmethod
    def question(token: str, body: Json) -> Question:
        """Read a request."""
        items = body["input"]
        texts = [_text(item["content"]) for item in items if item.get("role") == "user"]
        tools = [tool.get("name", tool["type"]) for tool in body.get("tools", [])]
        has_result = str(items[-1].get("type", "")).endswith("_output")
        parts = [part for item in items if isinstance(item.get("content"), list) for part in item["content"]]
        pictures = sum(part["type"] == "input_image" for part in parts)
        return Question(token, texts, texts[-1] if texts else "", has_result, tools, pictures)

    def word(self, text: str) -> bytes:
        """A piece of the answer."""
        begun = (
            b"" if self._written else self._added({"type": "message", "id": "m", "role": "assistant", "content": []})
        )
        self._written += text
        place = {"item_id": "m", "output_index": 0, "content_index": 0}
        return begun + self._event("response.output_text.delta", delta=text, **place)

    def call(self, name: str, given: Json) -> bytes:
        """A call of a tool; one whose only argument is `input` takes it as it is."""
        if list(given) == ["input"]:
            called = {"type": "custom_tool_call", "name": name, **given}
        else:
            called = {"type": "function_call", "name": name, "arguments": to_json(given).decode()}
        item = {**called, "id": "f", "call_id": "call_1", "status": "completed"}
        return self._added(item) + self._done(item)

    def end(self) -> bytes:
        """The message as a whole, and the end of the response."""
        content = [{"type": "output_text", "text": self._written, "annotations": []}]
        message = {"type": "message", "id": "m", "role": "assistant", "content": content}
        last = self._done(message) if self._written else b""
        usage = {
            "input_tokens": 10, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 15,
        }  # fmt: skip
        response = {"id": "r", "object": "response", "status": "completed", "output": self._items, "usage": usage}
        return last + self._event("response.completed", response=response)

    def _added(self, item: Json) -> bytes:
        created = self._event("response.created", response={"id": "r", "object": "response", "status": "in_progress"})
        return created + self._event("response.output_item.added", output_index=0, item=item)

    def _done(self, item: Json) -> bytes:
        self._items.append(item)
        return self._event("response.output_item.done", output_index=0, item=item)

    @staticmethod
    def _event(kind: str, **more: Json) -> bytes:
        return f"event: {kind}\n".encode() + _event({"type": kind, **more})


Dialect = Gemini | Responses
DIALECTS: dict[str, type[Dialect]] = {
    ":streamGenerateContent": Gemini,
    "/responses": Responses,
}


class Model:
    """The model's record; `port` is where it listens."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.questions: list[Question] = []

    @property
    def origin(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def asked(self, words: str) -> list[Question]:
        """The questions whose newest message holds these words."""
        return [question for question in self.questions if words in question.newest]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._whole(b'{"object": "list", "data": [], "models": []}')

    def do_POST(self) -> None:
        body = from_json(self.rfile.read(int(self.headers["content-length"])))
        path = self.path.partition("?")[0]
        dialect = next((each for end, each in DIALECTS.items() if path.endswith(end)), None)
        if dialect is None:
            self._whole(to_json({"candidates": [{"content": {"role": "model", "parts": [{"text": "{}"}]}}]}))
            return
        token = self.headers.get("x-goog-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")
        question = dialect.question(token, body)
        self.server.model.questions.append(question)
        if failure := _FAIL.search(question.newest):
            self._whole(to_json({"error": {"code": int(failure[1]), "message": TROUBLE}}), int(failure[1]))
        else:
            self._answer(question, dialect())

    def _answer(self, question: Question, dialect: Dialect) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        try:
            if question.call:
                self.wfile.write(dialect.call(*question.call))
            else:
                for word in question.words:
                    self._wait(question.gap)
                    self.wfile.write(dialect.word(word))
            self.wfile.write(dialect.end())
        except OSError:
            question.left = time.monotonic()
        question.ended = time.monotonic()

    def _wait(self, seconds: float) -> None:
        """Raises ConnectionError where the asker hangs up meanwhile."""
        if seconds and select.select([self.connection], [], [], seconds)[0]:
            raise ConnectionError("the asker left")

    def _whole(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *words: object) -> None:  # noqa: A002 - the name that the server gives
        """Nothing: the record says it."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    model: Model


@contextmanager
def model() -> Iterator[Model]:
    """A model for the length of the block."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.model = Model(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.model
        finally:
            server.shutdown()
            thread.join()


def _event(content: Json) -> bytes:
    return b"data: " + to_json(content) + b"\n\n"


def _text(content: Json) -> str:
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)
