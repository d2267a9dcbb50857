"""Keys on a running gateway: shared fairly, followed from their file, limited, and never written anywhere."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import trio
from openai import OpenAI, RateLimitError

from tests.end_to_end.client import chat, connected, fetch, question
from tests.end_to_end.gateway import OPERATOR, started

BUSY, QUIET = "sk-marker-busy-5a1c", "sk-marker-quiet-90bd"
SERVICE = "Take a second.\n#simulate first=1 gap=0 deltas=1"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def write(path: Path, *entries: str) -> Path:
    """A file of keys, put in place at once."""
    fresh = path.with_name("fresh")
    fresh.write_text("keys:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries))
    fresh.chmod(0o600)
    fresh.replace(path)
    return path


@pytest.mark.slow
async def test_busy_key_does_not_keep_a_quiet_one_waiting(tmp_path: Path) -> None:
    """With two slots and a crowd of one key before it, another key waits for no more than the slots in use."""
    keys = f"busy:{BUSY},quiet:{QUIET}"
    with started(tmp_path, API_KEYS=keys, GATEWAY_MAX_IN_FLIGHT="2") as gateway:
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(lambda: chat(gateway.port, SERVICE, headers=bearer(BUSY)))
            await gateway.until_limiter(2, 18)
            for _ in range(3):
                _, before = await gateway.limiter()
                answer = await chat(gateway.port, SERVICE, headers=bearer(QUIET))
                assert answer.status == 200
                _, after = await gateway.limiter()
                assert before - after <= 5, "of the crowd that was there first, few went before"
                assert after > 0, "the crowd was still waiting"
            nursery.cancel_scope.cancel("seen enough")


@pytest.mark.slow
async def test_file_is_followed(tmp_path: Path) -> None:
    """A revoked key gets 401 from SIGHUP on, a running stream of it finishes, and a faulty file changes nothing."""
    path = write(tmp_path / "keys.yaml", f"name: busy, key: {BUSY}")
    with started(tmp_path / "gateway", KEYS_FILE=str(path)) as gateway:
        assert (await gateway.fetch("/v1/models")).status == 401
        async with connected(gateway.port) as client:
            await client.ask(question("Go on.\n#simulate first=0 gap=0.02 deltas=100"), bearer(BUSY))
            await client.head()
            await client.first_event()
            write(path, f"name: quiet, key: {QUIET}")
            gateway.process.send_signal(signal.SIGHUP)
            await gateway.until(lambda: gateway.log.count('"keys_loaded"') == 2)
            assert (await gateway.fetch("/v1/models", headers=bearer(BUSY))).status == 401
            assert (await gateway.fetch("/v1/models", headers=bearer(QUIET))).status == 200
            body, complete = await client.rest()
            assert complete
            assert body.endswith(b"data: [DONE]\n\n")
        write(path, "name: nothing")
        await gateway.until(lambda: '"keys_file_faulty"' in gateway.log)
        assert (await gateway.fetch("/v1/models", headers=bearer(QUIET))).status == 200
        assert "needs either" in (await gateway.stats())["keys"]["file"]["fault"]
        metrics = await gateway.fetch("/metrics", headers=bearer(QUIET))
        assert b"lingma_gateway_keys_file_faulty 1.0" in metrics.body
        assert gateway.running


@pytest.mark.slow
def test_openai_client_sees_its_limits(tmp_path: Path) -> None:
    """The official client reads the headers, also of a stream, and a refusal with an honest wait."""
    path = write(tmp_path / "keys.yaml", f"name: busy, key: {BUSY}, requests_per_minute: 2, tokens_per_minute: 5000")
    with started(tmp_path / "gateway", KEYS_FILE=str(path)) as gateway:
        client = OpenAI(base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key=BUSY, max_retries=0)
        create: Any = client.chat.completions.with_raw_response.create
        quick = [{"role": "user", "content": "Hello.\n#simulate first=0 gap=0"}]
        first = create(model="org_auto", messages=quick)
        assert first.headers["x-ratelimit-limit-requests"] == "2"
        assert first.headers["x-ratelimit-remaining-requests"] == "1"
        assert int(first.headers["x-ratelimit-remaining-tokens"]) < 5000
        stream = create(model="org_auto", messages=quick, stream=True)
        assert stream.headers["x-ratelimit-remaining-requests"] == "0"
        assert stream.headers["x-ratelimit-reset-requests"].endswith("s")
        assert list(stream.parse())
        with pytest.raises(RateLimitError) as refused:
            create(model="org_auto", messages=quick)
        assert refused.value.code == "request_limit_exceeded"
        wait = int(refused.value.response.headers["retry-after-ms"]) / 1000
        assert 0 < wait <= 60
        client.close()


@pytest.mark.slow
async def test_no_key_is_written_anywhere(tmp_path: Path) -> None:
    """Log, metrics and statistics have the names of keys, and neither a key nor its digest."""
    path = write(tmp_path / "keys.yaml", f"name: busy, key: {BUSY}, requests_per_minute: 1")
    settings = {"KEYS_FILE": str(path), "API_KEYS": f"quiet:{QUIET}", "LOG_LEVEL": "DEBUG"}
    with started(tmp_path / "gateway", **settings) as gateway:
        for key in (BUSY, BUSY, QUIET, f"{QUIET}-wrong"):
            await chat(gateway.port, "Hello.\n#simulate first=0 gap=0", headers=bearer(key))
        write(path, f"name: busy, key: {BUSY}, {BUSY}: 1", f"{{{BUSY}", f"'{BUSY}")
        gateway.process.send_signal(signal.SIGHUP)
        await gateway.until(lambda: '"keys_file_faulty"' in gateway.log)
        texts = {"log": gateway.log}
        for view in ("/internal/usage", "/internal/stats"):
            texts[view] = (await gateway.fetch(view, headers=OPERATOR)).body.decode()
        texts["metrics"] = (await fetch(gateway.port, "GET", "/metrics", headers=bearer(QUIET))).body.decode()
    assert not [place for place, text in texts.items() if "marker" in text]
    assert '"key":"busy"' in texts["log"].replace(" ", "")
    assert 'key="quiet"' in texts["metrics"]
