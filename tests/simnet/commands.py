"""The commands that our scripts use, with the replies that a store's server gives to them.

What is not here is refused, so that a script which needs more says so.
"""

from __future__ import annotations

from tests.simnet.keyspace import Command, CommandError, Keyspace, Reply, number, whole, written
from tests.simnet.sorted_sets import SORTED_SETS


def execute(keys: Keyspace, words: list[bytes], now: int) -> Reply:
    """Carry one command out, at that many milliseconds. Raises `CommandError`."""
    keys.begin(now)
    name, *args = words
    command = COMMANDS.get(name.upper().decode())
    if command is None:
        raise CommandError(f"ERR unknown command '{name.decode()}'")
    try:
        return command(keys, args)
    except ValueError as fault:
        raise CommandError(f"ERR value is not an integer or out of range ({fault})") from fault


def _get(keys: Keyspace, args: list[bytes]) -> Reply:
    return keys.text(args[0])


def _set(keys: Keyspace, args: list[bytes]) -> Reply:
    key, value, *rest = args
    options = [word.upper() for word in rest]
    there = keys.there(key)
    if (b"NX" in options and there) or (b"XX" in options and not there):
        return None
    end = keys.ends.get(key) if b"KEEPTTL" in options else None
    for unit, scale in ((b"PX", 1), (b"EX", 1000)):
        if unit in options:
            end = keys.now + scale * int(rest[options.index(unit) + 1])
    if b"PXAT" in options:
        end = int(rest[options.index(b"PXAT") + 1])
    keys.touched[key] = None
    keys.replace(key, value, end)
    return b"OK"


def _delete(keys: Keyspace, args: list[bytes]) -> Reply:
    return sum(keys.drop(key) for key in args)


def _exists(keys: Keyspace, args: list[bytes]) -> Reply:
    return sum(keys.there(key) for key in args)


def _append(keys: Keyspace, args: list[bytes]) -> Reply:
    value = (keys.text(args[0]) or b"") + args[1]
    keys.put(args[0], value)
    return len(value)


def _get_range(keys: Keyspace, args: list[bytes]) -> Reply:
    value = keys.text(args[0]) or b""
    size = len(value)
    if 0 > int(args[1]) > int(args[2]):
        return b""
    first, last = (max(0, place + size) if place < 0 else place for place in map(int, args[1:]))
    return value[first : last + 1]


def _length(keys: Keyspace, args: list[bytes]) -> Reply:
    return len(keys.text(args[0]) or b"")


def _increment(keys: Keyspace, args: list[bytes]) -> Reply:
    before = keys.text(args[0])
    value = (0 if before is None else whole(before)) + (int(args[1]) if len(args) > 1 else 1)
    keys.put(args[0], b"%d" % value)
    return value


def _expire(scale: int) -> Command:
    return lambda keys, args: keys.end_at(args[0], keys.now + scale * int(args[1]))


def _expire_at(keys: Keyspace, args: list[bytes]) -> Reply:
    return keys.end_at(args[0], int(args[1]))


def _persist(keys: Keyspace, args: list[bytes]) -> Reply:
    if not keys.there(args[0]) or args[0] not in keys.ends:
        return 0
    del keys.ends[args[0]]
    keys.touched[args[0]] = None
    return 1


def _hash_set(keys: Keyspace, args: list[bytes]) -> Reply:
    fields = keys.fields(args[0], write=True)
    before = len(fields)
    fields.update(zip(args[1::2], args[2::2], strict=True))
    return len(fields) - before


def _hash_set_new(keys: Keyspace, args: list[bytes]) -> Reply:
    if args[1] in keys.fields(args[0]):
        return 0
    return _hash_set(keys, args)


def _hash_get(keys: Keyspace, args: list[bytes]) -> Reply:
    return keys.fields(args[0]).get(args[1])


def _hash_get_several(keys: Keyspace, args: list[bytes]) -> Reply:
    fields = keys.fields(args[0])
    return [fields.get(name) for name in args[1:]]


def _hash_all(keys: Keyspace, args: list[bytes]) -> Reply:
    return [word for item in keys.fields(args[0]).items() for word in item]


def _hash_scan(keys: Keyspace, args: list[bytes]) -> Reply:
    """All at once, which a server may do as well."""
    return [b"0", _hash_all(keys, args)]


def _hash_delete(keys: Keyspace, args: list[bytes]) -> Reply:
    fields = keys.fields(args[0], write=keys.there(args[0]))
    gone = sum(fields.pop(name, None) is not None for name in args[1:])
    keys.tidy(args[0])
    return gone


def _hash_length(keys: Keyspace, args: list[bytes]) -> Reply:
    return len(keys.fields(args[0]))


def _hash_increment(keys: Keyspace, args: list[bytes]) -> Reply:
    fields = keys.fields(args[0], write=True)
    value = whole(fields.get(args[1], b"0")) + int(args[2])
    fields[args[1]] = b"%d" % value
    return value


def _hash_increment_float(keys: Keyspace, args: list[bytes]) -> Reply:
    fields = keys.fields(args[0], write=True)
    fields[args[1]] = written(float(fields.get(args[1], b"0")) + number(args[2]))
    return fields[args[1]]


def _hash_has(keys: Keyspace, args: list[bytes]) -> Reply:
    return int(args[1] in keys.fields(args[0]))


def _hash_names(keys: Keyspace, args: list[bytes]) -> Reply:
    return list(keys.fields(args[0]))


def _hash_values(keys: Keyspace, args: list[bytes]) -> Reply:
    return list(keys.fields(args[0]).values())


def _set_add(keys: Keyspace, args: list[bytes]) -> Reply:
    members = keys.members(args[0], write=True)
    before = len(members)
    members.update(args[1:])
    return len(members) - before


def _set_remove(keys: Keyspace, args: list[bytes]) -> Reply:
    members = keys.members(args[0], write=keys.there(args[0]))
    before = len(members)
    members.difference_update(args[1:])
    gone = before - len(members)
    keys.tidy(args[0])
    return gone


def _set_members(keys: Keyspace, args: list[bytes]) -> Reply:
    return [*sorted(keys.members(args[0]))]


def _set_has(keys: Keyspace, args: list[bytes]) -> Reply:
    return int(args[1] in keys.members(args[0]))


def _set_size(keys: Keyspace, args: list[bytes]) -> Reply:
    return len(keys.members(args[0]))


COMMANDS: dict[str, Command] = {
    "GET": _get,
    "SET": _set,
    "DEL": _delete,
    "UNLINK": _delete,
    "EXISTS": _exists,
    "APPEND": _append,
    "GETRANGE": _get_range,
    "STRLEN": _length,
    "INCR": _increment,
    "INCRBY": _increment,
    "EXPIRE": _expire(1000),
    "PEXPIRE": _expire(1),
    "PEXPIREAT": _expire_at,
    "PTTL": lambda keys, args: keys.left(args[0]),
    "PERSIST": _persist,
    "HSET": _hash_set,
    "HSETNX": _hash_set_new,
    "HGET": _hash_get,
    "HMGET": _hash_get_several,
    "HGETALL": _hash_all,
    "HSCAN": _hash_scan,
    "HDEL": _hash_delete,
    "HLEN": _hash_length,
    "HINCRBY": _hash_increment,
    "HINCRBYFLOAT": _hash_increment_float,
    "HEXISTS": _hash_has,
    "HKEYS": _hash_names,
    "HVALS": _hash_values,
    "SADD": _set_add,
    "SREM": _set_remove,
    "SMEMBERS": _set_members,
    "SISMEMBER": _set_has,
    "SCARD": _set_size,
    **SORTED_SETS,
}
