"""Runs the unpacked tests of an official client against a gateway of their own.

Called by `scripts/sdk-suite` with the client's name, the interpreter that has what the tests need, the directory that
holds them, and pytest's further arguments. Ends with pytest's exit status.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.end_to_end.gateway import started

SCRIPTS = Path(__file__).parent
TESTS = Path("tests/api_resources")
_STORED = "stored_response()"
_BEGINNING = "from __future__ import annotations\n"
_LISTED_MODEL = ((r'"model_id"', '"org_auto"'),)
# The clients' own options run the tests on every core at once and list the slowest; their other settings hold.
OPTIONS = ("-p", "sdk_left_out", "-p", "no:cacheprovider", "-o", "addopts=--tb=short", "-q")


@dataclass(frozen=True, slots=True)
class Suite:
    """Tests of a client: the files of what the gateway serves, which they find below `base`.

    They are written for a server that answers anything. What they send that no server can answer is `adapted` in the
    copies that run, and nothing else.
    """

    base: str
    adapted: dict[str, tuple[tuple[str, str], ...]]


def _without(*arguments: str) -> tuple[tuple[str, str], ...]:
    """No such arguments, which begin a line of the calls, be they on one line or several."""
    return tuple(
        (rf"(?m)^ {{12}}{each}=(?:[^\n]*[^\[{{\n]|(?s:[\[{{]\n.*?\n {{12}}[\]}}])),\n", "") for each in arguments
    )


SUITES = {
    # A model and a response of OpenAI's by some that are here, no input by one, and what is refused by name, as
    # probabilities of tokens, by nothing.
    "openai": Suite(
        "/v1",
        {
            "chat/test_completions.py": (
                (r"\blogprobs=True\b", "logprobs=False"),
                (r"(?s)\bmoderation=\{.*?\n {12}\},", ""),
            ),
            "responses/test_input_items.py": ((r'response_id="response_id"', f"response_id={_STORED}"),),
            "responses/test_input_tokens.py": (
                (r"\.count\(\)", '.count(input="Hello.")'),
                (r'"resp_123"', _STORED),
                *_without("conversation", "personality"),
            ),
            "test_completions.py": (),
            "test_models.py": ((r'(\.retrieve\(\s+)"[^"]+"', r'\1"org_auto"'),),
            "test_responses.py": (
                (r'"resp_677efb5139a88190b512bc3fef8e535d"', _STORED),
                *_without("background", "conversation", "moderation", "prompt"),
                (r'"(?:previous_response_id|resp_123)"', _STORED),
                (r"\.create\(\)", '.create(input="Hello.")'),
                (r'(\.compact\(\s+model="[^"]+",)(\s+\))', r'\1 input="Hello.",\2'),
                (r"(\.create\(\s+)stream=True,(\s+\))", r'\1input="Hello.", stream=True,\2'),
            ),
        },
    ),
    # A model of nobody's by one that is here, and what is refused by name, each of it in one argument, by nothing.
    "anthropic": Suite(
        "",
        {
            "test_messages.py": _without("container", "inference_geo"),
            "test_models.py": _LISTED_MODEL,
            "beta/test_messages.py": _without("compaction", "container", "inference_geo"),
            "beta/test_models.py": _LISTED_MODEL,
        },
    ),
}


def adapt(source: Path, suite: Suite) -> None:
    """Replace in the copies of the tests what is adapted; a replacement that finds nothing is a fault."""
    for name, replacements in suite.adapted.items():
        path = source / TESTS / name
        text = path.read_text(encoding="utf-8")
        for pattern, replacement in replacements:
            text, times = re.subn(pattern, replacement, text)
            if not times:
                raise SystemExit(f"{name} has nothing that matches {pattern}")
        if _STORED in text:
            text = text.replace(_BEGINNING, f"{_BEGINNING}\nfrom sdk_stored import stored_response\n", 1)
        path.write_text(text, encoding="utf-8")


def run(sdk: str, interpreter: Path, source: Path, arguments: list[str]) -> int:
    """Return the exit status of pytest, run in `source` against a gateway that ends with it."""
    suite = SUITES[sdk]
    adapt(source, suite)
    with (
        TemporaryDirectory(prefix="sdk-suite-") as directory,
        started(Path(directory), LINGMA_SIMULATOR="first=0,gap=0") as gateway,
    ):
        environment = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(SCRIPTS),
            "SDK": sdk,
            "TEST_API_BASE_URL": f"http://127.0.0.1:{gateway.port}{suite.base}",
        }
        files = [str(TESTS / name) for name in suite.adapted]
        command = [str(interpreter), "-m", "pytest", *OPTIONS, *files, *arguments]
        return subprocess.run(command, cwd=source, env=environment, check=False).returncode  # noqa: S603 - our own tools


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:]))
