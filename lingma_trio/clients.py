"""What each client needs to be told to use this gateway: the lines, and the file or place where they belong.

Pure: an address and a key in, text out. The one place for command line and status page; docs/clients.md says the same
in more words, and a test holds the two together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Form: TypeAlias = Literal["sh", "json", "toml", "yaml", "text"]


@dataclass(frozen=True, slots=True)
class Gateway:
    """How a client reaches the gateway: its address without a path, a key, and the model to ask for."""

    address: str
    key: str
    model: str = "org_auto"

    @property
    def v1(self) -> str:
        """The base URL of OpenAI's API."""
        return f"{self.address}/v1"


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of one kind. `file` is where they belong, with `~` for the user's home; empty for what is typed, or set by
    hand in a client's own settings.
    """

    form: Form
    text: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """One client by its `title`, and what it needs, in the order in which it is needed."""

    title: str
    lines: Callable[[Gateway], tuple[Lines, ...]]


def _curl(to: Gateway) -> tuple[Lines, ...]:
    body = json.dumps({"model": to.model, "stream": True, "messages": [{"role": "user", "content": "Hello"}]})
    return (
        Lines(
            "sh",
            f'curl -sSN {to.v1}/chat/completions -H "Authorization: Bearer {to.key}"'
            f" -H \"Content-Type: application/json\" \\\n  -d '{body}'",
        ),
    )


def _claude(to: Gateway) -> tuple[Lines, ...]:
    env = {
        "ANTHROPIC_BASE_URL": to.address,
        "ANTHROPIC_AUTH_TOKEN": to.key,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    return Lines("json", json.dumps({"env": env}, indent=2), "~/.claude/settings.json"), Lines("sh", "claude")


def _codex(to: Gateway) -> tuple[Lines, ...]:
    return (
        Lines(
            "toml",
            f'model = "{to.model}"\n'
            'model_provider = "lingma"\n\n'
            "[model_providers.lingma]\n"
            'name = "Lingma"\n'
            f'base_url = "{to.v1}"\n'
            'env_key = "GATEWAY_KEY"\n'
            'wire_api = "responses"',
            "~/.codex/config.toml",
        ),
        Lines("sh", f"GATEWAY_KEY={to.key} codex"),
    )


def _cline(to: Gateway) -> tuple[Lines, ...]:
    return (
        Lines("text", f"API Provider: OpenAI Compatible\nBase URL: {to.v1}\nAPI Key: {to.key}\nModel ID: {to.model}"),
    )


def _continue(to: Gateway) -> tuple[Lines, ...]:
    return (
        Lines(
            "yaml",
            "name: Lingma\n"
            "version: 1.0.0\n"
            "schema: v1\n"
            "models:\n"
            "  - name: Lingma\n"
            "    provider: openai\n"
            f"    model: {to.model}\n"
            f"    apiBase: {to.v1}\n"
            f"    apiKey: {to.key}\n"
            "    roles: [chat, edit, apply]",
            "~/.continue/config.yaml",
        ),
    )


def _aider(to: Gateway) -> tuple[Lines, ...]:
    return (
        Lines(
            "yaml",
            f"openai-api-base: {to.v1}\nopenai-api-key: {to.key}\nmodel: openai/{to.model}",
            "~/.aider.conf.yml",
        ),
        Lines("sh", "aider"),
    )


def _open_webui(to: Gateway) -> tuple[Lines, ...]:
    return (Lines("sh", f"OPENAI_API_BASE_URL={to.v1}\nOPENAI_API_KEY={to.key}"),)


def _cursor(to: Gateway) -> tuple[Lines, ...]:
    return (Lines("text", f"OpenAI API Key: {to.key}\nOverride OpenAI Base URL: {to.v1}\nCustom Model: {to.model}"),)


CLIENTS: Mapping[str, Client] = {
    "claude": Client("Claude Code", _claude),
    "codex": Client("Codex", _codex),
    "cline": Client("Cline", _cline),
    "continue": Client("Continue", _continue),
    "aider": Client("aider", _aider),
    "openwebui": Client("Open WebUI", _open_webui),
    "cursor": Client("Cursor", _cursor),
    "curl": Client("curl", _curl),
}
"""Every client that lines are known for, by the name that is typed."""
