"""Runs the unpacked tests of the official OpenAI client against a gateway of their own.

Called by `scripts/openai-suite` with the interpreter that has what the tests need, the directory that holds them, and
pytest's further arguments. Ends with pytest's exit status.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.end_to_end.gateway import started

SCRIPTS = Path(__file__).parent
TESTS = Path("tests/api_resources")
SUITES = (
    "chat/test_completions.py",
    "responses/test_input_items.py",
    "test_completions.py",
    "test_models.py",
    "test_responses.py",
)
# The tests are written for a server that answers anything. What they send that no server can answer is replaced in the
# copies that run, and nothing else: a model and a response of OpenAI's by some that are here, no input by one, and a
# wish for probabilities of tokens or for moderation, which is refused by name, by none.
_STORED = "stored_response()"
ADAPTED: dict[str, tuple[tuple[str, str], ...]] = {
    "chat/test_completions.py": (
        (r"\blogprobs=True\b", "logprobs=False"),
        (r"(?s)\bmoderation=\{.*?\n {12}\},", ""),
    ),
    "test_models.py": ((r'(\.retrieve\(\s+)"[^"]+"', r'\1"org_auto"'),),
    "test_responses.py": (
        (r'"resp_677efb5139a88190b512bc3fef8e535d"', _STORED),
        (r"\.create\(\)", '.create(input="Hello.")'),
        (r"(\.create\(\s+)stream=True,(\s+\))", r'\1input="Hello.", stream=True,\2'),
    ),
    "responses/test_input_items.py": ((r'response_id="response_id"', f"response_id={_STORED}"),),
}
_BEGINNING = "from __future__ import annotations\n"
# The client's own options run the tests on every core at once and list the slowest; its other settings hold.
OPTIONS = ("-p", "openai_left_out", "-p", "no:cacheprovider", "-o", "addopts=--tb=short", "-q")


def adapt(source: Path) -> None:
    """Replace in the copies of the tests what `ADAPTED` says; a replacement that finds nothing is a fault."""
    for name, replacements in ADAPTED.items():
        path = source / TESTS / name
        text = path.read_text(encoding="utf-8")
        for pattern, replacement in replacements:
            text, times = re.subn(pattern, replacement, text)
            if not times:
                raise SystemExit(f"{name} has nothing that matches {pattern}")
        if _STORED in text:
            text = text.replace(_BEGINNING, f"{_BEGINNING}\nfrom openai_stored import stored_response\n", 1)
        path.write_text(text, encoding="utf-8")


def run(interpreter: Path, source: Path, arguments: list[str]) -> int:
    """Return the exit status of pytest, run in `source` against a gateway that ends with it."""
    adapt(source)
    with (
        TemporaryDirectory(prefix="openai-suite-") as directory,
        started(Path(directory), LINGMA_SIMULATOR="first=0,gap=0") as gateway,
    ):
        environment = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(SCRIPTS),
            "TEST_API_BASE_URL": f"http://127.0.0.1:{gateway.port}/v1",
        }
        command = [str(interpreter), "-m", "pytest", *OPTIONS, *(str(TESTS / suite) for suite in SUITES), *arguments]
        return subprocess.run(command, cwd=source, env=environment, check=False).returncode  # noqa: S603 - our own tools


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
