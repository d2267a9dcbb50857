"""The gateway runs agents over ACP, set up as docs/acp.md has it, and serves OpenAI's and Anthropic's packages."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest
from anthropic import APIError as AnthropicError
from openai import APIError as OpenAIError

from tests.conformance.acp_agents import AcpAgent, Codex, Gemini, Opencode
from tests.conformance.acp_world import SDKS, by_openai, said, world
from tests.conformance.agent_errand import until
from tests.conformance.model import TROUBLE
from tests.end_to_end.gateway import is_alive

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.conformance.acp_world import World

TOGETHER = 8
PROMPT = 5.0  # seconds within which a model's request ends that nobody waits for
SLOWLY = "COUNT 900 SLOWLY"
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
COMMANDS = ("/about", "/init", "/memory show", "/compact", "!touch ran", "@/etc/passwd", "#remember", "$imagegen a cat")
"""Messages that agents have a use of their own for."""

WHO = ("keeper", "agent")
"""The first processes of an account."""

sdk = pytest.mark.parametrize("sdk", SDKS)


@pytest.fixture(scope="class", name="world")
def shared_world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world with one account, which the tests of an agent share."""
    agent: AcpAgent = request.cls.agent
    with world(agent, tmp_path_factory.mktemp(agent.name)) as made:
        yield made


class Served:
    """What every agent serves."""

    agent: ClassVar[AcpAgent]

    @sdk
    def test_conversation_goes_on(self, sdk: str, world: World) -> None:
        """The second turn is a hit: the agent gets what is new, its model still knows the first, and is asked once."""
        ask, first, before = SDKS[sdk], said(f"I am marker-{sdk}."), len(world.requests)
        answer = "".join(ask(world.origin, first))
        assert answer == f"You said marker-{sdk}."
        messages = [*first, {"role": "assistant", "content": answer}, *said("And now by " + sdk)]
        assert "".join(ask(world.origin, messages)) == answer
        until(lambda: len(world.requests) == before + 2)
        assert world.requests[-1]["session"] == "hit"
        (question,) = world.model.asked("And now by " + sdk)
        assert "marker" not in question.newest
        assert question.token == world.tokens[0]

    @sdk
    def test_who_leaves_aborts_the_models_request(self, sdk: str, world: World) -> None:
        """The model sees the agent hang up within seconds, and the next is served."""
        text = f"{SLOWLY} for {sdk}"
        pieces = SDKS[sdk](world.origin, said(text))
        next(pieces)
        (question,) = world.model.asked(text)
        left = time.monotonic()
        pieces.close()
        until(lambda: question.left is not None)
        assert question.left is not None
        assert question.left - left < PROMPT
        until(lambda: world.requests[-1]["outcome"] == "cancelled")
        assert "".join(SDKS[sdk](world.origin, said("I am marker-next."))) == "You said marker-next."

    def test_eight_at_once(self, world: World) -> None:
        """Each gets its own answer, and the model works for all of them at the same time."""

        def begin(place: int) -> Generator[str]:
            pieces = by_openai(world.origin, said(f"{SLOWLY} for number {place}"))
            assert next(pieces).startswith("1 ")
            return pieces

        def ask(place: int) -> str:
            return "".join(by_openai(world.origin, said(f"I am marker-{place}")))

        with ThreadPoolExecutor(TOGETHER) as pool:
            begun = list(pool.map(begin, range(TOGETHER)))
            asked = world.model.asked("for number")
            assert [question.ended for question in asked] == [0.0] * TOGETHER
            for pieces in begun:
                pieces.close()
            until(lambda: all(question.left for question in asked))
            assert list(pool.map(ask, range(TOGETHER))) == [f"You said marker-{place}." for place in range(TOGETHER)]

    @pytest.mark.parametrize("words", COMMANDS)
    def test_words_are_no_commands(self, words: str, world: World) -> None:
        """The model gets them as they are, and the agent does nothing about them."""
        text = f"{words} marker-{words.strip('/!@#$').partition(' ')[0].replace('/', '')}"
        before = _files(world)
        answer = "".join(by_openai(world.origin, said(text)))
        assert answer.startswith("You said marker-")
        (question,) = world.model.asked(text)
        assert question.newest.rstrip().endswith(text)
        assert not any("root:x:" in each for each in question.said)
        assert _files(world) - before == set()

    @pytest.mark.parametrize("tool", ["running", "writing"])
    @pytest.mark.parametrize("where", ["inside", "outside"])
    def test_tools_do_nothing(self, tool: str, where: str, world: World) -> None:
        """A tool that the model calls though it was offered none does nothing, and the answer goes on."""
        target = (world.cwd() if where == "inside" else world.directory) / f"made-by-{tool}"
        called = self.agent.running(f"touch {target}") if tool == "running" else self.agent.writing(target)
        text = f"I am marker-safe. CALL {called[0]} {json.dumps(called[1])}"
        assert "".join(by_openai(world.origin, said(text))) == "You said marker-safe."
        assert [question.has_result for question in world.model.asked(text)] == [False, True]
        assert not target.exists()
        assert not list(world.cwd().iterdir())

    def test_no_door_is_open(self, world: World) -> None:
        """Where the agent listens itself, it serves nobody without a password."""
        for port in world.doors:
            with closing(HTTPConnection("127.0.0.1", port, timeout=PROMPT)) as connection:
                connection.request("GET", "/session")
                assert connection.getresponse().status == HTTPStatus.UNAUTHORIZED

    def test_picture_reaches_the_model(self, world: World) -> None:
        """The agent hands it on beside the text."""
        url = f"data:image/png;base64,{PICTURE}"
        text = {"type": "text", "text": "I am marker-seen."}
        content = [text, {"type": "image_url", "image_url": {"url": url}}]
        assert "".join(by_openai(world.origin, [{"role": "user", "content": content}])) == "You said marker-seen."
        assert world.model.asked("marker-seen")[0].pictures == 1

    @sdk
    def test_failure_of_the_model_is_told(self, sdk: str, world: World) -> None:
        """The client reads the agent's words about it, and the next is served."""
        with pytest.raises((OpenAIError, AnthropicError), match=TROUBLE):
            "".join(SDKS[sdk](world.origin, said(f"FAIL 400 for {sdk}")))
        assert "".join(SDKS[sdk](world.origin, said("I am marker-after."))) == "You said marker-after."

    @sdk
    @pytest.mark.parametrize("who", WHO)
    def test_killed_in_mid_answer(self, who: str, sdk: str, world: World) -> None:
        """The answer fails where it is, and the next is served by a new process, with nothing left of the old one."""
        pieces = SDKS[sdk](world.origin, said(f"{SLOWLY} until it is killed, {who} and {sdk}"))
        next(pieces)
        old = world.processes()
        os.kill(old[WHO.index(who)], signal.SIGKILL)
        with pytest.raises((OpenAIError, AnthropicError)):
            list(pieces)
        assert "".join(SDKS[sdk](world.origin, said("I am marker-alive."))) == "You said marker-alive."
        assert not any(is_alive(pid) for pid in old)

    def test_two_accounts(self, tmp_path: Path) -> None:
        """Each has a process, a token and a home of its own, and nothing of the other's conversations."""
        tokens = ("token-of-one", "token-of-two")
        with world(self.agent, tmp_path, tokens) as two:

            def ask(place: int) -> str:
                return "".join(by_openai(two.origin, said(f"I am marker-{place}")))

            with ThreadPoolExecutor(TOGETHER) as pool:
                answers = list(pool.map(ask, range(TOGETHER)))
            assert answers == [f"You said marker-{place}." for place in range(TOGETHER)]
            asked = {question.token for question in two.model.questions}
            assert asked == set(tokens)
            for place, token in enumerate(tokens):
                for pid in two.processes(place):
                    environ = Path(f"/proc/{pid}/environ").read_text()
                    assert token in environ
                    assert tokens[1 - place] not in environ
                for question in two.model.questions:
                    marker = question.newest.rpartition("I am ")[2].strip()
                    assert two.holds(marker, two.config(place)) == (question.token == token)


class TestGemini(Served):
    """gemini-cli."""

    agent = Gemini()


class TestOpencode(Served):
    """opencode."""

    agent = Opencode()


class TestCodex(Served):
    """codex-acp."""

    agent = Codex()


def _files(world: World) -> set[Path]:
    """What an agent could have written for a person, in its working directory and beside."""
    places = (world.cwd(), world.directory)
    return {path for place in places for path in place.glob("*")} | set(world.config().glob("*.md"))
