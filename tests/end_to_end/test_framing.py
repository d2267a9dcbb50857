"""What is a request is answered, and what is none is refused and ends the connection, under both launches."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import trio

from tests.end_to_end import framing
from tests.end_to_end.client import PATIENCE, connected
from tests.end_to_end.framing import Case, Statuses
from tests.end_to_end.gateway import HYPERCORN, SERVE, Gateway, started

LAUNCHES = {"serve": SERVE, "hypercorn": HYPERCORN}
NEXT = b"GET /version-of-nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""A request that would be smuggled in behind what is refused; it is answered with a 404."""

STATUS = re.compile(rb"HTTP/1\.1 (\d{3})[^\r\n]*\r\n")


@pytest.fixture(scope="module", params=LAUNCHES)
def launch(request: pytest.FixtureRequest) -> str:
    """How the gateway is started."""
    return str(request.param)


@pytest.fixture(scope="module")
def gateway(launch: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for all cases."""
    with started(tmp_path_factory.mktemp(f"framing-{launch}"), LAUNCHES[launch], LINGMA_SIMULATOR="first=0") as running:
        yield running


async def statuses_of(port: int, sent: bytes, *, most: int) -> Statuses:
    """The statuses of what is answered to it: up to so many, or until the server hangs up."""
    said = b""
    async with connected(port) as client:
        with trio.fail_after(PATIENCE):
            await client.stream.send_all(sent)
            while len(found := STATUS.findall(said)) < most:
                try:
                    piece = await client.stream.receive_some()
                except trio.BrokenResourceError:
                    break
                if not piece:
                    break
                said += piece
    return tuple(int(status) for status in found)


@pytest.mark.parametrize("case", framing.ALL, ids=lambda each: each.name)
async def test_bytes_are_what_they_are(gateway: Gateway, launch: str, case: Case) -> None:
    """Neither more requests than a strict reader sees nor fewer, and nothing behind one that is refused."""
    expected, goes_on = case.statuses, case.goes_on
    if launch == "hypercorn" and case.hypercorn:
        expected, goes_on = case.hypercorn, case.hypercorn != framing.BAD
    behind = NEXT
    if launch == "hypercorn" and expected == framing.OK and not goes_on:
        behind = b""  # h11 takes what stands behind the last request for a fault, before or after that is answered
    found = await statuses_of(gateway.port, case.sent + behind, most=len(expected) + 1)
    assert found == (*expected, 404) if goes_on else found == expected
    assert (await gateway.fetch("/healthz")).status == 200


def test_cases_have_names_of_their_own() -> None:
    """A case that is there twice is one that is not."""
    names = [case.name for case in framing.ALL]
    assert sorted(set(names)) == sorted(names)
