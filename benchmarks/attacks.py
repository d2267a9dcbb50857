"""What one client can do to the others: each case at full size, against a gateway that runs.

Run as `python -m benchmarks.attacks NAME PORT DIRECTORY`: makes everything ready, says so in a line, waits for a line,
does its worst and prints as JSON what it was told. Here are those that cost time, memory or slots. Knows bodies and
sizes; must not know what is measured meanwhile.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from benchmarks.attacker import Act, Answers, Gateway, at_once, call_of, chat, once, read_slowly, tool
from benchmarks.faults import FAULTS
from benchmarks.watched import PICTURES, SLOW

MEGABYTE = 1_000_000
SEEING = "auto"  # the simulator's model that takes pictures


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
    """100,000 items to be stored, and twenty references to one of them; they are more than one request may have."""
    return stored(gateway, 100_000, listed=1, times=20)


def stored_items(gateway: Gateway) -> Act:
    """9,000 items in the store, and as many references to a hundred of them."""
    return stored(gateway, 9000, listed=100, times=90)


def stored(gateway: Gateway, size: int, *, listed: int, times: int) -> Act:
    """So many items in the store, and so many times a reference to each of the first `listed`."""
    items = [{"type": "message", "role": "user", "content": "a"}] * size
    body = json.dumps({"model": "org_auto", "input": items, "store": True}).encode()

    def act() -> Answers:
        status, answer = gateway.call("/v1/responses", body)
        if status != "200":
            return Counter([f"store {status}"])
        path = f"/v1/responses/{json.loads(answer)['id']}/input_items?limit={listed}&order=asc"
        names = [item["id"] for item in json.loads(gateway.call(path, method="GET")[1])["data"]]
        asked = {"model": "org_auto", "input": [{"type": "item_reference", "id": name} for name in names] * times}
        return Counter([gateway.call("/v1/responses", json.dumps(asked).encode())[0]])

    return act


def function_calls(gateway: Gateway) -> Act:
    """40,000 calls in a conversation, 2 MB."""
    items = [{"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"}] * 40_000
    return once(gateway, "/v1/responses", json.dumps({"model": "org_auto", "input": items}).encode())


def marker_tags(gateway: Gateway) -> Act:
    """The first 16,000 numbers that a prompt's markers may have, as its first message lets anybody compute them."""
    first = {"role": "system", "content": "Be brief."}
    seed = blake2b(b"system\0Be brief.", digest_size=16).digest()
    hashes = (blake2b(seed + attempt.to_bytes(8), digest_size=8).digest() for attempt in range(16_000))
    lines = "\n".join(f"== {int.from_bytes(each) % 10**12:012} user ==" for each in hashes)
    messages = [first, {"role": "user", "content": lines}]
    return once(gateway, "/v1/chat/completions", chat("", messages=messages))


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
        patterns, references, constants, long_references, long_name, item_references, stored_items, function_calls,
        marker_tags, slashes, tiny_messages, empty_lists, honest, slow_reader_of_tools, slow_names, pictures,
        unfinished_bodies, deaf_readers, slow_readers, *FAULTS,
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
