"""Which Lingmas to run, and where: one for each account, each in a work directory that is locked for this gateway."""

from __future__ import annotations

import fcntl
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from hashlib import blake2b
from io import FileIO
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from lingma_trio.accounts import Account
from lingma_trio.config import Settings
from lingma_trio.errors import ConfigurationFault
from lingma_trio.lingma.acp.place import environment
from lingma_trio.lingma.login import LoginOptions
from lingma_trio.lingma.login_files import is_logged_in
from lingma_trio.lingma.options import LEAST_OPEN, AgentOptions, InstanceOptions, LingmaOptions
from lingma_trio.private_files import check_owner, open_unlinked
from lingma_trio.systemd import VARIABLES as SYSTEMD_VARIABLES

LOCK = ".gateway-lock"
AGENTS = "acp"  # below LINGMA_WORK_DIR: the agents' own directories
LOCK_POLL = 0.05  # seconds between looks at a lock that another gateway holds; only a thread could wait for it
SECRET_VARIABLES = (
    "API_KEYS",
    "ADMIN_TOKEN",
    "METRICS_TOKEN",
    "AGENT_TOKEN",
    "STATE_URL",
    "LINGMA_PASSWORD",
    "LINGMA_SESSION_BUNDLE",
    "LINGMA_ACCOUNTS",
    "LINGMA_VSIX_URL",
    "LINGMA_GALLERY_URL",
    "DEDICATED_DOMAIN_URL",
    "ACP_TOKENS",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
)
"""What Lingma's own environment leaves out: a child has no business with the gateway's keys."""


def is_simulated(settings: Settings) -> bool:
    """Whether the bundled simulator is upstream: only where asked for, or with `auto` and nothing else to serve."""
    if settings.lingma_upstream == "auto":
        return not settings.lingma_bin.exists() and not settings.lingma_accounts
    return settings.lingma_upstream == "simulator"


def is_unconfigured(settings: Settings) -> bool:
    """Whether nothing says what shall answer: LINGMA_UPSTREAM is not set, and there is no account, binary or login."""
    if "lingma_upstream" in settings.model_fields_set or settings.lingma_accounts:
        return False
    return not settings.lingma_bin.exists() and not is_logged_in(settings.lingma_work_dir)


def simulator_notice(settings: Settings) -> str:
    """What everybody must be told while the simulator is upstream, and why it is; empty where Lingma is."""
    if not is_simulated(settings):
        return ""
    if settings.lingma_upstream == "auto":
        return "no Lingma binary and no account are configured: the bundled simulator answers, not Lingma"
    return "LINGMA_UPSTREAM is simulator: the bundled simulator answers, not Lingma"


@contextmanager
def plan_fleet(settings: Settings, *, patient: bool = False) -> Iterator[list[InstanceOptions]]:
    """What to run for the length of the block, in which no other gateway can use the same work directories.

    Raises `ConfigurationFault` naming the pid of the gateway that uses one already; with `patient` its instance waits
    for that gateway's end before its first life.
    """
    with ExitStack() as stack:
        if is_simulated(settings):
            # Play data of this one run; a simulator must never touch a directory that may hold a real login.
            root = Path(stack.enter_context(TemporaryDirectory(prefix="lingma-simulator-", ignore_cleanup_errors=True)))
            fleet: list[InstanceOptions] = [
                *_lay_out(settings, (sys.executable, "-m", "lingma_trio.simulator"), root, port=0)
            ]
        elif settings.lingma_upstream == "agents":
            fleet = []  # theirs
        elif settings.lingma_upstream == "acp":
            fleet = [*agent_fleet(settings)]
            _make_private(settings.lingma_work_dir, settings.lingma_work_dir / AGENTS)
        else:
            fleet = [*_prepared(settings, lingma_fleet(settings))]
        yield [_locked(options, stack.enter_context(_lock(options.work_dir)), patient=patient) for options in fleet]


def agent_fleet(settings: Settings) -> list[AgentOptions]:
    """The agents that speak ACP, one for each of `agent_accounts`, in their order. Makes nothing and locks nothing.

    Each has a directory of its own that is called as its account is. The names of instances are their places: anybody
    can read them in `/readyz`.
    """
    root = settings.lingma_work_dir.absolute() / AGENTS  # agents know no relative path
    places = [(root / account.name, account) for account in settings.agent_accounts]
    return [
        AgentOptions(
            name=f"acp-{number}",
            command=settings.acp_command,
            work_dir=place,
            environment=environment(place, account, settings.acp_token_variable, os.environ),
            startup_timeout=settings.lingma_startup_timeout,
            rpc_timeout=settings.lingma_rpc_timeout,
            most_turns=settings.lingma_max_in_flight_per_instance,
            account=account,
            mode=settings.acp_mode,
            sessions_per_life=settings.acp_sessions_per_life,
            sessions_open=max(LEAST_OPEN, 4 * settings.session_cache_max_entries),
        )
        for number, (place, account) in enumerate(places)
    ]


def real_fleet(settings: Settings) -> list[InstanceOptions]:
    """The instances that are no simulators, as the settings lay them out. Makes nothing and locks nothing."""
    if settings.lingma_upstream == "agents":
        return []
    return [*agent_fleet(settings)] if settings.lingma_upstream == "acp" else [*lingma_fleet(settings)]


def lingma_fleet(settings: Settings) -> list[LingmaOptions]:
    """The instances of the real Lingma, one for each of `instance_accounts`, in their order. As `real_fleet`."""
    return _lay_out(settings, (str(settings.lingma_bin),), settings.lingma_work_dir, port=settings.lingma_socket_port)


def _prepared(settings: Settings, fleet: list[LingmaOptions]) -> list[LingmaOptions]:
    """The instances with one fetch of the binary before their first start, where the settings want it fetched."""
    if not settings.lingma_bootstrap_always:
        return fleet
    # They bring an HTTP client along, which a gateway that fetches nothing never holds.
    from lingma_trio.bootstrap.binary import binary_options, ensure_binary  # noqa: PLC0415
    from lingma_trio.bootstrap.preparation import Preparation  # noqa: PLC0415

    wanted = binary_options(settings)
    preparation = Preparation(lambda progress: ensure_binary(wanted, on_progress=progress))
    return [replace(options, prepare=preparation.wait) for options in fleet]


def lock_holder(work_dir: Path) -> str | None:
    """The pid of the gateway that uses the directory, `unknown` where it left none, or None where no gateway does.

    Tries the lock, so a gateway that starts in this very moment may be refused. A lock that cannot be looked at counts
    as free.
    """
    try:
        file = os.fdopen(open_unlinked(work_dir / LOCK, os.O_RDONLY), encoding="ascii", errors="replace")
    except OSError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read(32).strip() or "unknown"
    return None


def _lay_out(settings: Settings, command: tuple[str, ...], root: Path, *, port: int) -> list[LingmaOptions]:
    withheld = {*SECRET_VARIABLES, *SYSTEMD_VARIABLES}
    first = LingmaOptions(
        name="lingma-0",
        command=command,
        work_dir=root,
        port=port,
        startup_timeout=settings.lingma_startup_timeout,
        rpc_timeout=settings.lingma_rpc_timeout,
        heartbeat=settings.lingma_heartbeat_sec,
        most_turns=settings.lingma_max_in_flight_per_instance,
        dialect=settings.lingma_dialect,
        sessions_ahead=settings.lingma_sessions_ahead,
        allowed_tools=settings.allowed_tools,
        endpoint=settings.dedicated_domain_url,
        account=settings.instance_accounts[0],
        login=_login_options(settings),
        environment={name: value for name, value in os.environ.items() if name not in withheld},
    )
    return _spread(first, settings.instance_accounts)


def _login_options(settings: Settings) -> LoginOptions:
    return LoginOptions(
        enabled=settings.auto_login_enabled,
        headless=settings.auto_login_headless,
        timeout=settings.auto_login_timeout,
        max_retry=settings.auto_login_max_retry,
        browser=settings.lingma_browser,
        dedicated=bool(settings.dedicated_domain_url),
    )


def _spread(first: LingmaOptions, accounts: tuple[Account | None, ...]) -> list[LingmaOptions]:
    """One instance keeps the configured directory and port; several have their own below it, named after the account.

    The directory follows from the account and not from its place in the list, so that a list in another order finds
    every login where it was. The name is the place: anybody can read it in `/readyz`, where one that followed from the
    account would tell whoever guesses an account that it is used here.
    """
    if len(accounts) == 1:
        return [first]
    seen: Counter[str] = Counter()
    fleet = []
    for place, account in enumerate(accounts):
        digest = _digest(account)
        seen[digest] += 1
        directory = first.work_dir / (digest if seen[digest] == 1 else f"{digest}-{seen[digest]}")
        port = first.port if first.port == 0 else None
        fleet.append(replace(first, name=f"lingma-{place}", work_dir=directory, port=port, account=account))
    return fleet


def _digest(account: Account | None) -> str:
    name = account.username if account is not None else ""
    return blake2b(name.encode("utf-8", "replace"), digest_size=4, person=b"lingma-account").hexdigest()


def _make_private(*directories: Path) -> None:
    """Make what is not there, for this user alone: making an instance's own would leave those above it to everybody."""
    for directory in directories:
        with suppress(OSError):  # the instance finds the same fault and says so in /readyz
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)


class _Lock:
    """The lock of one work directory; the kernel lets go of it however this process ends."""

    def __init__(self, work_dir: Path, file: FileIO) -> None:
        self._work_dir = work_dir
        self._file = file
        self.held = False

    def __repr__(self) -> str:
        return f"<_Lock held={self.held}>"

    def take(self) -> bool:
        """Have the lock, with this process's pid in its file, unless another gateway has it; returns whether."""
        with suppress(BlockingIOError):
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.held = True
            with suppress(OSError):  # a full disk has no room for the pid, and the lock is the kernel's
                self._file.truncate(0)
                self._file.write(b"%d\n" % os.getpid())
        return self.held

    def take_or_refuse(self) -> None:
        """The same, with a `ConfigurationFault` that names the gateway which has it."""
        if not self.take():
            raise ConfigurationFault(
                f"LINGMA_WORK_DIR: {self._work_dir} is in use by another gateway (pid {self._holder()}); stop it, "
                "or give this one a directory of its own (example: LINGMA_WORK_DIR=/var/lib/lingma-2)"
            )

    async def wait(self, step: Callable[[str], None]) -> None:
        """Have it at last, and let `step` know what is waited for."""
        while not (self.held or self.take()):
            step(f"the gateway before this one (pid {self._holder()}) finishes its requests")
            await trio.sleep(LOCK_POLL)

    def _holder(self) -> str:
        self._file.seek(0)
        return self._file.read(32).decode("ascii", "replace").strip() or "unknown"


@contextmanager
def _lock(work_dir: Path) -> Iterator[_Lock | None]:
    """The directory's lock, which is let go at the end if it is held by then; None where there is no place for it."""
    try:
        work_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_owner(work_dir)
        descriptor = open_unlinked(work_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    except OSError:
        yield None  # the instance finds the same fault and says so in /readyz, which a refused start could not
        return
    with FileIO(descriptor, "a+") as file:
        lock = _Lock(work_dir, file)
        yield lock
        if lock.held:
            with suppress(OSError):
                file.truncate(0)


def _locked(options: InstanceOptions, lock: _Lock | None, *, patient: bool) -> InstanceOptions:
    """What to run with the lock held: from now on, or with `patient` from before its first life on."""
    if lock is None or (patient and lock.take()):
        return options
    if not patient:
        lock.take_or_refuse()
        return options
    prepare = options.prepare

    async def prepare_and_wait(step: Callable[[str], None]) -> None:
        if prepare is not None:
            await prepare(step)
        await lock.wait(step)

    return replace(options, prepare=prepare_and_wait)
