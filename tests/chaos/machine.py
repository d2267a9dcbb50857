"""What this machine lets a test do to a gateway: a disk of its own that is full, a network that loses and delays.

Each is tried once. What cannot be done has a reason, and whoever wanted it says so aloud.
"""

from __future__ import annotations

import resource
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

DISK: Final = "24m"
BALLAST: Final = "ballast"
FULL: Final = "a full disk"
LOSSY: Final = "lost packets"
SLOW: Final = "a slow network"
CORES: Final = "cores of what crashes"
CORE_PATTERN: Final = Path("/proc/sys/kernel/core_pattern")
SHARED: Final = "this is the network of the whole machine"


def _run(*words: str) -> str:
    """Run a command; returns what is wrong with it, in one line, or nothing."""
    try:
        done = subprocess.run(words, capture_output=True, check=False, timeout=20)
    except OSError as fault:
        return f"{words[0]}: {fault.strerror}"
    told = (done.stderr or done.stdout).decode(errors="replace").strip()
    return "" if done.returncode == 0 else (told.splitlines() or [f"{words[0]} ended with {done.returncode}"])[-1]


@dataclass(slots=True)
class Machine:
    """What can be done; `lacks` has the reason for each thing that cannot."""

    disk: Path
    lacks: dict[str, str] = field(default_factory=dict)

    def fill(self) -> None:
        """Leave not one byte on the disk."""
        with (self.disk / BALLAST).open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    continue

    def empty(self) -> None:
        """Give the disk its room back."""
        (self.disk / BALLAST).unlink(missing_ok=True)

    def lose(self, share: float) -> str:
        """Lose this share of all packets, of both directions; with 0 none any more."""
        words = ("-i", "lo", "-m", "statistic", "--mode", "random", "--probability", str(share), "-j", "DROP")
        return _run("iptables", "-A", "INPUT", *words) if share else _run("iptables", "-F", "INPUT")

    def slow(self, bits: int) -> str:
        """Let so many bits through in a second, with what waits delayed by up to half a second; with 0 all."""
        if not bits:
            return _run("tc", "qdisc", "del", "dev", "lo", "root")
        words = ("rate", f"{bits}bit", "burst", "64kb", "latency", "500ms")
        return _run("tc", "qdisc", "replace", "dev", "lo", "root", "tbf", *words)


@contextmanager
def machine(disk: Path, *, alone: bool) -> Iterator[Machine]:
    """The machine, with a small disk at `disk` where it can have one.

    `alone` is whether this process has a network and mounts of its own: else neither is touched.
    """
    disk.mkdir(parents=True)
    made = Machine(disk)
    with ExitStack() as stack:
        if reason := _own_disk(disk) if alone else "the mounts are those of the whole machine":
            made.lacks[FULL] = reason
        else:
            stack.callback(_run, "umount", "--lazy", str(disk))
        _run("ip", "link", "set", "lo", "up")
        if reason := (made.lose(0.5) or made.lose(0)) if alone else SHARED:
            made.lacks[LOSSY] = reason
        if reason := (made.slow(1_000_000) or made.slow(0)) if alone else SHARED:
            made.lacks[SLOW] = reason
        if reason := no_cores(CORE_PATTERN.read_text().strip(), resource.getrlimit(resource.RLIMIT_CORE)[1]):
            made.lacks[CORES] = reason
        yield made


def no_cores(pattern: str, most: int) -> str:
    """Why no core would lie where its process ran, by the kernel's pattern and the bytes allowed; or nothing."""
    if most == 0:
        return "nothing here may leave one (ulimit -Hc)"
    return "" if pattern.startswith("core") else f"{CORE_PATTERN} sends them elsewhere: {pattern}"


def _own_disk(disk: Path) -> str:
    return _run("mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "tmpfs", str(disk))
