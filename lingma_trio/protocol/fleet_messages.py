"""What gateways and agents tell each other beside turns: how the instances of an agent stand, and what shall be done.

Both sides have these shapes from here. Knows names and fields; must not know sockets, the clock or who holds what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from lingma_trio.protocol.allowance import Allowance
from lingma_trio.protocol.catalogue import Catalogue, Model
from lingma_trio.protocol.fields import string
from lingma_trio.protocol.turn_machine import Terms

FLEET: Final = "/fleet"
"""Where an agent tells of its instances."""

STATE: Final = "fleet/state"
"""The agent's push there: all of a `FleetState`, at once, at each change and once a second. Models are told at once,
when they change, and from time to time; in between they are left out."""

DRAIN: Final = "instance/drain"
RESUME: Final = "instance/resume"
RESTART: Final = "instance/restart"
REST: Final = "instance/rest"
DISCARD: Final = "instance/discard"
LOGIN: Final = "login/start"
EXPORT: Final = "login/export"
RECHECK: Final = "login/recheck"
"""What gateways ask for there. Each has `name`, an instance's. `instance/rest` has `account`, whose rest it is as far
as the gateway knows, `model`, empty for all of them, and `seconds`; an agent at which another one is signed in passes
it over. `instance/discard` has `life` and `session`; `login/start` may have `retry` or `callback`. They are answered
with `{}`, `login/export` with `bundle` in base64."""

DOUBT: Final = "instance/doubt"
"""A push beside a turn's own: upstream reported an `error` that may be that `turn`'s or another one's."""

KEPT: Final = "sessions/kept"
"""A gateway's word when it has come to a life whose sessions are closed for it, as ACP has it: for how many `seconds`
after its last answer it may go on with one."""

BUSY: Final = -32050
DRAINING: Final = -32051
"""The codes of the errors with which an agent refuses a turn that it has no room for, or gives its instance none."""

TAKEN: Final = -32052
"""The code of the error for what names a session, or a question, in which another turn is under way."""

LIFE_OVER: Final = 4404
"""The code of the goodbye from a life that is over, or that nobody knows."""

MOST_NOTICE: Final = 500
"""Characters of an agent's notice."""

MOST_INSTANCES: Final = 1000
"""Instances of one agent that are heard of."""


@dataclass(frozen=True, slots=True)
class LoginReport:
    """How it stands with signing an instance in; see `LoginKeeper`, whose words these are."""

    state: str = "idle"
    reason: str = ""
    url: str = ""
    next_attempt_in: float = 0.0


@dataclass(frozen=True, slots=True)
class InstanceReport:
    """One instance as its agent sees it at this moment. Times are seconds from then on.

    `life` is empty where it cannot be asked. `state`, `reason`, `wait`, `ready_in`, `begins_in`, `last_end` and
    `detail` are those of its lives, `account` and `about` of whose sessions it makes. `turns` are everybody's, `most`
    the configured bound, 0 for none, and `bound` the one that refusals have taught. `rests` are by the model's key, an
    empty one for all. `login` is None where nobody can sign it in. `models` are empty where they are those told before.
    """

    name: str
    life: str = ""
    state: str = "starting"
    reason: str = ""
    wait: str = ""
    ready_in: float = 0.0
    begins_in: float = 0.0
    last_end: str = ""
    detail: str = ""
    drained: bool = False
    label: str = ""
    account: str = ""
    about: tuple[str, ...] = ()
    remark: str = ""
    terms: Terms = field(default_factory=Terms)
    models: tuple[Model, ...] = ()
    allowance: Allowance = field(default_factory=Allowance)
    turns: int = 0
    most: int = 0
    bound: int | None = None
    generation: int = 0
    restarts: int = 0
    replaced: int = 0
    rests: Mapping[str, float] = field(default_factory=dict)
    login: LoginReport | None = None

    @property
    def most_turns(self) -> int:
        """The configured bound, as options call it."""
        return self.most

    @property
    def catalogue(self) -> Catalogue:
        """Its models, to be searched."""
        return Catalogue(self.models)


@dataclass(frozen=True, slots=True)
class FleetState:
    """The instances of one agent. `boot` is no other start's, `url` where others reach it, empty where that is unknown.

    One that is `stopping` takes no new turn on any instance; those under way finish. `notice` says that the bundled
    simulator answers in Lingma's place, and why, or is empty.
    """

    agent: str = ""
    boot: str = ""
    url: str = ""
    stopping: bool = False
    instances: tuple[InstanceReport, ...] = ()
    notice: str = ""

    @classmethod
    def read(cls, params: Mapping[str, Any]) -> FleetState:
        """Read the parameters of the push. Never raises: an instance that makes no sense is not there."""
        found = params.get("instances")
        listed = found[:MOST_INSTANCES] if isinstance(found, list) else []
        reports = {report.name: report for each in listed if (report := _read(each)) is not None}
        params = dict(params)
        return cls(
            agent=string(params, "agent"),
            boot=string(params, "boot"),
            url=string(params, "url"),
            stopping=params.get("stopping") is True,
            instances=tuple(reports.values()),
            notice=string(params, "notice")[:MOST_NOTICE],
        )

    def after(self, before: FleetState) -> FleetState:
        """The same, with the models that were told `before` where they are those."""
        known = {report.name: report.models for report in before.instances}
        return replace(
            self,
            instances=tuple(
                report if report.models else replace(report, models=known.get(report.name, ()))
                for report in self.instances
            ),
        )

    def body(self) -> dict[str, Any]:
        """The parameters of the push."""
        # A plan is a read-only mapping, which pydantic takes for none and warns of.
        body: dict[str, Any] = _fleets().dump_python(self, mode="json", fallback=dict, warnings=False)
        return body


def instance_path(name: str, life: str) -> str:
    """Where an agent relays for one life of an instance."""
    return f"/instance/{quote(name, safe='')}/{quote(life, safe='')}"


def _read(found: object) -> InstanceReport | None:
    try:
        report = _reports().validate_python(found)
    except ValidationError:
        return None
    return report if report.name and "/" not in report.name else None


@cache
def _reports() -> TypeAdapter[InstanceReport]:
    return TypeAdapter(InstanceReport)


@cache
def _fleets() -> TypeAdapter[FleetState]:
    return TypeAdapter(FleetState)
