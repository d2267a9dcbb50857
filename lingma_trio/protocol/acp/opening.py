"""The way from a question to the moment at which an agent has it.

Knows the order of the requests and what stands in the prompt. Must not know the clock, pipes or what an answer is made
of.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any, Final

from lingma_trio.protocol.acp.messages import NEW, PROMPT, AcpTerms, new_params
from lingma_trio.protocol.acp.opened import Category, Opened, read_option
from lingma_trio.protocol.failures import NO_PICTURE, agents_failure
from lingma_trio.protocol.jsonrpc import METHOD_NOT_FOUND
from lingma_trio.protocol.messages import Question
from lingma_trio.protocol.opening import OpeningFault
from lingma_trio.protocol.request import Refusal, Request
from lingma_trio.protocol.session_messages import image_part

# An agent takes a prompt that begins with a slash for a command of its own and runs it, whatever tools it has. So what
# a client sent never begins one: before it there is always one of these, which hold nothing of the client's.
FIRST: Final = (
    "You are asked through an API by somebody who sees nothing but the text of your answer. Answer the text below with"
    " text alone: run no tools of your own, and neither read nor write files."
)
NEXT: Final = "The conversation goes on. Answer the text below as before, with text alone."

LACKING: Final = "Images of earlier messages that are not shown, since you do not take images: {count}."


class AcpOpening:
    """`session/new`, the mode, the model and `session/prompt`, each answered before the next is sent.

    Of these the last alone where a session is continued; with `opened`, one that is new and unused, all but the first.
    A mode that the operator wants and cannot have fails the question, a model that is not offered leaves the session
    its own. `directory` is where a new session works.
    """

    def __init__(self, question: Question, *, directory: str, terms: AcpTerms, opened: Opened | None = None) -> None:
        self._question = question
        self._directory = directory
        self._terms = terms
        self._opened = opened
        self._choices: deque[tuple[Category, str]] = deque([("mode", terms.mode), ("model", question.model_key)])
        self.session_id = question.session_id or (opened.session_id if opened is not None else "")
        self.asked = False

    def begin(self) -> list[Request]:
        """The first request. Raises `OpeningFault`."""
        if self._question.session_id:
            return [self._prompt()]
        if self._opened is not None:
            return [self._next(self._opened)]
        return [Request(NEW, new_params(self._directory), awaited=True)]

    def answered(self, request: Request, result: object) -> list[Request]:
        """The agent answered one of the requests. Raises `OpeningFault`."""
        if self.asked:
            return []
        opened = Opened.read(result) if request.method == NEW else self._opened
        if opened is None or not opened.session_id:
            raise OpeningFault("it opened no session")
        self._opened = opened = _read_back(opened, result)
        self.session_id = opened.session_id
        modes = read_option(result, "mode")
        if request.about == "mode" and modes is not None and modes.current != self._terms.mode:
            raise OpeningFault(f"it was told ACP_MODE={self._terms.mode} and stays in {modes.current}")
        return [self._next(opened)]

    def refused(self, request: Request, refusal: Refusal) -> list[Request]:
        """The agent answered one of the requests with an error. Raises `OpeningFault`.

        Some list models and know no way to choose one; then the session keeps its own.
        """
        if request.about == "model" and refusal.code == METHOD_NOT_FOUND and self._opened is not None:
            return [self._next(self._opened)]
        status, reason = agents_failure(refusal)
        raise OpeningFault(reason, status)

    def _next(self, opened: Opened) -> Request:
        """What is to be sent before the prompt, or the prompt. Raises `OpeningFault`."""
        if fault := opened.mode_fault(self._terms.mode):
            raise OpeningFault(fault)
        while self._choices:
            request = opened.choose(*self._choices.popleft())
            if request is not None:
                return request
        return self._prompt()

    def _prompt(self) -> Request:
        blocks = prompt_blocks(self._question, images=self._terms.agent.images)
        self.asked = True
        self._question = self._question.outline
        return Request(PROMPT, {"sessionId": self.session_id, "prompt": blocks}, awaited=True)


def prompt_blocks(question: Question, *, images: bool) -> list[dict[str, Any]]:
    """What a question is sent as: words of ours, its text, and its pictures where the agent takes any.

    Raises `OpeningFault` where it takes none and the last message has some.
    """
    shown = question.images if images else ()
    if len(question.images) - len(shown) > question.older_images:
        raise OpeningFault("it takes no images", NO_PICTURE)
    lacking = len(question.images) - len(shown)
    texts = [NEXT if question.is_reply else FIRST, *([LACKING.format(count=lacking)] if lacking else []), question.text]
    return [*({"type": "text", "text": text} for text in texts), *map(image_part, shown)]


def _read_back(opened: Opened, result: object) -> Opened:
    """The session as an answer says that it is now; answers that have options have all of them."""
    return replace(
        opened,
        modes=read_option(result, "mode") or opened.modes,
        models=read_option(result, "model") or opened.models,
    )
