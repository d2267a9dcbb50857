"""A question to Lingma, the whole way: as a running gateway's client, or with an instance started for the purpose."""

from __future__ import annotations

from uuid import uuid4

import trio

from lingma_trio.doctor.checks.login import BY_SETTINGS, by_hand
from lingma_trio.doctor.checks.work_dirs import stranger
from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.running import NoGateway, Readiness, Refused, RunningGateway
from lingma_trio.doctor.site import Site
from lingma_trio.errors import ConfigurationFault, GatewayError, LoginRequired, QuotaExceeded, RpcError, Unavailable
from lingma_trio.fleet import plan_fleet
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.instance import Instance
from lingma_trio.lingma.turn import TurnBounds, UpstreamTurn
from lingma_trio.policy.backoff import Backoff
from lingma_trio.protocol.catalogue import Catalogue
from lingma_trio.protocol.messages import Question, read_login
from lingma_trio.turns import Finished, TextDelta, TextReplaced

NAME = "round trip"
QUESTION = "Answer with the one word: pong"
QUESTION_SECONDS = 60.0
"""For the whole answer to so short a question."""

AS_IT_IS = {"lingma_bootstrap_always": False, "auto_login_enabled": False}
"""Settings of the trial: it takes the binary and the login as they are, and neither fetches the one nor the other."""

LOG_REMEDY = "see logs/lingma.log in the work directory"

LOOK_INTERVAL = 0.02
"""Seconds between looks at the instance's state, which is all that an instance tells of its start."""


async def make_round_trip(site: Site) -> list[Finding]:
    """Start one instance as the gateway does, or ask the gateway that runs, and put a short question to it.

    Never two Lingmas in one work directory, and none in a directory that is not this user's. Cancelling ends the
    instance and everything it started.
    """
    if site.served is not None:
        return await _through(site, site.served)
    if site.elsewhere:
        return [Finding(NAME, "skipped", "no gateway answers on PORT, and what it would ask is run by agents")]
    obstacle = await trio.to_thread.run_sync(_obstacle, site, abandon_on_cancel=True)
    if obstacle is not None:
        return [obstacle]
    try:
        with plan_fleet(site.settings.model_copy(update=AS_IT_IS)) as fleet:
            trip = _Trip(site, Instance(fleet[0], Backoff()))
            await trip.make()
    except ConfigurationFault as fault:
        return [Finding(NAME, "fault", str(fault))]
    return trip.findings


def _obstacle(site: Site) -> Finding | None:
    """What keeps this process from starting an instance of its own, or None."""
    if site.holders:
        holder = next(iter(site.holders.values()))
        what = f"the gateway with pid {holder} has the work directory, and does not answer on PORT"
        return Finding(NAME, "warning", what, "stop it, or give this command that gateway's own settings")
    if not site.fleet:
        return None
    if not site.agents and not site.settings.lingma_bin.is_file():
        return Finding(NAME, "skipped", "there is no binary to start")
    try:
        owner = stranger(site.fleet[0].work_dir)
    except OSError as error:
        return Finding(NAME, "skipped", f"the work directory cannot be looked at ({error.strerror})")
    if owner is not None:
        return Finding(
            NAME, "skipped", f"the work directory is {owner}'s, so nothing was started", f"run it as {owner}"
        )
    return None


class _Trip:
    """One instance's start and what it says, step by step; a step that fails is the last."""

    def __init__(self, site: Site, instance: Instance) -> None:
        self._site = site
        self._instance = instance
        self.findings: list[Finding] = []

    async def make(self) -> None:
        """Take every step; leaves nothing running."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._instance.lives.live)
            try:
                await self._start()
                channel = self._instance.channel()
                await self._ask_question(channel, await self._look_round(channel))
            except (GatewayError, RpcError) as failure:
                # What a client is told of an instance that is down leaves out why it is.
                why = self._instance.lives.reason if isinstance(failure, Unavailable) else ""
                what = f"{self._instance.name}: {self._site.printable(why or str(failure))}"
                self.findings.append(Finding(NAME, "fault", what, self._remedy(failure)))
            nursery.cancel_scope.cancel("the round trip is over")

    async def _start(self) -> None:
        began = trio.current_time()
        while True:
            if self._instance.lives.state != "starting":
                break
            await trio.sleep(LOOK_INTERVAL)
        if (watch := self._instance.account.program) is not None:
            if self._instance.lives.state == "ready":
                agent = self._site.printable(f"{watch.agent.name} {watch.agent.version}")
                offered = f"{len(self._instance.account.catalogue.models)} models"
                self._note(f"started: process, initialize and session/new of {agent}, with {offered}", since=began)
        elif self._instance.lives.state in {"ready", "needs_login"}:
            self._note("started: process, ready file, WebSocket and initialize", since=began)

    async def _look_round(self, channel: RpcChannel) -> Catalogue:
        """What may be asked: an agent has told it with its first session, and Lingma is asked for it."""
        if self._instance.account.program is None:
            await self._ask_login(channel)
            return await self._ask_models(channel)
        return self._instance.account.catalogue

    async def _ask_login(self, channel: RpcChannel) -> None:
        began = trio.current_time()
        login = read_login(await channel.call("auth/status", {}))
        self._note(f"auth/status: {'signed in' if login.logged_in else 'not signed in'}", since=began)

    async def _ask_models(self, channel: RpcChannel) -> Catalogue:
        began = trio.current_time()
        catalogue = Catalogue.read(await channel.call("config/queryModels", {}))
        default = self._site.settings.default_model
        self._note(f"config/queryModels: {len(catalogue.models)} models", since=began)
        if catalogue.find(default) is None:
            keys = ", ".join(model.key for model in catalogue.models) or "none"
            what = f"DEFAULT_MODEL {default} is not among the account's models"
            remedy = f"set it to one of these: {self._site.printable(keys)}"
            self.findings.append(Finding(NAME, "warning", what, remedy))
        return catalogue

    async def _ask_question(self, channel: RpcChannel, catalogue: Catalogue) -> None:
        default = self._site.settings.default_model
        question = Question(request_id=uuid4().hex, text=QUESTION, model_key=catalogue.resolve(default, default))
        bounds = TurnBounds(QUESTION_SECONDS, QUESTION_SECONDS, int(self._site.settings.max_answer_bytes))
        turn = UpstreamTurn(channel, question, bounds)
        began = trio.current_time()
        turn.open()
        try:
            with trio.fail_after(QUESTION_SECONDS):
                await self._hear(turn, began)
        except trio.TooSlowError:
            what = f"the answer to a short question was not complete within {QUESTION_SECONDS:g} s"
            self.findings.append(Finding(NAME, "fault", what, LOG_REMEDY))
        finally:
            turn.close()

    async def _hear(self, turn: UpstreamTurn, began: float) -> None:
        first, length = 0.0, 0
        while True:
            for event in await turn.batch(QUESTION_SECONDS):
                match event:
                    case TextDelta(text):
                        first = first or trio.current_time() - began
                        length += len(text)
                    case TextReplaced(text):
                        length = len(text)
                    case Finished():
                        self._note(
                            f"chat: an answer of {length} characters, the first after {first:.2f} s", since=began
                        )
                        return

    def _note(self, what: str, *, since: float) -> None:
        self.findings.append(Finding(NAME, "fine", what, seconds=trio.current_time() - since))

    def _remedy(self, failure: Exception) -> str:
        agent = self._instance.account.program
        if isinstance(failure, LoginRequired):
            return by_hand(self._instance.name, self._instance.label) if agent is None else BY_SETTINGS
        if isinstance(failure, QuotaExceeded):
            return "wait until the quota is renewed, or add an account to LINGMA_ACCOUNTS"
        last = self._instance.lives.detail.rpartition("\n")[2]
        if last:
            return f"its last words: {self._site.printable(last)}"
        return LOG_REMEDY if agent is None else "see what ACP_COMMAND says when it is run by hand"


async def _through(site: Site, readiness: Readiness) -> list[Finding]:
    """The same through the gateway that runs: it is ready, tells its models, and answers."""
    idle = [instance for instance in readiness.instances if instance.state != "ready"]
    findings = [
        Finding(
            NAME,
            "warning" if readiness.status == "ready" else "fault",
            f"{site.printable(instance.name)} of the running gateway is {site.printable(instance.state)}: "
            f"{site.printable(instance.reason)}",
            "`lingma-trio status` shows how it goes on; the log of the gateway says more",
        )
        for instance in idle
    ]
    if readiness.status != "ready":
        return findings or [
            Finding(NAME, "fault", f"the running gateway is {readiness.status}", "wait until it is not")
        ]
    gateway = RunningGateway.of(site.settings)
    try:
        began = trio.current_time()
        count = await gateway.models()
        findings.append(Finding(NAME, "fine", f"the running gateway has {count} models", "", _since(began)))
        began = trio.current_time()
        length = await gateway.chat(QUESTION, model=site.settings.default_model, seconds=QUESTION_SECONDS)
        what = f"the running gateway answered with {length} characters"
        findings.append(Finding(NAME, "fine", what, "", _since(began)))
    except (NoGateway, Refused) as fault:
        what = f"the running gateway did not answer: {site.printable(str(fault))}"
        findings.append(Finding(NAME, "fault", what, "the log of the gateway says more"))
    return findings


def _since(began: float) -> float:
    return trio.current_time() - began
