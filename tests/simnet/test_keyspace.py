"""The model of a store's keys, held against the real server: the same commands have the same replies."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO

import pytest

from tests.servers import Server, running, store
from tests.simnet.commands import COMMANDS, execute
from tests.simnet.keyspace import CommandError, Keyspace, Reply
from tests.simnet.scripts import Result, ScriptError, Scripts

pytestmark = pytest.mark.slow

SEEDS = 300
STEPS = 60
NOW = int(time.time() * 1000)
FAR = 10**9  # milliseconds that no test takes


class Client:
    """Speaks to the real server, one command at a time."""

    def __init__(self, server: Server) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port))
        self._file: IO[bytes] = self._socket.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, *words: bytes) -> Reply:
        """The reply to a command. Raises `CommandError`."""
        self._socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words))
        return self._reply()

    def _reply(self) -> Reply:
        line = self._file.readline()[:-2]
        kind, rest = line[:1], line[1:]
        match kind:
            case b"-":
                raise CommandError(rest.decode())
            case b":":
                return int(rest)
            case b"+":
                return rest
            case b"$":
                return None if rest == b"-1" else self._file.read(int(rest) + 2)[:-2]
            case b"*":
                return [self._reply() for _ in range(int(rest))]
            case _:
                raise AssertionError(line)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with running(store(tmp_path_factory.mktemp("store"))) as server:
        client = Client(server)
        yield client
        client.close()


class Drawn:
    """Commands at random, on few keys, so that they meet."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def command(self) -> list[bytes]:
        name = self._chance.choice(sorted(COMMANDS))
        return [name.encode(), *self._words(name)]

    def _words(self, name: str) -> list[bytes]:  # noqa: C901, PLR0911, PLR0912 - a table
        pick = self._chance.choice
        key, member = self._key(), self._member
        match name:
            case "SET":
                return [key, member(), *pick([[], [b"NX"], [b"XX"], [b"PX", b"%d" % FAR], [b"EX", b"9999"]])]
            case "DEL" | "UNLINK" | "EXISTS":
                return [key, self._key()]
            case "GETRANGE":
                return [key, self._place(), self._place()]
            case "APPEND" | "HGET" | "HEXISTS" | "SISMEMBER" | "ZSCORE" | "ZRANK":
                return [key, member()]
            case "HMGET" | "HDEL" | "SADD" | "SREM" | "ZREM":
                return [key, member(), member()]
            case "INCRBY":
                return [key, self._place()]
            case "EXPIRE" | "PEXPIRE":
                return [key, pick([b"%d" % FAR, b"-5"])]
            case "PEXPIREAT":
                return [key, pick([b"%d" % (NOW + FAR), b"1"])]
            case "HSET":
                return [key, member(), self._place(), member(), member()]
            case "HSETNX":
                return [key, member(), member()]
            case "HSCAN":
                return [key, b"0"]
            case "HINCRBY":
                return [key, member(), self._place()]
            case "HINCRBYFLOAT":
                return [key, member(), pick([b"0.5", b"2"])]
            case "ZADD":
                return [key, *pick([[], [b"NX"], [b"XX"], [b"GT"], [b"LT"], [b"CH"]]), self._score(), member()]
            case "ZINCRBY":
                return [key, self._score(), member()]
            case "ZCOUNT" | "ZREMRANGEBYSCORE":
                return [key, self._end(b"-inf"), self._end(b"+inf")]
            case "ZRANGEBYSCORE":
                return [key, self._end(b"-inf"), self._end(b"+inf"), *self._options()]
            case "ZREVRANGEBYSCORE":
                return [key, self._end(b"+inf"), self._end(b"-inf"), *self._options()]
            case "ZRANGE" | "ZREVRANGE":
                return [key, self._place(), self._place(), *pick([[], [b"WITHSCORES"]])]
            case "ZREMRANGEBYRANK":
                return [key, self._place(), self._place()]
            case "ZPOPMIN":
                return [key, *pick([[], [b"2"]])]
            case _:
                return [key]

    def _key(self) -> bytes:
        return self._chance.choice([b"text", b"number", b"hash", b"set", b"scores", b"scores"])

    def _member(self) -> bytes:
        return self._chance.choice([b"a", b"b", b"c", b"4", b""])

    def _place(self) -> bytes:
        return b"%d" % self._chance.randint(-4, 4)

    def _score(self) -> bytes:
        return self._chance.choice([b"1", b"1.5", b"2", b"-3", b"1790000000123", b"inf"])

    def _end(self, bound: bytes) -> bytes:
        return self._chance.choice([bound, b"1", b"(1", b"2", b"1.5", b"1790000000123"])

    def _options(self) -> list[bytes]:
        return self._chance.choice([[], [b"WITHSCORES"], [b"LIMIT", b"0", b"1"], [b"LIMIT", b"1", b"5"]])


def outcome(words: list[bytes], ask: Callable[[], Reply]) -> object:
    """A reply, whose order says nothing where the server promises none; and of what lasts, that it does."""
    name = words[0]
    try:
        reply = ask()
    except CommandError as fault:
        return str(fault).split()[0]
    if name in {b"SMEMBERS", b"HKEYS", b"HVALS"} and isinstance(reply, list):
        return sorted(reply, key=repr)
    if name == b"HSCAN" and isinstance(reply, list):
        name, reply = b"HGETALL", reply[1]
    if name == b"HGETALL" and isinstance(reply, list):
        return sorted(zip(reply[::2], reply[1::2], strict=True), key=repr)
    if name == b"PTTL" and isinstance(reply, int) and reply > 0:
        return "lasts"
    return reply


def test_commands_have_the_same_replies(client: Client) -> None:
    """Whatever is asked in whatever order, the model says what the real server says, and refuses what it refuses."""
    for seed in range(SEEDS):
        drawn, keys = Drawn(random.Random(seed)), Keyspace()
        client.ask(b"FLUSHALL")
        for _ in range(STEPS):
            words = drawn.command()
            real = outcome(words, partial(client.ask, *words))
            assert real == outcome(words, partial(execute, keys, words, NOW)), f"seed {seed}: {words}"


SCRIPTS = [
    b"return {1, 2.9, -2.9, 'text', false, 3}",
    b"return {true, 'a', nil, 'b'}",
    b"return redis.call('GET', KEYS[1])",
    b"redis.call('SET', KEYS[1], 1.5) return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]), 'end'}",
    b"redis.call('SET', KEYS[1], 1790000000123) return redis.call('GET', KEYS[1])",
    b"redis.call('SET', KEYS[1], ARGV[1] + 1) return redis.call('GET', KEYS[1])",
    b"redis.call('ZADD', KEYS[2], 1790000000123.5, 'm') return redis.call('ZSCORE', KEYS[2], 'm')",
    b"redis.call('ZADD', KEYS[2], 3, 'm') return redis.call('ZSCORE', KEYS[2], 'm') + 1",
    b"redis.call('ZADD', KEYS[2], 3, 'm') return redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')",
    b"if redis.call('GET', KEYS[2]) == false then return 'nothing' end return 'something'",
    b"return redis.call('HMGET', KEYS[1], 'a', 'b')",
    b"redis.call('SET', KEYS[1], 'x') return redis.pcall('HGET', KEYS[1], 'y')",
    b"redis.call('SET', KEYS[1], 'x') return {redis.pcall('HGET', KEYS[1], 'y').err ~= nil, 'goes on'}",
    b"redis.call('SET', KEYS[1], 'x') redis.call('HGET', KEYS[1], 'y') return 'never'",
    b"return redis.error_reply('MINE not today')",
    b"return redis.status_reply('FINE')",
    b"return {#KEYS, #ARGV, KEYS[1], ARGV[2]}",
    b"return redis.call('NO_SUCH_COMMAND')",
    b"return string.format('%.0f', 1790000000123 * 1000)",
    b"return {}",
    b"return nil",
]


def flat(reply: object) -> object:
    """An error by its first word alone."""
    return str(reply).split()[0] if isinstance(reply, Exception) else reply


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_scripts_have_the_same_replies(client: Client, number: int) -> None:
    """What goes from Lua to a command, back to Lua and to the client is turned over as the real server does it."""
    text, words, args = SCRIPTS[number], [b"key", b"other"], [b"41", b"two"]
    client.ask(b"FLUSHALL")
    keys = Keyspace()
    scripts = Scripts(lambda command: execute(keys, command, NOW))
    real: Reply | Exception
    modelled: Result | Exception
    try:
        real = client.ask(b"EVAL", text, b"2", *words, *args)
    except CommandError as fault:
        real = fault
    try:
        modelled = scripts.run(text, words, args)
    except ScriptError as fault:
        modelled = fault
    assert isinstance(real, Exception) == isinstance(modelled, Exception), (real, modelled)
    assert flat(real) == flat(modelled) or isinstance(real, Exception)


def test_what_has_ended_is_not_there() -> None:
    """A key goes with its end, whatever it is looked for with, and a replica is told so."""
    keys = Keyspace()
    execute(keys, [b"SET", b"key", b"value", b"PX", b"10"], NOW)
    execute(keys, [b"SADD", b"set", b"member"], NOW)
    execute(keys, [b"PEXPIRE", b"set", b"10"], NOW)
    assert execute(keys, [b"GET", b"key"], NOW + 9) == b"value"
    keys.touched.clear()
    assert execute(keys, [b"GET", b"key"], NOW + 10) is None
    assert execute(keys, [b"SCARD", b"set"], NOW + 10) == 0
    assert list(keys.touched) == [b"key", b"set"]
