"""The store of `deploy/kubernetes/scaled/`: its pods' own script, run by real servers at addresses of this machine."""

from __future__ import annotations

import re
import subprocess
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.servers import ROOT, Server, command, free_port, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

PASSWORD = "letters123"
PATIENCE = 40.0
MANIFEST = ROOT / "deploy" / "kubernetes" / "scaled" / "store.yaml"
ADDRESSES = [f"127.7.7.{place}" for place in range(3)]
POD_ADDRESS = 'address() { echo "lingma-trio-store-$1.lingma-trio-store"; }'


def start_script() -> str:
    """The script in the manifest's ConfigMap."""
    maps = [each for each in yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8")) if each["kind"] == "ConfigMap"]
    text: str = maps[0]["data"]["start.sh"]
    return text


def says(*words: str) -> str:
    """What `redis-cli` prints."""
    return subprocess.run([command("redis-cli"), *words], check=False, capture_output=True, text=True).stdout


class Pods:
    """Three pods, each of a store and a sentinel. What Kubernetes gives them, names, ports and volumes, is replaced."""

    def __init__(self, directory: Path) -> None:
        self.port, self.sentinel_port = free_port(), free_port()
        tools = directory / "bin"
        tools.mkdir()
        for name in ("server", "cli"):
            (tools / f"valkey-{name}").symlink_to(command(f"redis-{name}"))
        self.servers: list[tuple[Server, Server]] = []
        for place, address in enumerate(ADDRESSES):
            home = directory / str(place)
            home.mkdir()
            script = home / "start.sh"
            script.write_text(self._here(start_script(), home, address), encoding="utf-8")
            given = {
                "PATH": f"{tools}:/usr/bin:/bin",
                "POD_NAME": f"lingma-trio-store-{place}",
                "PASSWORD": PASSWORD,
            }
            ports = {"store": self.port, "sentinel": self.sentinel_port}
            store, sentinel = (
                Server(role, ("sh", str(script), role), port, home, given, address) for role, port in ports.items()
            )
            self.servers.append((store, sentinel))

    def _here(self, script: str, home: Path, address: str) -> str:
        assert POD_ADDRESS in script
        replaced = {
            POD_ADDRESS: 'address() { echo "127.7.7.$1"; }',
            "26379": str(self.sentinel_port),
            "6379": str(self.port),
            "/data": str(home),
            "/tmp": str(home),
            "bind *": f"bind {address}",
            "lingma 2000": "lingma 500",
        }
        return re.sub("|".join(map(re.escape, replaced)), lambda found: replaced[found[0]], script)

    def says(self, place: int, *words: str) -> str:
        """What a pod's store says to a command."""
        options = ("-h", ADDRESSES[place], "-p", str(self.port), "-a", PASSWORD, "--no-auth-warning")
        return says(*options, *words)

    def is_primary(self, place: int) -> bool:
        """Whether a pod's store takes writes, with a replica to take them along."""
        told = self.says(place, "INFO", "replication")
        return "role:master" in told and "connected_slaves:0" not in told

    def follows(self, place: int, primary: int) -> bool:
        """Whether a pod's store has all that the other's has."""
        told = self.says(place, "INFO", "replication").splitlines()
        return f"master_host:{ADDRESSES[primary]}" in told and "master_link_status:up" in told

    def know_each_other(self) -> bool:
        """Whether each sentinel knows the two others."""
        words = ("-p", str(self.sentinel_port), "SENTINEL", "CKQUORUM", "lingma")
        return all(says("-h", address, *words).startswith("OK 3 ") for address in ADDRESSES)


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[Pods]:
    """All three, started as Kubernetes starts them at first: at once, so that nobody finds another's sentinel."""
    made = Pods(tmp_path)
    with ExitStack() as stack:
        for store, sentinel in made.servers:
            stack.enter_context(running(store))
            stack.enter_context(running(sentinel))
        yield made


def wait(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.1)


def test_pods_find_their_primary_and_survive_its_end(pods: Pods) -> None:
    """The first pod is the primary; when it dies another is, with all that it was told, and it returns as a replica."""
    wait(lambda: pods.is_primary(0) and pods.follows(1, 0) and pods.follows(2, 0) and pods.know_each_other())
    wait(lambda: pods.says(0, "SET", "key", "value").strip() == "OK")  # a replica counts once it has said how far it is
    wait(lambda: all(pods.says(place, "GET", "key").strip() == "value" for place in (1, 2)))  # they are told behind it
    assert "NOAUTH" in says("-h", ADDRESSES[0], "-p", str(pods.port), "GET", "key")
    for server in pods.servers[0]:
        server.kill()
    wait(lambda: pods.is_primary(1) or pods.is_primary(2))
    new = 1 if pods.is_primary(1) else 2
    assert pods.says(new, "GET", "key").strip() == "value"
    for server in pods.servers[0]:
        server.start()
    wait(lambda: pods.follows(0, new))
    assert not pods.is_primary(0)
