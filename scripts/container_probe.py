"""What scripts/container-test asks of a container, with nothing but the standard library.

    container_probe.py chat PORT KEY MARK            streams a chat; the file MARK tells that its first text has come
    container_probe.py behind PORT TOKEN NAME ...    waits until a balancer sends questions to each of these gateways
    container_probe.py converse PORT KEY TURNS       has a conversation, each turn of which may come to another gateway
    container_probe.py notified COMMAND [ARG ...]    starts a container as systemd does, and waits for what it tells
    container_probe.py agent FILE                    one pod of the agents' StatefulSet, as podman 4.3 plays it
    container_probe.py queries DASHBOARD             the dashboard's queries as recording rules, for promtool to read
    container_probe.py secret FILE                   a Kubernetes secret's entries as podman 4.3 wants to find them

Each ends with status 0 when what it looked for was there, else with a line that says what was missing.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path

SECONDS = 60
OK = 200
HAND_OVER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid());"
    "os.execvp(sys.argv[2], sys.argv[2:])"
)


def chat(port: str, key: str, mark: str) -> None:
    """Stream a chat that takes some seconds, and see it through to its proper end."""
    connection = HTTPConnection("127.0.0.1", int(port), timeout=SECONDS)
    text = "Hello.\n#simulate first=0 gap=0.1 deltas=40"
    body = {"model": "org_auto", "stream": True, "messages": [{"role": "user", "content": text}]}
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    answer = connection.getresponse()
    if answer.status != OK:
        sys.exit(f"status {answer.status}: {answer.read(1000)!r}")
    events = []
    while line := answer.readline():
        if line.startswith(b"data: "):
            events.append(line[6:].strip())
            if b'"content"' in line:
                Path(mark).touch()
    texts = [event for event in events if b'"content"' in event]
    if texts[1:] == [] or events[-1] != b"[DONE]":
        sys.exit(f"{len(texts)} texts, and the last event is {events[-1:]!r}")
    print(f"{len(texts)} texts and a proper end")


def behind(port: str, token: str, *names: str) -> None:
    """Ask who answers until all have: a balancer learns by its own check, once a second, that a gateway is ready."""
    give_up, missing = time.monotonic() + SECONDS, set(names)
    for number in itertools.count():
        connection = HTTPConnection("127.0.0.1", int(port), timeout=SECONDS)
        headers = {"authorization": f"Bearer {token}", "x-session-affinity": f"anyone-{number}"}
        connection.request("GET", "/internal/stats", headers=headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status == OK:
            missing.discard(json.loads(said)["store"]["replica"])
        if not missing:
            break
        if time.monotonic() > give_up:
            sys.exit(f"the balancer sends nothing to {sorted(missing)}; last status {answer.status}: {said[:1000]!r}")
        time.sleep(0.1)
    print("each gateway is asked through the balancer")


def converse(port: str, key: str, turns: str) -> None:
    """Ask one question after the other, each with all that was said before it."""
    messages: list[dict[str, str]] = []
    for turn in range(int(turns)):
        messages.append({"role": "user", "content": f"Question {turn}?\n#simulate first=0 gap=0 deltas=4"})
        connection = HTTPConnection("127.0.0.1", int(port), timeout=SECONDS)
        headers = {
            "authorization": f"Bearer {key}",
            "content-type": "application/json",
            "x-session-affinity": f"anywhere-{turn}",
        }
        connection.request(
            "POST", "/v1/chat/completions", json.dumps({"model": "org_auto", "messages": messages}), headers
        )
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != OK:
            sys.exit(f"turn {turn}: status {answer.status}: {said[:1000]!r}")
        messages.append({"role": "assistant", "content": json.loads(said)["choices"][0]["message"]["content"]})
    print(f"{turns} turns were answered")


def notified(command: list[str]) -> None:
    """Hand a socket over, and wait for readiness, for an answer at that socket, and for two pulses of the watchdog."""
    with tempfile.TemporaryDirectory() as directory, socket.create_server(("127.0.0.1", 0)) as listener:
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ear.bind(f"{directory}/notify")
        told = {"NOTIFY_SOCKET": f"{directory}/notify", "WATCHDOG_USEC": "2000000", "LISTEN_FDS": "1"}
        descriptor = listener.fileno()
        subprocess.run(  # noqa: S603 - the command is the script's own
            [sys.executable, "-c", HAND_OVER, str(descriptor), *command],
            env={**os.environ, **told},
            pass_fds=[descriptor],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        _hear(ear, b"READY=1")
        connection = HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=SECONDS)
        connection.request("GET", "/healthz")
        if connection.getresponse().status != OK:
            sys.exit("no answer at the socket that was handed over")
        print("answers at the socket that was handed over")
        _hear(ear, b"WATCHDOG=1")
        _hear(ear, b"WATCHDOG=1")


def _hear(ear: socket.socket, word: bytes) -> None:
    give_up = time.monotonic() + SECONDS
    ear.settimeout(SECONDS)
    while time.monotonic() < give_up:
        if ear.recv(4096).startswith(word):
            print(f"told {word.decode()}")
            return
    sys.exit(f"never told {word.decode()}")


def queries(dashboard: str) -> None:
    """Print a rule for each query, with the values that Grafana would put in."""
    panels = json.loads(Path(dashboard).read_text(encoding="utf-8"))["panels"]
    texts = [target["expr"] for panel in panels for target in panel["targets"]]
    filled = [text.replace("$__rate_interval", "5m").replace("$job", ".+") for text in texts]
    rules = [{"record": f"dashboard:query:{number}", "expr": text} for number, text in enumerate(filled)]
    print(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))


def agent(file: str) -> None:
    """Print the StatefulSet as podman 4.3 plays it: as a Deployment of one, with the simulator, a volume that is there,
    and what a cluster alone can fill in. An account's file has to go: it is mounted by the pod's name.
    """
    documents = Path(file).read_text(encoding="utf-8").split("\n---\n")
    (text,) = [document for document in documents if "\nkind: StatefulSet" in document]
    data = "        - name: data\n          persistentVolumeClaim: {claimName: lingma-trio-agent-data}\n"
    for pattern, instead in (
        ("kind: StatefulSet", "kind: Deployment"),
        (r"replicas: \d+", "replicas: 1"),
        (r"\n  (serviceName|podManagementPolicy): .*", ""),
        (r"\n  volumeClaimTemplates:(.|\n)*", "\n"),
        (r"\n      volumes:\n", f"\n      volumes:\n{data}"),
        (r" *# The entry that bears(.|\n)*?readOnly: true\n", ""),
        (r"        - name: accounts\n(          .*\n)+", ""),
        (r"valueFrom:\n *fieldRef: \{fieldPath: metadata.namespace\}", "value: default"),
        (r"\$\(REPLICA_NAME\)", "lingma-trio-agent-0"),
        (r"\$\(NAMESPACE\)", "default"),
        (r"( *)- name: SHUTDOWN_GRACE_SEC", r"\1- {name: LINGMA_UPSTREAM, value: simulator}\n\g<0>"),
        ("localhost/lingma-trio:latest", "localhost/lingma-trio:slim"),
    ):
        text, count = re.subn(pattern, instead, text)
        if not count:
            sys.exit(f"{file} has no {pattern} any more")
    print(text)


def secret(file: str) -> None:
    """Print the first document's entries as JSON their values in base64. Reads only what that file needs."""
    document = Path(file).read_text(encoding="utf-8").split("\n---\n")[0]
    entries = re.findall(r'^  ([a-z-]+): "?([^"\n]+)"?$', document.partition("stringData:\n")[2], flags=re.MULTILINE)
    print(json.dumps({name: base64.b64encode(value.encode()).decode() for name, value in entries}))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["chat", port, key, mark]:
            chat(port, key, mark)
        case ["behind", port, token, *names] if names:
            behind(port, token, *names)
        case ["converse", port, key, turns]:
            converse(port, key, turns)
        case ["notified", *command] if command:
            notified(command)
        case ["queries", dashboard]:
            queries(dashboard)
        case ["agent", file]:
            agent(file)
        case ["secret", file]:
            secret(file)
        case _:
            sys.exit(__doc__)
