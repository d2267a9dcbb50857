"""Planted markers: no prompt, key, token or password appears anywhere that somebody may look."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic_core import to_json

from lingma_trio.http.page.places import PLACES
from tests.end_to_end.client import Answer, connected, fetch, question
from tests.end_to_end.gateway import Gateway, launched, started
from tests.planted import PLANTED, markers_in

API_KEY = "marker-api-key-5a1c"
ADMIN, METRICS = PLANTED["ADMIN_TOKEN"], PLANTED["METRICS_TOKEN"]
PASSWORD, BUNDLE = "marker-password-3f2e", "marker-login-token-c4d8"
PROMPT = "marker-prompt-text-e61b"
WRONG_KEY = "marker-wrong-key-1188"
TOGETHER = {
    name: value
    for name, value in PLANTED.items()
    if name
    not in {"LINGMA_PASSWORD", "LINGMA_SESSION_BUNDLE"}  # stand beside no accounts, and are another way to have one
    and name not in {"STATE_URL", "ACP_TOKENS"}  # of upstreams and stores that have tests of their own here
}
COLLECTOR_TOKEN = "marker-collector-token-3e3e"
MARKERS = {*markers_in("".join(TOGETHER.values())), API_KEY, PROMPT, WRONG_KEY, COLLECTOR_TOKEN}

HEADERS = {
    "authorization": f"Bearer {API_KEY}",
    **dict.fromkeys(
        ("cookie", "referer", "x-forwarded-for", "openai-organization", "anthropic-beta", "x-anything"),
        f"{PROMPT}-header",
    ),
}
ROOT = Path(__file__).parents[2]
QUICK = "#simulate first=0 gap=0"
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module", params=["json", "console"])
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway at level DEBUG with secrets in file and environment, and a Lingma that prints what it should not."""
    directory = tmp_path_factory.mktemp(f"secrets-{request.param}")
    in_file = {"API_KEYS", "METRICS_TOKEN", "LINGMA_ACCOUNTS"}
    (directory / ".env").write_text("".join(f"{name}='{TOGETHER[name]}'\n" for name in in_file))
    binary = directory / "Lingma"
    binary.write_text(
        f'#!/bin/sh\necho "signing in with {PASSWORD} {BUNDLE}" >&2\n'
        f'env >&2\nexec {sys.executable} -m lingma_trio.simulator "$@"\n'
    )
    binary.chmod(0o755)
    with started(
        directory,
        **{name: value for name, value in TOGETHER.items() if name not in in_file},
        OTEL_EXPORTER_OTLP_HEADERS=f"x-token={COLLECTOR_TOKEN}",
        LOG_LEVEL="DEBUG",
        LOG_FORMAT=request.param,
        GATEWAY_QUEUE_TIMEOUT_SEC="5",  # shorter than the rest after a 403, which nobody here has the time to wait for
        LINGMA_UPSTREAM="lingma",
        LINGMA_BIN=str(binary),
        LINGMA_INSTANCE_COUNT="1",
        LINGMA_WORK_DIR=str(directory / "lingma"),
        LINGMA_SOCKET_PORT="0",
        LINGMA_SIMULATOR="record=1",
    ) as running:
        yield running


PATHS = {
    "/metrics": METRICS,
    "/readyz": API_KEY,
    "/v1/models": API_KEY,
    "/openapi.json": API_KEY,
    **dict.fromkeys(("stats", "tree", "usage", "use.csv", "requests"), ADMIN),
}
PATHS = {path if path.startswith("/") else f"/internal/{path}": token for path, token in PATHS.items()}
"""What can be looked at, and by whom."""


async def ask(gateway: Gateway, body: bytes) -> Answer:
    return await fetch(gateway.port, "POST", CHAT, body, HEADERS)


async def fail_in_every_way(gateway: Gateway) -> list[Answer]:
    """What clients are told when something goes wrong with a request that holds markers."""
    prompt = f"{PROMPT}\n{QUICK}"
    tell_twice = to_json({"messages": [{"role": PROMPT, "content": PROMPT}]})
    failures = [
        await ask(gateway, question(f"{prompt} {fault}", stream=stream))
        for fault in ("status=500", "status=400", "filter=timeout", "error_push=addressed", "status=403", "status=429")
        for stream in (True, False)
    ]
    failures += [
        await ask(gateway, body)
        for body in (PROMPT.encode(), b'"' + PROMPT.encode(), tell_twice, question(PROMPT, n=PROMPT, stop=3))
    ]
    headers = {"authorization": f"Bearer {WRONG_KEY}", "x-request-id": f"not an id: {WRONG_KEY}"}
    failures.append(await fetch(gateway.port, "POST", f"{CHAT}?api_key={WRONG_KEY}", question(PROMPT), headers))
    failures.append(await fetch(gateway.port, "GET", "/internal/stats", headers=headers))
    failures.append(await fetch(gateway.port, "GET", "/metrics", headers=headers))
    assert all(failure.error for failure in failures)
    return failures


async def crash(gateway: Gateway) -> None:
    """Kill Lingma in mid-answer, and wait for its next life."""
    async with connected(gateway.port) as client:
        await client.ask(question(f"{PROMPT}\n#simulate first=0 fault=stall_mid"), HEADERS)
        await client.head()
        await client.first_event()
        pid = int((gateway.directory / "lingma" / ".info").read_text().split()[1])
        os.kill(pid, signal.SIGKILL)
        await client.rest()


async def views(gateway: Gateway) -> dict[str, str]:
    """Everything there is to look at, by its name."""
    texts = {"log": gateway.log}
    form = {"content-type": "application/x-www-form-urlencoded"}
    signed_in = await fetch(gateway.port, "POST", "/page/sign-in", f"token={ADMIN}".encode(), form)
    cookie = signed_in.headers["set-cookie"].partition(";")[0]
    shown = [(place.path, {"cookie": cookie}) for place in PLACES.values()]
    shown += [(path, {"authorization": f"Bearer {token}"}) for path, token in PATHS.items()]
    for path, headers in shown:
        answer = await fetch(gateway.port, "GET", path, headers=headers)
        assert path == "/readyz" or answer.status == 200, (path, answer)
        texts[path] = answer.body.decode() + repr(answer.headers)
    return texts


@pytest.mark.slow
async def test_no_marker_shows_anywhere(gateway: Gateway) -> None:
    """Answers, failures, a crash and a departure leave no marker in log, metrics, statistics, readiness or errors."""
    for stream in (True, False):
        assert (await ask(gateway, question(f"{PROMPT}\n{QUICK}", stream=stream))).complete
    async with connected(gateway.port) as client:
        await client.ask(question(f"{PROMPT}\n#simulate fault=stall_first"), HEADERS)
        client.reset()
    await crash(gateway)
    await gateway.until(lambda: "instance_ended" in gateway.log)
    await gateway.until_ready()
    failures = await fail_in_every_way(gateway)
    texts = await views(gateway)
    texts["errors"] = "".join(failure.body.decode() + repr(failure.headers) for failure in failures)
    found = [(marker, place) for marker in MARKERS for place, text in texts.items() if marker in text]
    assert not found
    assert "signing in with *** ***" in texts["log"]


@pytest.mark.slow
def test_lingma_is_told_no_secret_of_the_gateway(gateway: Gateway) -> None:
    """Lingma, and what it starts, find none of the gateway's keys in their environment or command line, where only the
    address of its own domain stands.
    """
    texts = what_processes_know(gateway.descendants)
    assert texts
    secrets = MARKERS - markers_in(PLANTED["DEDICATED_DOMAIN_URL"])
    assert not [marker for marker in secrets for text in texts if marker.encode() in text]


@pytest.mark.slow
async def test_token_of_an_agent_shows_nowhere_but_in_its_own_environment(tmp_path: Path) -> None:
    """It prints it on both pipes, dies, and refuses questions; another account's agent never gets to see it."""
    tokens = ("marker-agent-token-1d6b", "marker-agent-token-88c2")
    talkative = 'echo "signing in with $AGENT_KEY" >&2; echo "junk $AGENT_KEY"; exec "$@"'
    program = [sys.executable, "-m", "lingma_trio.simulator", "acp"]
    command = ["sh", "-c", talkative, "agent", "env", f"PYTHONPATH={ROOT}", *program]
    settings = {
        "LINGMA_UPSTREAM": "acp",
        "LINGMA_WORK_DIR": str(tmp_path / "work"),
        "ACP_COMMAND": to_json(command).decode(),
        "ACP_TOKENS": f"ann:{tokens[0]},bob:{tokens[1]}",
        "ACP_TOKEN_VARIABLE": "AGENT_KEY",
    }
    secrets = {"API_KEYS": API_KEY, "ADMIN_TOKEN": ADMIN, "METRICS_TOKEN": METRICS}
    with started(tmp_path / "gateway", **secrets, **settings, LOG_LEVEL="DEBUG") as gateway:
        await gateway.until(lambda: gateway.log.count('"event": "instance_agent"') == 2)
        know = {
            token: {pid for pid in gateway.descendants if token.encode() in known(pid, "environ")} for token in tokens
        }
        lines = [known(pid, "cmdline") for pid in gateway.descendants]
        assert (await ask(gateway, question(f"{PROMPT}\n{QUICK}"))).complete
        failures = [await ask(gateway, question(f"{PROMPT}\n{QUICK} status={status}")) for status in (500, 429)]
        notes = [tmp_path / "work" / "acp" / name / ".gateway-child" for name in ("ann", "bob")]
        os.kill(int(notes[0].read_text().split()[0]), signal.SIGKILL)
        await gateway.until(lambda: "instance_ended" in gateway.log)
        await gateway.until(lambda: gateway.log.count('"event": "instance_agent"') == 3)
        texts = await views(gateway)
    texts["errors"] = "".join(failure.body.decode() for failure in failures)
    assert not [(marker, place) for marker in (*tokens, PROMPT) for place, text in texts.items() if marker in text]
    assert "signing in with ***" in texts["log"]
    assert "junk ***" in texts["log"]
    assert all(know.values())
    assert not know[tokens[0]] & know[tokens[1]]
    assert not [token for token in tokens for line in lines if token.encode() in line]


@pytest.mark.slow
async def test_address_with_a_password_is_told_without_it(tmp_path: Path) -> None:
    """Neither the log nor what anybody can read of a Lingma that cannot be fetched has it, nor a signed query."""
    settings = {name: PLANTED[name] for name in ("LINGMA_VSIX_URL", "LINGMA_GALLERY_URL")}
    settings |= {"LINGMA_SOURCE_TYPE": "vsix", "LINGMA_BIN": str(tmp_path / "bin" / "Lingma")}
    with launched(tmp_path, LINGMA_UPSTREAM="lingma", LINGMA_BOOTSTRAP_ALWAYS="true", **settings) as gateway:
        await gateway.until(lambda: "none can be fetched: vsix: http://me:***@127.0.0.1:1/" in gateway.log)
        texts = [gateway.log, (await gateway.fetch("/readyz")).body.decode()]
    assert not [markers_in(text) for text in texts if markers_in(text)]


@pytest.mark.slow
async def test_password_of_a_store_that_is_away_is_nowhere(tmp_path: Path) -> None:
    """It is asked for by each request that needs the store, and nobody who hears of it hears with what."""
    settings = {name: PLANTED[name] for name in ("STATE_URL", "ADMIN_TOKEN", "METRICS_TOKEN")}
    with started(
        tmp_path, **settings, API_KEYS=API_KEY, LOG_LEVEL="DEBUG", LINGMA_SIMULATOR="first=0,gap=0"
    ) as gateway:
        answers = [await ask(gateway, question(PROMPT))]
        answers.append(await fetch(gateway.port, "GET", "/v1/responses/resp_of_nobody", headers=HEADERS))
        texts = await views(gateway)
        knows = what_processes_know(gateway.descendants)
    assert answers[0].complete
    assert answers[1].error["code"] == "state_unavailable"
    texts["errors"] = answers[1].body.decode()
    assert not {place: found for place, text in texts.items() if (found := markers_in(text))}
    assert not [text for text in knows if markers_in(text.decode(errors="replace"))]


def what_processes_know(pids: list[int]) -> list[bytes]:
    """The environment and the command line of each."""
    return [known(pid, name) for pid in pids for name in ("environ", "cmdline")]


def known(pid: int, name: str) -> bytes:
    """A process's `environ` or `cmdline`."""
    return Path(f"/proc/{pid}/{name}").read_bytes()
