"""The clients for Node against a gateway process: each module of tests in `node/` by Node's own runner."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conformance.clients import API_KEY, NODE_CLIENTS, gateway
from tests.conformance.cutter import cutting
from tests.conformance.errand import MARK
from tests.end_to_end.gateway import ADMIN_TOKEN

HERE = Path(__file__).parent
PATIENCE = 120.0
NARROW = {"GATEWAY_MAX_IN_FLIGHT": "1", "GATEWAY_MAX_QUEUE": "0"}
SETTINGS = {"retries": NARROW}
MODULES = sorted(path.name.removesuffix(".test.mjs") for path in (HERE / "node").glob("*.test.mjs"))


@pytest.mark.parametrize("module", MODULES)
def test_client(module: str, tmp_path: Path) -> None:
    """Every test of the module passes; comments come every 50 ms, so that none of them meets a quiet stream."""
    settings = {"SSE_KEEPALIVE_SEC": "0.05", **SETTINGS.get(module, {})}
    with gateway(tmp_path, **settings) as running, cutting(running.port, MARK.encode()) as cutter:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "GATEWAY_ORIGIN": f"http://127.0.0.1:{running.port}",
            "CUT_ORIGIN": f"http://127.0.0.1:{cutter.port}",
            "GATEWAY_KEY": API_KEY,
            "ADMIN_TOKEN": ADMIN_TOKEN,
        }
        ended = subprocess.run(
            ["node", "--test", "--test-reporter=spec", str(NODE_CLIENTS / f"{module}.test.mjs")],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    print(ended.stdout)  # noqa: T201 - pytest shows it where the test fails
    assert ended.returncode == 0, ended.stderr
    assert "pass 0" not in ended.stdout
