"""Reads what kind of program a file is from its first bytes. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal, TypeAlias

HEAD = 64 * 1024
"""Bytes of a file that hold its headers, as linkers lay them out."""

Kind: TypeAlias = Literal["elf", "script", "foreign", "unknown"]

_MACHINES = {62: "x86_64", 183: "aarch64", 3: "i686", 40: "armv7l", 243: "riscv64", 258: "loongarch64"}
_INTERPRETER = 3  # the type of the program header that names the dynamic loader
_FOREIGN = (b"MZ", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")  # Windows, macOS (3)


@dataclass(frozen=True, slots=True)
class Program:
    """What a file says of itself.

    `machine` is an ELF program's, as `uname -m` spells it, or its number; `loader` is the path of the dynamic loader
    it asks for. Both are empty where there is none.
    """

    kind: Kind
    machine: str = ""
    loader: str = ""


def read_program(head: bytes) -> Program:
    """The program whose first `HEAD` bytes these are. Never raises: what makes no sense is `unknown`."""
    if head.startswith(b"#!"):
        return Program("script")
    if head.startswith(_FOREIGN):
        return Program("foreign")
    if not head.startswith(b"\x7fELF"):
        return Program("unknown")
    try:
        return _read_elf(head)
    except struct.error:
        return Program("unknown")


def _read_elf(head: bytes) -> Program:
    wide, order = head[4:5] == b"\x02", ">" if head[5:6] == b"\x02" else "<"
    (number,) = struct.unpack_from(f"{order}H", head, 18)
    machine = _MACHINES.get(number, f"machine {number}")
    (table,) = struct.unpack_from(f"{order}Q" if wide else f"{order}I", head, 32 if wide else 28)
    size, count = struct.unpack_from(f"{order}HH", head, 54 if wide else 42)
    for place in range(table, table + size * count, size or 1):
        (kind,) = struct.unpack_from(f"{order}I", head, place)
        if kind == _INTERPRETER:
            form, at = (f"{order}Q16xQ", 8) if wide else (f"{order}I8xI", 4)
            start, length = struct.unpack_from(form, head, place + at)
            return Program("elf", machine, head[start : start + length].rstrip(b"\0").decode("ascii", "replace"))
    return Program("elf", machine)
