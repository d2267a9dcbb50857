"""Checks run side by side within their deadlines, and their findings keep their order."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import trio

from lingma_trio.doctor.examination import CHECKS, Check, examine, in_thread
from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.site import Site
from tests.doctor.support import FAST, PATIENCE, ROOT, lingma, settings_of, sign_in, site_of
from tests.servers import free_port

FINE = Finding("quick", "fine", "it is")


def quick(site: Site) -> Iterator[Finding]:
    yield FINE


async def slow(site: Site) -> Iterable[Finding]:
    await trio.sleep_forever()


async def test_check_that_does_not_end_is_a_fault_and_holds_nobody_up(tmp_path: Path) -> None:
    """The others are made meanwhile, and the order is that of the list."""
    checks = [Check("slow", slow, seconds=0.2), Check("quick", in_thread(quick)), Check("slower", slow, seconds=0.3)]
    began = trio.current_time()
    findings = await examine(site_of(settings_of(tmp_path)), round_trip=False, checks=checks)
    assert trio.current_time() - began < PATIENCE
    assert [finding.check for finding in findings] == ["slow", "quick", "slower"]
    assert [finding.level for finding in findings] == ["fault", "fine", "fault"]
    assert "within 0.2 s" in findings[0].what


async def test_thread_that_hangs_is_left_to_itself(tmp_path: Path) -> None:
    """A dead network file system must not keep the others' findings."""
    release = threading.Event()

    def hang(site: Site) -> Iterable[Finding]:
        release.wait(PATIENCE)
        return ()

    checks = [Check("hanging", in_thread(hang), seconds=0.1)]
    try:
        (finding,) = await examine(site_of(settings_of(tmp_path)), round_trip=False, checks=checks)
    finally:
        release.set()
    assert (finding.check, finding.level) == ("hanging", "fault")


async def test_good_installation_has_nothing_to_complain_of(tmp_path: Path) -> None:
    """Every check there is, and the round trip after them."""
    lingma(tmp_path)
    sign_in(tmp_path / "work")
    settings = settings_of(tmp_path, port=free_port(), lingma_socket_port=free_port())
    with trio.fail_after(PATIENCE):
        findings = await examine(site_of(settings))
    assert [finding for finding in findings if finding.level not in {"fine", "skipped"}] == []
    assert {check.name for check in CHECKS} - {"agent", "agents", "store"} < {finding.check for finding in findings}
    assert findings[-1].check == "round trip"


async def test_simulated_installation_has_nothing_to_complain_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no binary, directory, port or login of its own, and every check copes with that."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("LINGMA_SIMULATOR", FAST)
    settings = settings_of(tmp_path, lingma_upstream="simulator", lingma_accounts="one:planted,two:planted")
    with trio.fail_after(PATIENCE):
        findings = await examine(site_of(settings))
    assert {finding.level for finding in findings} == {"fine", "skipped"}


async def test_round_trip_can_be_left_out(tmp_path: Path) -> None:
    """Then nothing is started."""
    lingma(tmp_path)
    findings = await examine(site_of(settings_of(tmp_path)), round_trip=False)
    assert "round trip" not in {finding.check for finding in findings}
    assert not (tmp_path / "work").exists()
