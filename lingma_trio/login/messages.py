"""What the gateway and the login worker tell each other, one JSON line each.

Pure. The order goes to the worker's standard input; steps and, at the end, the outcome come from its standard output.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Literal, TypeAlias, get_args

from pydantic_core import from_json, to_json

HumanReason: TypeAlias = Literal["check_code", "slider", "qr_only", "verification", "organisation", "refused"]
Kind: TypeAlias = Literal[
    "signed_in",
    "needs_human",
    "wrong_password",
    "page_changed",
    "timeout",
    "unreachable",
    "browser_missing",
    "crashed",
]


@dataclass(frozen=True, slots=True)
class LoginOutcome:
    """How an attempt to sign in ended.

    `signed_in`: the browser was sent back to Lingma, which alone can say whether it took the login. `needs_human`: the
    page wants what only a person has or may choose, `reason` says what; `refused` is an error it does not know.
    `wrong_password`: the page says so. `page_changed`: nothing known is on it. `timeout`: it took too long.
    `unreachable`: the first page could not be had. `browser_missing`: there is no browser that starts. `crashed`: the
    worker ended without a word. `detail` is one sentence for the operator, without credentials. `submitted` says
    whether the credentials were sent to the site.
    """

    kind: Kind
    reason: HumanReason | None = None
    detail: str = ""
    submitted: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is to do.

    `timeout` is in seconds, `browser` a path or empty for the first one that is found. `directory` is for the browser's
    profile; the worker removes it.
    """

    url: str
    username: str
    password: str = field(repr=False)
    headless: bool
    timeout: float
    directory: str
    browser: str = ""

    def line(self) -> bytes:
        """The order as a line."""
        return to_json(asdict(self)) + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Order:
        """Read what `line` made; raises ValueError or TypeError for anything else."""
        return cls(**from_json(line))

    def without_credentials(self, text: str) -> str:
        """`text` with user name and password taken out, for a page may repeat what was typed."""
        for secret in (self.password, self.username):
            text = text.replace(secret, "***") if secret else text
        return text


def step_line(name: str) -> bytes:
    """Tell that the worker has come to the step `name`."""
    return to_json({"step": name}) + b"\n"


def outcome_line(outcome: LoginOutcome) -> bytes:
    """Tell the outcome; the last line of a worker."""
    return to_json({"outcome": asdict(outcome)}) + b"\n"


def read_line(line: bytes) -> str | LoginOutcome | None:
    """The name of a step, or the outcome; None for a line that is neither, which a library may have printed."""
    try:
        said = from_json(line)
    except ValueError:
        return None
    match said:
        case {"step": str(name)}:
            return name
        case {"outcome": {"kind": kind, "reason": reason, "detail": str(detail), "submitted": bool(submitted)}} if (
            kind in get_args(Kind) and (reason is None or reason in get_args(HumanReason))
        ):
            return LoginOutcome(kind, reason, detail, submitted)
        case _:
            return None
