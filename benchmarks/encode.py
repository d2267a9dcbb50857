"""Measures what a streamed delta costs to encode, against the json module on the whole chunk in the same run.

Run as `python benchmarks/encode.py` in the project's environment. Prints microseconds per chunk, the best of several
rounds in which the two take turns, so that a busy machine slows both alike.
"""

from __future__ import annotations

import json
import sys
from timeit import timeit

from lingma_trio.api.openai.stream import ChatStream

ROUNDS = 7
CALLS = 50_000
ID = "chatcmpl-0123456789abcdef"
MODEL = "org_auto"
CREATED = 1_700_000_000

# Prepared once, because `json.dumps` with any option of its own builds an encoder in each call.
DUMPS = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

DELTAS = {
    "6 ASCII characters": " hello",
    "80 ASCII characters": "structured concurrency " * 3 + "is a tree ",
    "8 Chinese characters": "结构化并发是一棵",
    "code, 5 escapes": 'print("a\\tb")\n\t',
}


def dumped(text: str) -> bytes:
    """Return the same chunk as `ChatStream.text`, made by encoding the whole object."""
    choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}
    chunk = {"id": ID, "object": "chat.completion.chunk", "created": CREATED, "model": MODEL, "choices": [choice]}
    return b"data: " + DUMPS(chunk).encode() + b"\n\n"


def measure(text: str) -> tuple[float, float]:
    """Return microseconds per chunk of `text` for the stream and for the json module."""
    stream = ChatStream(id=ID, model=MODEL, created=CREATED)
    stream.start()
    if stream.text(text) != dumped(text):
        raise SystemExit("the two encoders do not agree on the bytes, so their times cannot be compared")
    rounds = [
        (timeit(lambda: stream.text(text), number=CALLS), timeit(lambda: dumped(text), number=CALLS))
        for _ in range(ROUNDS)
    ]
    ours, theirs = (min(times) / CALLS * 1e6 for times in zip(*rounds, strict=True))
    return ours, theirs


def main() -> None:
    """Print one row per kind of delta."""
    rows = [f"{'delta':<22}{'text() us':>12}{'json module us':>16}{'ratio':>8}"]
    for name, text in DELTAS.items():
        ours, theirs = measure(text)
        rows.append(f"{name:<22}{ours:>12.2f}{theirs:>16.2f}{theirs / ours:>8.1f}")
    sys.stdout.write("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
