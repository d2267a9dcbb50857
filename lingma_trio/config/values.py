"""What a variable's text may be: the types of settings, with what reads each of them.

Knows texts and their forms. Must not know which setting has which form, and repeats no value in a fault.
"""

from __future__ import annotations

import re
import shlex
from typing import Annotated, Literal, TypeAlias
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr
from pydantic_core import from_json

from lingma_trio.accounts import Account, AgentAccount, parse_accounts, parse_tokens
from lingma_trio.keys.examples import FAULT, is_published
from lingma_trio.keys.key import ApiKey, digest_of, parse_api_keys
from lingma_trio.policy.agent_address import AgentAddress
from lingma_trio.policy.state_address import StateAddress, parse_state_address

MAX_ALIASES = 256
"""Aliases of models; every one of them stands in each list of models."""

LONGEST = 10**9
"""Seconds, some thirty years: what is longer has no place in microseconds and in calendars, and means never."""

MAX_MODEL_NAME = 256
"""Characters of a model's name, as in requests."""

ANY_ORIGIN = "*"

# As browsers send it: editors and apps that are browsers inside have schemes of their own.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OWN_PORTS = {"http": ":80", "https": ":443"}  # which no browser names


def _http_url(text: str) -> str:
    if not text:
        return text
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is no http:// or https:// address")
    return text.rstrip("/")


def secrets_of_address(address: str) -> frozenset[str]:
    """What of an address only its owner is to know: the password, or a token in the user's place, and the query, in
    which a store of files has its signature.
    """
    parts = urlsplit(address)
    secret = parts.password or parts.username or ""
    return frozenset(text for text in (secret, unquote(secret), parts.query) if text)


def _keys(text: object) -> object:
    if not isinstance(text, str):
        return text
    keys = parse_api_keys(text)
    if not keys:
        raise ValueError("holds no key")
    return keys


def _own(token: SecretStr) -> SecretStr:
    if token and is_published(digest_of(token.get_secret_value())):
        raise ValueError(FAULT)
    return token


def _accounts(text: object) -> object:
    return parse_accounts(text) if isinstance(text, str) else text


def _tokens(text: object) -> object:
    return parse_tokens(text) if isinstance(text, str) else text


def _state_url(text: object) -> object:
    return (parse_state_address(text) if text.strip() else None) if isinstance(text, str) else text


def _agents(text: object) -> object:
    if not isinstance(text, str):
        return text
    found = []
    for place, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
        try:
            found.append(AgentAddress.parse(entry))
        except ValueError as fault:
            why = str(fault)
        else:
            continue
        raise ValueError(f"entry {place} {why}")
    return tuple(dict.fromkeys(found))


def _agent_url(text: object) -> object:
    return AgentAddress.parse(text.strip()) if isinstance(text, str) else text


def _command(text: object) -> object:
    """The words of a command line, as they are: none is trimmed, and empty ones count."""
    if not isinstance(text, str):
        return text
    words = _json_words(text) if text.lstrip().startswith("[") else _shell_words(text)
    if not words or not words[0]:
        raise ValueError("names no program")
    if any("\0" in word for word in words):
        raise ValueError("has a word with a NUL in it")
    return tuple(words)


def _json_words(text: str) -> list[str]:
    try:
        words = from_json(text)
    except ValueError:
        words = None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError("begins like a JSON array of texts and is none")
    return words


def _shell_words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        fault = "has a quote or a backslash that nothing closes"
    raise ValueError(fault)


def _variable(text: str) -> str:
    if text and not _VARIABLE.fullmatch(text):
        raise ValueError("is no name of an environment variable")
    return text


def _tool_policy(text: object) -> object:
    if not isinstance(text, str):
        return text
    word, _, names = text.partition(":")
    allowed = [name.strip() for name in names.split(",") if name.strip()]
    if word.strip().lower() == "deny" and not allowed:
        return "deny"
    if word.strip().lower() != "allow" or not allowed:
        raise ValueError("is neither deny nor allow: with the names of tools")
    return f"allow:{','.join(allowed)}"


def _aliases(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        table = from_json(text)
    except ValueError:
        table = None
    if not isinstance(table, dict):
        raise ValueError("is no JSON object of names to models")
    if len(table) > MAX_ALIASES:
        raise ValueError(f"holds more than {MAX_ALIASES} names")
    pairs = [(name.strip(), model.strip() if isinstance(model, str) else "") for name, model in table.items()]
    for place, names in enumerate(pairs, start=1):
        if not all(0 < len(name) <= MAX_MODEL_NAME and name.isprintable() for name in names):
            raise ValueError(f"has in entry {place} what is no text of 1 to {MAX_MODEL_NAME} printable characters")
    if len({name.casefold() for name, _ in pairs}) < len(pairs):
        raise ValueError("has one name twice; case does not count")
    return tuple(pairs)


def _origins(text: object) -> object:
    if not isinstance(text, str):
        return text
    origins = tuple(dict.fromkeys(entry.strip().rstrip("/").lower() for entry in text.split(",") if entry.strip()))
    if ANY_ORIGIN in origins and len(origins) > 1:
        raise ValueError("has * beside other origins; * alone allows all of them")
    for place, origin in enumerate(origins, start=1):
        if origin != ANY_ORIGIN and not _ORIGIN.fullmatch(origin):
            raise ValueError(f"has in entry {place} no origin such as https://chat.example.com: scheme, host and port")
    return tuple(origin.removesuffix(_OWN_PORTS.get(origin.partition(":")[0], " ")) for origin in origins)


def _lower(text: object) -> object:
    return text.strip().lower() if isinstance(text, str) else text


def _upper(text: object) -> object:
    return text.strip().upper() if isinstance(text, str) else text


Seconds: TypeAlias = Annotated[float, Field(gt=0, le=LONGEST, allow_inf_nan=False)]
SecondsOrOff: TypeAlias = Annotated[float, Field(ge=0, le=LONGEST, allow_inf_nan=False)]
Port: TypeAlias = Annotated[int, Field(ge=0, le=65535)]
Name: TypeAlias = Annotated[str, Field(min_length=1)]
Bytes: TypeAlias = Annotated[ByteSize, Field(gt=0)]
HttpUrlOrNone: TypeAlias = Annotated[str, AfterValidator(_http_url)]
HttpUrl: TypeAlias = Annotated[HttpUrlOrNone, Field(min_length=1)]
Sha256OrNone: TypeAlias = Annotated[str, BeforeValidator(_lower), Field(pattern=r"^([0-9a-f]{64})?$")]
ApiKeys: TypeAlias = Annotated[tuple[ApiKey, ...], BeforeValidator(_keys)]
Origins: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_origins)]
Token: TypeAlias = Annotated[SecretStr, AfterValidator(_own)]
ModelAliases: TypeAlias = Annotated[tuple[tuple[str, str], ...], BeforeValidator(_aliases)]
Accounts: TypeAlias = Annotated[tuple[Account, ...], BeforeValidator(_accounts)]
Command: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_command)]
AgentTokens: TypeAlias = Annotated[tuple[AgentAccount, ...], BeforeValidator(_tokens)]
Variable: TypeAlias = Annotated[str, AfterValidator(_variable)]
LogLevel: TypeAlias = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)]
LogFormat: TypeAlias = Annotated[Literal["auto", "json", "console"], BeforeValidator(_lower)]
AskMode: TypeAlias = Annotated[Literal["chat", "agent"], BeforeValidator(_lower)]
Dialect: TypeAlias = Annotated[Literal["auto", "chat", "session"], BeforeValidator(_lower)]
ToolPolicy: TypeAlias = Annotated[str, BeforeValidator(_tool_policy)]
Fallback: TypeAlias = Annotated[Literal["error", "placeholder"], BeforeValidator(_lower)]
Upstream: TypeAlias = Annotated[Literal["lingma", "acp", "agents", "simulator", "auto"], BeforeValidator(_lower)]
AgentUrl: TypeAlias = Annotated[AgentAddress | None, BeforeValidator(_agent_url)]
Agents: TypeAlias = Annotated[tuple[AgentAddress, ...], BeforeValidator(_agents)]
SourceType: TypeAlias = Annotated[Literal["marketplace", "vsix"], BeforeValidator(_lower)]
StateUrl: TypeAlias = Annotated[StateAddress | None, BeforeValidator(_state_url)]
ReplicaName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:@-]{0,64}$")]
