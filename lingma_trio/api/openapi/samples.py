"""A body for each operation that takes one: whole, short, and such that a person sees what it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SAID = [{"role": "user", "content": "Hello."}]

CHAT: Mapping[str, Any] = {"model": "org_auto", "stream": True, "messages": _SAID}
MESSAGE: Mapping[str, Any] = {"model": "org_auto", "max_tokens": 1024, "stream": True, "messages": _SAID}
TOKENS: Mapping[str, Any] = {"model": "org_auto", "messages": _SAID}
RESPONSE: Mapping[str, Any] = {"model": "org_auto", "stream": True, "input": "Hello."}
INPUT: Mapping[str, Any] = {"model": "org_auto", "input": "Hello."}
COMPLETION: Mapping[str, Any] = {"model": "org_auto", "prompt": "Once upon a time", "max_tokens": 200}
OLLAMA_CHAT: Mapping[str, Any] = {"model": "org_auto", "messages": _SAID}
OLLAMA_PROMPT: Mapping[str, Any] = {"model": "org_auto", "prompt": "Hello."}
OLLAMA_MODEL: Mapping[str, Any] = {"model": "org_auto"}
