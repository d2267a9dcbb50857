"""The scripts that run in the store, by name, with what stands before each of them."""

from __future__ import annotations

from functools import cache
from hashlib import sha1
from importlib.resources import files


@cache
def script_text(name: str) -> bytes:
    """The text of `NAME.lua`, with `common.lua` before it. Raises `FileNotFoundError` where there is none."""
    folder = files("lingma_trio.state").joinpath("scripts")
    return b"\n".join(folder.joinpath(f"{each}.lua").read_bytes() for each in ("common", name))


@cache
def script_digest(name: str) -> bytes:
    """What the store knows that text by."""
    return sha1(script_text(name), usedforsecurity=False).hexdigest().encode()


@cache
def script_names() -> tuple[str, ...]:
    """Every script there is."""
    folder = files("lingma_trio.state").joinpath("scripts")
    names = (path.name.removesuffix(".lua") for path in folder.iterdir() if path.name.endswith(".lua"))
    return tuple(sorted(name for name in names if name != "common"))
