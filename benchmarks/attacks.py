"""What one client can do to the others: each case at full size, against a gateway that runs.

Run as `python -m benchmarks.attacks NAME PORT DIRECTORY`: makes everything ready, says so in a line, waits for a line,
does its worst and prints as JSON what it was told. Knows HTTP and sizes; must not know what is measured meanwhile.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from signal import SIGKILL
from threading import Thread
from typing import Any, TypeAlias

from benchmarks.watched import PICTURES, SLOW

KEY = "sk-key-of-the-hostile-client"
OTHER_KEY = "sk-key-of-the-paced-clients"
PATIENCE = 75.0  # seconds for one answer
MEGABYTE = 1_000_000
SEEING = "auto"  # the simulator's model that takes pictures

Answers: TypeAlias = Counter[str]
Act: TypeAlias = Callable[[], Answers]


@dataclass(frozen=True)
class Gateway:
    """Where to, and where the simulators' directories are."""

    port: int
    directory: Path

    def call(self, path: str, body: bytes = b"", method: str = "POST", key: str = KEY) -> tuple[str, bytes]:
        """One request; returns how it ended and what came."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with closing(connection):
            try:
                connection.request(method, path, body, self.headers(key))
                answer = connection.getresponse()
                return str(answer.status), answer.read()
            except (OSError, HTTPException) as fault:
                return type(fault).__name__, b""

    def headers(self, key: str = KEY) -> dict[str, str]:
        """Those of every request."""
        return {"authorization": f"Bearer {key}", "content-type": "application/json"}

    def begun(self, path: str, body: bytes, *, announced: int = 0, receive: int = 0) -> socket.socket:
        """A connection on which a request has been sent, or as much of it as there is; `receive` bounds its buffer."""
        connection = socket.socket()
        connection.settimeout(PATIENCE)
        if receive:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        connection.connect(("127.0.0.1", self.port))
        lines = [f"{name}: {value}" for name, value in self.headers().items()]
        head = [f"POST {path} HTTP/1.1", "host: localhost", *lines, f"content-length: {announced or len(body)}", "", ""]
        connection.sendall("\r\n".join(head).encode() + body)
        return connection


def once(gateway: Gateway, path: str, body: bytes, method: str = "POST") -> Act:
    """One request."""
    return lambda: Counter([gateway.call(path, body, method)[0]])


def at_once(*acts: Callable[[], str]) -> Answers:
    """All of them side by side."""
    told: list[str] = []
    threads = [Thread(target=lambda act=act: told.append(act())) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(told)


def chat(text: str, **fields: Any) -> bytes:  # noqa: ANN401 - JSON
    """The body of a chat request."""
    return json.dumps({"model": "org_auto", "messages": [{"role": "user", "content": text}], **fields}).encode()


def tool(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A tool of OpenAI's."""
    return {"type": "function", "function": {"name": "look", "parameters": schema}}


def call_of(arguments: Mapping[str, Any]) -> str:
    """A question that the simulator answers with a call."""
    told = json.dumps(arguments, separators=(",", ":"))
    return f"Go.\n#simulate first=0 gap=0 'call=look:{told}'"


# --- the loop ---------------------------------------------------------------------------------------------------------


def patterns(gateway: Gateway) -> Act:
    """2,000 patterns to compile."""
    schema = {"type": "object", "patternProperties": {f".{{0,300}}.{{0,300}}{n:04}": {} for n in range(2000)}}
    messages = [{"role": "user", "content": "Hello"}]
    body = {"model": "org_auto", "messages": messages, "tools": [{"name": "look", "input_schema": schema}]}
    return once(gateway, "/v1/messages/count_tokens", json.dumps(body).encode())


def references(gateway: Gateway) -> Act:
    """Twelve levels of two references each, which end in a pattern, at the verdict on one call."""
    return twelve_levels(gateway, "l", {"not": {"pattern": r"^(a|aa)+\1c$"}}, "a" * 60)


def long_references(gateway: Gateway) -> Act:
    """The same with names of 15 KB, and nothing at their end."""
    return twelve_levels(gateway, "l" * 15_000, {"type": "string"}, "a")


def twelve_levels(gateway: Gateway, name: str, end: Mapping[str, Any], value: str) -> Act:
    """A call that is looked at 4,096 times."""
    levels = {f"{name}0": end} | {
        f"{name}{n}": {"allOf": [{"$ref": f"#/$defs/{name}{n - 1}"}] * 2} for n in range(1, 13)
    }
    schema = {"type": "object", "$defs": levels, "properties": {"x": {"$ref": f"#/$defs/{name}12"}}}
    return once(gateway, "/v1/chat/completions", chat(call_of({"x": value}), tools=[tool(schema)]))


def constants(gateway: Gateway) -> Act:
    """One value of 150,000 numbers, compared 256 times."""
    schema = {"type": "object", "$defs": {"c": {"not": {"const": [1] * 150_000}}}}
    schema |= {"properties": {"x": {"allOf": [{"$ref": "#/$defs/c"}] * 256}}}
    return once(gateway, "/v1/chat/completions", chat(call_of({"x": [1]}), tools=[tool(schema)]))


def long_name(gateway: Gateway) -> Act:
    """A call with a property of 1 MB that has 4,000 children."""
    schema = {"type": "object", "additionalProperties": {"additionalProperties": {"type": "string"}}}
    children = {f"p{n}": "a" for n in range(4000)}
    return once(gateway, "/v1/chat/completions", chat(call_of({"n" * MEGABYTE: children}), tools=[tool(schema)]))


def item_references(gateway: Gateway) -> Act:
    """100,000 items in the store, and twenty references to one of them."""
    items = [{"type": "message", "role": "user", "content": "a"}] * 100_000
    stored = {"model": "org_auto", "input": items, "store": True}
    body = json.dumps(stored).encode()

    def act() -> Answers:
        status, answer = gateway.call("/v1/responses", body)
        if status != "200":
            return Counter([f"store {status}"])
        response = json.loads(answer)["id"]
        _, listed = gateway.call(f"/v1/responses/{response}/input_items?limit=1&order=asc", method="GET")
        name = json.loads(listed)["data"][0]["id"]
        asked = {"model": "org_auto", "input": [{"type": "item_reference", "id": name}] * 20}
        return Counter([gateway.call("/v1/responses", json.dumps(asked).encode())[0]])

    return act


def function_calls(gateway: Gateway) -> Act:
    """40,000 calls in a conversation, 2 MB."""
    items = [{"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"}] * 40_000
    return once(gateway, "/v1/responses", json.dumps({"model": "org_auto", "input": items}).encode())


def slashes(gateway: Gateway) -> Act:
    """A path of 15 KB."""
    return once(gateway, "/v1/models/" + "/" * 15_000, b"", "GET")


def tiny_messages(gateway: Gateway) -> Act:
    """660,000 messages, 20 MiB."""
    message = b'{"role":"user","content":""},'
    return once(gateway, "/v1/chat/completions", b'{"model":"a","messages":[%b{}]}' % (message * 660_000))


def empty_lists(gateway: Gateway) -> Act:
    """Seven million lists in a field that nobody reads, 20 MB."""
    return once(gateway, "/v1/chat/completions", chat("Hello", ignored=0)[:-2] + b"[%b0]}" % (b"[]," * 6_600_000))


def honest(gateway: Gateway) -> Act:
    """A message of 20 MB, as a client may well send."""
    return once(gateway, "/v1/chat/completions", chat("word " * 4 * MEGABYTE))


def slow_reader_of_tools(gateway: Gateway) -> Act:
    """An answer of 8 MB with tools, read slowly."""
    question = "Go.\n#simulate first=0 gap=0 deltas=8000 chars=1000 empties=0"
    body = chat(question, stream=True, tools=[tool({"type": "object"})])

    def act() -> Answers:
        with gateway.begun("/v1/chat/completions", body, receive=4096) as connection:
            return read_slowly(connection, seconds=20, pace=200_000)

    return act


def slow_names(gateway: Gateway) -> Act:
    """45 pictures whose names nobody knows for 20 s."""
    parts = [{"type": "image_url", "image_url": {"url": f"http://n{n}.{SLOW}/a.png"}} for n in range(45)]

    def act() -> Answers:
        bodies = [chat("", model=SEEING, messages=[{"role": "user", "content": [part]}]) for part in parts]
        return at_once(*(lambda body=body: gateway.call("/v1/chat/completions", body)[0] for body in bodies))

    return act


# --- memory -----------------------------------------------------------------------------------------------------------


def pictures(gateway: Gateway) -> Act:
    """Three requests with 50 pictures of 10 MB each."""
    site = ThreadingHTTPServer(("127.0.0.1", 0), Picture)
    Thread(target=site.serve_forever, daemon=True).start()
    port = site.server_address[1]
    bodies = []
    for request in range(3):
        urls = [f"http://{PICTURES}:{port}/{request}/{n}.png" for n in range(50)]
        parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        bodies.append(chat("", model=SEEING, messages=[{"role": "user", "content": parts}]))
    return lambda: at_once(*(lambda body=body: gateway.call("/v1/chat/completions", body)[0] for body in bodies))


def unfinished_bodies(gateway: Gateway) -> Act:
    """40 bodies of 19 MB of which the last byte never comes."""
    body = b" " * (19 * MEGABYTE)

    def act() -> Answers:
        def one() -> str:
            try:
                with gateway.begun("/v1/chat/completions", body, announced=len(body) + 1) as connection:
                    connection.settimeout(20)
                    return connection.recv(100).decode("latin-1")[9:12] or "closed"
            except OSError as fault:
                return type(fault).__name__

        return at_once(*[one] * 40)

    return act


def deaf_readers(gateway: Gateway) -> Act:
    """Two clients that read nothing of answers of 100 MB."""
    body = chat("Go.\n#simulate first=0 gap=0 deltas=100000 chars=1000 empties=0", stream=True)

    def act() -> Answers:
        readers = [gateway.begun("/v1/chat/completions", body, receive=4096) for _ in range(2)]
        time.sleep(25)
        for reader in readers:
            reader.close()
        return Counter(["left"] * 2)

    return act


# --- slots ------------------------------------------------------------------------------------------------------------


def slow_readers(gateway: Gateway) -> Act:
    """As many readers at 4 KB/s as one key may have slots, and one more client."""
    body = chat("Go.\n#simulate first=0 gap=0 deltas=2000 chars=1000 empties=0", stream=True)

    def act() -> Answers:
        def read() -> str:
            with gateway.begun("/v1/chat/completions", body, receive=4096) as connection:
                return "read: " + "".join(read_slowly(connection, seconds=20, pace=4000))

        def ask() -> str:
            time.sleep(5)
            return "asked: " + gateway.call("/v1/chat/completions", chat("Hi\n#simulate first=0 gap=0"))[0]

        return at_once(*[read] * 20, ask)

    return act


# --- faults -----------------------------------------------------------------------------------------------------------


def forbidden(gateway: Gateway) -> Act:
    """Five times 403 for one client's model, and twenty questions of another key for another model."""
    body = chat("Go.\n#simulate first=0 gap=0 status=403")
    others = chat("Hi\n#simulate first=0 gap=0", model="dashscope_qwen3_coder")

    def act() -> Answers:
        told = at_once(*[lambda: "attack: " + gateway.call("/v1/chat/completions", body)[0]] * 5)
        for _ in range(20):
            answer, _ = gateway.call("/v1/chat/completions", others, key=OTHER_KEY)
            told[f"others: {answer}"] += 1
        return told

    return act


def kills(gateway: Gateway) -> Act:
    """30 clients while every four seconds one of three Lingmas is killed."""

    def act() -> Answers:
        told: Answers = Counter()
        over = time.monotonic() + 60

        def ask() -> str:
            while time.monotonic() < over:
                told[gateway.call("/v1/chat/completions", chat("Hi\n#simulate first=0.2 gap=0.02 deltas=20"))[0]] += 1
            return ""

        def kill() -> str:
            for number in range(14):
                time.sleep(4)
                files = sorted(gateway.directory.glob("lingma-simulator-*/*/.info"))
                with suppress(OSError, IndexError):
                    os.kill(int(files[number % len(files)].read_text().split()[1]), SIGKILL)
            return ""

        at_once(*[ask] * 30, kill)
        return told

    return act


def read_slowly(connection: socket.socket, *, seconds: float, pace: int) -> Answers:
    """Read so many bytes a second, for so long; a head tells its status."""
    status, give_up = "", time.monotonic() + seconds
    while time.monotonic() < give_up:
        piece = connection.recv(pace // 10)
        status = status or piece[9:12].decode("latin-1")
        if not piece:
            break
        time.sleep(0.1)
    return Counter([status])


class Picture(BaseHTTPRequestHandler):
    """Answers every path with a picture of 10 MB."""

    def do_GET(self) -> None:
        """As the library calls it."""
        body = b"\x89PNG\r\n\x1a\n".ljust(10 * MEGABYTE, b"\0")
        with suppress(OSError):  # who asks may have enough of it
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


ATTACKS: Mapping[str, Callable[[Gateway], Act]] = {
    make.__name__: make
    for make in (
        patterns, references, constants, long_references, long_name, item_references, function_calls, slashes,
        tiny_messages, empty_lists, honest, slow_reader_of_tools, slow_names, pictures, unfinished_bodies, deaf_readers,
        slow_readers, forbidden, kills,
    )
}  # fmt: skip


def main() -> None:
    """Make ready, wait, attack, and say what came of it."""
    act = ATTACKS[sys.argv[1]](Gateway(int(sys.argv[2]), Path(sys.argv[3])))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(json.dumps(act()))


if __name__ == "__main__":
    main()
