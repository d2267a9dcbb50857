"""Each instance is signed in, or what brings a login is named; Lingma's own word outweighs its files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import trio

from lingma_trio.doctor.checks.login import AT_ONCE, by_hand, check_logins
from lingma_trio.doctor.findings import Finding
from tests.doctor.support import AS_ROOT, lingma, readiness_of, script, settings_of, sign_in, site_of

ACCOUNT = {"lingma_username": "somebody", "lingma_password": "planted"}


async def examined(directory: Path, **values: object) -> Finding:
    (finding,) = await check_logins(site_of(settings_of(directory, **values)))
    assert "planted" not in str(finding)
    assert "somebody" not in str(finding)
    return finding


async def test_login_that_lingma_accepts_is_fine(tmp_path: Path) -> None:
    """By its files and by the binary's `status`."""
    lingma(tmp_path)
    sign_in(tmp_path / "work")
    assert await examined(tmp_path) == Finding("login", "fine", "lingma-0 is signed in")


async def test_no_login_is_a_fault_with_a_remedy(tmp_path: Path) -> None:
    """Where nothing will bring one; the binary is not run for it."""
    finding = await examined(tmp_path)
    assert (finding.level, finding.remedy) == ("fault", by_hand("lingma-0"))


async def test_remedy_says_whose_login_is_missing(tmp_path: Path) -> None:
    """By the name that the operator gave the account, else by as much of its user name as tells it from others."""
    names = ({"username": "somebody", "name": "work"}, {"username": "somebody@example.com"})
    accounts = [{**name, "password": "planted"} for name in names]
    findings = await check_logins(site_of(settings_of(tmp_path, lingma_accounts=json.dumps(accounts))))
    assert [finding.remedy.partition(" while ")[0] for finding in findings] == [
        "for work: `lingma-trio login --instance lingma-0`",
        "for so***@example.com: `lingma-trio login --instance lingma-1`",
    ]


@pytest.mark.parametrize(
    ("values", "level"),
    [
        (ACCOUNT, "warning"),
        ({**ACCOUNT, "auto_login_enabled": False}, "fault"),
        ({"lingma_session_bundle": "planted"}, "fine"),
        ({"lingma_session_bundle_file": "/somewhere"}, "fine"),
    ],
)
async def test_no_login_weighs_less_where_one_is_to_come(tmp_path: Path, values: dict[str, object], level: str) -> None:
    """By a browser, which may fail, or out of a bundle."""
    assert (await examined(tmp_path, **values)).level == level


async def test_login_that_lingma_refuses_is_a_fault(tmp_path: Path) -> None:
    """It has expired, or came with another machine's id."""
    script(tmp_path / "Lingma", """echo '{"logged_in": false, "username": "somebody"}'""")
    sign_in(tmp_path / "work")
    finding = await examined(tmp_path)
    assert (finding.level, finding.remedy) == ("fault", f"rm {tmp_path}/work/cache/user; then {by_hand('lingma-0')}")


@pytest.mark.parametrize("line", ["echo not JSON", "echo '[]'", 'echo \'{"logged_in": "yes"}\'', "exit 3"])
async def test_lingma_that_does_not_say_is_a_warning(tmp_path: Path, line: str) -> None:
    """Older ones may have no `status`, or another form of it."""
    script(tmp_path / "Lingma", line)
    sign_in(tmp_path / "work")
    assert (await examined(tmp_path)).level == "warning"


async def test_lingma_that_cannot_be_run_is_a_warning(tmp_path: Path) -> None:
    """That it is a fault is another check's to say."""
    sign_in(tmp_path / "work")
    assert (await examined(tmp_path)).level == "warning"


async def test_lingma_that_is_silent_is_not_waited_for(tmp_path: Path) -> None:
    """It has its time."""
    script(tmp_path / "Lingma", "exec sleep 60")
    sign_in(tmp_path / "work")
    (finding,) = await check_logins(site_of(settings_of(tmp_path)), seconds=0.2)
    assert finding.level == "warning"
    assert "within 0.2 s" in finding.what


@pytest.mark.skipif(not AS_ROOT, reason="only root can give a directory away")
async def test_nothing_is_run_in_a_directory_of_another_user(tmp_path: Path) -> None:
    """It would leave files there that the other one cannot change."""
    script(tmp_path / "Lingma", f"touch {tmp_path}/was-run")
    sign_in(tmp_path / "work")
    os.chown(tmp_path / "work", 12345, 12345)
    assert (await examined(tmp_path)).level == "skipped"
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize(("state", "level"), [("ready", "fine"), ("starting", "fine"), ("needs_login", "fault")])
async def test_running_gateway_is_asked_instead(tmp_path: Path, state: str, level: str) -> None:
    """Two Lingmas must not share a directory, so none is started beside the gateway's own."""
    script(tmp_path / "Lingma", f"touch {tmp_path}/was-run")
    sign_in(tmp_path / "work")
    site = site_of(settings_of(tmp_path), holders={"lingma-0": "1"}, readiness=readiness_of(lingma_0=state))
    (finding,) = await check_logins(site)
    assert finding.level == level
    assert not (tmp_path / "was-run").exists()


async def test_gateway_that_does_not_answer_leaves_it_open(tmp_path: Path) -> None:
    """Its Lingma may be at work all the same."""
    sign_in(tmp_path / "work")
    (finding,) = await check_logins(site_of(settings_of(tmp_path), holders={"lingma-0": "1"}))
    assert finding.level == "skipped"


async def test_simulator_needs_no_login(tmp_path: Path) -> None:
    """Whatever accounts there are."""
    assert (await examined(tmp_path, lingma_upstream="simulator", **ACCOUNT)).level == "skipped"


async def test_slow_logins_are_looked_at_side_by_side(tmp_path: Path) -> None:
    """So that many accounts fit into one deadline; their order is that of the settings."""
    script(tmp_path / "Lingma", "exec sleep 60")
    site = site_of(settings_of(tmp_path, lingma_instance_count=2 * AT_ONCE))
    for options in site.fleet:
        sign_in(options.work_dir)
    with trio.fail_after(1.5 * AT_ONCE):
        findings = await check_logins(site, seconds=1)
    assert [finding.what.partition(" has")[0] for finding in findings] == [options.name for options in site.fleet]


async def test_each_account_has_its_finding(tmp_path: Path) -> None:
    """In the order of the settings, each by its instance's name."""
    accounts = '["one:planted", {"username": "two", "session_bundle": "planted"}]'
    site = site_of(settings_of(tmp_path, lingma_accounts=accounts))
    findings = await check_logins(site)
    assert [finding.level for finding in findings] == ["warning", "fine"]
    assert [finding.what.split()[0] for finding in findings] == [options.name for options in site.fleet]
