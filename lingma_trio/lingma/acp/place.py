"""Where one agent lives: a directory that is its home, one to work in that is empty at first, and its environment.

Knows paths and variables. Must not know what the agent is: what it reads in its home is between it and the operator.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from lingma_trio.accounts import AgentAccount
from lingma_trio.errors import InstanceDown
from lingma_trio.private_files import check_owner

CONFIG = "config"
WORK = "work"
OURS = 0o700


def furnish(place: Path) -> None:
    """Make both directories, and empty the one to work in, whatever an earlier life has left there.

    Raises `InstanceDown` where that cannot be done. Waits for the disk, so it belongs into a thread.
    """
    try:
        for directory in (place / CONFIG, place / WORK):
            if directory.is_symlink():
                directory.unlink()  # it leads to where nothing is the agent's
            directory.mkdir(mode=OURS, exist_ok=True)
            check_owner(directory)
        _empty(place / WORK)
    except (OSError, RecursionError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "it holds too many directories in each other"
        raise InstanceDown(
            f"the agent's directory to work in cannot be emptied ({why}); remove what is in it (`lingma-trio doctor` "
            "says where it is)"
        ) from fault


def environment(place: Path, account: AgentAccount, variable: str, ours: Mapping[str, str]) -> dict[str, str]:
    """All that an agent's environment holds: its home, its token in `variable`, and from `ours` only where programs
    are and which language is spoken. No colour, and nobody to ask.
    """
    home = str(place / CONFIG)
    found = {  # its keys are `accounts.AGENT_VARIABLES`
        "HOME": home,
        "XDG_CONFIG_HOME": f"{home}/.config",
        "XDG_DATA_HOME": f"{home}/.local/share",
        "XDG_STATE_HOME": f"{home}/.local/state",
        "XDG_CACHE_HOME": f"{home}/.cache",
        "PATH": ours.get("PATH", os.defpath),
        "LANG": ours.get("LANG", "C.UTF-8"),
        "NO_COLOR": "1",
        "CI": "1",
    }
    if account.token:
        found[variable] = account.token.get_secret_value()
    return found


def find_program(command: tuple[str, ...], variables: Mapping[str, str]) -> tuple[str, ...]:
    """The command with an absolute path in its first place. Raises `InstanceDown` where there is no such program."""
    found = shutil.which(command[0], path=variables.get("PATH", os.defpath))
    if found is None:
        raise InstanceDown(
            f"the agent's program {command[0]!r} is not there or may not be run; install it, or put its whole path "
            "into ACP_COMMAND"
        )
    return (str(Path(found).absolute()), *command[1:])


def _empty(directory: Path) -> None:
    """Remove all that is in it; links are removed and not followed."""
    directory.chmod(OURS)
    for inner, names, _ in os.walk(directory):  # an agent may have closed directories to itself
        for name in names:
            path = Path(inner, name)
            if not path.is_symlink():
                path.chmod(OURS)
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
