"""The `session/*` protocol of newer builds: sessions that are opened first, and prompts made of parts.

Knows its calls and what they mean in the words of `chat/ask`; its pushes are made of the same scripts, see `updates`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lingma_trio.simulator.pictures import described
from lingma_trio.simulator.rpc import INVALID_PARAMS, NO_REPLY, Refused

if TYPE_CHECKING:
    from lingma_trio.simulator.chat import Chat
    from lingma_trio.simulator.client import Client

_META: Final = "ai-coding/"


class SessionCalls:
    """The calls, in front of the chat that answers them."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._models: dict[str, str] = {}

    def new(self, _params: dict[str, Any]) -> object:
        """Take a session/new: open a session."""
        return {"sessionId": self._chat.sessions.open().id}

    def set_model(self, params: dict[str, Any]) -> object:
        """Take a session/set_model."""
        self._models[str(params.get("sessionId"))] = str(params.get("modelId") or "")
        return {}

    def prompt(self, client: Client, params: dict[str, Any]) -> object:
        """Take a session/prompt, and start its answer; the call itself is never answered.

        Raises Refused for a session without a model, and for a prompt that holds what is no part of one.
        """
        session_id, meta = str(params.get("sessionId") or ""), params.get("_meta")
        model = self._models.get(session_id)
        if not model:
            raise Refused(INVALID_PARAMS, "model key is empty")
        meta = meta if isinstance(meta, dict) else {}
        texts, pictures = _parts(params.get("prompt"))
        asked = {
            "requestId": meta.get(f"{_META}request-id"),
            "sessionId": session_id,
            "questionText": "\n".join(texts),
            "mode": meta.get(f"{_META}mode"),
            "extra": {"modelConfig": {"key": model}},
        }
        self._chat.prompt(client, asked, pictures)
        return NO_REPLY

    def cancel(self, params: dict[str, Any]) -> object:
        """Take a session/cancel: stop what is being answered in it."""
        return self._chat.stop_session(params)


def _parts(prompt: object) -> tuple[list[str], tuple[str, ...]]:
    """The texts of a prompt, and what its pictures are."""
    texts: list[str] = []
    pictures: list[str] = []
    for part in prompt if isinstance(prompt, list) else ():
        match part:
            case {"type": "text", "text": str() as text}:
                texts.append(text)
            case {"type": "image", "mimeType": str() as kind, "data": str() as data} if said := described(
                f"data:{kind};base64,{data}"
            ):
                pictures.append(said)
            case _:
                raise Refused(INVALID_PARAMS, "a prompt has parts of text and pictures")
    return texts, tuple(pictures)
