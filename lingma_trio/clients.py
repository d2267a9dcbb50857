"""What each client needs to be told to use this gateway: the lines, and the file or place where they belong.

Pure: an address and a key in, text out. The one place for command line and status page; docs/clients.md says the same
in more words, and a test holds the two together.
"""

from __future__ import annotations

import json
import shlex
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
    """One client by its `title`, and what it needs, in the order in which it is needed.

    `note` says in English what may have to be done besides; `{model}` in it is the model to ask for.
    """

    title: str
    lines: Callable[[Gateway], tuple[Lines, ...]]
    note: str = ""


def toml_line(name: str, value: str) -> str:
    """A name and its text, as TOML has it, with the line's end."""
    return f"{name} = {json.dumps(value, ensure_ascii=False)}\n"


def yaml_lines(values: Mapping[str, object]) -> str:
    """Names and values, as YAML has them, with the last line's end; a list stays on its line."""
    return "".join(_yaml_line(name, value) for name, value in values.items())


def _yaml_line(name: str, value: object) -> str:
    import yaml  # noqa: PLC0415 - a gateway that nobody asks for these lines never holds it

    flow = None if isinstance(value, list) else False
    return yaml.safe_dump({name: value}, allow_unicode=True, default_flow_style=flow, width=1000)


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
    top = {"model": to.model, "model_provider": "lingma"}
    provider = {"name": "Lingma", "base_url": to.v1, "env_key": "GATEWAY_KEY", "wire_api": "responses"}
    above, below = ("".join(toml_line(*each) for each in values.items()) for values in (top, provider))
    return (
        Lines("toml", f"{above}\n[model_providers.lingma]\n{below}".rstrip("\n"), "~/.codex/config.toml"),
        Lines("sh", f"GATEWAY_KEY={shlex.quote(to.key)} codex"),
    )


def _cline(to: Gateway) -> tuple[Lines, ...]:
    return (
        Lines("text", f"API Provider: OpenAI Compatible\nBase URL: {to.v1}\nAPI Key: {to.key}\nModel ID: {to.model}"),
    )


def _continue(to: Gateway) -> tuple[Lines, ...]:
    model: dict[str, object] = {
        "name": "Lingma",
        "provider": "openai",
        "model": to.model,
        "apiBase": to.v1,
        "apiKey": to.key,
        "roles": ["chat", "edit", "apply"],
    }
    entry = yaml_lines(model).rstrip("\n").replace("\n", "\n    ")
    return (
        Lines("yaml", f"name: Lingma\nversion: 1.0.0\nschema: v1\nmodels:\n  - {entry}", "~/.continue/config.yaml"),
    )


def _aider(to: Gateway) -> tuple[Lines, ...]:
    values = {"openai-api-base": to.v1, "openai-api-key": to.key, "model": f"openai/{to.model}"}
    return Lines("yaml", yaml_lines(values).rstrip("\n"), "~/.aider.conf.yml"), Lines("sh", "aider")


def _open_webui(to: Gateway) -> tuple[Lines, ...]:
    return (Lines("sh", f"OPENAI_API_BASE_URL={to.v1}\nOPENAI_API_KEY={to.key}"),)


def _cursor(to: Gateway) -> tuple[Lines, ...]:
    return (Lines("text", f"OpenAI API Key: {to.key}\nOverride OpenAI Base URL: {to.v1}\nCustom Model: {to.model}"),)


CLIENTS: Mapping[str, Client] = {
    "claude": Client("Claude Code", _claude),
    "codex": Client(
        "Codex",
        _codex,
        "Where the file names another provider: codex -c model_provider=lingma -c model={model}",
    ),
    "cline": Client("Cline", _cline),
    "continue": Client("Continue", _continue),
    "aider": Client("aider", _aider),
    "openwebui": Client(
        "Open WebUI",
        _open_webui,
        "In a container it reaches another address than 127.0.0.1: put this machine's own there.",
    ),
    "cursor": Client(
        "Cursor",
        _cursor,
        "Cursor's own servers send the requests, so the address has to be one that they reach, by https.",
    ),
    "curl": Client("curl", _curl),
}
"""Every client that lines are known for, by the name that is typed."""
