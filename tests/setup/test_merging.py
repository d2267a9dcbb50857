"""What is put into a client's file stands beside what was there, and a file that is not understood is left alone."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable

import pytest
import yaml

from lingma_trio.clients import CLIENTS, Gateway, Lines
from lingma_trio.setup.merging import Unmergeable, into_json, into_toml, into_yaml, into_yaml_list, merged

TABLE = "model_providers.lingma"
MODEL = {"name": "Lingma", "apiKey": "k: #1", "roles": ["chat", "edit"]}


def test_json_keeps_its_members() -> None:
    """Those of the same object, too, but for the values that are put there."""
    old = '{"theme": "dark", "env": {"OTHER": "1", "URL": "before"}}'
    assert json.loads(into_json(old, "env", {"URL": "now"})) == {"theme": "dark", "env": {"OTHER": "1", "URL": "now"}}
    assert json.loads(into_json("", "env", {"URL": "now"})) == {"env": {"URL": "now"}}


def test_toml_keeps_its_keys_and_comments() -> None:
    """A model that is chosen there stays; the table comes after all others."""
    old = '# mine\nmodel = "other"\n\n[model_providers.mine]\nname = "Mine"\n'
    new = into_toml(old, {"model": "org_auto", "model_provider": "lingma"}, TABLE, {"name": 'Lingma "x"'})
    assert "# mine" in new
    assert tomllib.loads(new) == {
        "model": "other",
        "model_provider": "lingma",
        "model_providers": {"mine": {"name": "Mine"}, "lingma": {"name": 'Lingma "x"'}},
    }
    assert tomllib.loads(into_toml("", {"model": "m"}, TABLE, {"name": "L"}))["model"] == "m"


def test_yaml_keeps_its_names_and_comments() -> None:
    """A name that is set there stays as it is."""
    new = into_yaml("# mine\nmodel: other", {"model": "openai/x", "openai-api-key": "sk-1"})
    assert new.startswith("# mine\n")
    assert yaml.safe_load(new) == {"model": "other", "openai-api-key": "sk-1"}


@pytest.mark.parametrize("margin", ["", "  ", "    "], ids=["none", "two", "four"])
def test_list_gets_one_more_entry(margin: str) -> None:
    """At its head, with the margin that the others have."""
    old = f"name: Mine\nmodels:\n{margin}- name: other # mine\n{margin}  model: x\nrules: []\n"
    new = into_yaml_list(old, "models", MODEL)
    assert "# mine" in new
    assert yaml.safe_load(new)["models"] == [MODEL, {"name": "other", "model": "x"}]
    assert yaml.safe_load(into_yaml_list("name: Mine\n", "models", MODEL)) == {"name": "Mine", "models": [MODEL]}


def json_member(old: str) -> str:
    return into_json(old, "env", {})


def toml_table(old: str) -> str:
    return into_toml(old, {}, TABLE, {"a": "b"})


def yaml_names(old: str) -> str:
    return into_yaml(old, {"a": "b"})


def yaml_list(old: str) -> str:
    return into_yaml_list(old, "models", MODEL)


@pytest.mark.parametrize(
    ("merge", "old"),
    [
        pytest.param(json_member, "{// planted\n}", id="comment"),
        pytest.param(json_member, "[]", id="array"),
        pytest.param(json_member, '{"env": "planted"}', id="text"),
        pytest.param(toml_table, "planted", id="no TOML"),
        pytest.param(toml_table, '[model_providers.lingma]\nname = "planted"', id="table"),
        pytest.param(toml_table, 'model_providers = "planted"', id="value"),
        pytest.param(yaml_names, "- planted", id="list"),
        pytest.param(yaml_names, "{planted: 1}", id="flow"),
        pytest.param(yaml_names, "planted: [1", id="no YAML"),
        pytest.param(yaml_list, "models: [{name: planted}]\n", id="flow list"),
        pytest.param(yaml_list, "models: planted", id="no list"),
        pytest.param(yaml_list, "models:\n- name: Lingma\n", id="twice"),
    ],
)
def test_what_is_not_understood_is_left_alone(merge: Callable[[str], str], old: str) -> None:
    """With words that repeat nothing of it."""
    with pytest.raises(Unmergeable) as caught:
        merge(old)
    assert "planted" not in str(caught.value)


OTHERS = {"json": '{"other": 1}', "toml": "[other]\nmine = 1\n", "yaml": "other: 1\n"}
"""What may stand in a file of each form already."""

FILED = [
    pytest.param(lines, id=name)
    for name, client in CLIENTS.items()
    for lines in client.lines(Gateway("http://127.0.0.1:8317", "KEY"))
    if lines.file
]


@pytest.mark.parametrize("lines", FILED)
def test_lines_of_each_client_go_into_its_file(lines: Lines) -> None:
    """As they are where nothing stands, and beside what does."""
    readers: dict[str, Callable[[str], dict[str, object]]] = {
        "json": json.loads,
        "toml": tomllib.loads,
        "yaml": yaml.safe_load,
    }
    read = readers[lines.form]
    assert merged(lines.form, "", lines.text) == f"{lines.text}\n"
    both = read(merged(lines.form, OTHERS[lines.form], lines.text))
    assert both.pop("other") == read(OTHERS[lines.form])["other"]
    wanted = read(lines.text)
    assert both == {name: value for name, value in wanted.items() if name in both}
    assert {name for name, value in wanted.items() if not isinstance(value, str)} <= set(both)
