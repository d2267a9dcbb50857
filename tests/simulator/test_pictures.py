"""Uploads: acknowledged, told of by a push, known again by their address, or gone wrong as the knob says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from lingma_trio.protocol.jsonrpc import ErrorResponse, Response
from lingma_trio.simulator.pictures import described
from tests.simulator.support import Caller, question, simulated

if TYPE_CHECKING:
    from pathlib import Path

    import trio.testing

PNG = "data:image/png;base64,iVBORw0KGgo="
TOLD = "image/uploadResultNotification"
QUICK = ("first=0", "gap=0", "empties=0")


async def upload(caller: Caller, uri: str = PNG) -> Response | ErrorResponse:
    """Upload a picture."""
    return await caller.reply("image/upload", {"requestId": "u", "imageUri": uri})


async def told(caller: Caller) -> dict[str, Any]:
    """What is pushed of an upload."""
    heard = await caller.push() if not caller.pushes else caller.pushes[-1]
    assert heard.method == TOLD
    return heard.params


async def test_an_uploaded_picture_can_be_asked_about(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """The answer proves which picture came with the question."""
    async with simulated(tmp_path, *QUICK) as house:
        caller = await house.connect()
        reply = await upload(caller)
        assert isinstance(reply, Response)
        assert reply.result == {"requestId": "u", "errorCode": "", "errorMessage": "", "result": {"success": True}}
        result = (await told(caller))["result"]
        assert result["requestId"] == "u"
        context = {"imageUrls": [result["imageUrl"]]}
        await caller.send(caller.connection.notify("chat/ask", {**question("What?", "r"), "chatContext": context}))
        assert (await caller.rest()).text.endswith("[image/png of 8 bytes]")


async def test_a_picture_that_nobody_uploaded_is_unknown(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """A question about it is refused."""
    async with simulated(tmp_path, *QUICK) as house:
        caller = await house.connect()
        context = {"imageUrls": ["https://elsewhere.example/a.png"]}
        await caller.send(caller.connection.notify("chat/ask", {**question("What?", "r"), "chatContext": context}))
        assert (await caller.rest()).finish["statusCode"] == 400


@pytest.mark.parametrize("uri", ["", "https://a.example/b.png", "data:image/png;base64,AAAA", "data:image/png;base64,!",
                                 "data:image/tiff;base64,AAAA", "data:text/plain;base64,AAAA"])  # fmt: skip
async def test_what_is_no_picture_is_told(tmp_path: Path, autojump_clock: trio.testing.MockClock, uri: str) -> None:
    """By the push, as the acknowledgement comes before anybody looks."""
    async with simulated(tmp_path) as house:
        caller = await house.connect()
        assert isinstance(await upload(caller, uri), Response)
        report = await told(caller)
        assert (report["errorCode"], report["result"]["imageUrl"]) == ("400", "")
    assert described(uri) is None


async def test_uploads_go_wrong_as_the_knob_says(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """An error in place of the acknowledgement, in it or after it; silence; or no such method."""
    codes = {"refused": -32603, "unknown": -32601}
    for outcome in ("refused", "unknown", "failed", "failed_later", "silent"):
        async with simulated(tmp_path / outcome, f"upload={outcome}") as house:
            caller = await house.connect()
            reply = await upload(caller)
            if outcome in codes:
                assert isinstance(reply, ErrorResponse)
                assert reply.code == codes[outcome]
                continue
            assert isinstance(reply, Response)
            assert isinstance(reply.result, dict)
            assert reply.result["result"] == {"success": outcome != "failed"}
            if outcome == "failed_later":
                assert (await told(caller))["errorCode"] == "500"
            with trio.move_on_after(100) as waiting:
                await caller.push()
            assert waiting.cancelled_caught


async def test_small_pictures_can_be_spared_and_pushes_be_late(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """So that of several one goes wrong, and so that whoever waits has to."""
    words = ("upload=refused", f"upload_limit={len(PNG)}", "upload_time=7")
    async with simulated(tmp_path, *words) as house:
        caller = await house.connect()
        began = trio.current_time()
        assert isinstance(await upload(caller), Response)
        await told(caller)
        assert caller.pushes[-1].at - began == pytest.approx(7, abs=0.1)
        assert isinstance(await upload(caller, f"{PNG}AAAA"), ErrorResponse)


async def test_an_upload_can_go_without_acknowledgement(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """Only the push tells of it then; what is no upload at all is an error."""
    async with simulated(tmp_path, "upload=unanswered") as house:
        caller = await house.connect()
        _, data = caller.connection.request("image/upload", {"requestId": "u", "imageUri": PNG})
        await caller.send(data)
        assert (await told(caller))["result"]["imageUrl"].startswith("https://")
        for params in ({"requestId": "u"}, {"imageUri": PNG}, {"requestId": "", "imageUri": PNG}):
            assert isinstance(await caller.reply("image/upload", dict(params)), ErrorResponse)
