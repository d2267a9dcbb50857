"""The files of `deploy/` and the image agree with the settings and with each other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from lingma_trio.config import Settings, load_settings
from lingma_trio.edge.server import GOODBYE

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


CONTAINERFILE = read("Containerfile")
POD, STATEFUL_SET = read("deploy/kubernetes/pod.yaml"), read("deploy/kubernetes/statefulset.yaml")
PAUSE_BEFORE_STOP = 5.0
"""Seconds that the manifests wait before SIGTERM."""

NEEDED = Settings().shutdown_grace_sec + GOODBYE

PATIENCE = {
    "quadlet, systemd": ("deploy/quadlet/lingma-trio.container", r"^TimeoutStopSec=(\d+)$", NEEDED),
    "quadlet, podman": ("deploy/quadlet/lingma-trio.container", r"^StopTimeout=(\d+)$", NEEDED),
    "systemd": ("deploy/systemd/lingma-trio.service", r"^TimeoutStopSec=(\d+)$", NEEDED),
    "pod": ("deploy/kubernetes/pod.yaml", r"terminationGracePeriodSeconds: (\d+)$", NEEDED + PAUSE_BEFORE_STOP),
    "set": ("deploy/kubernetes/statefulset.yaml", r"terminationGracePeriodSeconds: (\d+)$", NEEDED + PAUSE_BEFORE_STOP),
    "gateways": ("deploy/kubernetes/scaled/gateways.yaml", r"GracePeriodSeconds: (\d+)$", NEEDED + PAUSE_BEFORE_STOP),
    "agents": ("deploy/kubernetes/scaled/agents.yaml", r"GracePeriodSeconds: (\d+)$", NEEDED),
    "compose, scaled": ("deploy/compose/scaled.yaml", r"stop_grace_period: (\d+)s$", NEEDED),
    "compose": ("deploy/compose/compose.yaml", r"stop_grace_period: (\d+)s$", NEEDED),
}


@pytest.mark.parametrize(("name", "pattern", "needed"), PATIENCE.values(), ids=PATIENCE)
def test_nobody_is_killed_within_the_grace(name: str, pattern: str, needed: float) -> None:
    """Whoever stops the gateway waits for the grace and for the end of Lingma before it kills."""
    (seconds,) = re.findall(pattern, read(name), flags=re.MULTILINE)
    assert int(seconds) >= needed


@pytest.mark.parametrize("name", ["compose", "scaled"])
def test_no_container_keeps_its_log_for_ever(name: str) -> None:
    """Docker keeps every line unless it is told otherwise, and the documentation says how much each container keeps."""
    services = yaml.safe_load(read(f"deploy/compose/{name}.yaml"))["services"]
    bounded = {"driver": "json-file", "options": {"max-size": "20m", "max-file": "5"}}
    assert [service for service in services if services[service].get("logging") != bounded] == []


def test_balancer_is_as_patient_as_the_gateway() -> None:
    """The balancer cuts off no answer that the gateway still may make."""
    found = re.findall(r"^    timeout (client|server) (\d+)s$", read("deploy/haproxy/haproxy.cfg"), flags=re.MULTILINE)
    assert {name for name, _ in found} == {"client", "server"}
    assert min(int(seconds) for _, seconds in found) > Settings().gateway_request_timeout


def test_podman_loses_patience_before_systemd() -> None:
    """Podman ends the container by itself before systemd ends podman."""
    unit = read("deploy/quadlet/lingma-trio.container")
    patience = {name: int(value) for name, value in re.findall(r"^(\w+)=(\d+)$", unit, flags=re.MULTILINE)}
    assert patience["StopTimeout"] < patience["TimeoutStopSec"]


def test_the_volume_holds_what_the_settings_keep() -> None:
    """In the image the binary and the work directory lie in its one volume, unless they are told another place."""
    (volume,) = re.findall(r"^VOLUME (\S+)$", CONTAINERFILE, flags=re.MULTILINE)
    environment = dict(re.findall(r"^(?:ENV|   ) (\w+)=(\S+)", CONTAINERFILE, flags=re.MULTILINE))
    defaults = load_settings(environment, None)
    assert Path(volume) in defaults.lingma_bin.parents
    assert Path(volume) in defaults.lingma_work_dir.parents


def test_the_port_is_the_settings_own() -> None:
    """Everything is published at the port that the gateway, or the agent, listens on by default."""
    port = str(Settings().port)
    others = {
        "9090",
        "3000",
        "8327",
        "8328",
        "6379",
        "26379",
    }  # Prometheus, Grafana, agents and their probes, the store
    assert re.findall(r"^EXPOSE (\d+)$", CONTAINERFILE, flags=re.MULTILINE) == [port]
    for path in sorted(DEPLOY.rglob("*")):
        if path.suffix in {".yaml", ".container", ".socket"}:
            found = re.findall(
                r"(?:containerPort: |PublishPort=\S+:|127\.0\.0\.1:\d+:|ListenStream=\S+:)(\d+)", path.read_text()
            )
            assert set(found) <= {port, *others}, path


def test_every_variable_is_a_setting() -> None:
    """What the files name in the manner of the gateway's settings is one."""
    families = "LINGMA|GATEWAY|SHUTDOWN|API|ADMIN|METRICS|AUTO|AGENT|STATE|REPLICA"
    ours = re.compile(rf"(?:Environment=|target=|name: |\b)((?:{families})_[A-Z_]+)\b")
    files = [path for path in sorted(DEPLOY.rglob("*")) if path.is_file() and path.suffix != ".json"]
    named = {name for path in files for name in ours.findall(path.read_text(encoding="utf-8"))}
    assert "API_KEYS" in named
    assert named <= set(Settings.variables())


def test_both_manifests_confine_alike() -> None:
    """A pod of the set is the pod of the other file, but for the accounts and the kind of its probes."""
    for line in (
        "runAsNonRoot: true",
        "runAsUser: 10001",
        "readOnlyRootFilesystem: true",
        "allowPrivilegeEscalation: false",
        "drop: [ALL]",
        "type: RuntimeDefault",
        "automountServiceAccountToken: false",
        "mountPath: /app/data",
        "mountPath: /tmp",
    ):
        assert line in POD
        assert line in STATEFUL_SET


def test_user_of_the_image_is_the_manifests_own() -> None:
    """The image's user is named by number, since Kubernetes cannot tell a name from root."""
    assert set(re.findall(r"^USER (\d+:\d+)$", CONTAINERFILE, flags=re.MULTILINE)) == {"10001:10001"}
    assert CONTAINERFILE.rindex("USER 10001:10001") > CONTAINERFILE.rindex("USER root")


def test_images_have_every_extra() -> None:
    """The slim image has all that the package can bring but the sign-in, and the full one has that as well."""
    extras = set(tomllib.loads(read("pyproject.toml"))["project"]["optional-dependencies"])
    syncs = [set(re.findall(r"--extra (\w+)", line)) for line in CONTAINERFILE.splitlines() if "uv sync" in line]
    assert syncs == [extras - {"login"}, extras - {"login"}, extras]


def test_a_build_gets_only_what_is_named() -> None:
    """The context begins empty; what comes in is named, and no settings, login or version history is among it."""
    lines = [line for line in read(".containerignore").splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", CONTAINERFILE, flags=re.MULTILINE)
        for source in line.split()[:-1]
        if not source.startswith("--")
    }
    assert copied == let_in
    assert all((ROOT / name).exists() for name in let_in)


def test_base_is_pinned() -> None:
    """The default base has its full version, and each stage that begins anew begins with it."""
    assert re.search(r"^ARG BASE=docker\.io/library/python:3\.\d+\.\d+-slim-\w+$", CONTAINERFILE, flags=re.MULTILINE)
    stages = dict(re.findall(r"^FROM (\S+) AS (\S+)$", CONTAINERFILE, flags=re.MULTILINE))
    assert set(stages) - {"${BASE}", "system", "build-slim"} == set()


def test_uv_is_the_clone_s_own() -> None:
    """The image is built by the uv that scripts/environment uses."""
    (wanted,) = re.findall(r"^UV_VERSION=(\S+)$", read("scripts/environment"), flags=re.MULTILINE)
    assert f"ARG UV_VERSION={wanted}\n" in CONTAINERFILE


def test_no_secret_is_written_down() -> None:
    """The files name secrets and hold none; what the example shows says that it has to be replaced."""
    for path in sorted(DEPLOY.rglob("*")):
        if path.suffix in {".yaml", ".container", ".service"} and path.name != "secret.example.yaml":
            assert not re.search(r"(?:API_KEYS|TOKEN|PASSWORD)=\S+\w", re.sub(r"target=\w+", "", path.read_text())), (
                path
            )
    example = read("deploy/kubernetes/secret.example.yaml")
    assert example.count("replace-with-") == 3
