"""Takes the settings of another installation over: a `.env`, or the environment in a compose file. Pure: text to text.

The variables are the same; what became of each is reported by its name, and no value is repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import yaml
from dotenv import dotenv_values

from lingma_trio.config import Settings, load_settings
from lingma_trio.errors import ConfigurationFault

_KINDS = ("bool", "int", "float", "timestamp")


class _AsWritten(yaml.SafeLoader):
    """Reads every value as the text that stands there: `0123` and `12_3` are passwords as well as numbers."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - nobody changes it
        first: [(tag, form) for tag, form in resolvers if tag in {"tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"}]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    # Also where a tag says what it is to be: PyYAML falls over one that does not fit.
    yaml_constructors = {  # noqa: RUF012 - as above
        **yaml.SafeLoader.yaml_constructors,
        **{f"tag:yaml.org,2002:{kind}": yaml.SafeLoader.construct_yaml_str for kind in _KINDS},
    }


@dataclass(frozen=True, slots=True)
class Imported:
    """What was taken over. `variables` holds secrets; `report` has a line for each variable that was not."""

    variables: Mapping[str, str] = field(repr=False)
    report: tuple[str, ...]


def take_over(text: str, *, compose: bool) -> Imported:
    """The settings among the variables of the text, each as it stands there, as far as it fits.

    Raises `ConfigurationFault` for a text that holds no variables.
    """
    found = dict(_of_compose(text)) if compose else dotenv_values(stream=StringIO(text), interpolate=False)
    if not found:
        raise ConfigurationFault("the file to import holds no variables")
    kept: dict[str, str] = {}
    report = []
    for name, value in found.items():
        if name not in Settings.variables():
            report.append(f"{name}: is no setting here, and was left out")
        elif not value or ("${" in value and not compose):  # of a compose file's it is known which are its own
            report.append(f"{name}: has no value of its own in the file, and was left out")
        elif value.startswith("/app/data"):
            report.append(f"{name}: is a place in a container, and was left out")
        else:
            kept[name] = value
    for fault in _faults(kept):
        name = fault.partition(":")[0]
        if kept.pop(name, None) is not None:
            report.append(f"{fault}; it was left out")
    return Imported(kept, tuple(report))


def _faults(variables: Mapping[str, str]) -> list[str]:
    try:
        load_settings(variables, None)
    except ConfigurationFault as fault:
        return str(fault).splitlines()
    return []


def _of_compose(text: str) -> Iterator[tuple[str, str]]:
    """The variables of every service's environment."""
    try:
        document = yaml.load(text, Loader=_AsWritten)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ConfigurationFault("the compose file to import is no YAML") from None
    services = document.get("services") if isinstance(document, dict) else None
    for service in services.values() if isinstance(services, dict) else ():
        environment: Any = service.get("environment") if isinstance(service, dict) else None
        if isinstance(environment, dict):
            yield from ((str(name), _own("" if value is None else str(value))) for name, value in environment.items())
        elif isinstance(environment, list):
            pairs = (str(entry).partition("=") for entry in environment)
            yield from ((name.strip(), _own(value)) for name, _, value in pairs)


def _own(value: str) -> str:
    """The value as its container gets it, and nothing where that is taken from elsewhere: `$$` is a dollar."""
    return "" if "$" in value.replace("$$", "") else value.replace("$$", "$")
