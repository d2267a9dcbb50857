"""The parts as they are put together: what the settings say reaches them, and nothing outlives the block."""

from __future__ import annotations

import socket as sockets
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
from pydantic import SecretStr

from lingma_trio.config import Settings, load_settings
from lingma_trio.errors import RequestTimeout, Unavailable
from lingma_trio.gateway import open_gateway
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.services import Services
from lingma_trio.policy.agent_address import AgentAddress
from lingma_trio.policy.recent import RequestLine
from lingma_trio.policy.response_store import Encoded, StoredResponse
from lingma_trio.sessions.book import Session
from lingma_trio.systemd import ServiceManager
from tests.conversations import held
from tests.real_store import RealServer
from tests.servers import free_port

PATIENCE = 20.0
OFFLINE: dict[str, Any] = {"lingma_bootstrap_always": False, "auto_login_enabled": False}


@pytest.fixture(autouse=True)
def keep_to_our_own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the simulator needs, it makes here; and it is found whether or not the package is installed."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))


def simulated(**settings: Any) -> Settings:  # noqa: ANN401 - any setting
    return Settings(lingma_upstream="simulator", **settings)


async def until_ready(services: Services) -> None:
    """Wait for the first instance."""
    await until(lambda: services.pool.instances[0].standing.fault() is None)


async def until(condition: Callable[[], bool]) -> None:
    """Look again and again: what a process has come to is no event of ours."""
    with trio.fail_after(PATIENCE):
        while True:
            if condition():
                return
            await trio.sleep(0.01)


def work_directories(parent: Path) -> list[Path]:
    """What lies in a directory."""
    return sorted(parent.iterdir())


def lingma_of(work_dir: Path) -> Path:
    """The process that wrote the ready file."""
    return Path("/proc") / (work_dir / ".info").read_text().split()[1]


@pytest.mark.slow
async def test_gateway_runs_a_lingma_and_ends_it(tmp_path: Path) -> None:
    """Within the block there is a Lingma that can be asked; after it neither process nor directory is left."""
    async with open_gateway(simulated()) as services:
        await until_ready(services)
        assert services.simulated
        assert services.pool.catalogue.models
        (directory,) = work_directories(tmp_path)
        process = lingma_of(directory)
        assert process in work_directories(Path("/proc"))
    assert process not in work_directories(Path("/proc"))
    assert not work_directories(tmp_path)


async def test_gateway_of_agents_runs_no_lingma_and_touches_no_directory(tmp_path: Path) -> None:
    """What answers is elsewhere; an agent that is not there is told of, and ends nothing."""
    settings = Settings(
        lingma_upstream="agents",
        lingma_agents=(AgentAddress("unix", port=0, path=str(tmp_path / "agent.sock")),),
        agent_token=SecretStr("a-token-of-the-test"),
        lingma_work_dir=tmp_path / "work",
        lingma_data_dir=tmp_path / "data",
    )
    async with open_gateway(settings) as services:
        assert services.agents is not None
        assert services.upstream == "lingma"
        agents = services.agents
        await until(lambda: any(each.state == "unreachable" for each in agents.standings))
        assert not services.pool.instances
        assert "No such file" in services.pool.refusal().message
    assert not (tmp_path / "work").exists()


@pytest.mark.slow
async def test_cancelling_ends_it_as_well(tmp_path: Path) -> None:
    """A gateway that is cancelled cleans up like one that is left."""
    with trio.CancelScope() as scope:
        async with open_gateway(simulated()) as services:
            await until_ready(services)
            scope.cancel("enough")
            await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert not work_directories(tmp_path)


async def test_lingma_that_ends_at_once_ends_nothing(tmp_path: Path) -> None:
    """A program that is no Lingma is a reason that can be read, and the gateway goes on trying."""
    settings = Settings(lingma_bin=failing_program(tmp_path), lingma_work_dir=tmp_path / "work", **OFFLINE)
    async with open_gateway(settings) as services:
        (instance,) = services.pool.instances
        await until(lambda: instance.lives.state == "backing_off")
        assert not services.simulated
        assert "status 3" in instance.lives.reason
        refusal = services.pool.refusal()
        assert isinstance(refusal, Unavailable)
        assert "status 3" not in refusal.message


def failing_program(directory: Path) -> Path:
    """A program that has nothing to do with Lingma."""
    program = directory / "Lingma"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    return program


async def test_settings_reach_their_parts(tmp_path: Path) -> None:
    """Each setting of the gateway is the bound that it is for."""
    text = {
        "LINGMA_WORK_DIR": str(tmp_path / "work"),
        "LINGMA_BIN": str(failing_program(tmp_path)),
        "LINGMA_BOOTSTRAP_ALWAYS": "false",
        "AUTO_LOGIN_ENABLED": "false",
        "GATEWAY_MAX_IN_FLIGHT": "1",
        "GATEWAY_REQUEST_TIMEOUT": "0.01",
        "MAX_REQUEST_BYTES": "123",
        "SSE_KEEPALIVE_SEC": "4",
        "API_KEYS": "one-long-enough-key,another-long-enough-key",
        "ADMIN_TOKEN": "planted-admin-token",
    }
    async with open_gateway(load_settings(text, None)) as services:
        assert (services.bounds.max_request, services.bounds.keepalive) == (123, 4)
        assert repr(services.gatekeeper) == "<Gatekeeper keys=2 anonymous=False>"
        assert services.redactor.text("say planted-admin-token") == "say ***"
        async with services.limiter.slot(), trio.open_nursery() as nursery:
            nursery.start_soon(take_a_slot, services)
            await trio.testing.wait_all_tasks_blocked()
            assert services.limiter_view().queued == 1
            nursery.cancel_scope.cancel("one slot is all there is")
        with pytest.raises(RequestTimeout), services.ceiling.over():
            await trio.sleep_forever()
        assert b"lingma_gateway_in_flight_requests 0.0" in services.metrics.page()


async def test_gateways_share_a_store(tmp_path: Path) -> None:
    """Each knows of the other while it runs, and is gone from the store when it has ended."""
    server = RealServer(tmp_path / "store")
    server.start()
    settings = [sharing(tmp_path / name, server.url, replica_name=name) for name in ("a", "b")]
    try:
        async with open_gateway(settings[0]) as one, open_gateway(settings[1]) as other:
            assert one.link is not None
            assert other.link is not None
            assert (one.link.up, other.link.up) == (True, True)
            assert other.link.replicas == 2
            assert b'replica="b"' in other.metrics.page()
            session = Session("s-1", "lingma-0", "life")
            assert await one.sessions.commit(held("q", "a"), session, "kept", now=0) == "kept"
            lease = await other.sessions.claim(held("q", "a"), now=0, gone=lambda _: None)
            assert not isinstance(lease, str)
            lease.give_back()
            with trio.fail_after(PATIENCE):
                while isinstance(await one.sessions.claim(held("q", "a"), now=0, gone=lambda _: None), str):  # noqa: ASYNC110
                    await trio.sleep(0.01)
        assert server.command("ZCARD", "lt:replicas") == b":0"
    finally:
        server.stop()


async def test_gateways_of_one_store_share_what_is_kept(tmp_path: Path) -> None:
    """A response, a sign-in, and the use of one that has ended; nothing of it is in a file."""
    server = RealServer(tmp_path / "store")
    server.start()
    settings = [sharing(tmp_path / name, server.url, admin_token="a-token-of-the-operator") for name in ("a", "b")]
    browser = Exchange("page", {"type": "http", "headers": [], "client": ("127.0.0.1", 1)}, _nothing, _nothing)
    line = RequestLine("req", time.time(), "chat", "qwen", "", "", "", 10, 20, 1.0, "ok", "ann")
    try:
        async with open_gateway(settings[1]) as other:
            async with open_gateway(settings[0]) as one:
                await one.responses.put("t", "resp_1", StoredResponse((), Encoded(b"{", (), b"}"), None))
                assert await other.responses.find("t", "resp_1") is not None
                cookie = (await one.operators.sign_in(browser, "a-token-of-the-operator")).partition(b";")[0]
                signed_in = Exchange("page", {**browser.scope, "headers": [(b"cookie", cookie)]}, _nothing, _nothing)
                assert await other.operators.find(signed_in) is not None
                one.use.count(line)
            other.use.count(line)
            assert [tally.requests for tally in (await other.use.month()).values()] == [2]
        assert not (tmp_path / "a" / "data" / "use.sqlite").exists()
    finally:
        server.stop()


async def _nothing(*_: object) -> Any:  # noqa: ANN401 - stands in for both of ASGI's callables
    await trio.lowlevel.checkpoint()


async def test_store_that_is_away_is_a_degraded_start(tmp_path: Path) -> None:
    """The gateway is there within two seconds, and its link says what is wrong."""
    began = trio.current_time()
    async with open_gateway(sharing(tmp_path, f"valkey://:planted-password@127.0.0.1:{free_port()}")) as services:
        assert trio.current_time() - began < 2
        assert services.link is not None
        assert not services.link.up
        assert "127.0.0.1" in services.link.reason
        assert "planted-password" not in services.link.reason
        assert services.redactor.text("planted-password") == "***"


def sharing(directory: Path, url: str, **values: str) -> Settings:
    """A gateway that shares a store, with a Lingma that ends at once."""
    directory.mkdir(exist_ok=True)
    return load_settings(
        {
            "LINGMA_BIN": str(failing_program(directory)),
            "LINGMA_DATA_DIR": str(directory / "data"),
            "LINGMA_WORK_DIR": str(directory / "work"),
            "LINGMA_BOOTSTRAP_ALWAYS": "false",
            "AUTO_LOGIN_ENABLED": "false",
            "STATE_URL": url,
            **{name.upper(): value for name, value in values.items()},
        },
        None,
    )


async def take_a_slot(services: Services) -> None:
    """Wait in the queue."""
    async with services.limiter.slot():
        await trio.sleep_forever()


async def test_warnings_are_in_the_log(tmp_path: Path) -> None:
    """What the settings warn of, and the simulator, are said at each start."""
    with structlog.testing.capture_logs() as logs:
        async with open_gateway(simulated(allow_anonymous=True)) as services:
            assert services.simulated
    events = {entry["event"]: entry for entry in logs if entry["log_level"] == "warning"}
    assert "ALLOW_ANONYMOUS" in events["settings"]["warning"]
    assert "simulator" in events["simulator"]["notice"]


async def test_watchdog_hears_the_root_nursery(tmp_path: Path) -> None:
    """The pulse that a watchdog hears comes from the gateway's own nursery, and ends with it."""
    with closing(sockets.socket(sockets.AF_UNIX, sockets.SOCK_DGRAM)) as ear:
        ear.bind(str(tmp_path / "notify"))
        heard = trio.socket.from_stdlib_socket(ear)
        manager = ServiceManager(str(tmp_path / "notify"), watchdog=0.01)
        settings = Settings(lingma_bin=tmp_path / "none", lingma_work_dir=tmp_path / "work", **OFFLINE)
        with trio.fail_after(PATIENCE):
            async with open_gateway(settings, manager):
                for _ in range(3):
                    assert await heard.recv(100) == b"WATCHDOG=1"
        ear.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                ear.recv(100)
        await trio.sleep(0.1)
        with pytest.raises(BlockingIOError):
            ear.recv(100)
