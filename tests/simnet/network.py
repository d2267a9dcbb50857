"""A network of hosts in one process, in which every delay is drawn and every link can be cut and repaired.

What is under way between two hosts arrives in its order, later than it left, and while the link between them is cut
not at all: as with TCP it waits, however long, and goes on when the link is repaired. A connection that is severed is
lost for good, and each side learns of that at a time of its own. Knows neither requests nor answers.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count

import trio

from tests.simnet.clock import Agenda, agenda_of_this_run

WINDOW = 256 * 1024  # bytes under way one way of a connection; whoever sends more waits
FASTEST = 0.000_1  # seconds that a packet takes at the least
SLOWEST = 0.02  # seconds that it takes at the most, as long as it is not lost on the way
LOST = 0.02  # of all packets, those that are lost and sent again
AGAIN = 0.2  # seconds after which a lost one is sent again
AT_ONCE = 0.75  # of all ends of connections, those that take what is sent without a step
CONNECT_PATIENCE = 60.0  # seconds after which a connection that nobody answers is given up

Acceptor = Callable[[trio.abc.HalfCloseableStream], None]


class Network:
    """The hosts, and the links between them. What is under way stands in an `agenda`, the clock's where none is given.

    A packet takes up to `slowest` seconds, but for the share of `lost` ones, which are sent again.
    """

    def __init__(
        self, chance: random.Random, *, slowest: float = SLOWEST, lost: float = LOST, agenda: Agenda | None = None
    ) -> None:
        self._slowest = slowest
        self._lost = lost
        self.hosts: dict[str, Host] = {}
        self.happened: list[tuple[float, str]] = []
        """What was done to the network, and when: to be read when a seed failed."""
        self.carried = 0
        """Packets that arrived, or would have."""
        self._chance = chance
        self._cut: set[frozenset[str]] = set()
        self._lanes: dict[frozenset[str], set[Lane]] = {}
        self._numbers = count()
        self.agenda = agenda or agenda_of_this_run()

    def __repr__(self) -> str:
        return f"<Network {sorted(self.hosts)} cut={sorted(map(sorted, self._cut))} {self.agenda!r}>"

    def host(self, name: str) -> Host:
        """The host of that name, which is there from the first time that it is asked for."""
        if name not in self.hosts:
            self.hosts[name] = Host(self, name)
        return self.hosts[name]

    def note(self, what: str) -> None:
        """Remember that something was done."""
        self.happened.append((round(trio.current_time(), 6), what))

    def cut(self, one: str, other: str) -> None:
        """Let nothing through between two hosts, either way, until `repair`."""
        if one != other:
            self.note(f"cut {one} {other}")
            self._cut.add(frozenset((one, other)))

    def is_cut(self, one: str, other: str) -> bool:
        """Whether nothing gets through between them."""
        return frozenset((one, other)) in self._cut

    def partition(self, some: Iterable[str], others: Iterable[str]) -> None:
        """Cut every link between those on the one side and those on the other."""
        there = list(others)
        for one in some:
            for other in there:
                self.cut(one, other)

    def repair(self, one: str, other: str) -> None:
        """Let everything through again, and what waited first."""
        between = frozenset((one, other))
        if between in self._cut:
            self.note(f"repair {one} {other}")
            self._cut.remove(between)
            for lane in sorted(self._lanes.get(between, ()), key=lambda lane: lane.number):
                lane.go_on()

    def heal(self) -> None:
        """Repair every link, and lose nothing any more."""
        self._lost = 0.0
        for one, other in sorted(sorted(between) for between in self._cut):
            self.repair(one, other)

    def sever(self, one: str, other: str) -> None:
        """Have every connection between two hosts lost. Each side learns of it when the network gets to tell it."""
        self.note(f"sever {one} {other}")
        host = self.host(one)
        for end in [end for end in host.ends if end.peer.host.name == other]:
            end.sever(self.journey() + self._chance.choice([0.0, 0.0, 3.0]))
            end.peer.sever(self.journey() + self._chance.choice([0.0, 0.0, 3.0]))

    def journey(self) -> float:
        """Seconds that one packet takes."""
        seconds = self._chance.uniform(FASTEST, self._slowest)
        while self._chance.random() < self._lost:
            seconds += AGAIN
        return seconds

    def take_at_once(self) -> bool:
        """Whether an end of a connection takes what is sent without a step of the loop's.

        Where there is a descriptor what we send is written to it at once; TLS takes a step.
        """
        return self._chance.random() < AT_ONCE

    def lane(self, source: str, target: str) -> Lane:
        """A new way from one host to another, on which nothing overtakes."""
        lane = Lane(self, source, target, next(self._numbers))
        self._lanes.setdefault(frozenset((source, target)), set()).add(lane)
        return lane

    def drop(self, lane: Lane) -> None:
        """Forget a way on which nothing is sent any more; what is under way on it is lost."""
        lane.lost = True
        self._lanes[frozenset((lane.source, lane.target))].discard(lane)


class Lane:
    """One way of a connection: what is sent arrives in its order, and not while the link is cut."""

    def __init__(self, network: Network, source: str, target: str, number: int) -> None:
        self.source = source
        self.target = target
        self.number = number
        self.lost = False
        self._network = network
        self._waiting: deque[Callable[[], None]] = deque()
        self._coming = 0  # arrivals that have a time
        self._last = 0.0

    def send(self, arrive: Callable[[], None]) -> None:
        """Have `arrive` called at the other host, once what was sent before has arrived."""
        self._waiting.append(arrive)
        self._schedule()

    def go_on(self) -> None:
        """Have what was held up arrive."""
        for _ in range(len(self._waiting) - self._coming):
            self._schedule()

    def _schedule(self) -> None:
        network = self._network
        local = self.source == self.target
        self._last = max(self._last, trio.current_time() + (FASTEST if local else network.journey()))
        self._coming += 1
        network.agenda.at(self._last, self._arrive)

    def _arrive(self) -> None:
        self._coming -= 1
        self._network.carried += 1
        if not self.lost and not self._network.is_cut(self.source, self.target):
            self._waiting.popleft()()


class Host:
    """A machine, on whose ports somebody may listen."""

    def __init__(self, network: Network, name: str) -> None:
        self.network = network
        self.name = name
        self.down = False
        """Whether nothing runs here, so that nothing leaves."""
        self.ends: dict[End, None] = {}
        """Its ends of the connections that there are, the oldest first."""
        self._ports: dict[int, Acceptor] = {}

    def __repr__(self) -> str:
        return f"<Host {self.name} ports={sorted(self._ports)} ends={len(self.ends)}>"

    def listen(self, port: int, accept: Acceptor) -> None:
        """From now on `accept` is called with each stream that somebody opens to this port. It must not wait."""
        self._ports[port] = accept

    def close(self, port: int) -> None:
        """Refuse whoever comes to that port from now on."""
        self._ports.pop(port, None)

    async def connect(self, name: str, port: int) -> End:
        """A stream to a port of a host. Raises OSError where nobody listens or answers. Cancelling leaves nothing."""
        network, answered = self.network, trio.Event()
        if self.down:
            await trio.sleep_forever()
        there, back = network.lane(self.name, name), network.lane(name, self.name)
        ours, theirs = End(self, there), End(network.host(name), back)
        ours.peer, theirs.peer = theirs, ours
        refused = False

        def arrive() -> None:
            nonlocal refused
            accept = network.host(name).accepting(port)
            refused = accept is None
            if accept is not None:
                theirs.open()
                accept(theirs)
            back.send(answered.set)

        there.send(arrive)
        try:
            with trio.fail_after(CONNECT_PATIENCE):
                await answered.wait()
            if refused:
                raise ConnectionRefusedError(f"nobody listens on {name}:{port}")
            ours.open()
        except trio.TooSlowError as late:
            raise TimeoutError(f"{name}:{port} does not answer") from late
        finally:
            if not ours.is_open:
                network.drop(there)
                theirs.sever(0)
        return ours

    def accepting(self, port: int) -> Acceptor | None:
        """Who takes what comes to a port."""
        return self._ports.get(port)

    def crash(self) -> None:
        """Lose everything that runs here at once, as by SIGKILL: who is connected learns of it as the network allows.

        Whatever is still run for it does nothing to others any more, until `boot`.
        """
        self.network.note(f"crash {self.name}")
        self.down = True
        self._ports.clear()
        for end in list(self.ends):
            end.abandon()

    def boot(self) -> None:
        """Be there again, with nothing of what was."""
        self.network.note(f"boot {self.name}")
        self.down = False


class End(trio.abc.HalfCloseableStream):
    """One end of a connection."""

    peer: End

    def __init__(self, host: Host, lane: Lane) -> None:
        self.host = host
        self.is_open = False
        self._lane = lane
        self._inbox = bytearray()
        self._ended = False  # the other side sends no more
        self._lost = False
        self._closed = False
        self._finished = False  # this side sends no more
        self._under_way = 0
        self._takes_at_once = host.network.take_at_once()
        self._read = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()

    def __repr__(self) -> str:
        return f"<End {self.host.name} -> {self.peer.host.name} lost={self._lost} closed={self._closed}>"

    def open(self) -> None:
        """Be there."""
        self.is_open = True
        self.host.ends[self] = None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As a socket's: it is taken, not delivered, when this returns."""
        if self._takes_at_once:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await trio.lowlevel.checkpoint()
        self._check_sending()
        await self._wait_for_room()
        self._put(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        """Until there is room."""
        await trio.lowlevel.checkpoint()
        self._check_sending()
        await self._wait_for_room()

    async def send_eof(self) -> None:
        """Send no more, and go on reading."""
        await trio.lowlevel.checkpoint()
        if not self._finished:
            self._check_sending()
            self._finish()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has come."""
        if self._has_news:
            await trio.lowlevel.checkpoint()
        while not self._has_news:
            await self._read.park()
        if self._closed:
            raise trio.ClosedResourceError("this end was closed")
        if self._lost and not self._inbox:
            raise trio.BrokenResourceError("the connection was lost")
        data = bytes(self._inbox[:max_bytes])
        del self._inbox[: len(data)]
        return data

    async def aclose(self) -> None:
        """Close it; what was sent goes on its way."""
        if not self._closed:
            if not self._finished:
                self._finish()
            self._leave()
        await trio.lowlevel.checkpoint()

    def abandon(self) -> None:
        """Close it as the kernel does for a process that is gone: without a word beyond that."""
        if not self._closed:
            self._lane.send(self.peer.lose)
            self._leave()

    def sever(self, after: float) -> None:
        """Learn in so many seconds that the connection is lost; nothing gets through from now on."""
        self.host.network.drop(self._lane)
        self.host.network.agenda.at(trio.current_time() + after, self.lose)

    def lose(self) -> None:
        """Learn that the connection is lost."""
        self._lost = True
        self.host.ends.pop(self, None)
        self._wake()

    def take(self, data: bytes) -> None:
        """Have something arrive here. Where nobody reads any longer the other side learns that."""
        if self._closed:
            self._lane.send(self.peer.lose)
            return
        self._inbox += data
        self._read.unpark_all()

    def take_end(self) -> None:
        """Have the other side's last word arrive here."""
        self._ended = True
        self._read.unpark_all()

    def give_room(self, size: int) -> None:
        """Take note that so much has arrived at the other end."""
        self._under_way -= size
        if self._room:
            self._room.unpark_all()

    @property
    def _has_news(self) -> bool:
        return bool(self._inbox) or self._ended or self._lost or self._closed

    def _put(self, data: bytes) -> None:
        size = len(data)
        self._under_way += size

        def arrive() -> None:
            self.peer.take(data)
            self.give_room(size)

        self._lane.send(arrive)

    def _finish(self) -> None:
        self._finished = True
        self._lane.send(self.peer.take_end)

    def _check_sending(self) -> None:
        if self._closed or self._finished:
            raise trio.ClosedResourceError("this end sends no more")
        if self._lost:
            raise trio.BrokenResourceError("the connection was lost")

    async def _wait_for_room(self) -> None:
        while self._under_way >= WINDOW:
            await self._room.park()
            self._check_sending()

    def _leave(self) -> None:
        self._closed = True
        self._finished = True
        self.host.ends.pop(self, None)
        self._wake()

    def _wake(self) -> None:
        self._read.unpark_all()
        self._room.unpark_all()
