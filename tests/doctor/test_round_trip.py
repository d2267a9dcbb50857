"""A question goes the whole way, through an instance of its own or the gateway that runs, and leaves nothing behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import trio

from lingma_trio.doctor.checks.login import by_hand
from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.round_trip import make_round_trip
from lingma_trio.doctor.site import survey
from lingma_trio.fleet import plan_fleet
from tests.doctor.support import (
    AS_ROOT,
    FAST,
    PATIENCE,
    ROOT,
    contents,
    levels,
    lingma,
    listener,
    only,
    readiness_of,
    script,
    settings_of,
    sign_in,
    site_of,
)
from tests.end_to_end.gateway import started
from tests.lingma.support import running
from tests.servers import free_port


async def tried(directory: Path, **values: object) -> list[Finding]:
    with trio.fail_after(PATIENCE):
        findings = await make_round_trip(site_of(settings_of(directory, **values)))
    assert running(str(directory)) == []
    return findings


async def test_every_step_is_timed(tmp_path: Path) -> None:
    """Start, login, models, question: each with its seconds, and at the end no process and no note of one."""
    lingma(tmp_path)
    findings = await tried(tmp_path)
    assert levels(findings) == ["fine"] * 4
    assert [finding.what.split(":")[0] for finding in findings] == [
        "started",
        "auth/status",
        "config/queryModels",
        "chat",
    ]
    assert all(finding.seconds is not None and finding.seconds >= 0 for finding in findings)
    assert not (tmp_path / "work/.gateway-child").exists()


async def test_simulator_is_tried_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a directory of its own, which goes with it."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("LINGMA_SIMULATOR", FAST)
    assert levels(await tried(tmp_path, lingma_upstream="simulator")) == ["fine"] * 4
    assert contents(tmp_path) == []


def simulated_agent(*knobs: str) -> dict[str, object]:
    """The settings that make an agent of the simulator."""
    turned = ",".join([FAST, *knobs])
    simulator = (sys.executable, "-m", "lingma_trio.simulator", "acp")
    return {
        "lingma_upstream": "acp",
        "acp_command": ("env", f"PYTHONPATH={ROOT}", f"LINGMA_SIMULATOR={turned}", *simulator),
    }


async def test_agent_is_tried_as_well(tmp_path: Path) -> None:
    """It tells its name and its models as it starts, and then answers."""
    findings = await tried(tmp_path, **simulated_agent())
    assert levels(findings) == ["fine"] * 2
    assert "initialize and session/new of lingma-simulator" in findings[0].what
    assert findings[1].what.startswith("chat: an answer of")


@pytest.mark.parametrize(
    ("knobs", "mode", "words", "remedy"),
    [
        (("tokens=x",), "", "not signed in", "ACP_TOKENS"),
        ((), "nonsense", "does not offer ACP_MODE=nonsense; it offers", ""),
        (("fault=crash_initialize",), "", "ended with status", ""),
    ],
    ids=["login", "mode", "crash"],
)
async def test_agent_that_does_not_start_is_a_fault(
    tmp_path: Path, knobs: tuple[str, ...], mode: str, words: str, remedy: str
) -> None:
    """With its reason, and what to do."""
    fault = only(await tried(tmp_path, **simulated_agent(*knobs), acp_mode=mode), "fault")
    assert words in fault.what
    assert remedy in fault.remedy


async def test_first_of_several_instances_is_tried(tmp_path: Path) -> None:
    """One stands for all: they share the binary."""
    lingma(tmp_path)
    assert levels(await tried(tmp_path, lingma_instance_count=2)) == ["fine"] * 4


async def test_missing_login_is_a_fault_with_its_remedy(tmp_path: Path) -> None:
    """Lingma runs and answers nobody."""
    lingma(tmp_path, "login=out")
    findings = await tried(tmp_path)
    assert levels(findings) == ["fine", "fault"]
    assert only(findings, "fault").remedy == by_hand("lingma-0")


@pytest.mark.parametrize(
    ("knobs", "word"),
    [
        ("status=429", "rate limit"),
        ("status=500,reason=planted-secret", "***"),
        ("fault=crash_mid", "lost"),
        ("finish=no_text", "no text"),
    ],
)
async def test_question_that_fails_is_a_fault(tmp_path: Path, knobs: str, word: str) -> None:
    """Whatever ends it is told, without secrets, after the steps that went well."""
    lingma(tmp_path, f"{FAST},{knobs}")
    findings = await tried(tmp_path, admin_token="planted-secret")
    assert levels(findings) == ["fine", "fine", "fine", "fault"]
    fault = only(findings, "fault")
    assert word in fault.what
    assert fault.remedy


async def test_answer_that_replaces_itself_is_an_answer(tmp_path: Path) -> None:
    """Its length is that of what it is at the end."""
    lingma(tmp_path, f"{FAST},overwrite=replacing")
    assert levels(await tried(tmp_path)) == ["fine"] * 4


async def test_binary_that_ends_at_once_is_a_fault_with_its_last_words(tmp_path: Path) -> None:
    """They say more than the status."""
    script(tmp_path / "Lingma", "echo one; echo 'cannot find planted-secret' >&2; sleep 0.3; exit 3")
    (finding,) = await tried(tmp_path, admin_token="planted-secret")
    assert finding.level == "fault"
    assert "status 3" in finding.what
    assert finding.remedy == "its last words: cannot find ***"


async def test_lingma_that_does_not_become_ready_is_a_fault(tmp_path: Path) -> None:
    """After the time that the settings give it."""
    lingma(tmp_path, "info=never")
    (finding,) = await tried(tmp_path, lingma_startup_timeout=0.5)
    assert finding.level == "fault"
    assert "not ready within 0.5 s" in finding.what


async def test_default_model_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    """With those that are."""
    lingma(tmp_path)
    finding = only(await tried(tmp_path, default_model="no-such-model"), "warning")
    assert "no-such-model" in finding.what
    assert "org_auto" in finding.remedy


async def test_without_a_binary_nothing_is_started(tmp_path: Path) -> None:
    """And no directory is made."""
    assert levels(await tried(tmp_path)) == ["skipped"]
    assert contents(tmp_path) == []


@pytest.mark.skipif(not AS_ROOT, reason="only root can give a directory away")
async def test_nothing_is_started_in_a_directory_of_another_user(tmp_path: Path) -> None:
    """Its owner could not use it afterwards."""
    script(tmp_path / "Lingma", f"touch {tmp_path}/was-run")
    (tmp_path / "work").mkdir()
    os.chown(tmp_path / "work", 12345, 12345)
    assert levels(await tried(tmp_path)) == ["skipped"]
    assert not (tmp_path / "was-run").exists()


async def test_binary_and_login_are_taken_as_they_are(tmp_path: Path) -> None:
    """A look at them fetches no other binary, and signs nobody in with a password."""
    lingma(tmp_path, "login=out")
    with listener() as server:
        gallery = f"http://127.0.0.1:{server.getsockname()[1]}"
        findings = await tried(
            tmp_path,
            lingma_gallery_url=gallery,
            lingma_vsix_url=gallery,
            lingma_bootstrap_always=True,
            lingma_force_refresh=True,
            lingma_username="somebody",
            lingma_password="planted",
            auto_login_enabled=True,
        )
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert levels(findings) == ["fine", "fault"]
    assert only(findings, "fault").remedy == by_hand("lingma-0", "so***")


async def test_directory_in_use_is_left_alone(tmp_path: Path) -> None:
    """By a gateway that does not answer, whose pid is told; and by one that comes between survey and start."""
    script(tmp_path / "Lingma", f"touch {tmp_path}/was-run")
    settings = settings_of(tmp_path)
    with plan_fleet(settings):
        (known,) = await make_round_trip(await survey(settings))
        (surprise,) = await make_round_trip(site_of(settings))
    assert (known.level, surprise.level) == ("warning", "fault")
    assert str(os.getpid()) in known.what
    assert str(os.getpid()) in surprise.what
    assert not (tmp_path / "was-run").exists()


async def test_cancelling_ends_the_instance(tmp_path: Path) -> None:
    """At any moment of its start; nothing of it runs on."""
    lingma(tmp_path, "info=never")
    with trio.move_on_after(1):
        await make_round_trip(site_of(settings_of(tmp_path)))
    assert running(str(tmp_path)) == []


async def test_running_gateway_is_asked_instead(tmp_path: Path) -> None:
    """A real one, which keeps its Lingma for itself."""
    lingma(tmp_path)
    sign_in(tmp_path / "work")
    port = free_port()
    values = {"port": port, "api_keys": "a-key-of-the-tests"}
    settings = settings_of(tmp_path, **values)
    environment = {
        "PORT": str(port),
        "API_KEYS": "a-key-of-the-tests",
        "LINGMA_UPSTREAM": "lingma",
        "LINGMA_BIN": str(settings.lingma_bin),
        "LINGMA_WORK_DIR": str(settings.lingma_work_dir),
        "LINGMA_SOCKET_PORT": "0",
    }
    with started(tmp_path / "gateway", **environment):
        site = await survey(settings)
        findings = await make_round_trip(site)
        refused = await make_round_trip(await survey(settings_of(tmp_path, port=port)))
    assert site.served is not None
    assert levels(findings) == ["fine", "fine"]
    assert all(finding.seconds is not None for finding in findings)
    assert "API key" in only(refused, "fault").what


async def test_running_gateway_that_is_not_ready_is_not_asked(tmp_path: Path) -> None:
    """It says why; what it says is shown."""
    site = site_of(
        settings_of(tmp_path, port=free_port()),
        holders={"lingma-0": "1"},
        readiness=readiness_of(lingma_0="backing_off"),
    )
    (finding,) = await make_round_trip(site)
    assert finding.level == "fault"
    assert finding.what.endswith("backing_off: it is backing_off")


async def test_running_gateway_that_leaves_is_a_fault(tmp_path: Path) -> None:
    """Between the survey and the question; an instance that rests beside another is a warning."""
    readiness = readiness_of(lingma_0="ready", lingma_1="needs_login")
    site = site_of(settings_of(tmp_path, port=free_port()), holders={"lingma-0": "1"}, readiness=readiness)
    assert levels(await make_round_trip(site)) == ["warning", "fault"]
