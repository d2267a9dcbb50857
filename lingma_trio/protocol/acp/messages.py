"""Builds and reads the payloads of ACP that belong to no turn, and says whose a message is.

Knows field names and what their values mean, as version 1 of the protocol has them. Must not know ids, pipes, the clock
or what a turn is made of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from lingma_trio.errors import ProtocolFault
from lingma_trio.protocol.acp.permission import PERMISSION, cancelled
from lingma_trio.protocol.fields import mapping, string
from lingma_trio.protocol.jsonrpc import METHOD_NOT_FOUND
from lingma_trio.protocol.messages import session_key
from lingma_trio.protocol.request import Notice, Refusal, Reply, Request, Result

VERSION: Final = 1
"""The version of the protocol that is spoken here; a later one ends a turn by other means."""

MAX_LABEL: Final = 100
"""Characters of what an agent calls itself that are shown."""

NEW: Final = "session/new"
PROMPT: Final = "session/prompt"

INVALID_PARAMS: Final = -32602
RESOURCE_NOT_FOUND: Final = -32002


@dataclass(frozen=True, slots=True)
class Agent:
    """What a program says of itself: `images`, `closes` and `deletes` whether it takes pictures, and what it does with
    sessions that nobody goes on with: it forgets them, or also what it wrote of them on its disk.

    `logins` are the names of the ways to sign in that it offers, which are for people.
    """

    name: str = ""
    version: str = ""
    images: bool = False
    closes: bool = False
    deletes: bool = False
    logins: tuple[str, ...] = ()

    @classmethod
    def read(cls, result: object) -> Agent:
        """Read the result of `initialize`. Raises ProtocolFault where the program speaks another version."""
        found = result if isinstance(result, dict) else {}
        version = found.get("protocolVersion")
        if type(version) is not int or version != VERSION:
            spoken = version if type(version) is int else "none"
            raise ProtocolFault(
                f"the agent speaks version {spoken} of ACP, and the gateway {VERSION}; "
                "have ACP_COMMAND start a release that speaks it"
            )
        abilities = mapping(found, "agentCapabilities")
        info = mapping(found, "agentInfo")
        offered = found.get("authMethods")
        return cls(
            name=_label(info, "name"),
            version=_label(info, "version"),
            images=mapping(abilities, "promptCapabilities").get("image") is True,
            closes=_has(mapping(abilities, "sessionCapabilities"), "close"),
            deletes=_has(mapping(abilities, "sessionCapabilities"), "delete"),
            logins=tuple(
                _label(each, "name") or _label(each, "id")
                for each in (offered if isinstance(offered, list) else [])
                if isinstance(each, dict)
            ),
        )


@dataclass(frozen=True, slots=True)
class AcpTerms:
    """What holds for every turn with one agent; `mode` is the one the operator wants, or empty for the agent's own."""

    agent: Agent = field(default_factory=Agent)
    mode: str = ""


def initialize_params(*, name: str, version: str) -> dict[str, Any]:
    """Parameters of `initialize`: nothing is offered that the program might then ask for, no files and no terminal."""
    return {
        "protocolVersion": VERSION,
        "clientCapabilities": {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False},
        "clientInfo": {"name": name, "version": version},
    }


def new_params(directory: str) -> dict[str, Any]:
    """Parameters of `session/new`; `directory`, an absolute path, is where the session works."""
    return {"cwd": directory, "mcpServers": []}


def cancel(session_id: str) -> Notice:
    """What ends the turn of a session. As a request it is refused by all known programs, and the turn goes on."""
    return Notice("session/cancel", {"sessionId": session_id})


def close(session_id: str) -> Request:
    """What frees a session that nobody will go on with. Only for an agent that `closes`."""
    return Request("session/close", {"sessionId": session_id})


def delete(session_id: str) -> Request:
    """What has an agent forget on its disk what was said in a session. Only for one that `deletes`."""
    return Request("session/delete", {"sessionId": session_id})


def turn_keys(method: str, params: dict[str, Any]) -> Iterator[str]:
    """What a message may belong to: a session, whatever its method."""
    del method
    if session_id := string(params, "sessionId"):
        yield session_key(session_id)


def stray_reply(method: str, params: dict[str, Any]) -> Reply:
    """What answers a request of the agent's that belongs to no turn, such as one that was left: nothing is permitted.

    Never null, nor an error to a request for permission: some programs hang on either.
    """
    del params
    return Result(cancelled()) if method == PERMISSION else refusal_of(method)


def refusal_of(method: str) -> Refusal:
    """What answers a request that was never offered to be served."""
    return Refusal(METHOD_NOT_FOUND, f"Method not found: {method[:100]}")


def speaks_of_session(refusal: Refusal) -> bool:
    """Whether an error to a prompt may say that there is no such session: programs share neither code nor words."""
    return refusal.code == RESOURCE_NOT_FOUND or (
        refusal.code == INVALID_PARAMS and "session" in refusal.message.casefold()
    )


def _label(found: dict[str, Any], name: str) -> str:
    """A name for people to read."""
    return "".join(letter for letter in string(found, name)[:MAX_LABEL] if letter.isprintable())


def _has(abilities: dict[str, Any], name: str) -> bool:
    """Whether it is there: an empty object is a yes, and so is `true`; null and `false` are none."""
    return abilities.get(name) not in (None, False)
