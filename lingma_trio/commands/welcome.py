"""What `serve` says on a terminal once it is ready: where the API and the page are, and one request to try.

Knows words. Printed to the terminal alone and never logged: the request carries a key and the link signs in.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import trio
from pydantic_core import to_json

from lingma_trio import __version__
from lingma_trio.commands.printing import own_command
from lingma_trio.config import Settings
from lingma_trio.edge.addresses import path_in
from lingma_trio.http.page.link import FIELD, PATH
from lingma_trio.http.services import Services
from lingma_trio.lingma.instance import Instance

PATIENCE = 20.0
"""Seconds in which Lingma is usually ready; after them the words are said all the same, with what it is about."""

LOOK_INTERVAL = 0.05
"""Seconds between looks at the instances, which is all that they tell of their start."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The words for one gateway. `url` is its address for programs of this machine; `key` and `link` may be empty, and
    `path` is where it listens instead of at an address.
    """

    url: str
    state: str
    model: str
    key: str = ""
    keyed: bool = False
    link: str = ""
    path: str = ""
    program: str = "lingma-trio"

    def lines(self) -> list[str]:
        """The block."""
        page = f"{self.url}{PATH}?{FIELD}={self.link}" if self.link else f"{self.url}/"
        hint = "signs you in, once, within ten minutes" if self.link else "ADMIN_TOKEN in the settings lets you sign in"
        return [
            "",
            f"lingma-trio {__version__} {self.state}",
            f"  API    {self.url}/v1",
            f"  Page   {page}   ({hint})",
            f"  Try    {self.request()}",
            f"  More   {self.program} chat, {self.program} clients, in another terminal; Ctrl-C ends the gateway",
            "",
        ]

    def request(self) -> str:
        """A command that asks for a streamed answer."""
        question = {"model": self.model, "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
        headers = ["content-type: application/json"]
        if self.keyed:
            headers.append(f"authorization: Bearer {self.key or 'YOUR-KEY'}")
        options = " ".join(f"-H {shlex.quote(header)}" for header in headers)
        where = f"--unix-socket {shlex.quote(self.path)} " if self.path else ""
        return f"curl -N {where}{self.url}/v1/chat/completions {options} -d {shlex.quote(to_json(question).decode())}"


def reached_at(settings: Settings, places: Sequence[str]) -> Settings:
    """The settings with the port that the gateway has by now, which PORT may have left to the system."""
    port = urlsplit(places[0]).port if places else None
    return settings.model_copy(update={"port": port or settings.port})


async def say_welcome(settings: Settings, services: Services, say: Callable[[str], None]) -> None:
    """Wait until a chat would be answered, or a person is needed for that, and `say` the block.

    Says what keeps the gateway when that takes longer than PATIENCE. Cancelling leaves it unsaid.
    """
    from lingma_trio.doctor.running import own_url  # noqa: PLC0415 - an HTTP client, which only a terminal's gateway has

    with trio.move_on_after(PATIENCE):
        while True:
            if any(each.lives.state in {"ready", "needs_login"} for each in services.pool.instances):
                break
            await trio.sleep(LOOK_INTERVAL)
    welcome = Welcome(
        url=own_url(settings),
        path=path_in(settings.host),
        state=_state(services),
        model=settings.default_model,
        key=next((key.secret.get_secret_value() for key in settings.api_keys if key.secret), ""),
        keyed=bool(settings.api_keys or settings.keys_file),
        link=await services.operators.offer_link(),
        program=own_command(),
    )
    say("\n".join(welcome.lines()))


def _state(services: Services) -> str:
    if any(each.standing.fault() is None for each in services.pool.instances):
        return "is ready (the bundled simulator answers, not Lingma)" if services.simulated else "is ready"
    unsigned = (each for each in services.pool.instances if each.lives.state == "needs_login")
    waiting = [each for each in unsigned if each.account.login is not None]
    if waiting:
        whose = f" of {waiting[0].label}" if waiting[0].label else ""
        return f"waits for a sign-in{whose}: {own_command()} login --instance {waiting[0].name}"
    who = "the agent" if services.upstream == "acp" else "Lingma"
    return f"has begun, and {who} is not ready yet: {_reason(services.pool.instances)}"


def _reason(instances: Sequence[Instance]) -> str:
    return next((reason for each in instances if (reason := each.standing.told()[1])), "it is starting")
