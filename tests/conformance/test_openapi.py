"""Requests made up from `/openapi.json`, and from every path with nothing said of it: none brings the gateway down, and
every response is one that is described.

`OPENAPI_EXAMPLES=1000 scripts/conformance openapi` tries more of them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conformance.clients import API_KEY, GATEWAY_PYTHON, gateway

EXAMPLES = int(os.environ.get("OPENAPI_EXAMPLES", "10"))
"""Requests for each operation, besides those that try the bounds of each field."""
PATIENCE = 600.0 + 20 * EXAMPLES
CONFIGURATION = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "502"]

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "400", "401", "403", "404", "409", "429", "5xx"]
"""
"""The simulator answers in prose, also where JSON is asked for, which the gateway then has to say by a 502; its own
faults are a 500. Fields that are described as refused are refused, whatever they hold, and so is a conversation in
which nobody says anything: by a 400, and by nothing else."""

BODIES = ("application/json", "application/x-www-form-urlencoded")
STRANGERS = "ignored_auth,missing_required_header"
"""Checks that want a 401 or a 403 for who is not the operator, who is told by a 404 that there is no such path."""

ROUTES = """
import json
from lingma_trio.http.routes import build_router
print(json.dumps([[route.path, *route.endpoint.methods] for route in build_router().routes]))
"""
ENDLESS = "/internal/events"
"""It tells what happens for as long as it is listened to, which schemathesis would do."""


def run(directory: Path, schema: str, *arguments: str, key: str) -> None:
    """Have schemathesis try what the schema describes, by all its checks; a finding is a failure."""
    (directory / "schemathesis.toml").write_text(CONFIGURATION, encoding="utf-8")
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--no-color", "run", schema, *arguments,
        "--header", f"Authorization: Bearer {key}",
        "--checks", "all",
        "--mode", "all",
        "--max-examples", str(EXAMPLES),
        "--request-timeout", "20",
        "--generation-deterministic",
        "--continue-on-failure",
    ]  # fmt: skip
    ended = subprocess.run(
        command,
        cwd=directory,
        env={"PATH": os.environ["PATH"], "HOME": str(directory)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    print(ended.stdout)  # noqa: T201 - pytest shows it where the test fails
    assert ended.returncode == 0


def test_every_response_is_described(tmp_path: Path) -> None:
    """Whatever is asked, as described or not, the answer is a described one and no fault of the gateway's.

    A question cannot turn the simulator's knobs here, so every fault is the gateway's own.
    """
    with gateway(tmp_path, knobs="directives=0", GATEWAY_MAX_IN_FLIGHT="0") as running:
        run(tmp_path, f"http://127.0.0.1:{running.port}/openapi.json", key=API_KEY)
        assert "request_failed" not in running.log


def undescribed() -> dict[str, Any]:
    """A description of every path, which says as little of it as it can. Among them are those that `/openapi.json`
    leaves out: of the operator, of the status page, and of the API without `/v1`. Paths of what is not here take no
    heed of what they are asked.
    """
    said = subprocess.run([GATEWAY_PYTHON, "-c", ROUTES], stdout=subprocess.PIPE, check=True).stdout
    paths: dict[str, Any] = {}
    for path, *methods in json.loads(said):
        if path == ENDLESS or not methods:
            continue
        named = re.sub(r":path\}", "}", path)
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"\{(\w+)\}", named)
        ]
        for method in methods:
            operation: dict[str, Any] = {"parameters": parameters, "responses": {"default": {"description": "Any."}}}
            if path.startswith("/internal/"):
                operation["security"] = [{"operator": []}]
            if method == "POST":
                operation["requestBody"] = {"content": {kind: {"schema": {}} for kind in BODIES}}
            paths.setdefault(named, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Every path", "version": "0"},
        "paths": paths,
        "components": {"securitySchemes": {"operator": {"type": "http", "scheme": "bearer"}}},
    }


def test_paths_stand_whatever_they_are_asked(tmp_path: Path) -> None:
    """None is a fault of the gateway's own, takes a method that it does not name, or tells a stranger what it keeps for
    the operator.
    """
    schema = tmp_path / "paths.json"
    schema.write_text(json.dumps(undescribed()), encoding="utf-8")
    with gateway(tmp_path, knobs="directives=0", GATEWAY_MAX_IN_FLIGHT="0", ADMIN_TOKEN=API_KEY) as running:
        origin = f"http://127.0.0.1:{running.port}"
        run(tmp_path, str(schema), "--url", origin, "--exclude-checks", STRANGERS, key=API_KEY)
        assert "request_failed" not in running.log
