"""One line per event, in one form, for our own loggers and for every library's.

Knows structlog and the standard library's logging. Does not know what is logged, save for the secrets, which it keeps
out of every line whoever wrote it.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import re
import select
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext, suppress
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal, TextIO, TypeAlias
from urllib.parse import quote

import structlog
from structlog.stdlib import BoundLogger, ProcessorFormatter

if TYPE_CHECKING:
    from structlog.typing import BindableLogger, EventDict, Processor, WrappedLogger

Json: TypeAlias = "str | float | bool | list[Json] | dict[str, Json] | None"
LogForm: TypeAlias = Literal["auto", "json", "console"]

REPLACEMENT = "***"

SHORTEST_REDACTED = 4
"""Characters below which a secret is left alone: taking it out would take half of every line out, and hide nothing."""

PIECE = 4096
"""Bytes that a pipe takes at once when it takes any (PIPE_BUF); a socket takes as many."""

MOST_PATIENCE = 0.25
"""Seconds in a row that a reader may let lines wait, who is late and not stuck: the gateway does nothing meanwhile."""

BLINK = 0.05
"""Seconds after which a full terminal is tried again that no write waits for; whether it takes any it cannot say."""

PATIENCE_SHARE = 0.01
"""The part of all time that it may take so, however long the reader is late."""

_METHODS = ("debug", "info", "warning", "error", "critical")
_REDIRECTED = ("hypercorn.error",)  # comes with a handler of its own, whose lines would not be ours
_OUR_LOGGERS = "lingma_trio"
_render_stack = structlog.processors.StackInfoRenderer()
_encode = json.JSONEncoder(check_circular=False).encode  # nothing that is logged has itself in it


class Redactor:
    """Replaces known secrets in log events, in keys and values at any depth and in tracebacks.

    Finds each secret as it is and as `repr`, JSON and a URL write it. A value that is neither text, number, mapping nor
    collection becomes its `repr`, so that nothing is rendered that has not been looked at.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {
            spelling
            for secret in secrets
            if len(secret) >= SHORTEST_REDACTED
            for spelling in (
                secret,
                repr(secret)[1:-1],
                json.dumps(secret)[1:-1],
                quote(secret),
                quote(secret, safe=""),
            )
        }
        # Longest first, so that a secret that begins like another one is taken out whole.
        alternatives = "|".join(re.escape(spelling) for spelling in sorted(spellings, key=len, reverse=True))
        self._pattern = re.compile(alternatives) if alternatives else None
        self._in_json = [_encode(spelling)[1:-1] for spelling in spellings]

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Be a structlog processor."""
        return {self.text(str(key)): self.value(value) for key, value in event.items()}

    def line(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        """Be the last processor: the event in one line of JSON.

        JSON writes each character by itself, so whatever has a secret has the secret's JSON in its own. Nearly no line
        has, and that is found out by looking at it once.
        """
        try:
            line = _encode(event)
        except TypeError:  # of a value that JSON has no form for
            return _encode(self(logger, method, event))
        return _encode(self(logger, method, event)) if any(map(line.__contains__, self._in_json)) else line

    def text(self, text: str) -> str:
        """The text without secrets."""
        return self._pattern.sub(REPLACEMENT, text) if self._pattern else text

    def value(self, value: object) -> Json:
        """The value without secrets, made of what JSON can hold."""
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self.text(value)
            case Mapping():
                return {self.text(str(key)): self.value(each) for key, each in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.value(each) for each in value]
            case _:
                return self.text(repr(value))


class _Outlet:
    """A descriptor that lines are written to, whose reader may have stopped to read. It holds nobody up for long.

    A line is written whole, be it later. While the rest of one cannot be written those that follow are dropped;
    `tell` is called with their number once lines flow again. What was opened for it is closed by `close`, which waits
    a moment for lines that are under way.
    """

    def __init__(self, given: int, tell: Callable[[int], None]) -> None:
        self._given = given
        self._tell = tell
        self._is_file = stat.S_ISREG(os.fstat(given).st_mode)  # which takes what it is given
        self._carrier: threading.Thread | None = None
        descriptor = _open_terminal(given)
        if descriptor is None:
            reading, descriptor = os.pipe()
            self._carrier = threading.Thread(target=_carry, args=(reading, given), name="terminal", daemon=True)
            self._carrier.start()
            atexit.register(self.close)
        self._use(descriptor)
        self._rest: bytes | memoryview = b""
        self._dropped = 0
        self._patience = MOST_PATIENCE
        self._waited_at = 0.0

    def write(self, text: str) -> None:
        """Write a line, or drop it. Raises `OSError` where nobody can read it any more."""
        if self._rest:
            self._write_rest()
        if self._dropped and not self._rest:
            dropped, self._dropped = self._dropped, 0
            self._tell(dropped)
        if self._rest:
            self._dropped += 1
            return
        line = text.encode("utf-8", "backslashreplace")
        self._rest = memoryview(line) if len(line) > PIECE else line  # its pieces copy nothing
        self._write_rest()

    def flush(self) -> None:
        """Write what is left of a line, as far as it is taken."""
        if self._rest:
            self._write_rest()

    def close(self) -> None:
        """Go on with what was given, for a line that still comes. Idempotent."""
        opened = self._descriptor
        self._use(self._given)
        if opened != self._given:
            os.close(opened)
        if self._carrier is not None:
            atexit.unregister(self.close)
            self._carrier.join(MOST_PATIENCE)

    def _use(self, descriptor: int) -> None:
        self._descriptor = descriptor
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        self._poll = poll.poll

    def _write_rest(self) -> None:
        try:
            while self._rest and (self._is_file or self._poll(0) or self._flows_soon()):
                self._rest = self._rest[os.write(self._descriptor, self._rest[:PIECE]) :]
        except BlockingIOError:  # a terminal had less room than it seemed
            return

    def _flows_soon(self) -> bool:
        """Wait for the reader, with the patience that is left."""
        now = time.monotonic()
        self._patience = min(MOST_PATIENCE, self._patience + PATIENCE_SHARE * (now - self._waited_at))
        self._waited_at = now
        if self._patience * 1000 < 1:
            return False
        flows = self._poll(int(self._patience * 1000))
        self._waited_at = time.monotonic()
        self._patience -= self._waited_at - now
        return bool(flows)


def _open_terminal(descriptor: int) -> int | None:
    """Another descriptor of the same terminal, on which no write waits; the same for what is no terminal. None for one
    that is not ours to open, such as another user's.

    A terminal says that it takes something, and not how much. That it is not to be waited for cannot be said of the
    descriptor that is given: whoever else has it, as the shell, has it so.
    """
    if not os.isatty(descriptor):
        return descriptor
    with suppress(OSError):
        return os.open(os.ttyname(descriptor), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    return None


def _carry(reading: int, terminal: int) -> None:
    """Be the thread that waits for a terminal in place of all others, until the pipe's other end is closed."""
    with os.fdopen(reading, "rb", buffering=0) as pipe, suppress(OSError):
        while piece := pipe.read(PIECE):
            while piece:
                try:
                    piece = piece[os.write(terminal, piece) :]
                except BlockingIOError:  # whoever else has it has it so that no write waits
                    time.sleep(BLINK)


def _outlet(stream: TextIO) -> TextIO | _Outlet:
    """The stream itself, where it has no descriptor."""
    try:
        descriptor = stream.fileno()
    except OSError:
        return stream
    stream.flush()
    return _Outlet(descriptor, _tell_of_dropped)


def _tell_of_dropped(lines: int) -> None:
    get_logger(f"{_OUR_LOGGERS}.logs").warning("log_lines_dropped", lines=lines)


class _LineHandler(logging.StreamHandler["TextIO | _Outlet"]):
    """The one handler of this module; a type of its own, so that configuring again finds and replaces it."""

    def write(self, name: str, line: str) -> None:
        """Write a line of ours, which is whole. A stream that takes none is reported as for a library's."""
        try:
            with self.lock or nullcontext():
                self.stream.write(line + self.terminator)
                self.stream.flush()
        except (OSError, ValueError):
            self.handleError(logging.LogRecord(name, logging.ERROR, "", 0, line, None, None))

    def let_go(self) -> None:
        """Another handler takes its place."""
        with self.lock or nullcontext():
            if isinstance(self.stream, _Outlet):
                self.stream.close()


class _Writer:
    """What our own loggers write to: the handler, at once.

    The standard library would make a record of each line, find the caller that nobody asks for, and pass the record
    round, which costs more than the line.
    """

    def __init__(self, name: str, handler: _LineHandler) -> None:
        self.name = name
        self._handler = handler
        self.debug = self.info = self.warning = self.error = self.critical = self._write  # as `_METHODS`

    def _write(self, line: str) -> None:
        self._handler.write(self.name, line)


def _bound_logger(threshold: int) -> type[BindableLogger]:
    """Structlog's logger that says nothing below the threshold; what it says is handed to the processors at once.

    Its own methods pass a line on through three calls that copy it, which cost a sixth of the line.
    """
    quiet = structlog.make_filtering_bound_logger(threshold)
    levels = logging.getLevelNamesMapping()
    told = {name: _teller(name) for name in _METHODS if levels[name.upper()] >= threshold}
    return type(quiet.__name__, (quiet,), told)


def _teller(name: str) -> Callable[..., None]:
    def tell(self: Any, event: str, **said: object) -> None:  # noqa: ANN401 - a logger as `_bound_logger` makes them
        said["event"] = event
        line: Any = {**self._context, **said} if self._context else said
        try:
            for processor in self._processors:
                line = processor(self._logger, name, line)
        except structlog.DropEvent:
            return
        getattr(self._logger, name)(line)

    return tell


def configure_logging(
    level: str, form: LogForm, secrets: Iterable[str] = (), *, replica: str = "", stream: TextIO | None = None
) -> None:
    """Send every event from `level` up as one line to `stream` (standard error by default), without `secrets`, and with
    the name of the `replica` that it is of, where that has one.

    With `auto` a terminal has lines for people, and anything else JSON. Libraries are heard from INFO up, also at level
    DEBUG: their debug lines quote what they carry, which is prompts. Times are UTC in ISO 8601. Tracebacks never show
    local variables. May be called again; the last call counts.
    """
    stream = stream or sys.stderr
    if form == "auto":
        form = "console" if stream.isatty() else "json"
    threshold = logging.getLevelNamesMapping()[level]
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        _stamp,
    ]
    if replica:
        common.append(partial(_name_replica, replica))
    made: list[Processor] = [_render_faults, *_rendering(form, Redactor(secrets))]
    handler = _LineHandler(_outlet(stream))
    handler.setFormatter(
        ProcessorFormatter(foreign_pre_chain=common, processors=[ProcessorFormatter.remove_processors_meta, *made])
    )
    structlog.configure(
        processors=[*common, *made],
        wrapper_class=_bound_logger(threshold),
        logger_factory=cache(partial(_Writer, handler=handler)),
        cache_logger_on_first_use=False,
    )
    _install(handler)
    logging.getLogger(_OUR_LOGGERS).setLevel(threshold)
    logging.getLogger().setLevel(max(threshold, logging.INFO))
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings quote what clients sent
    logging.getLogger("coredis").setLevel(logging.CRITICAL)  # tells each attempt in an outage, with a traceback


def get_logger(name: str) -> BoundLogger:
    """A logger whose lines name it; `name` is the module's, below `lingma_trio`."""
    logger: BoundLogger = structlog.get_logger(name)
    return logger


def say(text: str) -> None:
    """Write words for people among the lines, as they are. As with a line, a terminal that is stuck holds nobody up."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _LineHandler):
            handler.write(_OUR_LOGGERS, text)


def _name_replica(replica: str, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["replica"] = replica
    return event


def _stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    second, rest = divmod(time.time_ns(), 10**9)
    event["timestamp"] = f"{_written(second)}.{rest // 1000:06}Z"
    return event


@lru_cache(maxsize=1)
def _written(second: int) -> str:
    """The time without what follows the second, which lines that come thick and fast have in common."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _render_faults(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Render a traceback, which nearly no line has."""
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, method, event)
    return _render_stack(logger, method, event) if "stack_info" in event else event


def _rendering(form: LogForm, redactor: Redactor) -> list[Processor]:
    if form == "json":
        return [redactor.line]
    return [redactor, structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]


def _install(handler: _LineHandler) -> None:
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, _LineHandler)]:
        root.removeHandler(old)
        old.let_go()
    root.addHandler(handler)
    for name in _REDIRECTED:
        logging.getLogger(name).handlers.clear()
