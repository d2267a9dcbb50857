"""A program's kind, machine and loader are read from its first bytes, and nothing else is taken for a program."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.doctor.elf import HEAD, Program, read_program

LOADER = b"/lib/ld.so.1\0"


def elf(*, wide: bool, order: str, machine: int, loader: bytes = LOADER) -> bytes:
    """The head of a program with two program headers, of which the second names the loader if there is one."""
    table, size = (64, 56) if wide else (52, 32)
    start = table + 2 * size
    head = b"\x7fELF" + bytes([2 if wide else 1, 2 if order == ">" else 1]) + bytes(10)
    head += struct.pack(f"{order}HHI", 2, machine, 1)
    head += struct.pack(f"{order}QQQI" if wide else f"{order}IIII", 0, table, 0, 0)
    head += struct.pack(f"{order}HHH", table, size, 2)
    head = head.ljust(table, b"\0")
    kind = 3 if loader else 1
    if wide:
        segment = struct.pack(f"{order}IIQQQQQQ", kind, 0, start, 0, 0, len(loader), len(loader), 1)
    else:
        segment = struct.pack(f"{order}IIIIIIII", kind, start, 0, 0, len(loader), len(loader), 0, 1)
    return head + bytes(size) + segment + loader


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_machine_and_loader_are_read_in_every_form(wide: bool, order: str) -> None:
    """Of 32 and 64 bits, and in either order of bytes."""
    head = elf(wide=wide, order=order, machine=183)
    assert read_program(head) == Program("elf", "aarch64", "/lib/ld.so.1")


def test_static_program_has_no_loader() -> None:
    """It needs no library, so there is none to miss."""
    assert read_program(elf(wide=True, order="<", machine=62, loader=b"")) == Program("elf", "x86_64")


def test_this_interpreter_is_read() -> None:
    """A real program of this machine is recognised as one."""
    with Path(sys.executable).resolve().open("rb") as file:
        program = read_program(file.read(HEAD))
    assert (program.kind, program.machine) == ("elf", os.uname().machine)
    assert not program.loader or Path(program.loader).exists()


def test_unknown_machine_keeps_its_number() -> None:
    """So that the operator can look it up."""
    assert read_program(elf(wide=True, order="<", machine=4242)).machine == "machine 4242"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"#!/bin/sh\n", "script"),
        (b"MZ\x90\0", "foreign"),
        (b"\xcf\xfa\xed\xfe\x07", "foreign"),
        (b"<html>", "unknown"),
        (b"", "unknown"),
        (elf(wide=True, order="<", machine=62)[:40], "unknown"),
    ],
)
def test_what_is_no_program_of_linux_is_told_apart(head: bytes, kind: str) -> None:
    """A script, another system's program, a web page, nothing, and a download that was cut short."""
    assert read_program(head).kind == kind


@given(st.binary(max_size=200))
def test_no_bytes_are_too_much(rest: bytes) -> None:
    """Whatever follows the magic number is read or given up, and never raises."""
    assert read_program(b"\x7fELF" + rest).kind in {"elf", "unknown"}
