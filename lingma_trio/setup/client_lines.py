"""What each client needs to be told, with the address, the key and the model of one gateway. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic_core import to_json

from lingma_trio.setup import merging


@dataclass(frozen=True, slots=True)
class Access:
    """How one gateway is reached: `url` without a path, `key` as clients send it, `model` to ask for."""

    url: str
    key: str
    model: str


@dataclass(frozen=True, slots=True)
class ClientLines:
    """The lines for one client.

    `file` is where they belong, below the home directory, and `merge` puts them into the text that is there; without a
    file they belong into the client's settings dialogue or environment. `after` says what is still to be done.
    """

    text: str
    file: str = ""
    merge: Callable[[str], str] | None = None
    after: str = ""


def claude(access: Access) -> ClientLines:
    """Claude Code: Anthropic's API, whose base address has no `/v1`."""
    variables = {
        "ANTHROPIC_BASE_URL": access.url,
        "ANTHROPIC_AUTH_TOKEN": access.key,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    text = to_json({"env": variables}, indent=2).decode()
    return ClientLines(text, ".claude/settings.json", lambda old: merging.into_json(old, "env", variables))


def codex(access: Access) -> ClientLines:
    """Codex: the Responses API, by a provider of its own; the key stays in the environment."""
    top = {"model": access.model, "model_provider": "lingma"}
    provider = {"name": "Lingma", "base_url": f"{access.url}/v1", "env_key": "GATEWAY_KEY", "wire_api": "responses"}
    text = merging.into_toml("", top, "model_providers.lingma", provider)
    return ClientLines(
        text,
        ".codex/config.toml",
        lambda old: merging.into_toml(old, top, "model_providers.lingma", provider),
        f"export GATEWAY_KEY={shlex.quote(access.key)}\n"
        f"Where the file names another provider: codex -c model_provider=lingma -c model={shlex.quote(access.model)}",
    )


def continue_(access: Access) -> ClientLines:
    """Continue: one more model of its list."""
    model: dict[str, object] = {
        "name": "Lingma",
        "provider": "openai",
        "model": access.model,
        "apiBase": f"{access.url}/v1",
        "apiKey": access.key,
        "roles": ["chat", "edit", "apply"],
    }
    head = "name: Lingma\nversion: 1.0.0\nschema: v1\nmodels:\n"
    return ClientLines(
        merging.into_yaml_list(head, "models", model),
        ".continue/config.yaml",
        lambda old: merging.into_yaml_list(old or head, "models", model),
    )


def aider(access: Access) -> ClientLines:
    """aider: the prefix says which protocol to speak."""
    values = {
        "openai-api-base": f"{access.url}/v1",
        "openai-api-key": access.key,
        "model": f"openai/{access.model}",
    }
    text = merging.into_yaml("", values)
    return ClientLines(text, ".aider.conf.yml", lambda old: merging.into_yaml(old, values))


def cline(access: Access) -> ClientLines:
    """Cline, in its settings."""
    return ClientLines(
        f"API Provider   OpenAI Compatible\nBase URL       {access.url}/v1\nAPI Key        {access.key}\n"
        f"Model ID       {access.model}"
    )


def cursor(access: Access) -> ClientLines:
    """Cursor, in its settings; its servers ask, not the editor."""
    return ClientLines(
        "Cursor Settings, Models, API Keys:\n"
        f"OpenAI API Key             {access.key}\nOverride OpenAI Base URL   {access.url}/v1\n"
        f"Add a custom model         {access.model}",
        after="Cursor's own servers send the requests, so the address has to be one that they reach, by https.",
    )


def openwebui(access: Access) -> ClientLines:
    """Open WebUI, in its environment."""
    return ClientLines(
        f"OPENAI_API_BASE_URL={access.url}/v1\nOPENAI_API_KEY={access.key}",
        after="In a container it reaches another address than 127.0.0.1: put this machine's own there.",
    )


CLIENTS: Mapping[str, Callable[[Access], ClientLines]] = {
    "aider": aider,
    "claude": claude,
    "cline": cline,
    "codex": codex,
    "continue": continue_,
    "cursor": cursor,
    "openwebui": openwebui,
}
"""Each client by the name that it is asked for."""
