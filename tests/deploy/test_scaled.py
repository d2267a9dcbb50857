"""The files of `deploy/` for several gateways and agents agree with the metrics and with each other."""

from __future__ import annotations

import json
import re
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
import yaml

ROOT = Path(__file__).parents[2]
SCALED = ROOT / "deploy" / "kubernetes" / "scaled"
NEVER_IN_AN_EXAMPLE = ("lingma-trio-gateway-certificate", "lingma-trio-agent-certificate", "lingma-trio-authority")
"""Secrets that cert-manager writes."""


def documents(path: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]


MANIFESTS = [each for path in sorted(SCALED.glob("*.yaml")) for each in documents(path)]
COMPOSE = documents(ROOT / "deploy" / "compose" / "scaled.yaml")[0]


def one(kind: str, name: str) -> dict[str, Any]:
    (found,) = [each for each in MANIFESTS if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def workloads() -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in MANIFESTS if each["kind"] in {"Deployment", "StatefulSet"}}


def variables(workload: dict[str, Any]) -> dict[str, Any]:
    """The environment of a workload's first container; what comes from elsewhere is None."""
    (first, *_) = workload["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each.get("value") for each in first["env"]}


GATEWAYS, AGENTS = one("Deployment", "lingma-trio-gateways"), one("StatefulSet", "lingma-trio-agent")


def test_whoever_is_selected_is_there() -> None:
    """Each Service, budget and policy selects the pods of a workload, by labels that those have."""
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in workloads().values()]
    selecting = {
        "Service": lambda spec: spec["selector"],
        "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
        "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"],
        "Deployment": lambda spec: spec["selector"]["matchLabels"],
        "StatefulSet": lambda spec: spec["selector"]["matchLabels"],
    }
    found = [(each, selecting[each["kind"]](each["spec"])) for each in MANIFESTS if each["kind"] in selecting]
    assert len(found) == 11
    for each, selector in found:
        assert sum(selector.items() <= label.items() for label in labels) == 1, each["metadata"]


def test_gateways_come_and_go_without_anybody_noticing() -> None:
    """There are two or more, a new one is ready before an old one goes, and each goes after its endpoint."""
    spec = GATEWAYS["spec"]
    assert spec["replicas"] >= 2
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    pod = spec["template"]["spec"]
    assert pod["topologySpreadConstraints"]
    assert pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][0] == "sleep"
    assert one("HorizontalPodAutoscaler", "lingma-trio-gateways")["spec"]["minReplicas"] >= 2
    assert {each["name"] for each in pod["volumes"] if "emptyDir" in each} == {"data", "tmp"}, "nothing is kept"


def test_agents_are_reached_before_they_are_ready() -> None:
    """An account is one pod's, with a volume of its own, and its pod is reached while it waits for a sign-in."""
    service = one("Service", AGENTS["spec"]["serviceName"])["spec"]
    assert (service["clusterIP"], service["publishNotReadyAddresses"]) == ("None", True)
    assert AGENTS["spec"]["podManagementPolicy"] == "Parallel"
    assert [each["metadata"]["name"] for each in AGENTS["spec"]["volumeClaimTemplates"]] == ["data"]
    accounts = one("Secret", "lingma-trio-agent-accounts")["stringData"]
    assert len(accounts) == AGENTS["spec"]["replicas"]
    assert all(len(json.loads(entry.split("'")[1])) == 1 for entry in accounts.values()), "one account a pod"
    probes = int(variables(AGENTS)["AGENT_PROBE_PORT"])
    ports = {
        each["name"]: each["containerPort"] for each in AGENTS["spec"]["template"]["spec"]["containers"][0]["ports"]
    }
    assert ports == {"agent": int(variables(AGENTS)["PORT"]), "probes": probes}


def test_certificates_name_who_is_called() -> None:
    """The agents' certificate holds for the name that gateways call and each pod's own; the gateways' serves nobody."""
    listed = urlsplit(variables(GATEWAYS)["LINGMA_AGENTS"])
    called = variables(AGENTS)["AGENT_URL"].replace("$(REPLICA_NAME)", "lingma-trio-agent-0")
    own = urlsplit(called.replace("$(NAMESPACE)", "default"))
    agent = one("Certificate", "lingma-trio-agent")["spec"]
    assert listed.hostname == AGENTS["spec"]["serviceName"]
    for host in (listed.hostname, own.hostname):
        assert holds_for(agent["dnsNames"], str(host))
    assert not holds_for(agent["dnsNames"], "lingma-trio-store")
    assert listed.port == own.port == int(variables(AGENTS)["PORT"])
    usages = (agent["usages"], one("Certificate", "lingma-trio-gateway")["spec"]["usages"])
    assert usages == (["server auth"], ["client auth"])


def holds_for(names: list[str], host: str) -> bool:
    """Whether TLS takes a certificate with these names for that host's."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(*names).configure_cert(server)
    authority.configure_trust(client)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_hostname=host)
    asked = server.wrap_bio(to_server, to_client, server_side=True)
    try:
        for end in (asking, asked) * 3:
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    except ssl.SSLCertVerificationError:
        return False
    return True


def test_every_secret_has_an_example_or_an_issuer() -> None:
    """What the pods ask of secrets is in the example, entry by entry, or is written by cert-manager."""
    text = "".join(path.read_text(encoding="utf-8") for path in SCALED.glob("*.yaml"))
    asked = set(re.findall(r"secretKeyRef: \{name: ([\w-]+), key: ([\w-]+)\}", text))
    assert asked
    for name, key in asked:
        assert key in one("Secret", name)["stringData"]
    issued = {each["spec"]["secretName"] for each in MANIFESTS if each["kind"] == "Certificate"}
    assert issued == set(NEVER_IN_AN_EXAMPLE)
    mounted = set(re.findall(r"secretName: ([\w-]+)\n(?: *(?:#|optional).*\n)* *defaultMode", text))
    assert mounted <= issued | {"lingma-trio-agent-accounts"}


def test_autoscaler_looks_at_a_metric_that_is_there() -> None:
    """The queue's length is a metric of the gateway, and the rule for Prometheus' adapter is for the same."""
    spec = one("HorizontalPodAutoscaler", "lingma-trio-gateways")["spec"]
    assert spec["scaleTargetRef"]["name"] == GATEWAYS["metadata"]["name"]
    metric = spec["metrics"][0]["pods"]["metric"]["name"]
    assert f"`{metric}` | gauge" in (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert (SCALED / "scaling.yaml").read_text(encoding="utf-8").count(metric) == 3


@pytest.mark.parametrize("name", ["lingma-trio-gateways", "lingma-trio-agent", "lingma-trio-store"])
def test_every_pod_is_confined(name: str) -> None:
    """No pod is root, writes to its own file system, gains anything, or has a token of the cluster's."""
    pod = workloads()[name]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_compose_s_store_needs_no_capability() -> None:
    """Its image's entry point becomes another user where it is root, which without capabilities ends the start."""
    store = COMPOSE["services"]["store"]
    pod = one("StatefulSet", "lingma-trio-store")["spec"]["template"]["spec"]["securityContext"]
    assert store["cap_drop"] == ["ALL"]
    assert store["user"] == f"{pod['runAsUser']}:{pod['runAsGroup']}"


def test_compose_joins_the_same_parts() -> None:
    """Gateways ask the agents at the sockets where those listen, and the balancer asks the gateways."""
    services = COMPOSE["services"]
    agents = {services[name]["environment"]["HOST"] for name in ("agent-1", "agent-2")}
    upstreams = {services[name]["environment"]["LINGMA_UPSTREAM"] for name in ("agent-1", "agent-2")}
    assert upstreams == {"auto"}, "without accounts they would end, where they are to have the simulator"
    for name in ("gateway-1", "gateway-2"):
        environment = services[name]["environment"]
        assert set(environment["LINGMA_AGENTS"].split(",")) == agents
        assert urlsplit(environment["STATE_URL"]).hostname in services
        assert environment["REPLICA_NAME"] == name
    places = services["balancer"]["environment"]
    written = (ROOT / "deploy" / "haproxy" / "haproxy.cfg").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+)\}", written)) == set(places)
    assert {place.partition(":")[0] for place in places.values()} == {"0.0.0.0", "gateway-1", "gateway-2"}
