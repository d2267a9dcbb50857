"""A survey tells who is there already, and makes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from lingma_trio.doctor.running import Readiness
from lingma_trio.doctor.site import survey
from lingma_trio.fleet import plan_fleet
from tests.doctor.support import contents, readiness_of, settings_of, site_of
from tests.doctor.test_running import READY, answering
from tests.servers import free_port

SIMULATED = Readiness(status="ready", upstream="simulator", instances=())


async def test_survey_of_an_empty_machine_makes_nothing(tmp_path: Path) -> None:
    """Neither directory nor lock."""
    site = await survey(settings_of(tmp_path, port=free_port()), {})
    assert (site.holders, site.readiness, site.served) == ({}, None, None)
    assert [options.work_dir for options in site.fleet] == [tmp_path / "work"]
    assert contents(tmp_path) == []


async def test_survey_finds_the_gateway_that_runs(tmp_path: Path) -> None:
    """By its lock and by its answer."""
    async with answering(READY) as answerer:
        settings = settings_of(tmp_path, port=int(answerer.url.rpartition(":")[2]))
        with plan_fleet(settings):
            site = await survey(settings)
    assert list(site.holders) == ["lingma-0"]
    assert site.served is not None
    assert site.served.status == "ready"


async def test_another_program_on_the_port_is_no_gateway(tmp_path: Path) -> None:
    """It answers something else."""
    async with answering(b"{}") as answerer:
        site = await survey(settings_of(tmp_path, port=int(answerer.url.rpartition(":")[2])))
    assert site.readiness is None


@pytest.mark.parametrize(
    ("values", "holders", "readiness", "served"),
    [
        ({}, {"lingma-0": "1"}, readiness_of(lingma_0="ready"), True),
        ({}, {}, readiness_of(lingma_0="ready"), False),
        ({}, {"lingma-0": "1"}, SIMULATED, False),
        ({}, {"lingma-0": "1"}, None, False),
        ({"lingma_upstream": "simulator"}, {}, SIMULATED, True),
        ({"lingma_upstream": "simulator"}, {}, readiness_of(lingma_0="ready"), False),
    ],
)
def test_gateway_of_other_settings_is_not_served(
    tmp_path: Path, values: dict[str, object], holders: dict[str, str], readiness: Readiness | None, served: bool
) -> None:
    """It has to answer on PORT, with this upstream, and to hold this work directory."""
    site = site_of(settings_of(tmp_path, **values), holders=holders, readiness=readiness)
    assert (site.served is not None) is served


def test_words_are_made_printable(tmp_path: Path) -> None:
    """Secrets are taken out, and what would move a terminal's cursor."""
    site = site_of(settings_of(tmp_path, admin_token="planted-secret", api_keys="another-secret"))
    assert site.printable(" a\x1b[2Jplanted-secret\r\nanother-secret 中文\n") == "a [2J***  *** 中文"


def test_site_shows_no_environment(tmp_path: Path) -> None:
    """It may hold anything."""
    assert "planted" not in repr(site_of(settings_of(tmp_path), environment={"SECRET": "planted"}))
