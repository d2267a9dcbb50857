"""Every operation that the gateway offers its clients, with what it takes and how it ends.

The one list of the API's paths for people and programs; a test holds it against the routes there really are. What only
the operator may ask is not among them.
"""

from __future__ import annotations

from lingma_trio.api.anthropic.asked import MessagesRequest
from lingma_trio.api.completions.asked import CompletionRequest
from lingma_trio.api.ollama.asked import OllamaChatRequest, OllamaGenerateRequest, OllamaShowRequest
from lingma_trio.api.openai.asked import ChatCompletionRequest
from lingma_trio.api.openapi import samples
from lingma_trio.api.openapi.about import Capabilities, Error, Health, Model, ModelList, Readiness
from lingma_trio.api.openapi.chat import ChatCompletion, ChatCompletionChunk
from lingma_trio.api.openapi.completions import Completion
from lingma_trio.api.openapi.document import HTML, METRICS_TEXT, Answer, Operation
from lingma_trio.api.openapi.messages import Message, MessageEvent, MessagesError, TokenCount
from lingma_trio.api.openapi.ollama import (
    OllamaChat,
    OllamaChatPiece,
    OllamaError,
    OllamaRunning,
    OllamaShown,
    OllamaTags,
    OllamaText,
    OllamaTextPiece,
    OllamaVersion,
)
from lingma_trio.api.openapi.responses import (
    Compaction,
    InputTokenCount,
    ItemList,
    Response,
    ResponseDeleted,
    ResponseEvent,
)
from lingma_trio.api.openapi.shapes import AnyObject
from lingma_trio.api.responses.asked import ResponseRequest

ANSWERS = "Answers"
"""The heading under which questions are."""

_ANSWERING = (400, 401, 404, 405, 408, 409, 413, 429, 500, 502, 503, 504)
_TELLING = (401, 405, 500)
_OPEN = (405, 500)
_KEPT = {"response": "The id of a response, as its client was given it."}

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "post",
        "/v1/chat/completions",
        "Continue a conversation (OpenAI's chat completions)",
        room=ANSWERS,
        asked=ChatCompletionRequest,
        sample=samples.CHAT,
        answers=(Answer(ChatCompletion, events=(ChatCompletionChunk,)),),
        error=Error,
        faults=_ANSWERING,
    ),
    Operation(
        "post",
        "/v1/messages",
        "Continue a conversation (Anthropic's messages)",
        room=ANSWERS,
        asked=MessagesRequest,
        sample=samples.MESSAGE,
        answers=(Answer(Message, events=(MessageEvent,)),),
        error=MessagesError,
        faults=_ANSWERING,
    ),
    Operation(
        "post",
        "/v1/messages/count_tokens",
        "Count the tokens of such a conversation",
        room=ANSWERS,
        asked=MessagesRequest,
        sample=samples.TOKENS,
        answers=(Answer(TokenCount),),
        error=MessagesError,
        faults=(400, *_TELLING, 404, 408, 413),
    ),
    Operation(
        "post",
        "/v1/responses",
        "Continue a conversation (OpenAI's responses)",
        room=ANSWERS,
        asked=ResponseRequest,
        sample=samples.RESPONSE,
        answers=(Answer(Response, events=(ResponseEvent,)),),
        error=Error,
        faults=_ANSWERING,
    ),
    Operation(
        "post",
        "/v1/responses/input_tokens",
        "Count the tokens of such a conversation",
        room=ANSWERS,
        asked=ResponseRequest,
        sample=samples.INPUT,
        answers=(Answer(InputTokenCount),),
        error=Error,
        faults=(400, *_TELLING, 404, 408, 413),
    ),
    Operation(
        "post",
        "/v1/responses/compact",
        "Sum a conversation up, to go on with the summary",
        room=ANSWERS,
        asked=ResponseRequest,
        sample=samples.INPUT,
        answers=(Answer(Compaction),),
        error=Error,
        faults=_ANSWERING,
    ),
    Operation(
        "get",
        "/v1/responses/{response}",
        "A kept response",
        room=ANSWERS,
        parameters=_KEPT,
        answers=(Answer(Response),),
        error=Error,
        faults=(400, *_TELLING, 404),
    ),
    Operation(
        "delete",
        "/v1/responses/{response}",
        "Forget a kept response",
        room=ANSWERS,
        parameters=_KEPT,
        answers=(Answer(ResponseDeleted),),
        error=Error,
        faults=(*_TELLING, 404),
    ),
    Operation(
        "get",
        "/v1/responses/{response}/input_items",
        "What a kept response answered",
        room=ANSWERS,
        parameters=_KEPT,
        queries={
            "limit": "How many, from 1 to 100; 20 where it is not given.",
            "after": "The id of the item that the first one follows.",
            "order": "`desc`, newest first, or `asc`.",
        },
        answers=(Answer(ItemList),),
        error=Error,
        faults=(400, *_TELLING, 404),
    ),
    Operation(
        "post",
        "/v1/completions",
        "Continue a text (OpenAI's legacy completions)",
        room=ANSWERS,
        asked=CompletionRequest,
        sample=samples.COMPLETION,
        answers=(Answer(Completion, events=(Completion,)),),
        error=Error,
        faults=_ANSWERING,
    ),
    Operation(
        "post",
        "/api/chat",
        "Continue a conversation (Ollama's chat)",
        room=ANSWERS,
        asked=OllamaChatRequest,
        sample=samples.OLLAMA_CHAT,
        answers=(Answer(OllamaChat, lines=(OllamaChatPiece, OllamaChat, OllamaError)),),
        error=OllamaError,
        faults=_ANSWERING,
    ),
    Operation(
        "post",
        "/api/generate",
        "Answer a text (Ollama's generate)",
        room=ANSWERS,
        asked=OllamaGenerateRequest,
        sample=samples.OLLAMA_PROMPT,
        answers=(Answer(OllamaText, lines=(OllamaTextPiece, OllamaText, OllamaError)),),
        error=OllamaError,
        faults=_ANSWERING,
    ),
    Operation(
        "get",
        "/v1/models",
        "The models of the account, and the operator's other names for them",
        room="The gateway",
        answers=(Answer(ModelList),),
        error=Error,
        faults=(*_TELLING, 503),
    ),
    Operation(
        "get",
        "/v1/models/{model}",
        "One model, by key, display name or alias",
        room="The gateway",
        parameters={"model": "Key, display name or alias; it may hold slashes."},
        answers=(Answer(Model),),
        error=Error,
        faults=(*_TELLING, 404, 503),
    ),
    Operation(
        "get",
        "/api/tags",
        "The models for Ollama's clients",
        room="The gateway",
        answers=(Answer(OllamaTags),),
        error=OllamaError,
        faults=(*_TELLING, 503),
    ),
    Operation(
        "post",
        "/api/show",
        "One model for Ollama's clients",
        room="The gateway",
        asked=OllamaShowRequest,
        sample=samples.OLLAMA_MODEL,
        answers=(Answer(OllamaShown),),
        error=OllamaError,
        faults=(400, *_TELLING, 404, 408, 413, 503),
    ),
    Operation(
        "get",
        "/api/ps",
        "The models that are ready, for Ollama's clients: all of them",
        room="The gateway",
        answers=(Answer(OllamaRunning),),
        error=OllamaError,
        faults=(*_TELLING, 503),
    ),
    Operation(
        "get",
        "/api/version",
        "The version of Ollama whose API is spoken",
        room="The gateway",
        keeper="nobody",
        answers=(Answer(OllamaVersion),),
        error=OllamaError,
        faults=_OPEN,
    ),
    Operation(
        "get",
        "/v1/capabilities",
        "What can be asked of this gateway as it runs",
        room="The gateway",
        answers=(Answer(Capabilities),),
        error=Error,
        faults=_TELLING,
    ),
    Operation(
        "get",
        "/openapi.json",
        "This description, for programs",
        room="The gateway",
        keeper="nobody",
        answers=(Answer(AnyObject),),
        error=Error,
        faults=_OPEN,
    ),
    Operation(
        "get",
        "/docs",
        "This description, for people",
        room="The gateway",
        keeper="nobody",
        answers=(Answer(HTML),),
        error=Error,
        faults=_OPEN,
    ),
    Operation(
        "get",
        "/healthz",
        "Whether the process runs",
        room="Health",
        keeper="nobody",
        answers=(Answer(Health),),
        error=Error,
        faults=_OPEN,
    ),
    Operation(
        "get",
        "/readyz",
        "Whether a question would be answered, and why not",
        room="Health",
        keeper="nobody",
        answers=(Answer(Readiness), Answer(Readiness, status=503)),
        error=Error,
        faults=_OPEN,
    ),
    Operation(
        "get",
        "/metrics",
        "Metrics in Prometheus' format",
        room="Health",
        keeper="scraper",
        answers=(Answer(METRICS_TEXT),),
        error=Error,
        faults=_TELLING,
    ),
)
