"""Which Lingma runs on which machine."""

from __future__ import annotations

import pytest

from lingma_trio.bootstrap.faults import BootstrapFault
from lingma_trio.bootstrap.platforms import Platform, platform_of, this_platform


@pytest.mark.parametrize(
    ("system", "machine", "directory", "gallery"),
    [
        ("Linux", "x86_64", "x86_64_linux", "linux-x64"),
        ("Linux", "AMD64", "x86_64_linux", "linux-x64"),
        ("Linux", "aarch64", "aarch64_linux", "linux-arm64"),
        ("Darwin", "arm64", "aarch64_darwin", "darwin-arm64"),
        ("Darwin", "x86_64", "x86_64_darwin", "darwin-x64"),
    ],
)
def test_machine_has_a_platform(system: str, machine: str, directory: str, gallery: str) -> None:
    """Each machine that Lingma is published for is found under both of its names."""
    assert platform_of(system, machine) == Platform(directory, gallery)


@pytest.mark.parametrize(("system", "machine"), [("Linux", "riscv64"), ("FreeBSD", "x86_64"), ("", "")])
def test_other_machine_is_a_fault(system: str, machine: str) -> None:
    """For any other machine there is a plain word and no guess."""
    with pytest.raises(BootstrapFault, match="no Lingma is published for"):
        platform_of(system, machine)


def test_this_machine_has_one() -> None:
    """The machine that runs the tests is one of them."""
    assert this_platform().directory.endswith(("_linux", "_darwin"))
