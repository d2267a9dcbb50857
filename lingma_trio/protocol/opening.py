"""The way from a question to the moment at which Lingma has it: which requests come first, and which upon each answer.

Knows the order of the requests of either dialect (protocol reference, sections 4.3, 4.4 and 4.7). Must not know the
clock, sockets or what an answer is made of.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from lingma_trio.protocol.failures import NO_DIALECT, NO_PICTURE, REFUSED
from lingma_trio.protocol.fields import mapping, string
from lingma_trio.protocol.jsonrpc import METHOD_NOT_FOUND
from lingma_trio.protocol.messages import Question, ask_params, result_fault, upload_params
from lingma_trio.protocol.request import Refusal, Request
from lingma_trio.protocol.session_messages import model_params, new_params, prompt_params, read_session_id
from lingma_trio.records import record

_LACKING: Final = "Images of earlier messages that are not shown because they could not be uploaded: {count}.\n\n{text}"


class OpeningFault(Exception):
    """Upstream did not let the question be asked; the message is its reason, `status` what `failures` calls it."""

    def __init__(self, reason: str, status: int = REFUSED) -> None:
        super().__init__(reason)
        self.status = status


class ChatOpening:
    """`chat/ask`, once each picture has been uploaded and has an address of Lingma's.

    Of older messages' pictures those that Lingma does not take are left out, and the question says so. Each method
    returns what is to be sent next. `asked` says that the question itself was among it, `upload_ids` are the request
    ids under which pictures are uploaded.
    """

    def __init__(self, question: Question) -> None:
        self._question = question
        self._uploads = {f"{question.request_id}-{n}": image for n, image in enumerate(question.images, start=1)}
        self.upload_ids = tuple(self._uploads)
        self._spare = self.upload_ids[: question.older_images]
        self._urls: dict[str, str] = {}  # empty for what is left out
        self.asked = False

    def begin(self) -> list[Request]:
        """The first requests."""
        if self._uploads:
            return [
                Request("image/upload", upload_params(image, upload_id), awaited=True, about=upload_id)
                for upload_id, image in self._uploads.items()
            ]
        return self._ask()

    def answered(self, request: Request, result: object) -> list[Request]:
        """Lingma answered one of the requests. Raises `OpeningFault`."""
        if request.method == "image/upload" and isinstance(result, dict):
            if mapping(result, "result").get("success") is False:
                return self._leave_out(request.about, _reason(result))
            if _failed(result):
                return self._leave_out(request.about, _reason(result))
        return []

    def refused(self, request: Request, refusal: Refusal) -> list[Request]:
        """Lingma answered one of the requests with an error. Raises `OpeningFault`."""
        if request.method != "image/upload":
            raise _no_question(refusal)
        return self._leave_out(request.about, refusal.reason)

    def uploaded(self, params: dict[str, Any]) -> list[Request]:
        """Lingma reports what became of an upload. Raises `OpeningFault`."""
        result = mapping(params, "result")
        upload_id, url = string(result, "requestId"), string(result, "imageUrl")
        if upload_id not in self._uploads:
            return []
        if _failed(params) or not url:
            return self._leave_out(
                upload_id, _reason(params) or ("" if _failed(params) else "it names no address for it")
            )
        return self._settle({upload_id: url})

    def overdue(self) -> list[Request]:
        """Lingma says no more. Raises `OpeningFault` where a picture of the last message is not uploaded yet."""
        late = dict.fromkeys((each for each in self._uploads if each not in self._urls), "")
        if not all(each in self._spare for each in late):
            raise OpeningFault("", NO_PICTURE)
        return self._settle(late)

    def _leave_out(self, upload_id: str, reason: str) -> list[Request]:
        if upload_id not in self._spare:
            raise OpeningFault(reason or "the upload failed", NO_PICTURE)
        return self._settle({upload_id: ""})

    def _settle(self, urls: dict[str, str]) -> list[Request]:
        """Note what became of uploads, and ask once it is known of all; what comes later changes nothing."""
        if self.asked:
            return []
        self._urls |= urls
        return self._ask() if len(self._urls) == len(self._uploads) else []

    def _ask(self) -> list[Request]:
        self.asked = True
        urls = [self._urls[upload_id] for upload_id in self._uploads]
        question, self._question = self._question, self._question.outline
        if lacking := urls.count(""):
            text = _LACKING.format(count=lacking, text=question.text)
            question = replace(question, text=text)
        return [Request("chat/ask", ask_params(question, [url for url in urls if url]), awaited=True)]


@record
class Spare:
    """A session that is new, unused and nobody else's, and the model that it was told."""

    session_id: str
    model_key: str


class SessionOpening:
    """`session/new`, `session/set_model`, `session/prompt`; of these the last alone where a session is continued, or
    where a `spare` one was told the model.

    `directory` is where a new session works, `timestamp` is now in milliseconds since 1970.
    """

    def __init__(self, question: Question, *, directory: str, timestamp: int, spare: Spare | None = None) -> None:
        self._question = question
        self._spare = spare
        self._directory = directory
        self._timestamp = timestamp
        self.session_id = question.session_id
        self.asked = False

    def begin(self) -> list[Request]:
        """The first request."""
        if self.session_id:
            return self._prompt()
        if self._spare is not None:
            self.session_id = self._spare.session_id
            return self._prompt() if self._spare.model_key == self._question.model_key else self._set_model()
        return [Request("session/new", new_params(self._directory, self._timestamp), awaited=True)]

    def answered(self, request: Request, result: object) -> list[Request]:
        """Lingma answered one of the requests. Raises `OpeningFault`."""
        if request.method == "session/new":
            self.session_id = read_session_id(result)
            if not self.session_id:
                raise OpeningFault("it opened no session")
            return self._set_model()
        return self._prompt() if request.method == "session/set_model" else []

    def refused(self, request: Request, refusal: Refusal) -> list[Request]:
        """Lingma answered one of the requests with an error. Raises `OpeningFault`.

        Whoever opened a session speaks this dialect, so that not to know how its model is set is no matter of dialect.
        """
        if request.method == "session/set_model":
            raise OpeningFault(": ".join(filter(None, ("it does not set the model of its session", refusal.reason))))
        raise _no_question(refusal)

    def _set_model(self) -> list[Request]:
        params = model_params(self._question.model_key, self.session_id, self._timestamp)
        return [Request("session/set_model", params, awaited=True)]

    def _prompt(self) -> list[Request]:
        self.asked = True
        question, self._question = self._question, self._question.outline
        return [Request("session/prompt", prompt_params(question, self.session_id), awaited=True)]


def _no_question(refusal: Refusal) -> OpeningFault:
    """Why there is none, where a request was refused without which there can be none."""
    return OpeningFault(refusal.reason, NO_DIALECT if refusal.code == METHOD_NOT_FOUND else REFUSED)


def _failed(report: dict[str, Any]) -> bool:
    """Whether an upload went wrong, in whichever of the two reports says it."""
    return result_fault(report) is not None or str(report.get("errorCode") or "") not in {"", "0", "200"}


def _reason(report: dict[str, Any]) -> str:
    return str(report.get("errorMessage") or report.get("errorMsg") or report.get("errorCode") or "")
