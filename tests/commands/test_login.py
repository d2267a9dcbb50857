"""`login` signs an instance in by hand: with a link for a browser anywhere, and the address it ended at."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import Request, urlopen

import pytest
from pydantic_core import from_json

from tests.commands.support import run
from tests.end_to_end.client import PATIENCE
from tests.end_to_end.gateway import ADMIN_TOKEN, POLL, Gateway, launched
from tests.servers import free_port

pytestmark = pytest.mark.slow


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway whose Lingma is not signed in and has no account to do it by itself."""
    with launched(tmp_path / "gateway", LINGMA_SIMULATOR="login=out") as running:
        give_up = time.monotonic() + PATIENCE
        while not (running.port and "needs_login" in running.log):
            assert time.monotonic() < give_up, running.log
            time.sleep(POLL)
        yield running


def link_in(printed: str) -> str:
    return next(line.strip() for line in printed.splitlines() if line.strip().startswith("http"))


def sign_in_at(link: str) -> str:
    """What a person does in a browser elsewhere; returns the address at which that browser cannot go on."""
    parts = urlsplit(link)
    form = urlencode({"name": "demo", "password": "demo", "state": parse_qs(parts.query)["state"][0]}).encode()
    with urlopen(Request(f"http://localhost:{parts.port}/sign_in", data=form, method="POST")) as answer:
        location: str = from_json(answer.read())["location"]
    return location


def test_pasted_address_signs_in(tmp_path: Path, gateway: Gateway) -> None:
    """The link is good for one login; the address is neither shown nor logged."""
    offered = run(tmp_path, "login", PORT=str(gateway.port), typed="\n")
    assert offered.returncode == 1
    pasted = sign_in_at(link_in(offered.stdout))
    done = run(tmp_path, "login", PORT=str(gateway.port), typed=f"{pasted}\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "lingma-0 is" in done.stdout
    token = parse_qs(urlsplit(pasted).query)["token"][0]
    assert token not in done.stdout + gateway.log
    assert ADMIN_TOKEN not in done.stdout


@pytest.mark.parametrize("pasted", ["no address at all", "http://127.0.0.1/auth/callback?state=2-x&auth=a&token=t"])
def test_other_addresses_are_refused_and_not_repeated(tmp_path: Path, gateway: Gateway, pasted: str) -> None:
    """With what is wrong about them."""
    done = run(tmp_path, "login", PORT=str(gateway.port), typed=f"{pasted}\n")
    assert done.returncode == 1
    assert "callback" in done.stdout
    assert pasted not in done.stdout


def test_without_a_token_it_says_which_setting_is_missing(tmp_path: Path) -> None:
    """Only the operator may sign an instance in."""
    done = run(tmp_path, "login", PORT=str(free_port()), ADMIN_TOKEN="")
    assert done.returncode == 2
    assert "ADMIN_TOKEN" in done.stderr


def test_nobody_there_ends_with_3(tmp_path: Path) -> None:
    """There has to be a gateway, for the link leads into its Lingma."""
    assert run(tmp_path, "login", PORT=str(free_port())).returncode == 3
