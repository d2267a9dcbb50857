"""What the settings accept, what they refuse, and that they repeat no secret."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from pydantic_core import to_json

from lingma_trio.accounts import Account, AgentAccount
from lingma_trio.config import Settings, load_settings
from lingma_trio.config.settings import SHORTEST_QUIET_KEY
from lingma_trio.errors import ConfigurationFault
from lingma_trio.keys.examples import PLACEHOLDER_API_KEY, PUBLISHED
from lingma_trio.keys.key import parse_api_keys
from lingma_trio.policy.agent_address import AgentAddress
from lingma_trio.simulator.knob import ENVIRONMENT
from tests.planted import BESIDE, PLANTED, markers_in, secret_variables

MARKER = "planted-MARKER-secret"


def load(**variables: str) -> Settings:
    return load_settings(variables, env_file=None)


def faults(**variables: str) -> dict[str, str]:
    with pytest.raises(ConfigurationFault) as caught:
        load(**variables)
    lines = [line.partition(": ") for line in str(caught.value).splitlines()]
    return {name: rest for name, _, rest in lines}


def test_nothing_given_is_the_defaults() -> None:
    """An empty environment and no file is a valid configuration without a warning."""
    assert load_settings({}, env_file=None) == Settings()
    assert Settings().warnings == ()


@pytest.mark.parametrize("name", sorted(Settings.variables()))
@pytest.mark.parametrize("blank", ["", "  "])
def test_empty_variable_has_its_default(name: str, blank: str) -> None:
    """A variable that is set to nothing counts as not set."""
    assert load(**{name: blank}) == Settings()


GUARDS = {"API_KEYS", "ADMIN_TOKEN", "METRICS_TOKEN", "AGENT_TOKEN"}
"""Their examples show the form, and are refused because everybody can read them."""


PAIRS = {"LINGMA_USERNAME", "LINGMA_PASSWORD", "ACP_TOKENS", "ACP_TOKEN_VARIABLE"} | {
    "AGENT_CERT_FILE",
    "AGENT_KEY_FILE",
    "AGENT_CA_FILE",
}
"""None of them goes without its others."""


@pytest.mark.parametrize("name", sorted(Settings.variables().keys() - PAIRS - GUARDS))
def test_example_is_accepted(name: str) -> None:
    """What a fault message gives as an example is no fault itself."""
    (example,) = Settings.variables()[name].examples or []
    load(**{name: example})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("PORT", "0", 0),
        ("PORT", "65535", 65535),
        ("ALLOW_ANONYMOUS", "yes", True),
        ("ALLOW_ANONYMOUS", "1", True),
        ("SESSION_REUSE_ENABLED", "no", False),
        ("SESSION_REUSE_ENABLED", "False", False),
        ("LOG_LEVEL", "debug", "DEBUG"),
        ("LOG_FORMAT", "CONSOLE", "console"),
        ("LINGMA_UPSTREAM", " Auto ", "auto"),
        ("GATEWAY_MAX_IN_FLIGHT", "-1", -1),
        ("GATEWAY_MAX_QUEUE", "0", 0),
        ("SSE_KEEPALIVE_SEC", "0", 0.0),
        ("LINGMA_RPC_TIMEOUT", "0.5", 0.5),
        ("MAX_REQUEST_BYTES", "1 MiB", 1024**2),
        ("MAX_REQUEST_BYTES", "4096", 4096),
        ("MAX_BYTES_IN_FLIGHT", "40 MiB", 40 * 1024**2),
        ("LINGMA_DIALECT", "Session", "session"),
        ("LINGMA_TOOL_POLICY", " DENY", "deny"),
        ("LINGMA_TOOL_POLICY", "Allow: search_web, ,fetch", "allow:search_web,fetch"),
        ("LINGMA_BIN", "/opt/Lingma", Path("/opt/Lingma")),
        ("DEDICATED_DOMAIN_URL", "https://lingma.example.com/", "https://lingma.example.com"),
        ("LINGMA_INSTANCE_COUNT", "3", 3),
        ("LINGMA_ACCOUNTS", "ann:a:b", (Account("ann", SecretStr("a:b")),)),
        ("LINGMA_UPSTREAM", "auto", "auto"),
        ("ACP_COMMAND", "agent --acp  '' \"two words\" a\\ b", ("agent", "--acp", "", "two words", "a b")),
        ("ACP_COMMAND", ' ["agent", "", " x ", "$HOME", "-e\\"\\n"]', ("agent", "", " x ", "$HOME", '-e"\n')),
        ("ACP_SESSIONS_PER_LIFE", "1", 1),
        (
            "LINGMA_AGENTS",
            " ws://localhost:1, ,unix:/run/a ,ws://localhost:1",
            (AgentAddress("ws", "localhost", 1), AgentAddress("unix", port=0, path="/run/a")),
        ),
        (
            "MODEL_ALIASES",
            ' {"Claude-Opus": " qwen ", "a/b": "Qwen3-Max"} ',
            (("Claude-Opus", "qwen"), ("a/b", "Qwen3-Max")),
        ),
        ("MODEL_ALIASES", "{}", ()),
        ("CORS_ORIGINS", "", ()),
        ("CORS_ORIGINS", " * ", ("*",)),
        (
            "CORS_ORIGINS",
            "https://Chat.example.com/, http://localhost:3000,https://a.example:443,app://obsidian.md,http://[::1]:80,",
            (
                "https://chat.example.com",
                "http://localhost:3000",
                "https://a.example",
                "app://obsidian.md",
                "http://[::1]",
            ),
        ),
        ("API_KEYS", " one-key ,two-key,one-key,", parse_api_keys("one-key,two-key")),
    ],
)
def test_value_is_read(name: str, text: str, value: object) -> None:
    """Each kind of setting takes the spellings people use."""
    assert getattr(load(**{name: text}), name.lower()) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("LINGMA_SOCKET_PORT", "65536"),
        ("ALLOW_ANONYMOUS", "perhaps"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
        ("DEFAULT_ASK_MODE", "edit"),
        ("LINGMA_UPSTREAM", "openai"),
        ("LINGMA_DIALECT", "grpc"),
        ("ACP_COMMAND", "agent 'and"),
        ("ACP_COMMAND", "''"),
        ("ACP_COMMAND", "[]"),
        ("ACP_COMMAND", '["agent", 1]'),
        ("ACP_COMMAND", '["agent"'),
        ("ACP_COMMAND", '["agent", "a\\u0000b"]'),
        ("ACP_TOKENS", "team"),
        ("ACP_TOKENS", "team:"),
        ("ACP_TOKENS", ":token"),
        ("ACP_TOKENS", "../team:token"),
        ("ACP_TOKENS", ".:token"),
        ("ACP_TOKENS", "a/b:token"),
        ("ACP_TOKENS", "Team:x,team:y"),
        ("ACP_TOKENS", "team:a\nb"),
        ("ACP_TOKEN_VARIABLE", "TOKEN"),
        ("ACP_SESSIONS_PER_LIFE", "0"),
        ("STATE_URL", "http://store"),
        ("STATE_URL", "valkey+sentinel://a,b"),
        ("STATE_URL", "valkey://a,b"),
        ("REPLICA_NAME", "gateway a"),
        ("REPLICA_NAME", "a" * 65),
        ("LINGMA_TOOL_POLICY", "allow"),
        ("LINGMA_TOOL_POLICY", "allow: ,"),
        ("LINGMA_TOOL_POLICY", "deny:search_web"),
        ("LINGMA_SOURCE_TYPE", "floppy"),
        ("LINGMA_VSIX_URL", "ftp://example.com/a.vsix"),
        ("DEDICATED_DOMAIN_URL", "lingma.example.com"),
        ("DEDICATED_DOMAIN_URL", "https://"),
        ("GATEWAY_MAX_QUEUE", "-1"),
        ("GATEWAY_QUEUE_TIMEOUT_SEC", "0"),
        ("GATEWAY_REQUEST_TIMEOUT", "inf"),
        ("LINGMA_STARTUP_TIMEOUT", "-1"),
        ("LINGMA_IDLE_TIMEOUT", "nan"),
        ("SSE_KEEPALIVE_SEC", "-1"),
        ("SHUTDOWN_GRACE_SEC", "soon"),
        ("SHUTDOWN_GRACE_SEC", "1e300"),
        ("CLIENT_STALL_SEC", "1e300"),
        ("MAX_REQUEST_BYTES", "0"),
        ("MAX_ANSWER_BYTES", "much"),
        ("MAX_BYTES_IN_FLIGHT", "39 MiB"),
        ("SESSION_CACHE_MAX_ENTRIES", "0"),
        ("AUTO_LOGIN_MAX_RETRY", "-1"),
        ("LINGMA_INSTANCE_COUNT", "0"),
        ("LINGMA_ACCOUNTS", "ann"),
        ("API_KEYS", " , "),
        ("API_KEYS", "two words"),
        ("API_KEYS", "schlüssel"),
        ("API_KEYS", f"a-good-key,{PLACEHOLDER_API_KEY}"),
        *((name, secret) for name in ("ADMIN_TOKEN", "METRICS_TOKEN") for secret in PUBLISHED),
        ("LINGMA_PASSWORD", "password-without-username"),
        *(
            ("CORS_ORIGINS", text)
            for text in ("*,https://a.example", "a.example", "https://a.example/chat", "https://*.example", "https://")
        ),
        ("MODEL_ALIASES", "claude=qwen"),
        ("MODEL_ALIASES", '["claude"]'),
        ("MODEL_ALIASES", '{"claude": ""}'),
        ("MODEL_ALIASES", '{" ": "qwen"}'),
        ("MODEL_ALIASES", '{"claude": ["qwen"]}'),
        ("MODEL_ALIASES", '{"a\\nb": "qwen"}'),
        ("MODEL_ALIASES", '{"claude": "qwen", "CLAUDE": "auto"}'),
        ("MODEL_ALIASES", f'{{"{"m" * 257}": "qwen"}}'),
        ("MODEL_ALIASES", to_json({str(number): "qwen" for number in range(257)}).decode()),
    ],
)
def test_fault_names_the_variable_and_an_example(name: str, text: str) -> None:
    """Whatever is wrong with a value, the line names its variable and shows how it may look."""
    ((told, message),) = faults(**{name: text}).items()
    assert told == name
    assert f"(example: {name}=" in message


def test_all_faults_are_told_together() -> None:
    """One start tells of every fault, also of those between two variables."""
    wrong = faults(PORT="x", LOG_LEVEL="LOUD", LINGMA_USERNAME="ann", LINGMA_ACCOUNTS="bob", SSE_KEEPALIVE_SEC="-1")
    assert wrong.keys() == {"PORT", "LOG_LEVEL", "LINGMA_PASSWORD", "LINGMA_ACCOUNTS", "SSE_KEEPALIVE_SEC"}


def test_agents_accounts_have_names_and_tokens() -> None:
    """Each token is one account, up to the next comma; without any there is one account that needs none."""
    settings = load(ACP_TOKENS=f" team:{MARKER}:x ,b.o-b_2:y", ACP_TOKEN_VARIABLE="TOKEN")
    tokens = (AgentAccount("team", SecretStr(f"{MARKER}:x")), AgentAccount("b.o-b_2", SecretStr("y")))
    assert settings.agent_accounts == tokens
    assert settings.secrets == {f"{MARKER}:x", "y"}
    assert MARKER not in f"{settings!r} {settings.model_dump_json()}"
    assert load().agent_accounts == (AgentAccount("default"),)


@pytest.mark.parametrize(("variable", "word"), [("", "ACP_TOKENS"), ("A=B", "no name"), ("HOME", "another meaning")])
def test_token_needs_a_variable_of_its_own(variable: str, word: str) -> None:
    """Without one the agent would never see it, and in another's place it would break the agent."""
    wrong = faults(ACP_TOKENS=f"team:{MARKER}", ACP_TOKEN_VARIABLE=variable)
    assert word in wrong["ACP_TOKEN_VARIABLE"]
    assert MARKER not in str(wrong)


def test_agents_are_not_counted_out() -> None:
    """One agent for each account: a count of instances is told to be without effect."""
    settings = load(LINGMA_UPSTREAM="acp", ACP_COMMAND="agent", LINGMA_INSTANCE_COUNT="3")
    assert [warning for warning in settings.warnings if "LINGMA_INSTANCE_COUNT" in warning and "no effect" in warning]
    assert not load(LINGMA_UPSTREAM="acp", ACP_COMMAND="agent").warnings


def test_agents_that_nobody_asks_are_told() -> None:
    """A list without the word that has it used is an oversight, whose Lingmas would never answer."""
    agents = {"LINGMA_AGENTS": "unix:/run/agent.sock", "AGENT_TOKEN": "t" * 32}
    assert [warning for warning in load(**agents).warnings if "LINGMA_UPSTREAM=agents" in warning]
    assert not load(LINGMA_UPSTREAM="agents", **agents).warnings


def test_agent_needs_a_command() -> None:
    """We bring none and start none unasked, so there is nothing to run without it."""
    assert "is needed beside LINGMA_UPSTREAM=acp" in faults(LINGMA_UPSTREAM="acp")["ACP_COMMAND"]


AGENTS = {"LINGMA_UPSTREAM": "agents", "LINGMA_AGENTS": "ws://127.0.0.1:8327"}
FILES = {"AGENT_CERT_FILE": "/a.crt", "AGENT_KEY_FILE": "/a.key", "AGENT_CA_FILE": "/ca.crt"}


def test_agents_are_named_and_know_who_asks() -> None:
    """Without a place to look, or anything that shows an agent who asks, nothing would ever answer."""
    wrong = faults(LINGMA_UPSTREAM="agents")
    assert "is needed beside LINGMA_UPSTREAM=agents" in wrong["LINGMA_AGENTS"]
    assert "AGENT_CERT_FILE" in wrong["AGENT_TOKEN"]
    assert load(**AGENTS, AGENT_TOKEN="a" * 16).secrets == {"a" * 16}
    assert load(**AGENTS, **FILES).agent_ca_file == Path("/ca.crt")
    found = {"LINGMA_UPSTREAM": "agents", "AGENT_TOKEN": "a" * 16, "STATE_URL": "valkey://127.0.0.1:6379"}
    assert load(**found).lingma_agents == ()


@pytest.mark.parametrize("missing", FILES)
def test_certificates_of_agents_come_together(missing: str) -> None:
    """One without the others would leave one side unproven."""
    given = {name: value for name, value in FILES.items() if name != missing}
    assert "set all three" in faults(**given)["AGENT_CA_FILE"]


def test_tls_to_agents_needs_certificates() -> None:
    """A token alone would go to whoever answers."""
    wrong = faults(LINGMA_UPSTREAM="agents", LINGMA_AGENTS="wss://agents", AGENT_TOKEN="a" * 16)
    assert "AGENT_CERT_FILE" in wrong["LINGMA_AGENTS"]
    assert load(LINGMA_UPSTREAM="agents", LINGMA_AGENTS="wss://agents", **FILES).lingma_agents[0].port == 8327


def test_address_of_an_agent_at_fault_is_counted_out_and_not_repeated() -> None:
    """It is found by its place in the list; a password may stand in it."""
    wrong = faults(LINGMA_AGENTS=f"ws://127.0.0.1, ws://{MARKER}.example.com:1")
    assert "entry 2 is ws:// to another machine" in wrong["LINGMA_AGENTS"]
    assert MARKER not in str(wrong)


def test_single_account_is_an_account() -> None:
    """LINGMA_USERNAME with LINGMA_PASSWORD is one account, also beside a list that holds the same one."""
    ann = Account("ann", SecretStr("x:y"))
    single = {"LINGMA_USERNAME": "ann", "LINGMA_PASSWORD": "x:y"}
    assert load(**single).lingma_accounts == (ann,)
    assert load(**single, LINGMA_ACCOUNTS="bob:z,ann:x:y").lingma_accounts == (Account("bob", SecretStr("z")), ann)


def test_two_different_notations_are_refused() -> None:
    """A single account that the list leaves out is a contradiction, not a third account."""
    wrong = faults(LINGMA_USERNAME="ann", LINGMA_PASSWORD=MARKER, LINGMA_ACCOUNTS=f"ann:other-{MARKER}")
    assert wrong.keys() == {"LINGMA_ACCOUNTS"}
    assert MARKER not in str(wrong)


def test_single_bundle_is_an_account() -> None:
    """A bundle by itself is an account without a name; beside a name and a password it belongs to them."""
    nameless, named = {"LINGMA_SESSION_BUNDLE": MARKER}, {"LINGMA_USERNAME": "ann", "LINGMA_PASSWORD": "x"}
    assert load(**nameless).instance_accounts == (Account("", session_bundle=SecretStr(MARKER)),)
    assert load(**nameless, **named).lingma_accounts == (Account("ann", SecretStr("x"), SecretStr(MARKER)),)
    (filed,) = load(LINGMA_SESSION_BUNDLE_FILE="/run/bundle").lingma_accounts
    assert filed == Account("", session_bundle_file=Path("/run/bundle"))


def test_single_bundle_is_a_secret() -> None:
    """The bundle's text is redacted like a password, and in no way of showing the settings."""
    settings = load(LINGMA_SESSION_BUNDLE=MARKER)
    assert settings.secrets == {MARKER}
    assert MARKER not in f"{settings!r} {settings.model_dump_json()}"


def test_two_bundles_for_one_account_are_refused() -> None:
    """Text and file together, or either beside a list of accounts, is a contradiction and no choice of ours."""
    both = faults(LINGMA_SESSION_BUNDLE=MARKER, LINGMA_SESSION_BUNDLE_FILE="/run/bundle")
    beside = faults(LINGMA_SESSION_BUNDLE=MARKER, LINGMA_ACCOUNTS="ann:x")
    assert (list(both), list(beside)) == (["LINGMA_SESSION_BUNDLE_FILE"], ["LINGMA_ACCOUNTS"])
    assert MARKER not in f"{both} {beside}"


@given(st.integers(1, 9), st.integers(0, 4))
def test_instances_cycle_through_the_accounts(instances: int, accounts: int) -> None:
    """Each instance has an account, all accounts are used equally, and sharing one is warned of."""
    texts = [f"user{number}:password{number}" for number in range(accounts)]
    settings = load(LINGMA_ACCOUNTS=",".join(texts), LINGMA_INSTANCE_COUNT=str(instances))
    given_out = settings.instance_accounts
    assert len(given_out) == instances
    assert given_out == tuple(settings.lingma_accounts[i % accounts] if accounts else None for i in range(instances))
    assert any("LINGMA_INSTANCE_COUNT" in warning for warning in settings.warnings) == (instances > max(1, accounts))


@pytest.mark.parametrize(("accounts", "instances"), [("", 1), ("ann:x", 1), ("ann:x,bob:y,eve:z", 3)])
def test_without_a_count_each_account_has_an_instance(accounts: str, instances: int) -> None:
    """One instance per account; without accounts one, for a Lingma that is signed in already."""
    assert len(load(LINGMA_ACCOUNTS=accounts).instance_accounts) == instances


@pytest.mark.parametrize("name", sorted(secret_variables()))
def test_each_secret_is_known_and_never_shown(name: str) -> None:
    """Every setting that can hold a secret is planted; it is in `secrets`, and in no way of showing the settings."""
    settings = load(**{**BESIDE.get(name, {}), name: PLANTED[name]})
    assert settings.secrets == markers_in(PLANTED[name]) != set()
    shown = (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json(), *settings.warnings)
    assert Settings.variables()[name].annotation is str or not [text for text in shown if markers_in(text)]


@pytest.mark.parametrize(
    ("address", "secrets"),
    [
        ("https://example.com/lingma.vsix", set()),
        ("https://me:p%40ss@example.com/", {"p%40ss", "p@ss"}),
        ("https://a-token@example.com/", {"a-token"}),
        ("https://example.com/lingma.vsix?signature=abc", {"signature=abc"}),
    ],
)
def test_address_can_hold_secrets(address: str, secrets: set[str]) -> None:
    """A password, a token in the user's place and a signed query are struck out wherever the address is told."""
    assert load(LINGMA_VSIX_URL=address, LINGMA_GALLERY_URL=address, DEDICATED_DOMAIN_URL=address).secrets == secrets


def test_replica_has_a_name_where_it_is_one_of_several() -> None:
    """Its own, or else that of the machine and the port; alone it has none."""
    assert load().replica == ""
    assert load(REPLICA_NAME="gateway-a").replica == "gateway-a"
    assert load(STATE_URL="valkey://store", PORT="81").replica == f"{socket.gethostname()}:81"
    assert load(STATE_URL="valkey://store", REPLICA_NAME="gateway-a").replica == "gateway-a"


@pytest.mark.parametrize("name", sorted(Settings.variables()))
def test_fault_repeats_no_value(name: str) -> None:
    """A secret that was written to the wrong variable, or cannot be read, is not in the message or in its causes."""
    unreadable = f"[{MARKER}\u00fc" if name in {"API_KEYS", "LINGMA_ACCOUNTS", "LINGMA_PASSWORD"} else MARKER
    with pytest.raises(ConfigurationFault) as caught:
        load(**{name: unreadable, "PORT": MARKER})
    assert MARKER not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_misspelt_argument_is_refused() -> None:
    """Settings made in code take known names and values only, without showing the value."""
    arguments: dict[str, Any] = {"prot": MARKER}
    with pytest.raises(ValidationError) as caught:
        Settings(**arguments)
    assert MARKER not in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "warning"),
    [
        ({"ALLOW_ANONYMOUS": "true"}, "ALLOW_ANONYMOUS is true"),
        ({"API_KEYS": "long-enough-for-everybody,short"}, f"API_KEYS has a value of under {SHORTEST_QUIET_KEY}"),
        ({"ADMIN_TOKEN": "short"}, "ADMIN_TOKEN has a value of under"),
        ({"METRICS_TOKEN": "short"}, "METRICS_TOKEN has a value of under"),
        ({"API_KEYS": "one-key-for-everything", "ADMIN_TOKEN": "one-key-for-everything"}, "ADMIN_TOKEN is one of"),
    ],
)
def test_risk_is_warned_of(variables: dict[str, str], warning: str) -> None:
    """What is allowed and unwise is one warning."""
    (told,) = load(**variables).warnings
    assert told.startswith(warning)


def test_environment_goes_before_the_file(tmp_path: Path) -> None:
    """A variable of the environment hides the file's, also when it is empty."""
    env_file = tmp_path / "settings.env"
    env_file.write_text("PORT=1000\nHOST=127.0.0.1\nLOG_LEVEL=DEBUG\n")
    settings = load_settings({"PORT": "2000", "LOG_LEVEL": ""}, env_file)
    assert (settings.port, settings.host, settings.log_level) == (2000, "127.0.0.1", "INFO")


def test_command_line_goes_before_both(tmp_path: Path) -> None:
    """What it leaves open is theirs."""
    env_file = tmp_path / "settings.env"
    env_file.write_text("PORT=1000\nHOST=127.0.0.1\n")
    settings = load_settings({"PORT": "2000"}, env_file, overrides={"PORT": "3000"})
    assert (settings.port, settings.host) == (3000, "127.0.0.1")


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"HOME": "/home/ann"}, "/home/ann/.local/share/lingma-trio"),
        ({"HOME": "/home/ann", "XDG_DATA_HOME": "/data"}, "/data/lingma-trio"),
        ({"HOME": "/home/ann", "XDG_DATA_HOME": "relative"}, "/home/ann/.local/share/lingma-trio"),
        ({"HOME": "/home/ann", "STATE_DIRECTORY": "/var/lib/private/x:/y"}, "/var/lib/private/x"),
        ({"HOME": "/"}, "/var/lib/lingma-trio"),
        ({}, "/var/lib/lingma-trio"),
        ({"HOME": "/home/ann", "LINGMA_DATA_DIR": "/srv"}, "/srv"),
        ({"HOME": "/home/ann", "LINGMA_DATA_DIR": " "}, "/home/ann/.local/share/lingma-trio"),
    ],
    ids=["user", "XDG", "relative", "systemd", "no home of its own", "no home", "set", "set to nothing"],
)
def test_data_lives_where_it_fits(environ: dict[str, str], place: str) -> None:
    """In the user's directory for data, or a service's; the program and Lingma's own directory lie in it."""
    settings = load_settings(environ, None)
    assert settings.lingma_data_dir == Path(place)
    assert settings.lingma_bin == Path(place) / "bin/Lingma"
    assert settings.lingma_work_dir == Path(place) / ".lingma/vscode/sharedClientCache"


def test_file_is_taken_literally(tmp_path: Path) -> None:
    """A password keeps its dollar signs and braces, and a byte order mark is no part of a name."""
    env_file = tmp_path / "settings.env"
    env_file.write_text("\ufeffLINGMA_USERNAME=ann\nLINGMA_PASSWORD='a${HOME}$b#c'\n", encoding="utf-8")
    (account,) = load_settings({}, env_file).lingma_accounts
    assert account.password.get_secret_value() == "a${HOME}$b#c"


def test_missing_file_is_no_fault(tmp_path: Path) -> None:
    """Without a file the environment alone counts."""
    assert load_settings({"PORT": "1"}, tmp_path / "absent").port == 1


def test_unreadable_file_is_a_fault(tmp_path: Path) -> None:
    """A file that is no text is told by its path, without its content."""
    env_file = tmp_path / "settings.env"
    env_file.write_bytes(b"LINGMA_PASSWORD=planted\xff\n")
    with pytest.raises(ConfigurationFault, match=r"settings\.env: cannot be read as UTF-8") as caught:
        load_settings({}, env_file)
    assert "planted" not in str(caught.value)
    assert caught.value.__context__ is None


def test_stray_variables_of_the_file_are_warned_of(tmp_path: Path) -> None:
    """A misspelt variable is named with the likely right one; what is plainly somebody else's is left in peace."""
    env_file = tmp_path / "settings.env"
    env_file.write_text(f"PROT=1\nLINGMA_ACOUNTS={MARKER}\nSSE_WHATEVER=1\nCOMPOSE_PROJECT_NAME=x\nPORT\nhost=h\n")
    assert load_settings({}, env_file).warnings == (
        "PROT is no setting; did you mean PORT?",
        "LINGMA_ACOUNTS is no setting; did you mean LINGMA_ACCOUNTS?",
        "SSE_WHATEVER is no setting",
        "PORT stands in the file without a value: write PORT=...",
        "host is no setting; did you mean HOST?",
    )


def test_variable_of_the_environment_alone_is_said_to_be_one(tmp_path: Path) -> None:
    """The simulator's in the file turns no knob."""
    env_file = tmp_path / "settings.env"
    env_file.write_text(f"{ENVIRONMENT}=words=3\n")
    said = f"{ENVIRONMENT} is read from the environment alone: set it there, not in the file"
    assert load_settings({}, env_file).warnings == (said,)


def test_the_processs_own_environment_and_file_are_the_default(tmp_path: Path) -> None:
    """Without arguments the environment and the `.env` of the working directory are read."""
    (tmp_path / ".env").write_text("PORT=1001\nHOST=from-the-file\n")
    program = "from lingma_trio.config import load_settings as s; print(s().port, s().host)"
    environment = {**os.environ, "PORT": "1002", "PYTHONPATH": str(Path(__file__).parent.parent)}
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, check=True
    )
    assert ran.stdout.split() == [b"1002", b"from-the-file"]


@pytest.mark.parametrize(("policy", "names"), [("deny", set()), ("allow:a,b", {"a", "b"})])
def test_allowed_tools_are_named(policy: str, names: set[str]) -> None:
    """What Lingma may run by itself is what the policy names, and by default nothing."""
    assert load(LINGMA_TOOL_POLICY=policy).allowed_tools == names
    assert load().allowed_tools == set()


def test_an_agent_has_a_place_of_its_own_and_no_agents() -> None:
    """It listens where only this machine reaches it, unless certificates guard it; what it is told goes before that."""
    shared = {
        "LINGMA_UPSTREAM": " Agents ",
        "LINGMA_AGENTS": "wss://elsewhere:8327",
        "AGENT_TOKEN": "a-token-of-a-fleet",
    }
    settings = load_settings(shared, None, for_agent=True)
    assert (settings.host, settings.port, settings.lingma_upstream) == ("127.0.0.1", 8327, "lingma")
    assert settings.lingma_agents == ()
    guarded = {"AGENT_CERT_FILE": "a.crt", "AGENT_KEY_FILE": "a.key", "AGENT_CA_FILE": "ca.crt", "PORT": "9000"}
    settings = load_settings(guarded, None, for_agent=True)
    assert (settings.host, settings.port) == ("0.0.0.0", 9000)
