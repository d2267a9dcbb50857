"""All that may be wrong with who answers: every value of every knob that the simulators have.

They are read from the knobs, so that a new one is crossed with every play, unless it is named here as one that says
nothing on a network that has neither disks nor processes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args, get_origin, get_type_hints

from lingma_trio.simulator.acp.knobs import AcpKnobs
from lingma_trio.simulator.knob import OfAnswer, Turnable
from lingma_trio.simulator.knobs import Knobs

LEFT_OUT = {
    "exit_code": "of a process",
    "ignore_sigterm": "of a process",
    "grandchild": "of a process",
    "stderr_flood": "of a process",
    "info": "a file",
    "info_delay": "a file",
    "scenes": "a file",
    "record": "a file",
    "farewell": "of a process that is told to leave",
    "eof": "of a process",
    "token_variable": "of a process",
    "passwords": "of the sign-in site, where nobody goes here",
    "sign_in": "of the sign-in site",
    "sign_in_delay": "of the sign-in site",
    "sign_in_wipes": "of the sign-in site",
    "directives": "what is wrong with an answer is told by them",
    "load": "an offer that nobody takes",
    "resume": "an offer that nobody takes",
    "listing": "an offer that nobody takes",
    "slash": "whatever is asked is the second text of a prompt",
    "say": "an answer that says nothing of its session",
    "split": "an answer takes as many steps as it has bytes, which is tried in tests/lingma",
}
"""Knobs that are turned in no play, and why."""

EXAMPLES = {
    "first": ("0", "40"),
    "gap": ("0", "12"),
    "scale": ("0",),
    "deltas": ("1", "30"),
    "chars": ("300",),
    "empties": ("0", "1"),
    "call": ("look", "nobody"),
    "status": ("401", "403", "408", "409", "429", "500", "601", "31404"),
    "reason": ("because",),
    "fault_times": ("1",),
    "login_lasts": ("1",),
    "limit": ("1",),
    "accept_delay": ("4", "20"),
    "ack_wait": ("1",),
    "coalesce": ("4",),
    "noise": ("0.4",),
    "logged_out_status": ("401",),
    "quota": ("3",),
    "uncovered": ("org_auto",),
    "upload_limit": ("1000",),
    "upload_time": ("0.5", "90"),
    "long_line": ("300000",),
    "stop_after": ("2", "20"),
    "junk": ("1",),
    "read_delay": ("0.5",),
    "tokens": ("another",),
    "version": ("2",),
    "new_delay": ("0.5", "20"),
}
"""Values of those knobs that take any number or text."""

TOGETHER = {
    "partial": "status=500",
    "reason": "status=500",
    "chars": "deltas=30",
    "form": "call=look",
    "native": "call=look",
    "ack_wait": "ids=1",
    "logged_out_status": "login_lasts=1",
    "logged_out_ask": "login_lasts=1",
    "error": "status=500",
    "data": "status=500",
    "options": "permission=counted",
    "rejected": "permission=counted",
    "token_at": "tokens=another",
    "fault_times": "fault=crash_mid",
}
"""Knobs that say nothing but where another one is turned as well."""


PROVES_NOTHING = ("call=", "quote=", "fault=stall_mid", "fault=busy_mid", "gap=12", "overwrite=replacing")
"""How knobs begin that have an answer say something else than what its session holds, or stop in its midst: since a
Lingma may leave out the push that ends an answer, silence after text ends it too. What was streamed before a text that
replaces it cannot be taken back."""


@dataclass(frozen=True)
class Wrong:
    """What is wrong with who answers: knobs of both processes, and of the one answer."""

    process: tuple[str, ...] = ()
    answer: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.process or self.answer)

    @property
    def proves(self) -> bool:
        """Whether an answer yet says what its session holds."""
        return not any(word.startswith(PROVES_NOTHING) for word in self.answer)

    def __str__(self) -> str:
        return " ".join((*self.process, *self.answer)) or "nothing"


RIGHT = Wrong()


def wrongs(knobs: type[Turnable]) -> list[Wrong]:
    """Everything that these knobs can make wrong, one thing at a time; first that nothing is."""
    kinds = get_type_hints(knobs, include_extras=True)
    found = [RIGHT]
    for knob in fields(knobs):
        if knob.name in LEFT_OUT:
            continue
        kind, about = get_args(kinds[knob.name])
        for value in _values(knob.name, kind, knob.default):
            words = (*filter(None, [TOGETHER.get(knob.name)]), f"{knob.name}={value}")
            found.append(Wrong(answer=words) if isinstance(about, OfAnswer) else Wrong(process=words))
    return found


def _values(name: str, kind: object, default: object) -> tuple[str, ...]:
    if get_origin(kind) is Literal:
        return tuple(value for value in get_args(kind) if value != default)
    if kind is bool:
        return ("0" if default else "1",)
    return EXAMPLES[name]


WRONGS = {"chat": wrongs(Knobs), "session": wrongs(Knobs), "acp": wrongs(AcpKnobs)}
"""By the dialect that is spoken."""
