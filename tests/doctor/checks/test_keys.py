"""A file of keys that the gateway could not use, or that others can read, is found before it matters."""

from __future__ import annotations

from pathlib import Path

import pytest

from lingma_trio.doctor.checks.keys import check_keys
from tests.doctor.support import settings_of, site_of

PLANTED = "sk-planted-MARKER"


def found(directory: Path, text: str, mode: int = 0o600) -> list[tuple[str, str, str]]:
    """What is found of a file with this text, as level, what, remedy."""
    path = directory / "keys.yaml"
    path.write_text(text)
    path.chmod(mode)
    site = site_of(settings_of(directory).model_copy(update={"keys_file": path}))
    return [(finding.level, finding.what, finding.remedy) for finding in check_keys(site)]


def test_no_file_is_no_finding(tmp_path: Path) -> None:
    """Who has no such file has nothing to look at."""
    (finding,) = check_keys(site_of(settings_of(tmp_path)))
    assert finding.level == "skipped"


def test_usable_file_is_fine(tmp_path: Path) -> None:
    """It says how many keys there are, and none of them."""
    ((level, what, _),) = found(tmp_path, f"keys:\n  - {{name: alice, key: {PLANTED}}}\n")
    assert level == "fine"
    assert "1 keys" in what
    assert PLANTED not in what


def test_each_fault_is_told(tmp_path: Path) -> None:
    """All of them at once, naming the setting, without a key."""
    findings = found(tmp_path, f"keys:\n  - {{name: alice, key: {PLANTED}, colour: 1}}\n  - {{name: bob}}\n")
    assert [level for level, _, _ in findings] == ["fault"] * len(findings)
    assert len(findings) >= 2
    assert all(what.startswith("KEYS_FILE: ") for _, what, _ in findings)
    assert PLANTED not in str(findings)


@pytest.mark.parametrize(
    ("entry", "mode", "word"),
    [
        (f"{{name: alice, key: {PLANTED}}}", 0o644, "others than its owner"),
        (f"{{name: alice, key: {PLANTED}, expires: 2020-01-01}}", 0o600, "expired: alice"),
    ],
)
def test_what_deserves_a_look(tmp_path: Path, entry: str, mode: int, word: str) -> None:
    """A key that no longer opens anything, and a file that others can read."""
    ((level, what, remedy),) = found(tmp_path, f"keys:\n  - {entry}\n", mode)
    assert level == "warning"
    assert word in what
    assert remedy
