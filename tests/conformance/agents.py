"""Codex CLI and Claude Code as processes of their own, asked one task each and shut off from everything but a gateway.

Knows how each is configured and called. Must not know the gateway's insides or what a task is about.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.conformance.clients import API_KEY, NODE_CLIENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PATIENCE = 180.0  # seconds for one task; it takes some
_LONGEST_REQUEST_LINE = 4096

# Features of Codex that ask its maker's servers for more, which a run that is shut off has no use for.
_CODEX_FEATURES_OFF = ("apps", "plugins", "remote_plugin")
_CODEX_SETTINGS = """
model = "org_auto"
model_provider = "gateway"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.gateway]
name = "gateway"
base_url = "http://127.0.0.1:{port}/v1"
wire_api = "responses"
env_key = "GATEWAY_KEY"
"""


class Outside:
    """Stands for the rest of the network: a proxy that leads nowhere and remembers what was asked of it."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        """Where programs find it."""
        host, port = self._listener.getsockname()
        return f"http://{host}:{port}"

    def serve(self) -> None:
        """Note the first line of every request and hang up, until the listener is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                line = connection.recv(_LONGEST_REQUEST_LINE).partition(b"\r\n")[0]
                self.asked.append(line.decode("latin-1"))


@contextmanager
def outside() -> Iterator[Outside]:
    """The rest of the network for the length of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        rest = Outside(listener)
        thread = threading.Thread(target=rest.serve)
        thread.start()
        try:
            yield rest
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@dataclass(frozen=True, slots=True)
class Agent:
    """One coding agent in a home of its own; `port` is the gateway's, `workspace` the directory it works in."""

    home: Path
    workspace: Path
    port: int
    rest: Outside

    def codex(self, task: str) -> subprocess.CompletedProcess[str]:
        """Let Codex CLI do a task; there is nobody to ask, and what it runs is not confined any further."""
        settings = self.home / "config.toml"
        settings.write_text(_CODEX_SETTINGS.format(port=self.port), encoding="utf-8")
        off = [word for feature in _CODEX_FEATURES_OFF for word in ("--disable", feature)]
        words = ["exec", *off, "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", task]
        variables = {"CODEX_HOME": str(self.home), "GATEWAY_KEY": API_KEY}
        return self._run([str(NODE_CLIENTS / "node_modules" / ".bin" / "codex"), *words], variables)

    def claude_code(self, task: str) -> subprocess.CompletedProcess[str]:
        """Let Claude Code do a task; it may edit files, and there is nobody to ask for more."""
        program = NODE_CLIENTS / "node_modules" / "@anthropic-ai" / "claude-code" / "cli-wrapper.cjs"
        variables = {
            "CLAUDE_CONFIG_DIR": str(self.home),
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{self.port}",
            "ANTHROPIC_API_KEY": API_KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "DISABLE_TELEMETRY": "1",
        }
        return self._run(["node", str(program), "--print", "--permission-mode", "acceptEdits", task], variables)

    def _run(self, command: list[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "HTTP_PROXY": self.rest.address,
            "HTTPS_PROXY": self.rest.address,
            "NO_PROXY": "127.0.0.1",
            **variables,
        }
        return subprocess.run(
            command,
            cwd=self.workspace,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
