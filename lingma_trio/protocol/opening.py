"""The way from a question to the moment at which Lingma has it: which requests come first, and which upon each answer.

Knows the order of the requests of either dialect (protocol reference, sections 4.3, 4.4 and 4.7). Must not know the
clock, sockets or what an answer is made of.
"""

from __future__ import annotations

from typing import Any

from lingma_trio.protocol.fields import mapping, string
from lingma_trio.protocol.messages import Question, ask_params, result_fault, upload_params
from lingma_trio.protocol.request import Request
from lingma_trio.protocol.session_messages import model_params, new_params, prompt_params, read_session_id


class OpeningFault(Exception):
    """Lingma did not let the question be asked; the message is its reason."""


class ChatOpening:
    """`chat/ask`, once each picture has been uploaded and has an address of Lingma's.

    Each method returns what is to be sent next. `asked` says that the question itself was among it.
    """

    def __init__(self, question: Question) -> None:
        self._question = question
        self._uploads = {f"{question.request_id}-{n}": image for n, image in enumerate(question.images, start=1)}
        self._urls: dict[str, str] = {}
        self.asked = False

    @property
    def upload_ids(self) -> tuple[str, ...]:
        """The request ids under which pictures are uploaded."""
        return tuple(self._uploads)

    def begin(self) -> list[Request]:
        """The first requests."""
        if self._uploads:
            return [
                Request("image/upload", upload_params(image, upload_id), awaited=True)
                for upload_id, image in self._uploads.items()
            ]
        return self._ask()

    def answered(self, request: Request, result: object) -> list[Request]:
        """Lingma answered one of the requests. Raises `OpeningFault`."""
        if request.method == "image/upload" and isinstance(result, dict):
            _check_upload(result)
            if mapping(result, "result").get("success") is False:
                raise OpeningFault(_reason(result) or "the upload failed")
        return []

    def uploaded(self, params: dict[str, Any]) -> list[Request]:
        """Lingma reports what became of an upload. Raises `OpeningFault`."""
        result = mapping(params, "result")
        upload_id, url = string(result, "requestId"), string(result, "imageUrl")
        if self.asked or upload_id not in self._uploads:
            return []
        _check_upload(params)
        if not url:
            raise OpeningFault(_reason(params) or "it names no address for it")
        self._urls[upload_id] = url
        return self._ask() if len(self._urls) == len(self._uploads) else []

    def _ask(self) -> list[Request]:
        self.asked = True
        urls = [self._urls[upload_id] for upload_id in self._uploads]
        question, self._question = self._question, self._question.outline
        return [Request("chat/ask", ask_params(question, urls), awaited=True)]


class SessionOpening:
    """`session/new`, `session/set_model`, `session/prompt`; of these the last alone where a session is continued.

    `directory` is where a new session works, `timestamp` is now in milliseconds since 1970.
    """

    def __init__(self, question: Question, *, directory: str, timestamp: int) -> None:
        self._question = question
        self._directory = directory
        self._timestamp = timestamp
        self.session_id = question.session_id
        self.asked = False

    def begin(self) -> list[Request]:
        """The first request."""
        if self.session_id:
            return self._prompt()
        return [Request("session/new", new_params(self._directory, self._timestamp), awaited=True)]

    def answered(self, request: Request, result: object) -> list[Request]:
        """Lingma answered one of the requests. Raises `OpeningFault`."""
        if request.method == "session/new":
            self.session_id = read_session_id(result)
            if not self.session_id:
                raise OpeningFault("it opened no session")
            params = model_params(self._question, self.session_id, self._timestamp)
            return [Request("session/set_model", params, awaited=True)]
        return self._prompt() if request.method == "session/set_model" else []

    def _prompt(self) -> list[Request]:
        self.asked = True
        question, self._question = self._question, self._question.outline
        return [Request("session/prompt", prompt_params(question, self.session_id), awaited=True)]


def _check_upload(report: dict[str, Any]) -> None:
    """Raises `OpeningFault` for an upload that went wrong, in whichever of the two reports says it."""
    fault = result_fault(report)
    if fault is not None or str(report.get("errorCode") or "") not in {"", "0", "200"}:
        raise OpeningFault(_reason(report) or "the upload failed")


def _reason(report: dict[str, Any]) -> str:
    return str(report.get("errorMessage") or report.get("errorMsg") or report.get("errorCode") or "")
