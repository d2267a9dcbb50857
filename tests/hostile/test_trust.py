"""Who may do what: keys, tokens, web pages, other users of the machine, and addresses that a request may name."""

from __future__ import annotations

import os
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import trio
from pydantic import SecretStr

from lingma_trio.accounts import Account
from lingma_trio.config import Settings, load_settings
from lingma_trio.errors import ConfigurationFault, ImageUnavailable, InstanceDown
from lingma_trio.fleet import LOCK, plan_fleet, real_fleet
from lingma_trio.http.picture_fetching import CheckedNetwork
from lingma_trio.lingma.work_dir import NOTE, note_child, prepare
from tests.commands.support import run
from tests.end_to_end.gateway import started
from tests.http.world import ELSEWHERE, LOOPBACK, World, open_world

ADMIN = "the-token-of-the-operator"

# --- who is let in without a key -------------------------------------------------------------------------------------


async def models(world: World, **headers: str) -> int:
    """The status of a list of models for a program, or a browser, of this machine."""
    lines = {name.replace("_", "-"): value for name, value in headers.items()}
    return (await world.call("GET", "/v1/models", headers=lines)).status


@pytest.mark.parametrize(
    "header",
    [
        *("x-forwarded-proto", "x-forwarded-port", "true-client-ip", "x-client-ip", "cf-ray", "cf-visitor"),
        *("fly-client-ip", "x-envoy-external-address"),
    ],
)
async def test_any_sign_of_a_proxy_is_one(header: str) -> None:
    """Whatever family of headers a proxy or a tunnel on this machine adds, whom it serves is not this machine."""
    async with open_world() as world:
        assert await models(world, host="localhost:8317") == 200
        assert await models(world, host="localhost:8317", **{header: "1"}) == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "rebound.example:8317"},
        {"host": "rebound.example:8317", "origin": "http://rebound.example:8317", "sec_fetch_site": "same-origin"},
        {"host": "localhost:8317", "origin": "http://localhost:3000"},
        {"host": "localhost:8317", "sec_fetch_site": "cross-site"},
        {"host": "localhost:8317", "sec_fetch_site": "same-site"},
    ],
    ids=["foreign host", "rebound name", "other local port", "cross-site", "same-site"],
)
async def test_web_pages_in_a_local_browser_are_not_served(headers: dict[str, str]) -> None:
    """Neither by a name that was made to mean this machine, nor by a server on another of its ports."""
    async with open_world() as world:
        assert await models(world, **headers) == 401


# --- tokens that are guessed -----------------------------------------------------------------------------------------


async def test_wrong_bearers_are_slowed_down() -> None:
    """Of 1,100 of them a few are told that there is no such path and the others to wait."""
    async with open_world(admin=ADMIN) as world:
        statuses = [
            (await world.call("GET", "/internal/usage", headers={"authorization": f"Bearer wrong-{number}"})).status
            for number in range(1100)
        ]
        assert statuses.count(429) > 1000
        assert (await world.call("GET", "/internal/usage", headers={"authorization": f"Bearer {ADMIN}"})).status == 200


async def test_wrong_sign_ins_lock_nobody_out() -> None:
    """However many tokens others have tried, from the same address and from others, the right one opens the page."""
    form = {"content-type": "application/x-www-form-urlencoded"}
    async with open_world(admin=ADMIN) as world:
        for number in range(55):
            client = (f"192.0.2.{number}", 1) if number % 2 else LOOPBACK
            await world.call("POST", "/page/sign-in", b"token=wrong", headers=form, client=client)
        for client in (LOOPBACK, ELSEWHERE):
            visitor = await world.call("POST", "/page/sign-in", b"token=" + ADMIN.encode(), headers=form, client=client)
            assert (visitor.status, visitor.headers["location"]) == (303, "/")


# --- keys that come and go -------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_revoked_key_works_no_longer_or_the_command_says_so(tmp_path: Path) -> None:
    """A name of API_KEYS makes no file that the gateway rejects, and where one got in by hand, `revoke` fails aloud."""
    path = tmp_path / "keys.yaml"
    path.write_text("keys: []\n")
    team = {"KEYS_FILE": str(path), "API_KEYS": "team:sk-key-of-the-team-in-the-settings"}
    with started(tmp_path / "gateway", **team) as gateway:

        def keys(*arguments: str, **settings: str) -> CompletedProcess[str]:
            return run(tmp_path, "keys", *arguments, **{"PORT": str(gateway.port), **settings})

        zoe = keys("new", "zoe", **team).stdout.strip()
        as_zoe = {"authorization": f"Bearer {zoe}"}
        assert (await gateway.fetch("/v1/models", headers=as_zoe)).status == 200
        before = path.read_text()
        assert keys("new", "team", **team).returncode == 1
        assert path.read_text() == before, "the gateway would have rejected it"
        path.write_text(before + f"  - name: team\n    key: {ADMIN}\n")
        for settings in (team, {"KEYS_FILE": str(path)}):
            assert keys("revoke", "zoe", **settings).returncode == 1
            assert (await gateway.fetch("/v1/models", headers=as_zoe)).status == 200
        path.write_text(before)
        assert keys("revoke", "zoe", **team).returncode == 0
        assert (await gateway.fetch("/v1/models", headers=as_zoe)).status == 401


# --- what the documentation shows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"), [("API_KEYS", "a-long-random-key"), ("ADMIN_TOKEN", "a-long-random-token"), ("API_KEYS", "test")]
)
def test_example_of_the_documentation_guards_nothing(name: str, value: str) -> None:
    """A gateway that was set up by copying does not start, and says what to put there."""
    with pytest.raises(ConfigurationFault, match=rf"{name}: .*is an example .* put one of your own"):
        load_settings({name: value}, env_file=None)


# --- other users of the machine --------------------------------------------------------------------------------------


def test_links_in_a_work_directory_lead_nowhere(tmp_path: Path) -> None:
    """Whoever could write there once has neither the gateway's lock nor its note overwrite a file of this user's."""
    precious = tmp_path / "precious"
    precious.write_text("do not lose")
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    for name in (LOCK, NOTE):
        (work_dir / name).symlink_to(precious)
    with plan_fleet(Settings(lingma_work_dir=work_dir)), pytest.raises(InstanceDown):
        note_child(work_dir, os.getpid())
    assert precious.read_text() == "do not lose"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_another_user_s_work_directory_is_refused(tmp_path: Path) -> None:
    """Its note could name any process for us to kill, so nothing in it is believed, and nothing is written there."""
    (tmp_path / NOTE).write_text("1 1\n")
    os.chown(tmp_path, 12345, -1)
    with plan_fleet(Settings(lingma_work_dir=tmp_path)), pytest.raises(InstanceDown, match="belongs to the user 12345"):
        prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [NOTE]


def test_instance_s_name_tells_nothing_of_its_account(tmp_path: Path) -> None:
    """`/readyz` shows names to anybody, so they are the same for other accounts."""
    names = []
    for users in (("alice", "bob"), ("carol", "dave")):
        accounts = tuple(Account(user, SecretStr("password")) for user in users)
        names.append([each.name for each in real_fleet(Settings(lingma_work_dir=tmp_path, lingma_accounts=accounts))])
    assert names[0] == names[1]


# --- where a request may send the gateway -----------------------------------------------------------------------------


@pytest.mark.parametrize(("address", "port"), [("168.63.129.16", 80), ("8.8.8.8", 25), ("8.8.8.8", 6379)])
async def test_clouds_wire_server_and_foreign_services_are_not_asked(address: str, port: int) -> None:
    """No picture's address reaches what a cloud answers its own machines at, or a port that is no web server's."""

    async def resolve(host: str, at: int) -> list[str]:
        await trio.lowlevel.checkpoint()
        assert (host, at) == ("pictures.example", port)
        return [address]

    with pytest.raises(ImageUnavailable):
        await CheckedNetwork(resolve=resolve).connect_tcp("pictures.example", port, timeout=0.001)
