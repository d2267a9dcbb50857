"""One line per event whoever writes it, and no secret in any of them."""

from __future__ import annotations

import io
import json
import logging
import os
import selectors
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.logs import REPLACEMENT, SHORTEST_REDACTED, LogForm, Redactor, configure_logging, get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

MARKER = "planted'needle/with\"quotes"


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    """Leave the process's logging as the test found it."""
    root, ours = logging.getLogger(), logging.getLogger("lingma_trio")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def start(level: str = "INFO", form: LogForm = "json") -> io.StringIO:
    stream = io.StringIO()
    configure_logging(level, form, [MARKER], stream=stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_event_is_one_json_line_with_time_level_logger_and_context() -> None:
    """What is bound to the context, such as the request id, stands in each line."""
    stream = start()
    with structlog.contextvars.bound_contextvars(request_id="req-1"):
        get_logger("lingma_trio.http").info("turn ended", outcome="ok")
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "turn ended",
        "level": "info",
        "logger": "lingma_trio.http",
        "outcome": "ok",
        "request_id": "req-1",
    }


def test_every_line_says_which_replica_it_is_of() -> None:
    """Ours and a library's, where this gateway has a name."""
    stream = io.StringIO()
    configure_logging("INFO", "json", replica="gateway-a", stream=stream)
    get_logger("lingma_trio.http").info("ours")
    logging.getLogger("anybody").warning("theirs")
    assert [(line["event"], line["replica"]) for line in lines(stream)] == [
        ("ours", "gateway-a"),
        ("theirs", "gateway-a"),
    ]


def test_client_of_the_store_is_silent() -> None:
    """It tells each attempt in an outage with a traceback; the link tells an outage once."""
    stream = start()
    logging.getLogger("coredis").error("cannot connect")
    assert not stream.getvalue()


@pytest.mark.parametrize(("terminal", "begins"), [(True, ""), (False, "{")], ids=["terminal", "file"])
def test_form_is_for_whoever_reads(terminal: bool, begins: str) -> None:
    """With `auto` a terminal has lines for people, and anything else JSON."""

    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    stream = Stream()
    configure_logging("INFO", "auto", stream=stream)
    logging.getLogger("library").warning("told")
    assert "told" in stream.getvalue()
    assert stream.getvalue().startswith("{") is bool(begins)


def test_library_lines_have_the_same_form() -> None:
    """A line of a library is JSON too, its arguments filled in, with the context of the request."""
    stream = start()
    with structlog.contextvars.bound_contextvars(request_id="req-2"):
        logging.getLogger("hypercorn.error").warning("bound to %s", "port 1")
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["logger"], line["request_id"]) == (
        "bound to port 1",
        "warning",
        "hypercorn.error",
        "req-2",
    )


def test_a_librarys_own_handler_is_dropped() -> None:
    """Hypercorn's command line installs a handler; its lines would stand beside ours in another form."""
    foreign = io.StringIO()
    logging.getLogger("hypercorn.error").addHandler(logging.StreamHandler(foreign))
    stream = start()
    logging.getLogger("hypercorn.error").error("once")
    assert len(lines(stream)) == 1
    assert not foreign.getvalue()


def test_debug_is_ours_alone() -> None:
    """At DEBUG our own debug lines come, a library's, which quote frames, do not."""
    stream = start(level="DEBUG")
    get_logger("lingma_trio.gateway").debug("ours")
    logging.getLogger("trio-websocket").debug("received %r", "a prompt")
    assert [line["event"] for line in lines(stream)] == ["ours"]


@pytest.mark.parametrize("level", ["WARNING", "ERROR"])
def test_level_holds_back_what_is_below(level: str) -> None:
    """Nothing below the level is written, by us or by a library."""
    stream = start(level=level)
    get_logger("lingma_trio.gateway").info("low")
    logging.getLogger("hypercorn.error").info("low")
    assert not stream.getvalue()


def test_configuring_again_replaces() -> None:
    """The second call's stream gets the line, once, and the first one's nothing."""
    first, second = start(), start()
    get_logger("lingma_trio.gateway").info("only here")
    assert not first.getvalue()
    assert len(lines(second)) == 1


def test_stream_may_be_closed_before_another_takes_its_place(tmp_path: Path) -> None:
    """Nothing is asked of its descriptor, which may be anybody's by then."""
    with (tmp_path / "log").open("w") as closed:
        configure_logging("INFO", "json", stream=closed)
    stream = start()
    get_logger("lingma_trio.gateway").info("here")
    assert [line["event"] for line in lines(stream)] == ["here"]


class Bearer:
    """A stranger whose `repr` shows a secret."""

    def __repr__(self) -> str:
        return f"<Bearer {MARKER!r}>"


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_secret_in_any_place(form: LogForm) -> None:
    """A planted secret shows in no message, key, nested value, object, argument, context or traceback."""
    stream = start(form=form)
    log = get_logger("lingma_trio.http")
    local = MARKER
    structlog.contextvars.bind_contextvars(key=MARKER)
    log.info(MARKER, **{MARKER: [{"deep": (MARKER, {MARKER: MARKER}, Bearer(), MARKER.encode())}]})
    logging.getLogger("hypercorn.error").error("peer sent %s and %r", MARKER, [local])
    try:
        dict[str, str]()[MARKER]
    except KeyError:
        log.exception("failed")
        logging.getLogger("hypercorn.error").exception("failed")
    written = stream.getvalue()
    assert "needle" not in written
    assert REPLACEMENT in written
    assert "Traceback" in written


@pytest.mark.parametrize("form", ["json", "console"])
def test_tracebacks_show_no_locals(form: LogForm) -> None:
    """A prompt held by a local variable stays out of the line that reports the crash."""
    stream = start(form=form)
    prompt = "my private " + "question"
    try:
        prompt.encode().index(b"absent")
    except ValueError:
        get_logger("lingma_trio.http").exception("failed")
    assert "ValueError: subsection not found" in stream.getvalue()
    assert "private question" not in stream.getvalue()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_values_without_secrets_are_left_alone(value: object) -> None:
    """Redaction changes nothing but secrets."""
    assert Redactor(["planted-needle"]).value(value) == value


@given(st.text(min_size=SHORTEST_REDACTED), st.text(), st.text())
def test_secret_is_found_anywhere(secret: str, before: str, after: str) -> None:
    """Whatever a secret is made of and stands between, the text comes out without it."""
    redacted = Redactor([secret]).text(before + secret + after)
    assert redacted.count(REPLACEMENT) >= 1
    assert secret not in redacted.replace(REPLACEMENT, "")


@given(st.text(min_size=SHORTEST_REDACTED), st.sampled_from([str, repr, json.dumps, quote]), st.text())
def test_line_lacks_what_the_redactor_takes_out(secret: str, write: Callable[[str], str], text: str) -> None:
    """Of JSON, with a secret at any depth or with none: looking at the line finds what looking at each value does."""
    redactor = Redactor([secret])
    told = text + write(secret) + text
    events: list[dict[str, Any]] = [
        *({"event": told}, {told: text}, {"event": text, "number": 1}),
        *({"deep": [{told: [told]}]}, {"no JSON": {told}}),
    ]
    for event in events:
        assert json.loads(redactor.line(None, "info", event)) == redactor(None, "info", event)


def test_longer_secret_goes_first() -> None:
    """Of two secrets that begin alike no tail is left standing."""
    assert Redactor(["abcd", "abcd-efgh"]).text("key abcd-efgh") == f"key {REPLACEMENT}"


def test_tiny_secret_does_not_blank_the_log() -> None:
    """A secret of a few characters would take every word apart, and is left."""
    assert Redactor(["e"]).text("entered") == "entered"


@pytest.mark.parametrize("fault", [OSError("gone"), ValueError("I/O operation on closed file")], ids=["gone", "closed"])
def test_stream_that_takes_no_line_fails_nobody(fault: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever logs goes on; the standard library's word of it goes to standard error."""

    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise fault

    configure_logging("INFO", "json", stream=Broken())
    get_logger("lingma_trio.http").info("told")
    assert str(fault) in capsys.readouterr().err


STUCK = """
import sys
from lingma_trio.logs import configure_logging, get_logger, say

configure_logging("INFO", "json")
for number in range(1000):
    get_logger("lingma_trio.http").info("line", number=number, text="\\u00e4" * (number % 50 * 200))
say("words")
print("done", flush=True)
sys.stdin.readline()
get_logger("lingma_trio.http").info("last")
"""


@contextmanager
def program(source: str, *, stderr: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    """One whose standard error nobody reads, unless the test does."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", source], stdin=pipe, stdout=pipe, stderr=stderr) as process:
        try:
            yield process
        finally:
            process.kill()


def said_in_time(process: subprocess.Popen[bytes]) -> bytes:
    """The line that comes within a minute, of a program that writes no other."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        assert selector.select(60), "it hangs"
    return process.stdout.readline()


def read_line(descriptor: int) -> bytes:
    """The next line, which comes within a minute, and nothing that follows it."""
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            assert selector.select(60), "no line comes"
            line += os.read(descriptor, 1)
    return line.strip()


def read_what_there_is(stream: IO[bytes]) -> bytes:
    """What can be read without waiting."""
    os.set_blocking(stream.fileno(), False)
    read = b"".join(iter(lambda: stream.read(65536) or b"", b""))
    os.set_blocking(stream.fileno(), True)
    return read


def test_reader_that_is_stuck_holds_nobody_up_and_is_told_what_it_missed() -> None:
    """Lines are whole and in order up to where it stopped; then one says how many are lacking, once, and it goes on."""
    with program(STUCK) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        assert said_in_time(process) == b"done\n"
        read = read_what_there_is(process.stderr)
        process.stdin.close()
        found = [json.loads(line) for line in (read + process.stderr.read()).splitlines()]
        assert process.wait() == 0
    *before, told, last = found
    assert [line["number"] for line in before] == list(range(len(before)))
    assert (told["event"], told["lines"], last["event"]) == ("log_lines_dropped", 1001 - len(before), "last")


FOREIGN = "import os\nos.getuid() or os.setuid(65534)\n"
"""What makes a terminal without permissions another user's to a program, also to root's."""


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    """Where to read one, which nobody does, and to write to it."""
    reading, writing = os.openpty()
    try:
        yield reading, writing
    finally:
        os.close(writing)
        os.close(reading)


@contextmanager
def program_on(writing: int, source: str, *, foreign: bool) -> Iterator[subprocess.Popen[bytes]]:
    """A program whose standard error is that terminal, which is its own to open unless it is `foreign`."""
    if foreign:
        Path(os.ttyname(writing)).chmod(0)
        source = source.replace('configure_logging("', f'{FOREIGN}configure_logging("', 1)
    with program(source, stderr=writing) as process:
        yield process


@pytest.mark.parametrize("foreign", [False, True])
def test_terminal_that_is_stuck_holds_nobody_up(*, foreign: bool) -> None:
    """Though it says that it takes something where it does not take a line; nor does it hold up the end."""
    with terminal() as (_, writing), program_on(writing, STUCK, foreign=foreign) as process:
        assert process.stdin is not None
        assert said_in_time(process) == b"done\n"
        process.stdin.close()
        assert process.wait(60) == 0


@pytest.mark.parametrize("foreign", [False, True])
def test_terminal_has_the_last_line_of_a_program_that_ends(*, foreign: bool) -> None:
    """Whoever carries it there."""
    source = STUCK.replace("range(1000)", "range(2)")
    with terminal() as (reading, writing), program_on(writing, source, foreign=foreign) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0
        lines = [read_line(reading) for _ in range(4)]
    assert lines.pop(2) == b"words"
    assert [json.loads(line)["event"] for line in lines] == ["line", "line", "last"]


def test_terminal_on_which_no_write_waits_has_every_line_once_it_is_read() -> None:
    """Whoever else has it may have it so: what it does not take is carried there later."""
    source = STUCK.replace("range(1000)", "range(9)")
    with terminal() as (reading, writing):
        os.set_blocking(writing, False)
        with program_on(writing, source, foreign=True) as process:
            assert process.stdin is not None
            assert said_in_time(process) == b"done\n"
            lines = [read_line(reading) for _ in range(10)]
            assert lines.pop() == b"words"
            assert [json.loads(line)["number"] for line in lines] == list(range(9))
            process.stdin.close()
            assert json.loads(read_line(reading))["event"] == "last"


ANEW = """
import io, os, sys, time
from lingma_trio.logs import configure_logging

before = os.listdir("/proc/self/fd")
for stream in (sys.stderr, sys.stderr, io.StringIO()):
    configure_logging("INFO", "json", stream=stream)
assert os.get_blocking(2)
while os.listdir("/proc/self/fd") != before:
    time.sleep(0.01)
print("same", flush=True)
"""


@pytest.mark.parametrize("foreign", [False, True])
def test_terminal_is_left_as_it_was(*, foreign: bool) -> None:
    """Others wait for it who have it too, and what was opened for it is closed with the next configuration."""
    with terminal() as (_, writing), program_on(writing, ANEW, foreign=foreign) as process:
        assert said_in_time(process) == b"same\n"
