"""A gateway that runs already, as its own HTTP interface shows it.

Knows paths and what their answers hold. Sends a token or a key where one is needed, and shows neither. An address on
this machine is asked directly, whatever proxy the environment names.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

import httpx2
import trio
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic_core import from_json, to_json

from lingma_trio.config import Settings
from lingma_trio.edge.addresses import path_in
from lingma_trio.protocol.allowance import Allowance

ANSWER_SECONDS = 5.0
"""For anything but a chat: the gateway answers from memory."""

CLEAR_SECONDS = 60.0  # for a store that holds many

MAX_ANSWER = 4 * 1024 * 1024
"""Bytes. Whatever sends more is no gateway."""

OK, NOT_FOUND, TOO_MANY, UNAVAILABLE = 200, 404, 429, 503
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - told apart, not listened on


class NoGateway(Exception):
    """No gateway answers at that address; the message says what happened instead."""


class Refused(Exception):
    """The gateway answered with an error; the message is its own."""


class AccountReport(BaseModel):
    """What an account may use, as Lingma tells it: its kind, a quota and what its plan holds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str | None = None
    quota: int | float | None = None
    plan: dict[str, str | int | float | bool] = {}

    @property
    def words(self) -> tuple[str, ...]:
        """All of it for people, each thing for itself; nothing where Lingma told nothing."""
        return Allowance(self.kind or "", self.quota, self.plan).words


class AgentReport(BaseModel):
    """Which program an agent is, as it tells itself."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = ""
    version: str = ""


class InstanceReport(BaseModel):
    """One instance, as `/readyz` and `/internal/stats` tell of it. Only the latter knows the numbers."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    state: str
    reason: str = ""
    account_name: str = ""
    generation: int | None = None
    turns: int | None = None
    restarts: int | None = None
    models: tuple[str, ...] | None = None
    account: AccountReport = AccountReport()
    agent: AgentReport | None = None

    @property
    def about(self) -> tuple[str, ...]:
        """What there is to tell of its account; of an agent, who that is."""
        if self.agent is not None:
            return tuple(filter(None, (self.agent.name, self.agent.version)))
        return self.account.words


class Readiness(BaseModel):
    """What `/readyz` tells: whether a chat would be answered, by what, and how each instance is."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: Literal["ready", "degraded", "not_ready", "draining"]
    upstream: Literal["lingma", "acp", "simulator"]
    instances: tuple[InstanceReport, ...]
    notice: str = ""


class KeysFileReport(BaseModel):
    """How KEYS_FILE is doing: `edition` is the SHA-256 of the text whose keys are in force."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    path: str
    loads: int
    edition: str = ""
    fault: str = ""


class KeysReport(BaseModel):
    """How many keys are in force, and the file of them where there is one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    count: int
    file: KeysFileReport | None = None


class ReplicaReport(BaseModel):
    """One of the gateways that share a store, as they tell each other; `age` is in seconds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    age: int
    in_flight: int


class Stats(BaseModel):
    """What `/internal/stats` tells beyond that; `limiter` and `sessions` are numbers by their names."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: str
    uptime_seconds: float
    limiter: dict[str, float]
    sessions: dict[str, float]
    instances: tuple[InstanceReport, ...]
    keys: KeysReport = KeysReport(count=0)
    replicas: tuple[ReplicaReport, ...] = ()


class TaskNode(BaseModel):
    """A task of the gateway, as `/internal/tree` tells of it; `left_out` counts children that are not shown."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    state: str = ""
    at: str = ""
    children: tuple[TaskNode, ...] = ()
    left_out: int = 0


class Tree(BaseModel):
    """What `/internal/tree` tells: every task, and how many requests are at which point."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    tasks: int
    states: dict[str, int]
    root: TaskNode


class LoginReport(BaseModel):
    """What `/internal/login` tells of one instance. `login_url` is for the operator's eyes only."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    instance: str
    state: str
    reason: str = ""
    account_name: str = ""
    login_url: str = ""


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """A gateway at `url`, without a slash at its end. Every method raises `NoGateway` and may be cancelled.

    One of this machine may listen at `path` instead, and speaks TLS with the `certificate` that it is known by.
    """

    url: str
    admin_token: SecretStr = SecretStr("")
    api_key: SecretStr = SecretStr("")
    certificate: Path | None = None
    path: str = ""

    @classmethod
    def of(cls, settings: Settings, url: str = "") -> RunningGateway:
        """The one at `url`, or that of these settings. Raises `NoGateway` where those leave the port open.

        An address with a password in it is refused: the address is shown, in messages and in a list of processes.
        """
        if "@" in url:
            raise NoGateway("an address with a user and a password in it is not taken")
        key = next((key.secret for key in settings.api_keys if key.secret), SecretStr(""))
        if url:
            return cls(url.rstrip("/"), settings.admin_token, key)
        return cls(own_url(settings), settings.admin_token, key, settings.tls_cert_file, path_in(settings.host))

    def client(self) -> httpx2.AsyncClient:
        """A client that reaches it and waits for as long as it is let; whoever asks for it closes it.

        Raises `NoGateway` for a certificate that cannot be read.
        """
        transport = httpx2.AsyncHTTPTransport(uds=self.path) if self.path else None
        direct = is_loopback(httpx2.URL(self.url).host)
        verify = True if self.certificate is None else _trusting(self.certificate)
        return httpx2.AsyncClient(timeout=None, trust_env=not direct, transport=transport, verify=verify)

    async def readiness(self) -> Readiness:
        """Whether it is ready, and why not."""
        _, body = await self._ask("GET", "/readyz", seconds=ANSWER_SECONDS)
        try:
            return Readiness.model_validate_json(body)
        except ValidationError:
            raise NoGateway(f"what answers at {self.url} is no lingma-trio") from None

    async def stats(self) -> Stats | None:
        """What only the operator may see; None without ADMIN_TOKEN, and where the gateway has another one."""
        if not self.admin_token:
            return None
        status, body = await self._ask("GET", "/internal/stats", seconds=ANSWER_SECONDS, token=self.admin_token)
        if status in {NOT_FOUND, TOO_MANY}:
            return None
        try:
            return Stats.model_validate_json(body)
        except ValidationError:
            raise NoGateway(f"{self.url} has statistics of another form; is it another version?") from None

    async def tree(self) -> Tree:
        """What runs in it, for the operator alone. Raises `Refused`, also where ADMIN_TOKEN is another one."""
        found = await self._ask_json("GET", "/internal/tree", seconds=ANSWER_SECONDS, token=self.admin_token)
        try:
            return Tree.model_validate(found)
        except ValidationError:
            raise NoGateway(f"{self.url} draws its tree in another form; is it another version?") from None

    async def models(self) -> int:
        """How many models it offers. Raises `Refused`."""
        found = await self._ask_json("GET", "/v1/models", seconds=ANSWER_SECONDS)
        data = found.get("data")
        return len(data) if isinstance(data, list) else 0

    async def chat(self, question: str, *, model: str, seconds: float) -> int:
        """Ask one question; returns how many characters the answer has. Raises `Refused`."""
        message = {"model": model, "messages": [{"role": "user", "content": question}]}
        answer = await self._ask_json("POST", "/v1/chat/completions", seconds=seconds, message=message)
        match answer:
            case {"choices": [{"message": {"content": str(text)}}, *_]}:
                return len(text)
        raise Refused("the answer holds no text")

    async def login(self, wishes: Mapping[str, str | bool], *, seconds: float) -> LoginReport:
        """What `POST /internal/login` makes of the wishes. Raises `Refused`, also where ADMIN_TOKEN is another one."""
        found = await self._ask_json("POST", "/internal/login", seconds=seconds, message=wishes, token=self.admin_token)
        return LoginReport.model_validate(found)

    async def clear_sessions(self) -> int:
        """Have every session forgotten that could be continued; returns how many. Raises `Refused`, as `login`."""
        path = "/internal/sessions/clear"
        found = await self._ask_json("POST", path, seconds=CLEAR_SECONDS, message={}, token=self.admin_token)
        cleared = found.get("cleared")
        return cleared if isinstance(cleared, int) else 0

    async def _ask_json(
        self,
        method: Literal["GET", "POST"],
        path: str,
        *,
        seconds: float,
        message: Mapping[str, object] | None = None,
        token: SecretStr | None = None,
    ) -> dict[str, Any]:
        status, body = await self._ask(method, path, seconds=seconds, token=token or self.api_key, message=message)
        try:
            found = from_json(body)
        except ValueError:
            found = None
        match found:
            case {"error": {"message": str(reason)}}:
                raise Refused(reason)
            case dict() if status == OK:
                return found
        raise NoGateway(f"{self.url}{path} answered {status} in a form that is not the gateway's")

    async def _ask(
        self,
        method: Literal["GET", "POST"],
        path: str,
        *,
        seconds: float,
        token: SecretStr | None = None,
        message: Mapping[str, object] | None = None,
    ) -> tuple[int, bytes]:
        headers = {"accept-encoding": "identity"}
        if token:
            headers["authorization"] = f"Bearer {token.get_secret_value()}"
        content = None if message is None else to_json(message)
        try:
            client = self.client()
            with trio.fail_after(seconds):
                async with client, client.stream(method, self.url + path, headers=headers, content=content) as answer:
                    status, body = answer.status_code, await _read(answer)
            if len(body) <= MAX_ANSWER:
                return status, body
            fault = f"what answers at {self.url} says too much for a lingma-trio"
        except trio.TooSlowError:
            fault = f"{self.url} did not answer within {seconds:g} s"
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            fault = f"nothing answers at {self.url} ({str(error) or type(error).__name__})"
        raise NoGateway(fault)


def own_url(settings: Settings) -> str:
    """Where a process of this machine reaches the gateway that these settings start.

    Raises `NoGateway` where PORT leaves the choice to the system.
    """
    if path_in(settings.host):
        return "http://localhost"
    if settings.port == 0:
        raise NoGateway("PORT is 0, so the gateway's address is not known beforehand")
    host = _ANYWHERE.get(settings.host, settings.host)
    scheme = "http" if settings.tls_cert_file is None else "https"
    return f"{scheme}://[{host}]:{settings.port}" if ":" in host else f"{scheme}://{host}:{settings.port}"


def _trusting(certificate: Path) -> ssl.SSLContext:
    """Trust that certificate alone, whatever name it is for: an address of this machine is no name of it."""
    try:
        context = ssl.create_default_context(cafile=str(certificate))
    except OSError as fault:
        raise NoGateway(f"TLS_CERT_FILE cannot be read: {fault}") from None
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def is_loopback(host: str) -> bool:
    """Whether the host is this machine's own loopback address, by name or number."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


async def _read(answer: httpx2.Response) -> bytes:
    """The body, up to the first chunk over MAX_ANSWER."""
    body = bytearray()
    # The client reads through generators within generators. Leaving the loop would abandon the inner ones; a
    # cancellation, which can strike in none but them, unwinds them all.
    with trio.CancelScope() as reading:
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > MAX_ANSWER:
                reading.cancel("the answer is too long")
    return bytes(body)
