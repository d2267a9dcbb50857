"""What Prometheus is told: names with units, labels, and the state of the moment."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lingma_trio import __version__
from lingma_trio.metrics import (
    PREFIX,
    STATES,
    AgentView,
    InstanceView,
    KeysFileView,
    KeyView,
    LimiterView,
    LinkView,
    Metrics,
    SessionsView,
)

LIMITER = LimiterView(in_flight=3, queued=2, refused_full=5, refused_late=7)
SESSIONS = SessionsView(
    size=11, hits=12, misses={"model": 13, "expired": 1}, commits={"kept": 14}, evictions=15, expiries=16
)
KEYS = [KeyView("ann", {"ok": 21, "queue_full": 22}, prompt_tokens=23, answer_tokens=24, in_flight=25, queued=26)]
INSTANCES = [
    InstanceView("lingma-0", "ready", 3, 1, {"chat/ask": 2}, ahead={"taken": 7}),
    InstanceView("lingma-1", "needs_login", 0, 0, {}, {"quota": 7.0}),
    InstanceView(
        "acp-0", "ready", 0, 0, {}, agent=AgentView({"edit": 2, "execute": 1}, abandoned=3, junk=4), replaced=5
    ),
]
TOTALS = ("_total", "_bucket", "_count", "_sum", "_created", "_info")


class State:
    """A gateway at one moment, which the test can move on."""

    def __init__(self) -> None:
        self.limiter = LIMITER
        self.keys_file: KeysFileView | None = None
        self.link: LinkView | None = None
        self.agents: dict[str, int] | None = None

    def limiter_view(self) -> LimiterView:
        """The limiter."""
        return self.limiter

    def bytes_in_flight(self) -> int:
        """Bytes of requests."""
        return 4096

    def sessions_view(self) -> SessionsView:
        """The session cache."""
        return SESSIONS

    def key_views(self) -> Iterator[KeyView]:
        """The keys."""
        yield from KEYS

    def keys_file_view(self) -> KeysFileView | None:
        """The file of keys."""
        return self.keys_file

    def agent_counts(self) -> dict[str, int] | None:
        """The agents."""
        return self.agents

    def link_view(self) -> LinkView | None:
        """The link to a store."""
        return self.link

    def instance_views(self) -> Iterator[InstanceView]:
        """The instances."""
        yield from INSTANCES


def attached() -> tuple[Metrics, State]:
    metrics, state = Metrics(), State()
    metrics.attach(state)
    return metrics, state


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(PREFIX + name, labels)


def test_everything_has_the_prefix() -> None:
    """Every sample is the gateway's own: nothing of the process or the language slips in."""
    metrics, _ = attached()
    names = re.findall(r"^(\w+)", metrics.page().decode(), flags=re.MULTILINE)
    assert names
    assert all(name.startswith(PREFIX) for name in names)


def test_each_gateway_has_its_own() -> None:
    """Two gateways in one process count apart."""
    one, two = Metrics(), Metrics()
    one.deltas.count += 5
    assert value(one, "deltas_total") == 5
    assert value(two, "deltas_total") == 0


def test_limiter_is_shown_as_it_is() -> None:
    """The limiter's numbers are those of the moment of asking."""
    metrics, state = attached()
    assert value(metrics, "in_flight_requests") == 3
    assert value(metrics, "queued_requests") == 2
    assert value(metrics, "bytes_in_flight") == 4096
    assert value(metrics, "rejected_requests_total", reason="queue_full") == 5
    assert value(metrics, "rejected_requests_total", reason="queue_timeout") == 7
    state.limiter = LimiterView(in_flight=0, queued=0, refused_full=6, refused_late=7)
    assert value(metrics, "in_flight_requests") == 0
    assert value(metrics, "rejected_requests_total", reason="queue_full") == 6


def test_sessions_are_shown() -> None:
    """How many sessions are held is a gauge, what happened to them are counters, some by their reason."""
    metrics, _ = attached()
    assert value(metrics, "session_cache_entries") == 11
    for name, number in (("hits", 12), ("evictions", 15), ("expiries", 16)):
        assert value(metrics, f"session_cache_{name}_total") == number
    assert value(metrics, "session_misses_total", reason="model") == 13
    assert value(metrics, "session_misses_total", reason="expired") == 1
    assert value(metrics, "session_commits_total", reason="kept") == 14


def test_instances_are_shown_in_exactly_one_state() -> None:
    """Each instance has a sample for every state, of which one is 1."""
    metrics, _ = attached()
    for view in INSTANCES:
        shown = {state: value(metrics, "instance_state", instance=view.name, state=state) for state in STATES}
        assert shown == {state: float(state == view.state) for state in STATES}
        assert value(metrics, "instance_turns", instance=view.name) == view.turns
        assert value(metrics, "instance_restarts_total", instance=view.name) == view.restarts
    assert value(metrics, "rpc_errors_total", instance="lingma-0", method="chat/ask") == 2
    assert value(metrics, "sessions_ahead_total", instance="lingma-0", fate="taken") == 7


def test_agents_are_shown_with_what_they_did_unasked() -> None:
    """By the kind of tool; a Lingma has no samples of that."""
    metrics, _ = attached()
    assert value(metrics, "acp_tool_ran_total", instance="acp-0", kind="edit") == 2
    assert value(metrics, "acp_tool_ran_total", instance="acp-0", kind="execute") == 1
    assert value(metrics, "acp_sessions_abandoned_total", instance="acp-0") == 3
    assert value(metrics, "acp_junk_lines_total", instance="acp-0") == 4
    assert value(metrics, "acp_agents_replaced_total", instance="acp-0") == 5
    assert value(metrics, "acp_junk_lines_total", instance="lingma-0") is None


def test_times_are_in_seconds() -> None:
    """Histograms say their unit, and reach from milliseconds to the longest request."""
    metrics = Metrics()
    metrics.queue_wait.observe(0.02)
    metrics.first_delta.observe(1.5)
    metrics.count_request("chat", "ok", 700)
    assert value(metrics, "queue_wait_seconds_bucket", le="0.025") == 1
    assert value(metrics, "queue_wait_seconds_bucket", le="0.01") == 0
    assert value(metrics, "time_to_first_delta_seconds_sum") == 1.5
    assert value(metrics, "request_duration_seconds_bucket", route="chat", le="900.0") == 1


def test_build_says_what_runs() -> None:
    """The version is a label, as is usual for what does not change."""
    page = Metrics().page().decode()
    assert re.search(
        rf'^{PREFIX}build_info{{python="3\.\d+\.\d+",version="{re.escape(__version__)}"}} 1\.0$', page, re.MULTILINE
    )


def test_each_sample_says_which_replica_it_is_of() -> None:
    """Where it has a name, so that one of several gateways is found by it; the others have no such label."""
    metrics = Metrics("gateway-a")
    metrics.attach(State())
    metrics.count_request("chat", "ok", 1)
    for page in (metrics.page(), metrics.page()):
        samples = [line for line in page.decode().splitlines() if not line.startswith("#")]
        assert len(samples) > 50
        assert [line for line in samples if line.count('replica="gateway-a"') != 1] == []
    assert b"replica=" not in attached()[0].page()


def test_agents_are_counted_by_how_they_stand() -> None:
    """Where there are any."""
    metrics, state = attached()
    assert b"lingma_gateway_agents" not in metrics.page()
    state.agents = {"connected": 2, "unreachable": 1}
    assert value(metrics, "agents", state="connected") == 2
    assert value(metrics, "agents", state="unreachable") == 1


def test_store_is_told_of_where_there_is_one() -> None:
    """Whether it answers, how many share it, and what came of the trips."""
    metrics, state = attached()
    assert b"store" not in metrics.page()
    state.link = LinkView(up=False, replicas=3, trips=5, failures={"late": 2, "down": 7})
    assert value(metrics, "store_up") == 0
    assert value(metrics, "store_replicas") == 3
    assert value(metrics, "store_trips_total") == 5
    assert value(metrics, "store_failures_total", reason="late") == 2
    assert value(metrics, "store_failures_total", reason="down") == 7


def test_each_key_has_numbers_of_its_own() -> None:
    """A key's requests by outcome, its tokens, and what it holds and waits for stand under its name."""
    metrics, _ = attached()
    assert value(metrics, "key_requests_total", key="ann", outcome="ok") == 21
    assert value(metrics, "key_requests_total", key="ann", outcome="queue_full") == 22
    assert value(metrics, "key_tokens_estimated_total", key="ann", kind="prompt") == 23
    assert value(metrics, "key_tokens_estimated_total", key="ann", kind="answer") == 24
    assert value(metrics, "key_in_flight_requests", key="ann") == 25
    assert value(metrics, "key_queued_requests", key="ann") == 26


def test_keys_file_is_told_of_where_there_is_one() -> None:
    """Its state and its readings are numbers once there is such a file, and are not there before."""
    metrics, state = attached()
    assert value(metrics, "keys_file_faulty") is None
    state.keys_file = KeysFileView(faulty=True, loads=3, failures=2)
    assert value(metrics, "keys_file_faulty") == 1
    assert value(metrics, "keys_file_loads_total", result="ok") == 3
    assert value(metrics, "keys_file_loads_total", result="faulty") == 2


def test_only_what_lingma_tells_of_an_account_is_a_sample() -> None:
    """Under the names that it gives; an account of which nothing is told has none."""
    metrics, _ = attached()
    labels = {"instance": "lingma-1", "name": "quota"}
    assert metrics.registry.get_sample_value(f"{PREFIX}account_allowance", labels) == 7
    assert metrics.page().count(b"account_allowance{") == 1
