"""Runs the scripts that our gateways send to a store, as its server does: in Lua, on the keys of one server.

The same text runs in tests/state on a real server, where it has to give the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from lupa import lua51

from tests.simnet.keyspace import CommandError, Reply, written

Result: TypeAlias = "bytes | int | list[Result] | None"
Call: TypeAlias = Callable[[list[bytes]], Reply]

LIBRARY = b"""
local call = ...
local function fails(message)
  return {err = message}
end
local function run(...)
  return call({n = select('#', ...), ...})
end
return {
  call = function(...)
    local reply = run(...)
    if type(reply) == 'table' and reply.err then
      error(reply.err, 0)
    end
    return reply
  end,
  pcall = run,
  error_reply = fails,
  status_reply = function(message) return {ok = message} end,
}
"""
SCRIPT = b"local redis, KEYS, ARGV = ...\n"


class ScriptError(Exception):
    """A script that failed: what it wrote before that stands."""


class LuaTable(Protocol):
    """A table of Lua's."""

    def __getitem__(self, key: object) -> object: ...

    def __len__(self) -> int: ...


class Scripts:
    """An interpreter with the scripts that it has seen. `call` is what `redis.call` does with its words."""

    def __init__(self, call: Call) -> None:
        self._lua = lua51.LuaRuntime(encoding=None, unpack_returned_tuples=True, register_eval=False)
        self._call = call
        self._redis = self._lua.compile(LIBRARY)(self._carry_out)
        self._compiled: dict[bytes, Any] = {}

    def run(self, text: bytes, keys: list[bytes], args: list[bytes]) -> Result:
        """The reply to a script. Raises `ScriptError`."""
        compiled = self._compiled.get(text)
        if compiled is None:
            compiled = self._compiled[text] = self._lua.compile(SCRIPT + text)
        try:
            return self._reply(compiled(self._redis, self._lua.table_from(keys), self._lua.table_from(args)))
        except lua51.LuaError as fault:
            raise ScriptError(str(fault)) from fault

    def _carry_out(self, words: Any) -> object:  # noqa: ANN401 - a table of Lua's
        try:
            return self._to_lua(self._call([_word(words[place + 1]) for place in range(words[b"n"])]))
        except CommandError as fault:
            return self._lua.table_from({b"err": str(fault).encode()})

    def _to_lua(self, reply: Reply) -> object:
        if reply is None:
            return False
        if isinstance(reply, list):
            return self._lua.table_from([self._to_lua(each) for each in reply])
        return reply

    def _reply(self, value: object) -> Result:
        """What Lua returned, as the protocol carries it: numbers without their fractions, lists up to the first gap."""
        if isinstance(value, bytes):
            return value
        if value is None or value is False:
            return None
        if value is True:
            return 1
        if isinstance(value, int | float):
            return int(value)
        table: Any = value
        if table[b"err"] is not None:
            raise ScriptError(table[b"err"].decode())
        if table[b"ok"] is not None:
            return bytes(table[b"ok"])
        found: list[Result] = []
        while (each := table[len(found) + 1]) is not None:
            found.append(self._reply(each))
        return found


def _word(value: object) -> bytes:
    """A word of a command. Numbers are written as the server writes Lua's."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return written(float(value))
    raise CommandError("ERR Lua redis lib command arguments must be strings or integers")
