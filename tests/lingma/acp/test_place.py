"""An agent's place: a home that stays, a directory to work in that does not, and an environment from nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from lingma_trio.accounts import AGENT_VARIABLES, AgentAccount
from lingma_trio.errors import InstanceDown
from lingma_trio.lingma.acp.place import CONFIG, WORK, environment, find_program, furnish


def test_home_is_kept_and_the_directory_to_work_in_is_emptied(tmp_path: Path) -> None:
    """The agent's switches lie in the first; what one life's sessions left in the second is no other one's to read."""
    furnish(tmp_path)
    (tmp_path / CONFIG / "settings.json").write_text("{}")
    deep = tmp_path / WORK / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "GEMINI.md").write_text("said by somebody")
    (tmp_path / WORK / "file").write_text("x")
    deep.chmod(0o000)
    deep.parent.chmod(0o000)
    furnish(tmp_path)
    assert list((tmp_path / WORK).iterdir()) == []
    assert (tmp_path / CONFIG / "settings.json").exists()
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in (CONFIG, WORK)} == {0o700}


@pytest.mark.parametrize("inside", [False, True])
def test_links_are_removed_and_not_followed(tmp_path: Path, *, inside: bool) -> None:
    """An agent may leave one that leads to where nothing is its own, in its directory or in the place of it."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    (elsewhere / "kept").write_text("x")
    place = tmp_path / "place"
    (place / WORK).mkdir(parents=True)
    if inside:
        (place / WORK / "link").symlink_to(elsewhere)
        (place / WORK / "broken").symlink_to("nowhere")
    else:
        (place / WORK).rmdir()
        (place / WORK).symlink_to(elsewhere)
    furnish(place)
    assert list((place / WORK).iterdir()) == []
    assert not (place / WORK).is_symlink()
    assert (elsewhere / "kept").exists()
    assert elsewhere.stat().st_mode & 0o777 == 0o755


def test_place_that_cannot_be_emptied_is_told(tmp_path: Path) -> None:
    """Without its path, which anybody could read in `/readyz`, and with what to do."""
    (tmp_path / WORK).write_text("a file")
    with pytest.raises(InstanceDown, match=r"cannot be emptied \(File exists\); remove") as caught:
        furnish(tmp_path)
    assert str(tmp_path) not in str(caught.value)


def test_environment_is_made_from_nothing(tmp_path: Path) -> None:
    """Of ours only where programs are and which language is spoken; the token is where the agent looks for it."""
    ours = {"PATH": "/bin", "LANG": "de_DE.UTF-8", "API_KEYS": "secret", "HTTPS_PROXY": "x", "LD_PRELOAD": "y"}
    found = environment(tmp_path, AgentAccount("team", SecretStr("t0ken")), "TOKEN", ours)
    assert found.keys() == AGENT_VARIABLES | {"TOKEN"}
    assert (found["TOKEN"], found["PATH"], found["LANG"]) == ("t0ken", "/bin", "de_DE.UTF-8")
    homes = [Path(value) for name, value in found.items() if name.startswith(("HOME", "XDG"))]
    assert all(path.is_relative_to(tmp_path / CONFIG) for path in homes)
    assert environment(tmp_path, AgentAccount(), "", {}).keys() == AGENT_VARIABLES


def test_program_is_found_on_the_path(tmp_path: Path) -> None:
    """By its name as a shell finds it, or by its whole path; words after it stay as they are."""
    program = tmp_path / "agent"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    assert find_program(("agent", "", " x "), {"PATH": str(tmp_path)}) == (str(program), "", " x ")
    assert find_program((str(program),), {"PATH": "/nowhere"}) == (str(program),)
    program.chmod(0o600)
    with pytest.raises(InstanceDown, match="put its whole path into ACP_COMMAND"):
        find_program(("agent",), {"PATH": str(tmp_path)})


def test_relative_program_is_that_of_where_the_gateway_stands(tmp_path: Path) -> None:
    """And not of the agent's own directory, where an agent could lay one for the next life."""
    program = tmp_path / "agent"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    relative = os.path.relpath(program)
    (found,) = find_program((relative,), {})
    assert Path(found).is_absolute()
    assert Path(found).samefile(program)
