"""Every fault a client can be told of, in one tree.

A class says what an HTTP edge needs: `status`, `code` (stable, listed in docs/errors.md), `kind` (OpenAI's `type`) and
whether asking again can help. Instances carry a message that says what to do next, and never a secret or prompt text.
Mapped into an API's own envelope at that API's edge, nowhere else.
"""

from __future__ import annotations

from typing import ClassVar, Literal


class GatewayError(Exception):
    """A fault with a place in the API.

    `retry_after` is in seconds and asks the client to wait that long; `param` names the request's field at fault.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    kind: ClassVar[str] = "server_error"
    retryable: ClassVar[bool] = True

    def __init__(self, message: str, *, param: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after


class InternalError(GatewayError):
    """A bug in the gateway; the log holds the traceback under the request id."""


# --- the request is at fault -----------------------------------------------------------------------------------------


class InvalidRequest(GatewayError):
    """The request cannot be served as it is; `param` names the field."""

    status = 400
    code = "invalid_request"
    kind = "invalid_request_error"
    retryable = False


class ThreadUnsupported(InvalidRequest):
    """The conversation is to be kept here, and none is kept; the code is Anthropic's own for it."""

    code = "thread_unsupported_request"


class ModelNotFound(InvalidRequest):
    """No such model in the catalogue."""

    status = 404
    code = "model_not_found"


class ModelNotAllowed(InvalidRequest):
    """The model is there, and not for this API key."""

    status = 403
    code = "model_not_allowed"


class PromptOverTokenLimit(InvalidRequest):
    """The prompt alone has more tokens than the API key has in a whole minute."""

    status = 413
    code = "prompt_over_token_limit"


class PromptTooLong(InvalidRequest):
    """The conversation is longer than the model reads.

    The code is OpenAI's own for it, the start of the message Anthropic's; clients make room on either.
    """

    code = "context_length_exceeded"


class ImageUnavailable(InvalidRequest):
    """An image named by address cannot be fetched, or may not be."""

    code = "image_unavailable"


class NotFound(InvalidRequest):
    """No such path."""

    status = 404
    code = "not_found"


class ResponseNotFound(NotFound):
    """No response of this id is kept for this key, or no longer."""

    code = "response_not_found"


class ThreadNotFound(NotFound):
    """The answer that a kept conversation is to go on from is not there for this key, or no longer."""

    code = "thread_not_found"


class PreviousResponseNotFound(InvalidRequest):
    """The response that a request continues is not kept for this key, or no longer."""

    code = "previous_response_not_found"


class ItemNotFound(InvalidRequest):
    """The item that a request refers to is not kept for this key, or no longer."""

    code = "item_not_found"


class MethodNotAllowed(InvalidRequest):
    """The path exists, the method does not."""

    status = 405
    code = "method_not_allowed"


class UpgradeRefused(InvalidRequest):
    """An offer to go on as a WebSocket, which is declined: clients that know both go on over HTTP."""

    status = 426
    code = "upgrade_refused"


class BodyTimeout(InvalidRequest):
    """The request's body did not arrive in time."""

    status = 408
    code = "request_body_timeout"
    retryable = True


class BodyTooLarge(InvalidRequest):
    """The request's body is over MAX_REQUEST_BYTES, or has more JSON values in it than are read."""

    status = 413
    code = "request_too_large"


class Unauthorized(GatewayError):
    """No key, a wrong or expired key, or an anonymous peer that is not served."""

    status = 401
    code = "invalid_api_key"
    kind = "authentication_error"
    retryable = False


# --- the gateway has no room or no upstream --------------------------------------------------------------------------


class Overloaded(GatewayError):
    """Too many wrong tokens, open status pages or open files; of requests the narrower ones tell."""

    status = 429
    code = "gateway_overloaded"
    kind = "rate_limit_error"


class QueueFull(Overloaded):
    """The queue is at GATEWAY_MAX_QUEUE; refused at once, or pushed out by a key that has fewer requests in it."""

    code = "queue_full"


class QueueTimeout(Overloaded):
    """No slot, or no room on a Lingma, came free within GATEWAY_QUEUE_TIMEOUT_SEC."""

    code = "queue_timeout"


class RequestLimitExceeded(Overloaded):
    """The API key has used up its requests of this minute."""

    code = "request_limit_exceeded"


class TokenLimitExceeded(Overloaded):
    """The API key has used up its tokens of this minute."""

    code = "token_limit_exceeded"


class Unavailable(GatewayError):
    """No usable Lingma instance; the message says why."""

    status = 503
    code = "upstream_unavailable"


class ShuttingDown(Unavailable):
    """The gateway is stopping."""

    code = "shutting_down"


class BytesExceeded(Unavailable):
    """Requests and unread answers have as many bytes as MAX_BYTES_IN_FLIGHT allows, or this key's have its share."""

    code = "bytes_in_flight_exceeded"


class StateDown(Unavailable):
    """The store that gateways share is needed for this, and did not answer in time."""

    code = "state_unavailable"


class InstanceBusy(Unavailable):
    """An agent has no room for one more turn on its instance; it is asked again or elsewhere, so no client is told."""


class LoginRequired(Unavailable):
    """Lingma is not logged in; asking again cannot help until somebody signs in."""

    code = "login_required"
    retryable = False


# --- the turn failed upstream ----------------------------------------------------------------------------------------


class CancelledByOperator(GatewayError):
    """The operator ended the request; the status is one that no client sends the request again for by itself."""

    status = 409
    code = "cancelled_by_operator"
    retryable = False


class UpstreamError(GatewayError):
    """Lingma ended the turn with an error of its own."""

    status = 502
    code = "upstream_error"


class DialectUnknown(UpstreamError):
    """Lingma does not know the dialect it was asked in; it is asked in the other one, so no client is told."""


class UpstreamRejected(UpstreamError):
    """Lingma refused this very request; sending it again will not help."""

    status = 400
    code = "upstream_rejected"
    kind = "invalid_request_error"
    retryable = False


class QuotaExceeded(UpstreamError):
    """The account's quota is used up, or its plan does not cover the model: no wait of a client's is long enough."""

    status = 429
    code = "upstream_quota_exceeded"
    kind = "rate_limit_error"
    retryable = False


class RateLimited(QuotaExceeded):
    """The account takes no more questions at once, or no more in this minute."""

    code = "upstream_rate_limited"
    retryable = True


class ContentFiltered(UpstreamError):
    """Lingma's content filter withheld the answer."""

    status = 400
    code = "content_filter"
    kind = "invalid_request_error"
    retryable = False


class EmptyAnswer(UpstreamError):
    """Lingma reported success and sent no text."""

    code = "upstream_empty_answer"


class AnswerTooLong(UpstreamError):
    """The answer outgrew MAX_ANSWER_BYTES."""

    code = "upstream_answer_too_long"
    retryable = False


class AnswerMalformed(UpstreamError):
    """The answer is not the call or the JSON that the request demands, also when asked again, or too much was."""

    code = "upstream_answer_malformed"


class ChannelLost(UpstreamError):
    """The connection to Lingma, or Lingma itself, went away."""

    code = "upstream_lost"


class UpstreamTimeout(UpstreamError):
    """Lingma sent nothing for too long."""

    status = 504
    code = "upstream_timeout"


class RequestTimeout(UpstreamTimeout):
    """The answer was not made within GATEWAY_REQUEST_TIMEOUT."""

    code = "request_timeout"


# --- nobody is left to be told ---------------------------------------------------------------------------------------


class ClientGone(GatewayError):
    """The client left or stopped reading. Ends the turn; never sent, since nobody reads."""

    status = 499
    code = "client_gone"
    retryable = False


# --- faults that stay inside -----------------------------------------------------------------------------------------


class ProtocolFault(Exception):
    """Lingma broke its own protocol. Ends that instance's life, never the gateway."""


class RpcError(Exception):
    """Upstream answered a call with an error.

    `code` is JSON-RPC's, or 0 where the error came in the result (`success: false`). `data` is what it says beside its
    message, for the log and for those who may see `/internal/*`.
    """

    def __init__(self, method: str, code: int, message: str, data: str = "") -> None:
        super().__init__(f"{method} failed: {message} ({code})")
        self.method = method
        self.code = code
        self.message = message
        self.data = data


class InstanceDown(Exception):
    """An instance's life ended or could not begin.

    The message is what /readyz shows to anybody; `detail` is the tail of the program's output, for the log and for
    those who may see `/internal/*`.
    """

    pause: ClassVar[Literal["growing", "longest", "none"]] = "growing"
    """Before the next life: longer after each failure, the longest at once, or none, since it was no failure."""

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class InstanceRefused(InstanceDown):
    """An instance that runs as it should and will not do what the settings want of it, however often it is started."""

    pause = "longest"


class NotSignedIn(InstanceRefused):
    """An instance's account is not signed in, and only its settings can change that."""


class InstanceRestarted(InstanceDown):
    """An instance whose operator wanted its next life to begin."""

    pause = "none"


class InstanceWorn(InstanceDown):
    """An instance that has done its work is to be replaced; its last turn has ended."""

    pause = "none"


class ConfigurationFault(Exception):
    """The settings do not fit together; the message names the variable and an example."""
