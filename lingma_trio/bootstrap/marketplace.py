"""Asks a VS Code gallery for the newest package of an extension.

Knows the gallery's query and its answer. Does not download the package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx2
import trio
from pydantic_core import from_json, to_json

from lingma_trio.bootstrap.body import read_body
from lingma_trio.bootstrap.faults import BootstrapFault

PACKAGE_ASSET = "Microsoft.VisualStudio.Services.VSIXPackage"
ACCEPT = "application/json;api-version=3.0-preview.1"

# The gallery's own numbers, named in its public API documentation.
BY_EXTENSION_NAME = 7
INCLUDE_FILES = 2
EXCLUDE_NON_VALIDATED = 32
INCLUDE_ASSET_URI = 128
LATEST_VERSION_ONLY = 512
FLAGS = INCLUDE_FILES | EXCLUDE_NON_VALIDATED | INCLUDE_ASSET_URI | LATEST_VERSION_ONLY

MAX_ANSWER = 4 * 1024 * 1024
"""Bytes of an answer. One extension's newest version takes a few thousand."""

ANSWER_DEADLINE = 60.0
"""Seconds for question and answer together."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package to download. A `version` promises that this address never holds another one; it may be empty."""

    url: str
    version: str = ""


async def newest_package(
    client: httpx2.AsyncClient, gallery: str, *, publisher: str, extension: str, platform: str
) -> Package:
    """The newest package for `platform` (the gallery's name for it), or the one that is for every platform.

    Raises `BootstrapFault` when the gallery cannot be asked or knows of none. Cancelling closes the connection.
    """
    name = f"{publisher}.{extension}"
    try:
        with trio.fail_after(ANSWER_DEADLINE):
            body = await _ask(client, gallery, query(name))
    except trio.TooSlowError:
        raise BootstrapFault(f"{gallery} did not answer within {ANSWER_DEADLINE:g} s") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as fault:
        raise BootstrapFault(f"{gallery} cannot be asked ({type(fault).__name__}: {fault})") from fault
    return read_answer(body, name, platform=platform)


async def _ask(client: httpx2.AsyncClient, gallery: str, question: bytes) -> bytes:
    headers = {"content-type": "application/json", "accept": ACCEPT, "accept-encoding": "identity"}
    body = bytearray()

    async def take(chunk: bytes) -> None:
        await trio.lowlevel.checkpoint()
        body.extend(chunk)
        if len(body) > MAX_ANSWER:
            raise BootstrapFault(f"{gallery} answers with more than {MAX_ANSWER} bytes")

    url = f"{gallery}/extensionquery"
    async with client.stream("POST", url, content=question, headers=headers) as response:
        if response.status_code != httpx2.codes.OK:
            raise BootstrapFault(f"{gallery} answers {response.status_code}")
        await read_body(response, take)
    return bytes(body)


def query(name: str) -> bytes:
    """The body that asks for the newest version of the extension `publisher.extension`."""
    criteria = [{"filterType": BY_EXTENSION_NAME, "value": name}]
    return to_json({"filters": [{"criteria": criteria}], "flags": FLAGS})


def read_answer(body: bytes, name: str, *, platform: str) -> Package:
    """The package in a gallery's answer about the extension `name`.

    Raises `BootstrapFault` for an answer that is none, or holds no package for the platform.
    """
    try:
        answer = from_json(body)
    except ValueError:
        raise BootstrapFault("the gallery's answer is no JSON") from None
    versions = [
        version
        for result in _entries(answer, "results")
        for extension in _entries(result, "extensions")
        for version in _entries(extension, "versions")
    ]
    if not versions:
        raise BootstrapFault(f"the gallery knows no extension {name}")
    for wanted in (platform, ""):
        for version in versions:
            target = version.get("targetPlatform") or ""
            url = _package_url(version)
            if url and wanted == ("" if target == "universal" else target):
                return Package(url, str(version.get("version") or ""))
    raise BootstrapFault(f"the gallery has no package of {name} for {platform}")


def _package_url(version: dict[str, Any]) -> str:
    for file in _entries(version, "files"):
        if file.get("assetType") == PACKAGE_ASSET and isinstance(file.get("source"), str):
            return str(file["source"])
    for base in ("fallbackAssetUri", "assetUri"):
        if isinstance(version.get(base), str) and version[base]:
            return f"{version[base]}/{PACKAGE_ASSET}"
    return ""


def _entries(value: object, key: str) -> list[dict[str, Any]]:
    """The objects in the list under `key`; whatever else is there is passed over."""
    entries = value.get(key) if isinstance(value, dict) else None
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
