"""The texts of the scripts."""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path

from lingma_trio.state.script import script_digest, script_names, script_text
from tests.real_store import ROOT, RealServer

FOLDER = ROOT / "lingma_trio/state/scripts"


def test_every_file_is_a_script() -> None:
    """Each file but the common one is found by its name, behind what is common."""
    files = {path.stem for path in Path(FOLDER).glob("*.lua")}
    assert set(script_names()) == files - {"common"}
    for name in script_names():
        common, own = ((FOLDER / f"{each}.lua").read_bytes() for each in ("common", name))
        assert script_text(name) == common + b"\n" + own


def test_store_knows_each_by_its_digest(real_store: RealServer) -> None:
    """Each compiles there, under the digest that it is asked for by."""
    for name in script_names():
        digest = script_digest(name).decode()
        assert digest == sha1(script_text(name), usedforsecurity=False).hexdigest()
        assert real_store.command("SCRIPT", "LOAD", script_text(name).decode()).decode() == digest
