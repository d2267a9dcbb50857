"""The settings: every variable the gateway reads, with its default, its bounds and an example.

Does not know what any setting is used for or where its text comes from, and never shows a secret.
"""

from __future__ import annotations

import itertools
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ByteSize, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from lingma_trio.accounts import AGENT_VARIABLES, Account, AgentAccount
from lingma_trio.config.values import (
    Accounts,
    Agents,
    AgentTokens,
    AgentUrl,
    ApiKeys,
    AskMode,
    Bytes,
    Command,
    Dialect,
    Fallback,
    HttpUrl,
    HttpUrlOrNone,
    LogFormat,
    LogLevel,
    ModelAliases,
    Name,
    Origins,
    Port,
    ReplicaName,
    Seconds,
    SecondsOrOff,
    Sha256OrNone,
    SourceType,
    StateUrl,
    Token,
    ToolPolicy,
    Upstream,
    Variable,
    secrets_of_address,
)
from lingma_trio.keys.key import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

    from lingma_trio.policy.agent_address import AgentAddress

SERVICE_DATA = Path("/var/lib/lingma-trio")
"""Where a service keeps its data."""

SHORTEST_QUIET_KEY = 16
"""Characters below which a key or token can be guessed, so that the start warns of it."""


def _below(given: dict[str, Any], place: str) -> Path:
    data_dir: Path = given["lingma_data_dir"]
    return data_dir / place


class Settings(BaseModel):
    """Every setting, checked. A field is the variable of the same name in upper case; its page describes each.

    `Settings(...)` itself reads no environment, so settings made in a test are what the test says; the running gateway
    makes them with `load_settings`. Seconds are floats, sizes are bytes. Secrets are `SecretStr`: neither `repr` nor a
    validation error shows them.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True, ser_json_bytes="hex"
    )

    host: Name = Field(default="0.0.0.0", examples=["127.0.0.1"])  # noqa: S104 - a gateway is there to be reached; keys guard it
    port: Port = Field(default=8317, examples=["8317"])
    api_keys: ApiKeys = Field(default=(), examples=["a-long-random-key,name:sk-another-one"])
    keys_file: Path | None = Field(default=None, examples=["/etc/lingma-trio/keys.yaml"])
    allow_anonymous: bool = Field(default=False, examples=["true"])
    admin_token: Token = Field(default=SecretStr(""), examples=["a-long-random-token"])
    metrics_token: Token = Field(default=SecretStr(""), examples=["a-long-random-token"])
    log_level: LogLevel = Field(default="INFO", examples=["DEBUG"])
    log_format: LogFormat = Field(default="auto", examples=["console"])

    gateway_max_in_flight: int = Field(default=4, examples=["4"])
    gateway_queue_timeout_sec: Seconds = Field(default=30.0, examples=["30"])
    gateway_max_queue: Annotated[int, Field(ge=0)] = Field(default=256, examples=["256"])
    lingma_max_in_flight_per_instance: int = Field(default=0, examples=["2"])
    gateway_request_timeout: Seconds = Field(default=900.0, examples=["900"])

    lingma_upstream: Upstream = Field(default="lingma", examples=["auto"])
    lingma_data_dir: Path = Field(default=SERVICE_DATA, examples=["/srv/lingma-trio"])
    lingma_bin: Path = Field(default_factory=lambda given: _below(given, "bin/Lingma"), examples=["/opt/lingma/Lingma"])
    lingma_source_type: SourceType = Field(default="marketplace", examples=["vsix"])
    lingma_marketplace_publisher: Name = Field(default="Alibaba-Cloud", examples=["Alibaba-Cloud"])
    lingma_marketplace_extension: Name = Field(default="tongyi-lingma", examples=["tongyi-lingma"])
    lingma_vsix_url: HttpUrl = Field(
        default="https://tongyi-code.oss-cn-hangzhou.aliyuncs.com/vscode/tongyi-lingma-latest.vsix",
        examples=["https://example.com/lingma.vsix"],
    )
    lingma_gallery_url: HttpUrl = Field(
        default="https://marketplace.visualstudio.com/_apis/public/gallery", examples=["https://gallery.example.com"]
    )
    lingma_sha256: Sha256OrNone = Field(default="", examples=["0" * 64])
    lingma_bootstrap_always: bool = Field(default=True, examples=["false"])
    lingma_force_refresh: bool = Field(default=False, examples=["true"])
    lingma_work_dir: Path = Field(
        default_factory=lambda given: _below(given, ".lingma/vscode/sharedClientCache"), examples=["/var/lib/lingma"]
    )
    lingma_socket_port: Port = Field(default=36510, examples=["36510"])
    lingma_startup_timeout: Seconds = Field(default=40.0, examples=["40"])
    lingma_rpc_timeout: Seconds = Field(default=30.0, examples=["30"])
    lingma_heartbeat_sec: Seconds = Field(default=30.0, examples=["30"])
    lingma_first_delta_timeout: Seconds = Field(default=120.0, examples=["120"])
    lingma_idle_timeout: Seconds = Field(default=120.0, examples=["120"])
    default_model: Name = Field(default="org_auto", examples=["org_auto"])
    model_aliases: ModelAliases = Field(
        default=(), examples=['{"claude-opus-5-5": "Qwen3-Coder", "claude-*": "org_auto"}']
    )
    default_ask_mode: AskMode = Field(default="chat", examples=["agent"])
    tool_ask_mode: AskMode = Field(default="chat", examples=["agent"])
    lingma_dialect: Dialect = Field(default="auto", examples=["chat"])
    lingma_sessions_ahead: Annotated[int, Field(ge=0, le=100)] = Field(default=4, examples=["4"])
    lingma_tool_policy: ToolPolicy = Field(default="deny", examples=["allow:search_web,fetch_content"])
    dedicated_domain_url: HttpUrlOrNone = Field(default="", examples=["https://lingma.example.com"])

    acp_command: Command = Field(default=(), examples=['["/opt/agent/bin/agent", "--acp"]'])
    acp_tokens: AgentTokens = Field(default=(), examples=["team:the-token-of-that-account"])
    acp_token_variable: Variable = Field(default="", examples=["AGENT_API_KEY"])
    acp_mode: str = Field(default="", examples=["plan"])
    acp_sessions_per_life: Annotated[int, Field(ge=1)] = Field(default=100, examples=["100"])

    agent_cert_file: Path | None = Field(default=None, examples=["/etc/lingma-trio/agent.crt"])
    agent_key_file: Path | None = Field(default=None, examples=["/etc/lingma-trio/agent.key"])
    agent_ca_file: Path | None = Field(default=None, examples=["/etc/lingma-trio/agents-ca.crt"])
    agent_probe_port: Port = Field(default=0, examples=["8328"])
    agent_url: AgentUrl = Field(default=None, examples=["wss://agent-1.example.com:8327"])
    agent_token: Token = Field(default=SecretStr(""), examples=["a-long-random-token"])

    auto_login_enabled: bool = Field(default=True, examples=["false"])
    auto_login_headless: bool = Field(default=True, examples=["false"])
    lingma_browser: Path | None = Field(default=None, examples=["/usr/bin/chromium"])
    auto_login_timeout: Seconds = Field(default=180.0, examples=["180"])
    auto_login_max_retry: Annotated[int, Field(ge=0)] = Field(default=2, examples=["2"])
    lingma_username: str = Field(default="", examples=["me@example.com"])
    lingma_password: SecretStr = Field(default=SecretStr(""), examples=["the-password-of-that-account"])
    lingma_session_bundle: SecretStr = Field(default=SecretStr(""), examples=["the-text-of-an-exported-bundle"])
    lingma_session_bundle_file: Path | None = Field(default=None, examples=["/run/secrets/lingma-bundle"])
    lingma_accounts: Accounts = Field(default=(), examples=["user:password,user:password"])
    lingma_instance_count: Annotated[int, Field(ge=1)] | None = Field(default=None, examples=["2"])

    session_reuse_enabled: bool = Field(default=True, examples=["false"])
    session_cache_max_entries: Annotated[int, Field(ge=1)] = Field(default=256, examples=["256"])
    session_cache_ttl_sec: Seconds = Field(default=1800.0, examples=["1800"])
    response_store_max_entries: Annotated[int, Field(ge=0)] = Field(default=1000, examples=["1000"])
    response_store_max_bytes: Bytes = Field(default=ByteSize(64 * 1024**2), examples=["64 MiB"])
    response_store_ttl_sec: Seconds = Field(default=86400.0, examples=["86400"])

    image_fetch: bool = Field(default=True, examples=["false"])
    image_fetch_timeout: Seconds = Field(default=15.0, examples=["15"])
    image_fallback: Fallback = Field(default="error", examples=["placeholder"])
    max_image_bytes: Bytes = Field(default=ByteSize(10 * 1024**2), examples=["10 MiB"])

    sse_keepalive_sec: SecondsOrOff = Field(default=15.0, examples=["15"])
    shutdown_grace_sec: SecondsOrOff = Field(default=30.0, examples=["30"])
    client_stall_sec: Seconds = Field(default=20.0, examples=["20"])
    client_min_rate: Annotated[int, Field(ge=0)] = Field(default=1000, examples=["1000"])
    max_connections: Annotated[int, Field(ge=1)] = Field(default=1024, examples=["1024"])
    max_connections_per_address: Annotated[int, Field(ge=0)] = Field(default=0, examples=["64"])
    max_head_bytes: Bytes = Field(default=ByteSize(64 * 1024), examples=["64 KiB"])
    max_head_fields: Annotated[int, Field(ge=1)] = Field(default=100, examples=["100"])
    head_timeout_sec: Seconds = Field(default=10.0, examples=["10"])
    idle_timeout_sec: Seconds = Field(default=60.0, examples=["60"])
    tls_cert_file: Path | None = Field(default=None, examples=["/etc/lingma-trio/tls.crt"])
    tls_key_file: Path | None = Field(default=None, examples=["/etc/lingma-trio/tls.key"])
    max_request_bytes: Bytes = Field(default=ByteSize(20 * 1024**2), examples=["20 MiB"])
    max_bytes_in_flight: Bytes = Field(default=ByteSize(80 * 1024**2), examples=["80 MiB"])
    max_answer_bytes: Bytes = Field(default=ByteSize(8 * 1024**2), examples=["8 MiB"])
    cors_origins: Origins = Field(default=(), examples=["https://chat.example.com,http://localhost:3000"])

    state_url: StateUrl = Field(default=None, examples=["valkey://user:password@store.example.com:6379/0"])
    lingma_agents: Agents = Field(default=(), examples=["ws://127.0.0.1:8327,unix:/run/lingma-trio/agent.sock"])
    replica_name: ReplicaName = Field(default="", examples=["gateway-a"])

    stray_variables: tuple[str, ...] = Field(default=(), exclude=True)
    """What `load_settings` found in the file that names no setting, one sentence each; no variable of its own."""

    @classmethod
    def variables(cls) -> dict[str, FieldInfo]:
        """Every variable's name, with the field that holds its default and its example."""
        return {name.upper(): field for name, field in cls.model_fields.items() if name != "stray_variables"}

    @field_validator("acp_command")
    @classmethod
    def _agent_has_a_command(cls, command: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if info.data.get("lingma_upstream") == "acp" and not command:
            raise ValueError("is needed beside LINGMA_UPSTREAM=acp: the command that starts the agent")
        return command

    @field_validator("acp_token_variable")
    @classmethod
    def _variable_belongs_to_tokens(cls, variable: str, info: ValidationInfo) -> str:
        if "acp_tokens" in info.data and bool(variable) != bool(info.data["acp_tokens"]):
            raise ValueError("needs ACP_TOKENS beside it, and the other way round")
        if variable in AGENT_VARIABLES:
            raise ValueError("is a variable that the agent gets from the gateway with another meaning")
        return variable

    @field_validator("agent_ca_file")
    @classmethod
    def _certificates_together(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if (
            len({value is None for value in (file, info.data.get("agent_cert_file"), info.data.get("agent_key_file"))})
            > 1
        ):
            raise ValueError("stands beside AGENT_CERT_FILE and AGENT_KEY_FILE; set all three, or none")
        return file

    @field_validator("agent_token")
    @classmethod
    def _agents_know_who_asks(cls, token: SecretStr, info: ValidationInfo) -> SecretStr:
        if info.data.get("lingma_upstream") == "agents" and not token and info.data.get("agent_cert_file") is None:
            raise ValueError(
                "is needed beside LINGMA_UPSTREAM=agents, and the same at the agents; or set AGENT_CERT_FILE, "
                "AGENT_KEY_FILE and AGENT_CA_FILE"
            )
        return token

    @field_validator("lingma_agents")
    @classmethod
    def _agents_are_known(cls, agents: tuple[AgentAddress, ...], info: ValidationInfo) -> tuple[AgentAddress, ...]:
        if info.data.get("lingma_upstream") == "agents" and not agents and info.data.get("state_url") is None:
            raise ValueError("is needed beside LINGMA_UPSTREAM=agents without STATE_URL: where the agents are")
        if any(agent.scheme == "wss" for agent in agents) and info.data.get("agent_cert_file") is None:
            raise ValueError("has wss:// and needs AGENT_CERT_FILE, AGENT_KEY_FILE and AGENT_CA_FILE beside it")
        return agents

    @field_validator("lingma_password")
    @classmethod
    def _password_belongs_to_username(cls, password: SecretStr, info: ValidationInfo) -> SecretStr:
        if bool(password) != bool(info.data.get("lingma_username")):
            raise ValueError("needs LINGMA_USERNAME beside it, and the other way round")
        return password

    @field_validator("lingma_session_bundle_file")
    @classmethod
    def _one_bundle(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is not None and info.data.get("lingma_session_bundle"):
            raise ValueError("is set beside LINGMA_SESSION_BUNDLE; keep one of the two")
        return file

    @field_validator("lingma_accounts")
    @classmethod
    def _accounts_with_the_single_one(cls, accounts: tuple[Account, ...], info: ValidationInfo) -> tuple[Account, ...]:
        single = Account(
            username=info.data.get("lingma_username", ""),
            password=info.data.get("lingma_password", SecretStr("")),
            session_bundle=info.data.get("lingma_session_bundle", SecretStr("")),
            session_bundle_file=info.data.get("lingma_session_bundle_file"),
        )
        bundled = bool(single.session_bundle or single.session_bundle_file)
        if not bundled and not (single.username and single.password):
            return accounts
        if not accounts:
            return (single,)
        if bundled:
            raise ValueError("stands beside LINGMA_SESSION_BUNDLE or its file; put the bundle into an entry of its own")
        if not any(account.username == single.username and account.password == single.password for account in accounts):
            raise ValueError("leaves out the account of LINGMA_USERNAME; keep one of the two notations")
        return accounts

    @field_validator("max_bytes_in_flight")
    @classmethod
    def _room_for_the_largest_request(cls, size: ByteSize, info: ValidationInfo) -> ByteSize:
        largest = info.data.get("max_request_bytes")
        if largest is not None and size < 2 * largest:
            raise ValueError("is under twice MAX_REQUEST_BYTES, so that a request of that size would never fit")
        return size

    @property
    def instance_accounts(self) -> tuple[Account | None, ...]:
        """One entry per instance to run: its account, or None where none is configured.

        Without LINGMA_INSTANCE_COUNT each account has one instance, and without accounts there is one instance.
        """
        count = self.lingma_instance_count or max(1, len(self.lingma_accounts))
        return tuple(itertools.islice(itertools.cycle(self.lingma_accounts or (None,)), count))

    @property
    def agent_accounts(self) -> tuple[AgentAccount, ...]:
        """One entry per agent to run."""
        return self.acp_tokens or (AgentAccount(),)

    @property
    def allowed_tools(self) -> frozenset[str]:
        """The names of Lingma's own tools that it may run on the gateway's host."""
        names = self.lingma_tool_policy.partition(":")[2]
        return frozenset(names.split(",")) if names else frozenset()

    @property
    def replica(self) -> str:
        """This gateway's name among those that share a store: REPLICA_NAME, else this machine's and the port. Empty
        where no name is given and nothing is shared.
        """
        if self.replica_name or self.state_url is None:
            return self.replica_name
        return f"{socket.gethostname()}:{self.port}"

    @property
    def secrets(self) -> frozenset[str]:
        """Every text that must appear in no log, metric or error."""
        single = (
            self.admin_token, self.metrics_token, self.agent_token, self.lingma_password, self.lingma_session_bundle,
            *(key.secret for key in self.api_keys), *(account.token for account in self.acp_tokens),
        )  # fmt: skip
        texts = {secret.get_secret_value() for secret in single}
        texts |= self.state_url.secrets if self.state_url is not None else set()
        addresses = (self.lingma_vsix_url, self.lingma_gallery_url, self.dedicated_domain_url)
        return frozenset(text for text in texts if text).union(
            *(account.secrets for account in self.lingma_accounts), *map(secrets_of_address, addresses)
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed and still worth a line in the log at each start; repeats no secret."""
        return (*self._warnings(), *self.stray_variables)

    def _warnings(self) -> Iterator[str]:
        if self.allow_anonymous:
            yield "ALLOW_ANONYMOUS is true: everybody who reaches this port is served without a key"
        guarded = {
            "API_KEYS": tuple(key.secret for key in self.api_keys),
            "ADMIN_TOKEN": (self.admin_token,),
            "METRICS_TOKEN": (self.metrics_token,),
            "AGENT_TOKEN": (self.agent_token,),
        }
        for name, values in guarded.items():
            if any(0 < len(value) < SHORTEST_QUIET_KEY for value in values):
                yield f"{name} has a value of under {SHORTEST_QUIET_KEY} characters, which can be guessed"
        admin = digest_of(self.admin_token.get_secret_value())
        if self.admin_token and any(key.digest == admin for key in self.api_keys):
            yield "ADMIN_TOKEN is one of the API_KEYS: every client that has that key can reach /internal"
        if self.lingma_agents and self.lingma_upstream != "agents":
            yield "LINGMA_AGENTS has no effect without LINGMA_UPSTREAM=agents: the Lingmas there are not asked"
        if self.lingma_upstream == "acp" and self.lingma_instance_count is not None:
            yield "LINGMA_INSTANCE_COUNT has no effect beside LINGMA_UPSTREAM=acp: there is one agent for each account"
            return
        accounts, instances = len(self.lingma_accounts), len(self.instance_accounts)
        if instances > max(1, accounts):
            yield f"LINGMA_INSTANCE_COUNT is {instances} with {accounts} account(s): instances share accounts"
