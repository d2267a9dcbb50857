"""`lingma-trio chat`: a conversation with a running gateway, on a terminal.

Parses, reads lines and prints. Ctrl-C while an answer comes cancels that answer, and shows that its slot is free.
"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from functools import partial
from io import TextIOWrapper

import trio

from lingma_trio.commands.printing import say, say_piece
from lingma_trio.commands.starting import settings_here_or_exit
from lingma_trio.doctor.running import NoGateway, Refused, RunningGateway
from lingma_trio.doctor.talk import Message, ask

ANSWERED, REFUSED, UNREACHABLE = 0, 1, 3

FREE_SECONDS = 3.0
"""For a slot to be free again, once the connection is closed."""

LOOK_INTERVAL = 0.1  # seconds


def chat(model: str, system: str, url: str) -> None:
    """Do what `lingma-trio chat` is for, and end the process with the status that its help names."""
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # bytes of another encoding are no reason to break off
    settings = settings_here_or_exit()
    try:
        gateway = RunningGateway.of(settings, url)
        readiness = trio.run(gateway.readiness)
    except NoGateway as fault:
        say(str(fault))
        sys.exit(UNREACHABLE)
    talk = _Talk(gateway, _as_text(model) or settings.default_model, _as_text(system))
    say(f"{talk.model} at {gateway.url}. Ctrl-C cancels an answer, Ctrl-D ends.")
    if readiness.notice:
        say(readiness.notice)
    sys.exit(talk.hold())


class _Talk:
    """One conversation: its turns so far, and how the last question ended."""

    def __init__(self, gateway: RunningGateway, model: str, system: str) -> None:
        self.model = model
        self._gateway = gateway
        self._messages: list[Message] = [{"role": "system", "content": system}] if system else []
        self._status = ANSWERED

    def hold(self) -> int:
        """Ask until there is nothing more to ask; returns the exit status."""
        with suppress(ImportError):
            import readline  # noqa: F401, PLC0415 - gives `input` its history and its keys, where it is there
        while (question := _next_line()) is not None:
            if question:
                self._put(question)
        return self._status

    def _put(self, question: str) -> None:
        asked: Message = {"role": "user", "content": question}
        try:
            answer = trio.run(partial(self._answer, [*self._messages, asked]))
        except (NoGateway, Refused) as fault:
            say(f"\n{fault}")
            self._status = REFUSED if isinstance(fault, Refused) else UNREACHABLE
            return
        self._status = ANSWERED
        if answer is not None:
            say("")
            self._messages += [asked, {"role": "assistant", "content": answer}]

    async def _answer(self, messages: list[Message]) -> str | None:
        """The answer, which is shown while it comes; None where Ctrl-C has cancelled it."""
        answer: str | None = None
        fault: NoGateway | Refused | None = None
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(_watch_interrupt, nursery.cancel_scope), name="interrupt watch")
            try:
                answer = await ask(self._gateway, messages, model=self.model, show=say_piece)
            except (NoGateway, Refused) as caught:
                fault = caught
            nursery.cancel_scope.cancel("the answer is there")
        if fault is not None:
            raise fault
        if answer is None:
            say(f"\ncancelled; {await self._slots()}")
        return answer

    async def _slots(self) -> str:
        """What the gateway says of its slots, once the cancelled request has given its own back."""
        in_flight = 0.0
        try:
            with trio.move_on_after(FREE_SECONDS):
                while True:
                    stats = await self._gateway.stats()
                    if stats is None:
                        return "with ADMIN_TOKEN in the settings its slot would be shown"
                    in_flight = stats.limiter.get("in_flight", 0.0)
                    if not in_flight:
                        return "its slot is free: 0 requests are in flight"
                    await trio.sleep(LOOK_INTERVAL)
        except NoGateway as fault:
            return str(fault)
        return f"{in_flight:g} requests of others are in flight"


async def _watch_interrupt(scope: trio.CancelScope, *, task_status: trio.TaskStatus[None]) -> None:
    """Cancel `scope` on Ctrl-C."""
    with trio.open_signal_receiver(signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            scope.cancel("Ctrl-C")
            return


def _as_text(argument: str) -> str:
    """What stands on a command line, where bytes that are no text become question marks: JSON has no place for them."""
    return argument.encode("utf-8", "replace").decode()


def _next_line() -> str | None:
    """What is typed next, or None at the end."""
    try:
        return input("\n> " if sys.stdin.isatty() else "").strip()
    except (EOFError, KeyboardInterrupt):
        say("")
        return None
