"""What a new installation's settings are to be, from what is at hand. Looks at the disk for the binary alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lingma_trio.config import Settings, load_settings
from lingma_trio.setup.env_text import Entry, written

HEAD = """Settings of lingma-trio, written by `lingma-trio init`. Variables of the environment go before these.
The page docs/configuration.md describes each of them, and all others."""

ACCOUNT = (
    "LINGMA_USERNAME",
    "LINGMA_PASSWORD",
    "LINGMA_SESSION_BUNDLE",
    "LINGMA_SESSION_BUNDLE_FILE",
    "LINGMA_ACCOUNTS",
    "DEDICATED_DOMAIN_URL",
)
"""What an account may be told by."""

AGENT = ("ACP_COMMAND", "ACP_TOKENS", "ACP_TOKEN_VARIABLE", "ACP_MODE")
"""What an agent may be told by."""

TAKEN_OVER = ("PORT", "LINGMA_UPSTREAM", "LINGMA_DATA_DIR", "LINGMA_BIN", *ACCOUNT, *AGENT, "API_KEYS", "ADMIN_TOKEN")
"""What is taken from the environment where it is set there."""

WHY = {
    "simulator": "the bundled simulator answers, which needs neither an account nor Lingma's program",
    "lingma": "Lingma answers",
    "acp": "the agent that ACP_COMMAND starts answers",
    "agents": "the Lingmas that the agents of LINGMA_AGENTS run answer",
    "auto": "Lingma answers, and while neither it nor an account is there the bundled simulator",
}
"""What each LINGMA_UPSTREAM comes to."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings of an installation. `variables` holds secrets, `why` says what decided about the upstream."""

    variables: Mapping[str, str] = field(repr=False)
    why: str

    def entries(self) -> Iterator[Entry]:
        """The variables in the order of a file, each with what it is for."""
        comments = {
            "LINGMA_UPSTREAM": f"{self.why[:1].upper()}{self.why[1:]}.\nOr `lingma`, `acp`, `agents`, `simulator`.",
            "HOST": "0.0.0.0 serves other machines as well.",
            "API_KEYS": "What clients send as their key.",
            "ADMIN_TOKEN": "What opens the status page and /internal.",
            "LINGMA_DATA_DIR": "Where Lingma's program and its data live.",
        }
        for name, value in self.variables.items():
            yield Entry(name, value, comments.get(name, ""))

    def text(self) -> str:
        """The file. Raises `ValueError` for a value that no file can hold."""
        return written(HEAD, self.entries())


def draw_up(given: Mapping[str, str], *, new_key: str, new_token: str, environ: Mapping[str, str]) -> Plan:
    """The plan of an installation of which `given` is wished for, and everything else taken as it fits.

    What `given` leaves open is taken from `environ`. `new_key` and `new_token` are used where neither has any. Raises
    `ConfigurationFault` for what does not fit together.
    """
    said = {name: value for name in TAKEN_OVER if (value := environ.get(name, "").strip())}
    wishes = {**said, **{name: value for name, value in given.items() if value}}
    settings = load_settings({**environ, **wishes}, None)
    upstream = wishes.get("LINGMA_UPSTREAM", "") or _upstream(settings)
    variables = {
        "LINGMA_UPSTREAM": upstream,
        "HOST": "127.0.0.1",
        "PORT": str(settings.port),
        "API_KEYS": new_key,
        "ADMIN_TOKEN": new_token,
        "LINGMA_DATA_DIR": str(settings.lingma_data_dir.absolute()),
        **wishes,
    }
    variables["LINGMA_UPSTREAM"] = load_settings({**variables, "LINGMA_UPSTREAM": upstream}, None).lingma_upstream
    return Plan(variables, WHY[variables["LINGMA_UPSTREAM"]])


def _upstream(settings: Settings) -> str:
    return "lingma" if settings.lingma_accounts or settings.lingma_bin.exists() else "simulator"
