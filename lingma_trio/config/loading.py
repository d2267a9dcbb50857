"""Reads the settings from the environment and from `.env`: once, with all faults told together.

The one place that reads the environment. Repeats no value, since any of them may be a secret.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dotenv import dotenv_values
from pydantic import ValidationError

from lingma_trio.config.settings import SERVICE_DATA, Settings
from lingma_trio.errors import ConfigurationFault
from lingma_trio.policy.agent_address import AGENT_PORT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OUR_PREFIXES = (
    "ACP_",
    "ADMIN_",
    "AGENT_",
    "API_",
    "AUTO_LOGIN_",
    "CLIENT_",
    "DEDICATED_",
    "DEFAULT_",
    "GATEWAY_",
    "KEYS_",
    "LINGMA_",
    "LOG_",
    "MAX_",
    "METRICS_",
    "MODEL_",
    "REPLICA_",
    "SESSION_",
    "SHUTDOWN_",
    "SSE_",
    "STATE_",
)
_OF_THE_ENVIRONMENT = "LINGMA_SIMULATOR"
"""The simulator's, which has no file of settings and is started with the gateway's environment."""


def load_settings(
    environ: Mapping[str, str] | None = None,
    env_file: str | Path | None = ".env",
    *,
    overrides: Mapping[str, str] | None = None,
    for_agent: bool = False,
) -> Settings:
    """Read the settings from `environ` (the process's own by default) over `env_file`, which may be missing.

    `overrides`, what a command line says, goes before both. Without LINGMA_DATA_DIR it is `data_directory`. A variable
    that is empty has its default, also where the file has a value for it. Raises `ConfigurationFault` with a line for
    every variable at fault: its name, what is wrong, an example; no value is repeated.

    `for_agent` reads them for the role that has the Lingmas: it listens elsewhere by default, and has no agents.
    """
    in_file = _read_file(Path(env_file)) if env_file is not None else {}
    environ = os.environ if environ is None else environ
    given = {**in_file, **environ, **(overrides or {})}
    values: dict[str, Any] = {
        name.lower(): value for name in Settings.variables() if (value := given.get(name)) is not None and value.strip()
    }
    values.setdefault("lingma_data_dir", data_directory(environ))
    if for_agent:
        _become_agent(values)
    try:
        return Settings(**values, stray_variables=tuple(_stray_variables(in_file)))
    except ValidationError as error:
        faults = [
            _fault_line(str(fault["loc"][0]).upper(), fault["msg"])
            for fault in error.errors(include_input=False)
            if fault["type"] != "default_factory_not_called"  # whose cause is another fault of these
        ]
    raise ConfigurationFault("\n".join(dict.fromkeys(faults)))


def _become_agent(values: dict[str, Any]) -> None:
    values.pop("lingma_agents", None)
    if values.get("lingma_upstream", "").strip().lower() == "agents":
        del values["lingma_upstream"]
    # Without certificates a gateway shows a secret that anybody on the way could read.
    values.setdefault("host", "0.0.0.0" if "agent_cert_file" in values else "127.0.0.1")  # noqa: S104 - they guard it
    values.setdefault("port", AGENT_PORT)


def data_directory(environ: Mapping[str, str]) -> Path:
    """Where data lives that no setting has a place for: what systemd made for a service, a user's own directory for
    data, and without a home that of a service.
    """
    if made := environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(made)
    home = environ.get("HOME", "")
    shared = environ.get("XDG_DATA_HOME", "")
    if not shared.startswith("/"):  # as the specification has it
        shared = f"{home}/.local/share" if home.strip("/") else ""
    return Path(shared) / "lingma-trio" if shared else SERVICE_DATA


def _read_file(path: Path) -> dict[str, str | None]:
    try:
        # Interpolation would change a password that happens to hold `${`.
        return dotenv_values(path, interpolate=False, encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        fault = f"{path}: cannot be read as UTF-8 text ({type(error).__name__})"
    raise ConfigurationFault(fault)


def _fault_line(name: str, message: str) -> str:
    message = message.removeprefix("Value error, ")
    example = (Settings.variables()[name].examples or [""])[0]
    return f"{name}: {message[:1].lower()}{message[1:]} (example: {name}={example})"


def _stray_variables(in_file: Mapping[str, str | None]) -> Iterator[str]:
    known = list(Settings.variables())
    for name, value in in_file.items():
        if name in known:
            if value is None:
                yield f"{name} stands in the file without a value: write {name}=..."
            continue
        if name == _OF_THE_ENVIRONMENT:
            yield f"{name} is read from the environment alone: set it there, not in the file"
            continue
        import difflib  # noqa: PLC0415 - nearly no file has a name that is none of ours

        near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.75)
        if near or name.startswith(_OUR_PREFIXES):
            yield f"{name} is no setting" + (f"; did you mean {near[0]}?" if near else "")
