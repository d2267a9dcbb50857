"""What is played with gateways, agents and one store: each play ends something, and looks at what clients see.

A play leaves everything as it found it. Knows clients and processes; must not know how a promise is kept.
"""

from __future__ import annotations

import os
import random
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Final

import trio
from openai import AsyncOpenAI, DefaultAsyncHttpx2Client

from tests.end_to_end.client import fetch
from tests.end_to_end.gateway import OPERATOR
from tests.end_to_end.official import MODEL
from tests.scaled.cluster import OK as STATUS_OK
from tests.scaled.cluster import Cluster, Role, start, until
from tests.scaled.talk import COUNTED, CUT, KEYS, OK, SUMMED, WAITING, Heard, chat, conversations, outcomes, post, uses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.end_to_end.client import Json
    from tests.scaled.table import Row

SLOW_TO_BEGIN: Final = "Think.\n#simulate first=2 gap=0.01 deltas=20"
LONG: Final = "Tell me.\n#simulate first=0.1 gap=0.05 deltas=100"
PLACES_BACK: Final = 15.0  # seconds in which the slots of a gateway that is gone are free again
STOPS_WITHIN: Final = 2.0  # seconds in which an agent stops the turns of a gateway that is gone
UNAVAILABLE: Final = 503
QUESTION: Final = "#simulate first=0 gap=0"


def asking(text: str) -> list[Json]:
    """The messages of a question."""
    return [{"role": "user", "content": text}]


async def ask_all(ports: Iterable[int], text: str, ends: list[Heard]) -> None:
    """Ask the same at each port at once, with the keys in turn; their ends go into `ends` as they come."""

    async def ask(place: int, port: int) -> None:
        ends.append(await chat(port, KEYS[place % len(KEYS)], asking(text)))

    async with trio.open_nursery() as nursery:
        for place, port in enumerate(ports):
            nursery.start_soon(ask, place, port)


async def gateway_killed(cluster: Cluster, row: Row) -> None:
    """A gateway dies with streams, a curl among them; clients try again, and its conversations go on elsewhere."""
    doomed, other = cluster.gateways
    talks = conversations(4, "orphan")
    for talk in talks:
        row.expect((await talk.ask(doomed.port)).outcome == OK, "conversations begin")
    ends: list[Heard] = []
    statuses: list[int] = []

    async def curl() -> None:
        body = f'{{"model": "{MODEL}", "stream": true, "messages": [{{"role": "user", "content": "Hi #simulate"}}]}}'
        body = body.replace("Hi #simulate", LONG.replace("\n", "\\n"))
        words = ["curl", "-sN", f"http://127.0.0.1:{doomed.port}/v1/chat/completions", "-d", body]
        words += ["-H", f"authorization: Bearer {KEYS[0]}", "-H", "content-type: application/json"]
        statuses.append((await trio.run_process(words, capture_stdout=True, check=False)).returncode)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_all, [doomed.port] * 8, LONG, ends)
        nursery.start_soon(curl)
        await until(partial(_has_in_flight, doomed, 9), "nine streams", lambda: outcomes(ends))
        await trio.sleep(0.5)  # so that their texts have begun
        held = await cluster.held_places()
        killed, killed_ns = trio.current_time(), time.monotonic_ns()
        doomed.server.kill()
    row.saw(f"of 8 streams: {outcomes(ends)}; curl's exit status {statuses[0]}")
    row.expect(all(end.outcome == CUT for end in ends) and statuses[0] != 0, "its streams break visibly")
    await _retry_elsewhere(cluster, row)

    def stops() -> list[float]:
        record = [entry for agent in cluster.agents for entry in agent.asked() if entry["kind"] == "stop"]
        return [(entry["time"] - killed_ns) / 1e9 for entry in record if entry["time"] > killed_ns]

    await until(lambda: len(stops()) == 9, "the agents stop its turns", stops)
    row.saw(f"its 9 turns were stopped upstream {max(stops()):.2f} s after the kill")
    row.expect(max(stops()) < STOPS_WITHIN, "its turns are stopped within 2 s", stops())

    async def places_back() -> bool:
        return await cluster.held_places() == 0

    await until(places_back, "its places are free", patience=PLACES_BACK + 5)
    took = trio.current_time() - killed
    row.saw(f"places of keys held: {held} before, 0 {took:.1f} s after the kill")
    row.expect(held >= len(KEYS), "places are leases in the store", held)
    row.expect(took <= PLACES_BACK + 1, "slots are back within 15 s", f"{took:.1f} s")
    hits = await hits_of(other, [await talk.ask(other.port) for talk in talks])
    row.saw(f"of its {len(talks)} conversations {hits} went on as hits at the other gateway")
    row.expect(hits == len(talks), "its conversations go on as hits", hits)
    await start(doomed.server)
    await doomed.until_ready()


async def _retry_elsewhere(cluster: Cluster, row: Row) -> None:
    """The official client through the balancer, with the retries that it makes by itself."""
    async with AsyncOpenAI(
        base_url=f"http://127.0.0.1:{cluster.balancer}/v1",
        api_key=KEYS[0],
        max_retries=2,
        http_client=DefaultAsyncHttpx2Client(),
    ) as client:
        for key in KEYS:
            ask = client.with_options(api_key=key).chat.completions.create
            said = await ask(model=MODEL, messages=[{"role": "user", "content": f"Again. {QUESTION}"}])
            row.expect(bool(said.choices[0].message.content), "a retry works elsewhere")
    row.saw(f"{len(KEYS)} questions of OpenAI's client were answered through the balancer at once")


async def _has_in_flight(gateway: Role, count: int) -> bool:
    in_flight: int = (await gateway.stats())["limiter"]["in_flight"]
    return in_flight >= count


def lines_of(gateway: Role, said: list[Heard]) -> list[Json]:
    """The lines of a gateway's log about these answers, as far as they are written."""
    wanted = {each.request_id for each in said}
    return [line for line in gateway.lines("request") if line["request_id"] in wanted]


async def hits_of(gateway: Role, said: list[Heard]) -> int:
    """How many of a gateway's answers went on in a session, by its log."""
    await until(lambda: len(lines_of(gateway, said)) == len(said), "the log's lines", partial(outcomes, said))
    return sum(line.get("session") == "hit" for line in lines_of(gateway, said))


async def lingmas_end(cluster: Cluster, row: Row, *, whole_agent: bool) -> None:
    """An agent, or each of its Lingmas, dies: once while nothing was said, once within the texts."""
    doomed, kept = cluster.agents
    ports = [gateway.port for gateway in cluster.gateways] * 6
    for text, name in ((SLOW_TO_BEGIN, "before the first text"), (LONG, "within the text")):
        ends: list[Heard] = []
        before = len(kept.asked()) + len(doomed.asked())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask_all, ports, text, ends)

            def all_asked(before: int = before) -> bool:
                return len(kept.asked()) + len(doomed.asked()) >= before + len(ports)

            await until(all_asked, "all are asked", partial(outcomes, ends))
            await trio.sleep(0.5)
            if whole_agent:
                doomed.server.kill()
            else:
                for pid in doomed.simulators():
                    os.kill(pid, signal.SIGKILL)
        row.saw(f"{name}: of {len(ports)} turns {outcomes(ends)}")
        codes = {end.outcome for end in ends}
        if text is SLOW_TO_BEGIN:
            row.expect(codes == {OK}, "turns before the first text move unseen", outcomes(ends))
        else:
            row.expect(codes <= {OK, "upstream_lost"}, "others fail upstream_lost", outcomes(ends))
        if whole_agent:
            await start(doomed.server)
        await doomed.until_ready()
        for gateway in cluster.gateways:
            await until(partial(_all_instances_ready, gateway), "all instances are back", gateway.ready)


async def _all_instances_ready(gateway: Role) -> bool:
    return all(instance["state"] == "ready" for instance in (await gateway.stats())["instances"])


async def sessions_miss_once(cluster: Cluster, row: Row) -> None:
    """Conversations whose agent dies between two turns miss once, then go on as hits."""
    talks = conversations(8, "bereft")
    gateway = cluster.gateways[0]
    begun = [await talk.ask(gateway.port) for talk in talks]
    before = await hits_of(gateway, [await talk.ask(gateway.port) for talk in talks])
    holder = lines_of(gateway, begun)[0]["instance"]
    (doomed,) = [agent for agent in cluster.agents if holder.startswith(f"{agent.name}.")]
    doomed.server.kill()
    after = await hits_of(gateway, [await talk.ask(gateway.port) for talk in talks])
    again = await hits_of(gateway, [await talk.ask(gateway.port) for talk in talks])
    row.saw(f"hits of {len(talks)} conversations: {before}, after the agent's end {after}, then {again}")
    row.expect(before == again == len(talks), "a session misses once")
    row.expect(after < len(talks), "some sessions were in it")
    await start(doomed.server)
    await doomed.until_ready()


async def degraded(cluster: Cluster, gateway: Role, is_so: bool = True) -> float:
    """Wait until a gateway says that it is degraded, with status 200, or that it no longer is."""

    async def said() -> bool:
        status, body = await gateway.ready()
        assert status == STATUS_OK, body
        return ("degraded" in str(body)) == is_so

    return await until(said, f"{gateway} is {'' if is_so else 'not '}degraded", partial(gateway.ready))


async def store_away(cluster: Cluster, row: Row, *, frozen: bool) -> None:
    """The store is frozen, or refuses; conversations go on, and what is stored is 503."""
    store, gateway = cluster.stores[0], cluster.gateways[0]
    talks = conversations(6, "lonely")
    for talk in talks:
        await talk.ask(gateway.port)
    kept = (await post(gateway.port, KEYS[0], "/v1/responses", {"input": "Keep this."})).body
    response_id = kept.split(b'"id":"', 1)[1].split(b'"', 1)[0].decode()
    usual = max([(await chat(gateway.port, KEYS[0], asking(QUESTION))).first for _ in range(5)])
    store.send(signal.SIGSTOP) if frozen else store.kill()
    said = [await talk.ask(gateway.port) for talk in talks]
    row.saw(
        f"{len(said)} conversations went on: {outcomes(said)}; first text after {_span(said)}, before {usual:.3f} s"
    )
    row.expect(all(each.outcome == OK for each in said), "nothing fails but what is stored", outcomes(said))
    row.expect(max(each.first for each in said) < usual + 1.0, "no request waits over 250 ms for it", _span(said))
    for each in cluster.gateways:
        await degraded(cluster, each)
    headers = {"authorization": f"Bearer {KEYS[0]}"}
    read = await fetch(gateway.port, "GET", f"/v1/responses/{response_id}", headers=headers)
    went_on = await post(
        gateway.port, KEYS[0], "/v1/responses", {"input": "Go on.", "previous_response_id": response_id}
    )
    new = await post(gateway.port, KEYS[0], "/v1/responses", {"input": "Something new."})
    row.saw(
        f"GET of a response {read.status}, Retry-After {read.headers.get('retry-after')}, going on {went_on.status}"
    )
    row.expect(read.status == went_on.status == UNAVAILABLE, "what is stored is 503", (read.status, went_on.status))
    row.expect("retry-after" in read.headers, "with Retry-After")
    row.expect(new.status == STATUS_OK, "a new response is answered", new)
    if frozen:
        store.send(signal.SIGCONT)
    else:
        await start(store)
    for each in cluster.gateways:
        await degraded(cluster, each, is_so=False)
    hits = await hits_again(gateway)
    row.saw(f"back: conversations are hits again, {hits} of 4")
    row.expect(hits == 4, "all is as before", hits)


def _span(said: list[Heard]) -> str:
    return f"{min(each.first for each in said):.3f} to {max(each.first for each in said):.3f} s"


async def hits_again(gateway: Role) -> int:
    """How many of four new conversations go on as hits."""
    talks = conversations(4, "fresh")
    for talk in talks:
        await talk.ask(gateway.port)
    return await hits_of(gateway, [await talk.ask(gateway.port) for talk in talks])


async def one_cut_off(cluster: Cluster, row: Row) -> None:
    """One gateway's way to the store is cut, then held; that gateway alone is degraded."""
    lonely, other = cluster.gateways
    for name, act in (("cut", cluster.links[0].sever), ("silent", cluster.links[0].hold)):
        act()
        await degraded(cluster, lonely)
        said = [await chat(lonely.port, key, asking(QUESTION)) for key in KEYS]
        row.expect(all(each.outcome == OK for each in said), "it goes on", outcomes(said))
        row.expect("degraded" not in str((await other.ready())[1]), "the other is not degraded")
        hits = await hits_again(other)
        row.saw(f"{name}: it answers {outcomes(said)}; the other is well, {hits} of 4 hits")
        row.expect(hits == 4, "the other's conversations are hits", hits)
        cluster.links[0].mend()
        await degraded(cluster, lonely, is_so=False)


ALLOWED: Final = frozenset({OK, "upstream_lost", "upstream_unavailable", "queue_timeout"})


async def rough_network(cluster: Cluster, row: Row, seconds: float, seed: int) -> None:
    """Links to the store and to the agents are cut, held, slowed and mended at random, under load."""
    rng = random.Random(seed)
    links = [*cluster.links, *(way for ways in cluster.ways for way in ways)]
    ends: list[Heard] = []
    asked_before = [entry for agent in cluster.agents for entry in agent.asked()]

    async def converse(number: int) -> None:
        while True:
            (talk,) = conversations(1, f"rough-{number}-{rng.random()}")
            for _ in range(4):
                end = await talk.ask(rng.choice(cluster.gateways).port)
                ends.append(end)

    async def trouble() -> None:
        while True:
            link = rng.choice(links)
            match rng.choice(("cut", "hold", "slow")):
                case "cut":
                    link.sever()
                case "hold":
                    link.hold()
                case _:
                    link.delay = rng.uniform(0, 0.3)
            await trio.sleep(rng.uniform(0.05, 0.5))
            rng.choice(links).mend()

    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trouble)
            for number in range(16):
                nursery.start_soon(converse, number)
    for link in links:
        link.mend()
    row.saw(f"seed {seed}: of {len(ends)} questions {outcomes(ends)}")
    row.expect({each.outcome for each in ends} <= ALLOWED, "none but the outcomes above", outcomes(ends))
    row.expect(any(each.outcome == OK for each in ends), "something was answered")
    await nothing_held(cluster, row)
    record = [entry for agent in cluster.agents for entry in agent.asked()]
    went_on, doubled = uses(record)
    row.saw(f"{went_on - uses(asked_before)[0]} questions went on in a session, {doubled} sessions used twice")
    row.expect(doubled == 0, "no double use", doubled)


async def nothing_held(cluster: Cluster, row: Row) -> None:
    """Wait until no gateway, no agent and no key holds anything."""

    async def at_rest() -> bool:
        for gateway in cluster.gateways:
            stats = await gateway.stats()
            if stats["limiter"]["in_flight"] or stats["limiter"]["queued"]:
                return False
            if any(instance["turns"] for instance in stats["instances"]):
                return False
        return await cluster.held_places() == 0

    took = await until(at_rest, "nothing is held", cluster.held_places)
    row.saw(f"nothing was held {took:.1f} s afterwards")


async def limits_are_shared(cluster: Cluster, row: Row) -> None:
    """A key's two places, its ten requests a minute and its use are those of both gateways together."""
    ports = [gateway.port for gateway in cluster.gateways]
    ends: list[Heard] = []
    began = time.monotonic_ns()

    async def ask(port: int, number: int) -> None:
        text = "Wait" + "." * number + "\n#simulate first=0.4 gap=0.01 deltas=20"
        ends.append(await chat(port, WAITING, asking(text)))

    async with trio.open_nursery() as nursery:
        for number, port in enumerate(ports * 4):
            nursery.start_soon(ask, port, number)
    record = [entry for agent in cluster.agents for entry in agent.asked()]
    # A question that was moved, as the way to an agent may still be mended, counts where it was answered: of each, by
    # its length, the last.
    begun = sorted((entry["time"], entry["length"]) for entry in record if entry["kind"] == "ask")
    asked = sorted({length: moment / 1e9 for moment, length in begun if moment > began}.values())
    # Each takes 0.6 s, so of three that begin within less than that three are answered at once.
    most = max(sum(0 <= other - one < 0.5 for other in asked) for one in asked)
    row.saw(f"of 8 requests of a key with two places {outcomes(ends)}; at most {most} at once upstream")
    row.expect(len(asked) == len(ends), "each question is one of another length", len(asked))
    row.expect(most <= 2, "no more than two at once", [round(each - asked[0], 2) for each in asked])
    row.expect({end.outcome for end in ends} == {OK}, "who waits is answered", outcomes(ends))
    counted = [await chat(port, COUNTED, asking(QUESTION)) for port in ports * 8]
    answered = sum(end.outcome == OK for end in counted)
    row.saw(f"of 16 requests of a key with ten a minute {outcomes(counted)}")
    row.expect(answered in {10, 11}, "ten a minute, of both together", answered)
    for port in ports:
        await chat(port, SUMMED, asking(QUESTION))
    one, other = cluster.gateways
    await trio.to_thread.run_sync(other.server.stop)  # with its last words it tells what it served
    told = (await fetch(one.port, "GET", "/internal/usage", headers=OPERATOR)).json
    used = {entry["name"]: entry["requests"] for entry in told["keys"]}["summed"]
    row.saw(f"of two requests at two gateways, of which one has stopped since, the other tells of {used}")
    row.expect(used == 2, "use is that of all gateways", used)
    await start(other.server)
    await other.until_ready()
