"""What Prometheus and Grafana are told to ask for exists, and nothing that the gateway tells is left out of sight."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from lingma_trio.metrics import PREFIX

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
METRICS = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
DASHBOARD: Any = from_json((DEPLOY / "grafana/dashboards/lingma-trio.json").read_bytes())
ALERTS = (DEPLOY / "prometheus/alerts.yml").read_text(encoding="utf-8")

SELECTOR = re.compile(r"(lingma_gateway_\w+)(?:\{([^}]*)\})?")
OF_A_HISTOGRAM = re.compile(r"_(bucket|sum|count)$")
OF_PROMETHEUS = {"job", "le"}
"""Labels that Prometheus adds."""

RENAMED = {"instance": "exported_instance"}
"""Labels of ours that Prometheus has of its own, and what it makes of them."""


def told() -> dict[str, set[str]]:
    """Each metric with its labels as Prometheus stores them: the table of docs/metrics.md, which
    tests/test_documentation.py holds to what the gateway tells.
    """
    table = re.findall(r"^\| `(lingma_gateway_\w+)` \| \w+ \|([\w, ]*)\|", METRICS, flags=re.MULTILINE)
    return {name: {RENAMED.get(label, label) for label in re.findall(r"\w+", labels)} for name, labels in table}


def queries() -> list[str]:
    """Every query of the dashboard, its variables' included."""
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    variables = [each["query"]["query"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"]
    return panels + variables


def faults(query: str) -> list[str]:
    """What a query names that is not there."""
    known = told()
    wrong = []
    for name, selector in SELECTOR.findall(query):
        labels = known.get(OF_A_HISTOGRAM.sub("", name))
        if labels is None:
            wrong.append(name)
            continue
        asked = set(re.findall(r"(\w+)\s*[=!]", selector))
        wrong += [f"{name}: {label}" for label in sorted(asked - labels - OF_PROMETHEUS)]
    return wrong


def test_every_query_of_the_dashboard_names_what_exists() -> None:
    """Each panel asks for metrics and labels that the gateway tells."""
    assert len(queries()) > 20
    assert len(told()) > 20
    assert [fault for query in queries() for fault in faults(query)] == []


def test_every_alert_names_what_exists() -> None:
    """Each alert weighs metrics and labels that the gateway tells."""
    assert SELECTOR.search(ALERTS)
    assert faults(ALERTS) == []


def test_grouping_uses_labels_that_exist() -> None:
    """What a query groups by is a label of what it asks for."""
    for query in [*queries(), ALERTS]:
        for group, rest in re.findall(r"by \(([\w, ]+)\) \(([^\n]*)", query):
            named = SELECTOR.search(rest)
            assert named, query
            labels = told()[OF_A_HISTOGRAM.sub("", named[1])] | OF_PROMETHEUS | {"instance"}
            assert set(group.split(", ")) <= labels, query


def test_the_search_can_fail() -> None:
    """A metric or a label that is not there is found."""
    assert faults(f"rate({PREFIX}requests[5m])") == [f"{PREFIX}requests"]
    assert faults(f'{PREFIX}requests_total{{colour="red"}}') == [f"{PREFIX}requests_total: colour"]
    assert faults(f'{PREFIX}queue_wait_seconds_bucket{{le="1"}}') == []


def test_dashboard_is_laid_out() -> None:
    """Panels have numbers of their own and do not cover each other."""
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_every_alert_says_what_to_do_and_is_tried() -> None:
    """Each alert has a summary and an action, and a case in the file that promtool tries."""
    names = re.findall(r"- alert: (\w+)", ALERTS)
    assert names
    assert ALERTS.count("summary: ") == ALERTS.count("action: ") == len(names)
    tried = (DEPLOY / "prometheus/alerts.test.yml").read_text(encoding="utf-8")
    assert [name for name in names if tried.count(name) < 2] == []
