"""Every path, with and without the prefix, and the edge where any fault becomes a response, a count and a log line."""

from __future__ import annotations

import errno
from typing import Any

import pytest
import structlog
import trio
from pydantic_core import to_json
from starlette.routing import Match, Route

from lingma_trio.http.exchange import Exchange
from lingma_trio.http.routes import MAX_PATH, Endpoint, build_router
from lingma_trio.http.services import Services
from tests.http.world import ELSEWHERE, Visitor, asking, open_world

GETS = ["/v1/models", "/models", "/v1/models/org_auto", "/models/org_auto", "/healthz", "/readyz", "/metrics"]
POSTS = ["/v1/chat/completions", "/chat/completions"]


@pytest.mark.parametrize("path", GETS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_path_is_there(method: str, path: str) -> None:
    """What can be asked for is there with and without the prefix, and HEAD may ask for it, too."""
    async with open_world() as world:
        visitor = await world.call(method, path)
    assert visitor.status == 200
    assert visitor.complete


@pytest.mark.parametrize("path", POSTS)
async def test_chat_is_there(path: str) -> None:
    """Chats are taken under both paths: an empty one is refused for what it lacks, not for where it came."""
    async with open_world() as world:
        visitor = await world.call("POST", path, b"{}")
    assert (visitor.status, visitor.code) == (400, "invalid_request")


@pytest.mark.parametrize(
    "path",
    ["/v1", "/v1/", "/v2/models", "/V1/models", "/v1/chat/completions//", "/v1/healthz", "/internal/x", "/internal"],
)
async def test_anything_else_is_not_there(path: str) -> None:
    """An unknown path is a 404 in the envelope, and never a redirect, which would lose a POST's body."""
    async with open_world() as world:
        visitor = await world.call("POST", path, b"{}")
        assert world.sample("requests_total", route="unknown", outcome="not_found") == 1
    assert (visitor.status, visitor.code) == (404, "not_found")


@pytest.mark.parametrize("path", [*GETS, "/docs", "/v1/capabilities"])
async def test_slash_at_the_end_makes_no_difference(path: str) -> None:
    """Whoever joins a base address and a path carelessly is served, without being sent elsewhere."""
    async with open_world() as world:
        plain, slashed = await world.call("GET", path), await world.call("GET", f"{path}/")
    assert slashed.status == plain.status == 200
    assert slashed.headers["content-type"] == plain.headers["content-type"]


@pytest.mark.parametrize("path", POSTS)
async def test_slash_at_the_end_of_a_question(path: str) -> None:
    """A question's body comes with it."""
    async with open_world() as world:
        visitor = await world.call("POST", f"{path}/", b"{}")
    assert (visitor.status, visitor.json["error"]["param"]) == (400, "messages")


def test_what_is_looked_up_is_what_would_be_found() -> None:
    """No path with parameters stands before one without that it could be taken for: the table and a search agree."""
    routes = [route for route in build_router().routes if isinstance(route, Route)]
    fixed = [route for route in routes if not route.param_convertors]
    assert len(fixed) > 50
    for route in fixed:
        scope = {"type": "http", "path": route.path, "method": "GET"}
        assert next(each for each in routes if each.matches(scope)[0] is Match.FULL) is route


@pytest.mark.parametrize(
    ("method", "path", "word"),
    [
        ("POST", "/v1/embeddings", "embeddings"),
        ("POST", "/embeddings", "embeddings"),
        ("POST", "/v1/audio/transcriptions", "speech"),
        ("POST", "/v1/audio/speech/", "speech"),
        ("GET", "/v1/files", "files"),
        ("DELETE", "/v1/files/file-1", "files"),
        ("POST", "/v1/batches", "batches"),
        ("POST", "/v1/images/generations", "pictures"),
        ("POST", "/v1/moderations", "moderation"),
        ("GET", "/v1/fine_tuning/jobs", "tuned"),
        ("GET", "/v1/messages/batches", "batches"),
    ],
)
async def test_what_lingma_has_not_is_said(method: str, path: str, word: str) -> None:
    """Endpoints that clients know from elsewhere are a 404 in their own envelope which says that Lingma has none."""
    async with open_world(keys=("key",)) as world:
        theirs = await world.call(method, path, b"{}")
        anthropic = await world.call(method, path, headers=ANTHROPIC)
        assert world.sample("requests_total", route="absent", outcome="not_found") == 2
    assert (theirs.status, theirs.code, anthropic.status) == (404, "not_found", 404)
    assert anthropic.json["error"]["type"] == "not_found_error"
    for visitor in (theirs, anthropic):
        assert "Lingma has no" in visitor.json["error"]["message"]
        assert word in visitor.json["error"]["message"]


@pytest.mark.parametrize(
    ("path", "asked_as"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hello."}]}),
        ("/v1/messages", {"messages": [{"role": "user", "content": "Hello."}], "max_tokens": 100}),
        ("/v1/completions", {"prompt": "Hello."}),
        ("/v1/responses", {"input": "Hello."}),
    ],
)
async def test_request_id_that_is_given_twice_makes_two_answers(path: str, asked_as: dict[str, object]) -> None:
    """A client may name several requests alike; each response is called so, and the answers in them are two."""
    question = {"model": "auto", **asked_as}
    answers = []
    async with open_world() as world:
        for _ in range(2):
            visitor = world.visitor("POST", path, to_json(question), {"x-request-id": "mine-1"})
            async with asking(world, visitor) as asked:
                await world.peer.text(asked, "Hi.")
                await world.peer.finish(asked)
            answers.append(visitor)
    assert {answer.headers["x-request-id"] for answer in answers} == {"mine-1"}
    assert len({answer.json["id"] for answer in answers}) == 2


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        *(("POST", path, "GET, HEAD") for path in GETS),
        *(("GET", path, "POST") for path in POSTS),
        ("OPTIONS", "/v1/models", "GET, HEAD"),
        ("DELETE", "/v1/chat/completions", "POST"),
    ],
)
async def test_wrong_method(method: str, path: str, allowed: str) -> None:
    """A method that a path does not take is a 405 that names those it takes."""
    async with open_world() as world:
        visitor = await world.call(method, path)
    assert (visitor.status, visitor.code, visitor.headers["allow"]) == (405, "method_not_allowed", allowed)


async def test_wrong_method_comes_before_the_key() -> None:
    """Who asks in a way that cannot be served learns that first, key or no key."""
    async with open_world(keys=("key",)) as world:
        assert (await world.call("GET", "/v1/chat/completions")).status == 405


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/org_auto", "/v1/chat/completions", "/metrics"])
async def test_key_is_asked_for(path: str) -> None:
    """Without its key nothing of the API can be used; what is told of it is the envelope."""
    async with open_world(keys=("key",)) as world:
        method, body = ("POST", b"{}") if "chat" in path else ("GET", b"")
        refused = await world.call(method, path, body)
        served = await world.call(method, path, body, headers={"x-api-key": "key"})
    assert (refused.status, refused.code) == (401, "invalid_api_key")
    assert served.status in {200, 400}


async def test_strangers_of_a_gateway_without_keys_learn_what_to_set() -> None:
    """A peer from elsewhere gets a 401 that names the variable."""
    async with open_world() as world:
        visitor = await world.call("GET", "/v1/models", client=ELSEWHERE)
    assert visitor.status == 401
    assert "API_KEYS" in visitor.json["error"]["message"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{}", "messages"),
        (b"[]", "body"),
        (b"{", "body"),
        (b'{"messages":[{"role":"user","content":"Hi."}],"n":5}', "n"),
    ],
)
async def test_bad_request_names_its_field(body: bytes, param: str) -> None:
    """A request that cannot be served is a 400 that names the field at fault, and asks for no retry."""
    async with open_world() as world:
        visitor = await world.call("POST", "/v1/chat/completions", body)
    assert (visitor.status, visitor.code) == (400, "invalid_request")
    assert visitor.json["error"]["param"] == param
    assert "retry-after" not in visitor.headers


async def test_body_that_is_too_large() -> None:
    """A body over the limit is a 413."""
    async with open_world(max_request=10) as world:
        visitor = await world.call("POST", "/v1/chat/completions", b"x" * 11)
    assert (visitor.status, visitor.code) == (413, "request_too_large")


async def test_body_that_does_not_come(autojump_clock: trio.testing.MockClock) -> None:
    """A body that is announced and stays away is a 408, after half a minute."""
    async with open_world() as world:
        visitor = world.visitor("POST", "/v1/chat/completions", withheld=True)
        began = trio.current_time()
        await visitor.visit()
    assert (visitor.status, visitor.code) == (408, "request_body_timeout")
    assert 30 <= trio.current_time() - began < 40


ANTHROPIC = {"anthropic-version": "2023-06-01", "x-request-id": "mine-1"}


@pytest.mark.parametrize("path", ["/v1/messages", "/messages", "/v1/messages/count_tokens", "/messages/count_tokens"])
async def test_messages_are_there_and_their_faults_are_anthropics(path: str) -> None:
    """Under both paths, a request, a method and a body at fault are told in Anthropic's envelope."""
    async with open_world(max_request=100) as world:
        empty = await world.call("POST", path, b"{}", headers={"x-request-id": "mine-1"})
        method = await world.call("GET", path)
        large = await world.call("POST", path, b"x" * 101)
    assert empty.json == {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": empty.json["error"]["message"],
            "details": {"error_code": "invalid_request"},
        },
        "request_id": "mine-1",
    }
    assert empty.headers["request-id"] == "mine-1"
    assert [each.status for each in (empty, method, large)] == [400, 405, 413]
    assert [each.json["type"] for each in (method, large)] == ["error", "error"]
    assert method.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "kind"), [("/v1/models/nobody", "not_found_error"), ("/v1/messages/batches", "not_found_error")]
)
async def test_on_common_paths_the_envelope_is_the_clients_own(path: str, kind: str) -> None:
    """Who names Anthropic's version is answered in its envelope wherever it goes, and anybody else in OpenAI's."""
    async with open_world() as world:
        theirs = await world.call("GET", path, headers=ANTHROPIC)
        others = await world.call("GET", path)
    assert (theirs.status, theirs.json["error"]["type"], theirs.json["request_id"]) == (404, kind, "mine-1")
    assert (others.status, others.json["error"]["code"]) == (404, others.code)


async def be_broken(exchange: Exchange, services: Services) -> None:
    """A handler with a bug."""
    await trio.lowlevel.checkpoint()
    raise ZeroDivisionError("a secret of the stack")


async def break_in_mid_stream(exchange: Exchange, services: Services) -> None:
    """A handler with a bug further down."""
    await exchange.begin_stream()
    await exchange.write(b"data: 1\n\n")
    raise ZeroDivisionError


async def serve(handler: Any) -> tuple[Visitor, float]:  # noqa: ANN401 - a handler
    async with open_world() as world:
        visitor = world.visitor("GET", "/broken")
        await Endpoint("chat", handler, "GET")(visitor.scope, visitor.receive, visitor.send)
        return visitor, world.sample("requests_total", route="chat", outcome="internal_error")


async def test_bug_costs_one_request() -> None:
    """A bug is a 500 that shows nothing of itself; the log has it under the request's id."""
    with structlog.testing.capture_logs() as logs:
        visitor, counted = await serve(be_broken)
    assert (visitor.status, visitor.code, counted) == (500, "internal_error", 1)
    assert b"secret" not in visitor.body
    assert [entry["event"] for entry in logs] == ["request_failed", "request"]
    assert logs[0]["exc_info"]


async def want_a_file(exchange: Exchange, services: Services) -> None:
    """A handler that the system gives no file."""
    await trio.lowlevel.checkpoint()
    raise OSError(errno.EMFILE, "Too many open files", "/a/path")


async def have_a_task_want_one(exchange: Exchange, services: Services) -> None:
    """A handler whose task is given none, as that of a stream's turn."""
    await trio.lowlevel.checkpoint()
    raise ExceptionGroup("of a turn", [ExceptionGroup("of a task", [OSError(errno.ENFILE, "", "/a/path")])])


async def be_broken_beside(exchange: Exchange, services: Services) -> None:
    """A handler with such a task, and one with a bug."""
    await trio.lowlevel.checkpoint()
    raise ExceptionGroup("of a turn", [OSError(errno.EMFILE, "", "/a/path"), ZeroDivisionError()])


@pytest.mark.parametrize("handler", [want_a_file, have_a_task_want_one])
async def test_want_of_descriptors_is_no_bug(handler: Any) -> None:  # noqa: ANN401 - a handler
    """It is told as what passes, with the time to wait, and without the path; the log has no traceback."""
    with structlog.testing.capture_logs() as logs:
        visitor, counted = await serve(handler)
    assert (visitor.status, visitor.code, visitor.headers["retry-after"]) == (429, "gateway_overloaded", "1")
    assert counted == 0
    assert b"/a/path" not in visitor.body
    assert [entry["event"] for entry in logs] == ["no_descriptor_left", "request"]


async def test_bug_beside_a_want_of_descriptors_is_a_bug() -> None:
    """Of what ended together the worse counts."""
    visitor, counted = await serve(be_broken_beside)
    assert (visitor.status, visitor.code, counted) == (500, "internal_error", 1)


async def test_bug_in_mid_stream_cuts_the_stream_off() -> None:
    """A stream that a bug ends is never ended properly."""
    visitor, counted = await serve(break_in_mid_stream)
    assert (visitor.status, visitor.complete, counted) == (200, False, 1)


async def test_each_request_is_a_line_in_the_log() -> None:
    """A request's line has its route, status, outcome and time, and nothing that it asked."""
    with structlog.testing.capture_logs() as logs:
        async with open_world() as world:
            await world.call("POST", "/v1/chat/completions", b'{"messages":"planted"}')
    (line,) = [entry for entry in logs if entry["event"] == "request"]
    assert (line["route"], line["status"], line["outcome"], line["stage"]) == ("chat", 400, "invalid_request", "sent")
    assert line["seconds"] >= 0
    assert "planted" not in repr(logs)


async def test_longest_path() -> None:
    """A path as long as there may be is looked up, and one over that is not there."""
    async with open_world() as world:
        for more, code in ((0, "model_not_found"), (1, "not_found")):
            path = "/v1/models/".ljust(MAX_PATH + more, "m")
            visitor = await world.call("GET", path)
            assert (visitor.status, visitor.code) == (404, code)
