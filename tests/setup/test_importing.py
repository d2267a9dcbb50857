"""Another installation's settings are taken over as they were, and what became of each is told without its value."""

from __future__ import annotations

import pytest

from lingma_trio.errors import ConfigurationFault
from lingma_trio.setup.importing import take_over

COMPOSE = """
services:
  gateway:
    image: x
    environment:
      LINGMA_USERNAME: ann
      LINGMA_PASSWORD: 'planted: #1'
      LINGMA_BOOTSTRAP_ALWAYS: false
      PORT: 9000
      API_KEYS: ${API_KEYS}
      DEFAULT_MODEL:
  other:
    environment: ["LINGMA_WORK_DIR=/app/data/.lingma", "SOMETHING=planted"]
"""


def test_env_file_is_taken_over() -> None:
    """Each variable with its value; one that does not fit, and one that is none, is told and left out."""
    imported = take_over(
        "PORT=9000\nLINGMA_ACCOUNTS='ann:planted$1'\nSSE_KEEPALIVE_SEC=-1\nPLANTED_NAME=x\n", compose=False
    )
    assert imported.variables == {"PORT": "9000", "LINGMA_ACCOUNTS": "ann:planted$1"}
    assert [line.partition(":")[0] for line in imported.report] == ["PLANTED_NAME", "SSE_KEEPALIVE_SEC"]
    assert "ann" not in repr(imported)


def test_environment_of_compose_is_taken_over() -> None:
    """In both notations, of every service; places in a container and values from elsewhere are left out."""
    imported = take_over(COMPOSE, compose=True)
    assert imported.variables == {
        "LINGMA_USERNAME": "ann",
        "LINGMA_PASSWORD": "planted: #1",
        "LINGMA_BOOTSTRAP_ALWAYS": "false",
        "PORT": "9000",
    }
    assert [line.partition(":")[0] for line in imported.report] == [
        "API_KEYS",
        "DEFAULT_MODEL",
        "LINGMA_WORK_DIR",
        "SOMETHING",
    ]
    assert "planted" not in "".join(imported.report)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *((same, same) for same in ("0123", "12_3", "1:30", "2026-13-45", "Yes")),
        *((f"!!{kind} 'x'", "x") for kind in ("bool", "int", "float", "timestamp")),
        ("a$$b", "a$b"),
        ("'a$${b}'", "a${b}"),
    ],
)
def test_value_of_compose_is_what_its_container_gets(written: str, meant: str) -> None:
    """A password that looks like a number or a date is none, and `$$` stands for a dollar."""
    imported = take_over(f"services: {{a: {{environment: {{LINGMA_USERNAME: {written}}}}}}}", compose=True)
    assert imported.variables.get("LINGMA_USERNAME") == meant


@pytest.mark.parametrize("environment", ["{PORT: $SOME}", "['PORT=$SOME']", "{PORT: ~}", "{PORT: $$$SOME}"])
def test_value_from_elsewhere_is_left_out(environment: str) -> None:
    """Since the file does not hold it."""
    imported = take_over(f"services: {{a: {{environment: {environment}}}}}", compose=True)
    assert not imported.variables
    assert imported.report == ("PORT: has no value of its own in the file, and was left out",)


@pytest.mark.parametrize(
    ("text", "compose"),
    [("", False), ("a: [", True), ("[]", True), ("services: 1", True), ("[" * 5000, True), ("!!int x", True)],
)
def test_file_without_variables_is_refused(text: str, compose: bool) -> None:
    """And so is one that cannot be read."""
    with pytest.raises(ConfigurationFault, match="to import"):
        take_over(text, compose=compose)
