"""Runs the unpacked tests of the official OpenAI client against a gateway of their own.

Called by `scripts/openai-suite` with the interpreter that has what the tests need, the directory that holds them, and
pytest's further arguments. Ends with pytest's exit status.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.end_to_end.gateway import started

SCRIPTS = Path(__file__).parent
SUITES = ("tests/api_resources/chat/test_completions.py", "tests/api_resources/test_models.py")
# The client's own options run the tests on every core at once and list the slowest; its other settings hold.
OPTIONS = ("-p", "openai_left_out", "-p", "no:cacheprovider", "-o", "addopts=--tb=short", "-q")


def run(interpreter: Path, source: Path, arguments: list[str]) -> int:
    """Return the exit status of pytest, run in `source` against a gateway that ends with it."""
    with (
        TemporaryDirectory(prefix="openai-suite-") as directory,
        started(Path(directory), LINGMA_SIMULATOR="first=0,gap=0") as gateway,
    ):
        environment = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(SCRIPTS),
            "TEST_API_BASE_URL": f"http://127.0.0.1:{gateway.port}/v1",
        }
        command = [str(interpreter), "-m", "pytest", *OPTIONS, *SUITES, *arguments]
        return subprocess.run(command, cwd=source, env=environment, check=False).returncode  # noqa: S603 - our own tools


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
