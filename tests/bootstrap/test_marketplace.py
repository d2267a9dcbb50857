"""The gallery is asked for one extension, and its answer is read for one platform."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.bootstrap.faults import BootstrapFault
from lingma_trio.bootstrap.marketplace import (
    MAX_ANSWER,
    PACKAGE_ASSET,
    Package,
    newest_package,
    query,
    read_answer,
)
from tests.bootstrap.publisher import File, publishing

NAME = "Alibaba-Cloud.tongyi-lingma"
BASE = "https://gallery.example/asset"


def answer(*versions: dict[str, Any]) -> bytes:
    return json.dumps({"results": [{"extensions": [{"versions": versions}]}]}).encode()


def version(number: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - a gallery's answer has everything
    return {"version": number, "files": [{"assetType": PACKAGE_ASSET, "source": f"{BASE}/{number}"}], **fields}


def read(body: bytes) -> Package:
    return read_answer(body, NAME, platform="linux-x64")


def test_question_names_the_extension() -> None:
    """One extension is asked for by its full name, with its files, in its newest version only."""
    assert json.loads(query(NAME)) == {
        "filters": [{"criteria": [{"filterType": 7, "value": NAME}]}],
        "flags": 2 | 32 | 128 | 512,
    }


@pytest.mark.parametrize("fields", [{}, {"targetPlatform": "universal"}, {"targetPlatform": None}])
def test_package_for_every_platform_will_do(fields: dict[str, Any]) -> None:
    """An extension that is not published by platform has one package."""
    assert read(answer(version("2.5.20", **fields))) == Package(f"{BASE}/2.5.20", "2.5.20")


def test_package_for_this_platform_goes_first() -> None:
    """Of several packages of a version the platform's own is taken, wherever it stands."""
    body = answer(version("1", targetPlatform="win32-x64"), version("2"), version("3", targetPlatform="linux-x64"))
    assert read(body) == Package(f"{BASE}/3", "3")


@pytest.mark.parametrize("field", ["assetUri", "fallbackAssetUri"])
def test_address_follows_from_the_assets(field: str) -> None:
    """Where the files are not listed, the package is the asset of that name below the version's address."""
    assert read(answer({"version": "1", field: BASE})).url == f"{BASE}/{PACKAGE_ASSET}"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"<html>", "no JSON"),
        (b"[]", "knows no extension"),
        (b'{"results": [{"extensions": []}]}', "knows no extension"),
        (answer({"version": "1"}), "no package of .* for linux-x64"),
        (answer(version("1", targetPlatform="darwin-x64")), "no package of .* for linux-x64"),
    ],
)
def test_answer_without_a_package_is_a_fault(body: bytes, fault: str) -> None:
    """What is no answer, knows nothing of the extension, or has it for others only, is told apart."""
    with pytest.raises(BootstrapFault, match=fault):
        read(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["results", "extensions", "versions", "files", "assetType", "source", "assetUri"]), inner
        )
    ),
)


@given(JSON)
def test_any_answer_is_a_package_or_a_fault(value: object) -> None:
    """JSON of any shape raises `BootstrapFault` or names an address."""
    with suppress(BootstrapFault):
        assert read(json.dumps(value).encode()).url


async def test_gallery_is_asked_over_the_wire() -> None:
    """The question is posted to the gallery, in the version of its interface that is understood here."""
    async with publishing() as publisher, httpx2.AsyncClient() as client:
        publisher.offer("2.5.20", target="linux-x64")
        package = await newest_package(
            client,
            f"{publisher.base}/gallery",
            publisher="Alibaba-Cloud",
            extension="tongyi-lingma",
            platform="linux-x64",
        )
    assert package == Package(f"{publisher.base}/package.vsix", "2.5.20")
    (request,) = publisher.requests
    assert (request.method, request.body) == ("POST", query(NAME))
    assert request.headers["accept"] == "application/json;api-version=3.0-preview.1"


@pytest.mark.parametrize(
    ("file", "fault"),
    [
        (File(b"", status=503), "answers 503"),
        (File(b"", status=302, headers=[("location", "/elsewhere")]), "answers 302"),
        (File(b" " * (MAX_ANSWER + 1)), f"more than {MAX_ANSWER} bytes"),
        (File(b"{}", breaks=[1]), "cannot be asked"),
    ],
)
async def test_gallery_that_fails_is_a_fault(file: File, fault: str) -> None:
    """A refusal, an endless answer and a broken connection each end the question with a reason."""
    async with publishing() as publisher, httpx2.AsyncClient() as client:
        publisher.files["/extensionquery"] = file
        with pytest.raises(BootstrapFault, match=fault):
            await newest_package(client, publisher.base, publisher="a", extension="b", platform="linux-x64")


async def test_gallery_that_is_not_there_is_a_fault() -> None:
    """Where nobody listens, that is said."""
    async with publishing() as publisher:
        pass
    async with httpx2.AsyncClient() as client:
        with pytest.raises(BootstrapFault, match=r"cannot be asked \(ConnectError"):
            await newest_package(client, publisher.base, publisher="a", extension="b", platform="linux-x64")
