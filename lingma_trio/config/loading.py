"""Reads the settings from the environment and from `.env`: once, with all faults told together.

The one place that reads the environment. Repeats no value, since any of them may be a secret.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dotenv import dotenv_values
from pydantic import ValidationError

from lingma_trio.config.settings import Settings
from lingma_trio.errors import ConfigurationFault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OUR_PREFIXES = (
    "ADMIN_",
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
    "SESSION_",
    "SHUTDOWN_",
    "SSE_",
)


def load_settings(environ: Mapping[str, str] | None = None, env_file: str | Path | None = ".env") -> Settings:
    """Read the settings from `environ` (the process's own by default) over `env_file`, which may be missing.

    A variable that is empty has its default, also where the file has a value for it. Raises `ConfigurationFault` with a
    line for every variable at fault: its name, what is wrong, an example; no value is repeated.
    """
    in_file = _read_file(Path(env_file)) if env_file is not None else {}
    given = {**in_file, **(os.environ if environ is None else environ)}
    values: dict[str, Any] = {
        name.lower(): value for name in Settings.variables() if (value := given.get(name)) is not None and value.strip()
    }
    try:
        return Settings(**values, stray_variables=tuple(_stray_variables(in_file)))
    except ValidationError as error:
        faults = [
            _fault_line(str(fault["loc"][0]).upper(), fault["msg"]) for fault in error.errors(include_input=False)
        ]
    raise ConfigurationFault("\n".join(dict.fromkeys(faults)))


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
        near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.75)
        if name in known:
            if value is None:
                yield f"{name} stands in the file without a value: write {name}=..."
        elif near or name.startswith(_OUR_PREFIXES):
            yield f"{name} is no setting" + (f"; did you mean {near[0]}?" if near else "")
