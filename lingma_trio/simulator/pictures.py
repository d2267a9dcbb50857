"""The pictures of questions: takes uploads and says what became of each, and knows a picture again that is asked about.

Must not know what is asked or answered.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NoBase64
from collections import OrderedDict
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from lingma_trio.simulator.rpc import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, NO_REPLY, Refused
from lingma_trio.simulator.script import Ask, Push
from lingma_trio.simulator.stage import Performance, Stage

if TYPE_CHECKING:
    from lingma_trio.simulator.client import Client
    from lingma_trio.simulator.knobs import Knobs

MAX_PICTURES: Final = 1000
"""Pictures remembered; the one uploaded first is forgotten first."""

_URI: Final = re.compile(r"data:(image/[a-z+.-]+);base64,", re.IGNORECASE)
_BEGINNINGS: Final = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}
_FAULT: Final = {"errorCode": "500", "errorMessage": "图片上传失败"}
_NO_PICTURE: Final = {"errorCode": "400", "errorMessage": "图片格式不支持"}
_NO_FAULT: Final = {"errorCode": "", "errorMessage": ""}


class Pictures:
    """The pictures of one process."""

    def __init__(self, knobs: Knobs, *, stage: Stage) -> None:
        self._knobs = knobs
        self._stage = stage
        self._held: OrderedDict[str, str] = OrderedDict()

    def upload(self, client: Client, params: dict[str, Any]) -> object:
        """Take an image/upload; what became of it is pushed. Raises Refused as the knob says, and for no upload."""
        request_id, uri = params.get("requestId"), params.get("imageUri")
        if not isinstance(request_id, str) or not request_id or not isinstance(uri, str):
            raise Refused(INVALID_PARAMS, "an upload needs a requestId and an imageUri")
        outcome = "taken" if len(uri) <= self._knobs.upload_limit else self._knobs.upload
        match outcome:
            case "unknown":
                raise Refused(METHOD_NOT_FOUND, "unknown method: image/upload")
            case "refused":
                raise Refused(INTERNAL_ERROR, "failed to upload the image")
            case "failed":
                return {"requestId": request_id, **_FAULT, "result": {"success": False}}
            case "silent":
                pass
            case "failed_later":
                self._push(client, request_id, _FAULT)
            case _:
                self._keep(client, request_id, uri)
        acknowledgement = {"requestId": request_id, **_NO_FAULT, "result": {"success": True}}
        return NO_REPLY if outcome == "unanswered" else acknowledgement

    def named_in(self, params: dict[str, Any]) -> tuple[str, ...] | None:
        """What the pictures are that a chat/ask names by their addresses; None where one of them is unknown."""
        context = params.get("chatContext")
        urls = context.get("imageUrls") if isinstance(context, dict) else None
        found = [self._held.get(str(url)) for url in urls] if isinstance(urls, list) else []
        known = tuple(each for each in found if each is not None)
        return known if len(known) == len(found) else None

    def _keep(self, client: Client, request_id: str, uri: str) -> None:
        said = described(uri)
        if said is None:
            self._push(client, request_id, _NO_PICTURE)
            return
        url = f"https://pictures.simulator.example/{blake2b(uri.encode(), digest_size=8).hexdigest()}"
        self._held[url] = said
        if len(self._held) > MAX_PICTURES:
            self._held.popitem(last=False)
        self._push(client, request_id, _NO_FAULT, url)

    def _push(self, client: Client, request_id: str, fault: dict[str, str], url: str = "") -> None:
        params = {**fault, "result": {"requestId": request_id, "imageUrl": url}}
        push = Push(self._knobs.upload_time, "image/uploadResultNotification", params)
        encoder = client.encoder(Ask(request_id, "", ""))
        self._stage.begin(Performance(client, encoder, None, iter([push]), lambda: None))


def described(uri: str) -> str | None:
    """What kind of picture a `data:` URI holds and how large it is, in words; None for what is none."""
    head = _URI.match(uri)
    if head is None:
        return None
    kind = head[1].lower()
    try:
        data = b64decode(uri[head.end() :], validate=True)
    except NoBase64:
        return None
    return f"{kind} of {len(data)} bytes" if data.startswith(_BEGINNINGS.get(kind, b"\0no")) else None
