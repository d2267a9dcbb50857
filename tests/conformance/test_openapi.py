"""Requests made up from `/openapi.json`: none brings the gateway down, and every response is one that is described."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conformance.clients import API_KEY, gateway

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
EXAMPLES = 25
"""Requests for each operation, besides those that try the bounds of each field."""
PATIENCE = 300.0
CONFIGURATION = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "502"]
"""
"""The simulator answers in prose, also where JSON is asked for, which the gateway then has to say; its own faults are a
500."""


def test_every_response_is_described(tmp_path: Path) -> None:
    """Whatever is asked, as described or not, the answer is a described one and no fault of the gateway's.

    A question cannot turn the simulator's knobs here, so every fault is the gateway's own.
    """
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION, encoding="utf-8")
    with gateway(tmp_path, knobs="directives=0", GATEWAY_MAX_IN_FLIGHT="0") as running:
        command = [
            str(Path(sys.executable).with_name("schemathesis")), "--no-color", "run",
            f"http://127.0.0.1:{running.port}/openapi.json",
            "--header", f"Authorization: Bearer {API_KEY}",
            "--checks", ",".join(CHECKS),
            "--phases", "examples,coverage,fuzzing",
            "--mode", "all",
            "--max-examples", str(EXAMPLES),
            "--request-timeout", "20",
            "--generation-deterministic",
            "--continue-on-failure",
        ]  # fmt: skip
        ended = subprocess.run(
            command,
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        log = running.log
    print(ended.stdout)  # noqa: T201 - pytest shows it where the test fails
    assert ended.returncode == 0
    assert "request_failed" not in log
