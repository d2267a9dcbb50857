"""The commands of sorted sets, as `commands` has those of the rest."""

from __future__ import annotations

from tests.simnet.keyspace import Command, CommandError, Keyspace, Reply, Scores, bounds, number, written


def _add(keys: Keyspace, args: list[bytes]) -> Reply:
    key, *rest = args
    options = set()
    while rest and rest[0].upper() in {b"NX", b"XX", b"GT", b"LT", b"CH"}:
        options.add(rest.pop(0).upper())
    pairs = [(member, number(score)) for score, member in zip(rest[::2], rest[1::2], strict=True)]
    scores = keys.scores(key, write=True)
    added = changed = 0
    for member, score in pairs:
        old = scores.get(member)
        if old is None:
            if b"XX" not in options:
                scores[member] = score
                added += 1
        elif not (b"NX" in options or (b"GT" in options and score <= old) or (b"LT" in options and score >= old)):
            changed += score != old
            scores[member] = score
    keys.tidy(key)
    return added + changed if b"CH" in options else added


def _remove(keys: Keyspace, args: list[bytes]) -> Reply:
    scores = keys.scores(args[0], write=keys.there(args[0]))
    gone = sum(scores.pop(member, None) is not None for member in args[1:])
    keys.tidy(args[0])
    return gone


def _increment(keys: Keyspace, args: list[bytes]) -> Reply:
    scores = keys.scores(args[0], write=True)
    scores[args[2]] = scores.get(args[2], 0.0) + number(args[1])
    return written(scores[args[2]])


def _score(keys: Keyspace, args: list[bytes]) -> Reply:
    score = keys.scores(args[0]).get(args[1])
    return None if score is None else written(score)


def _size(keys: Keyspace, args: list[bytes]) -> Reply:
    return len(keys.scores(args[0]))


def _above(bound: bytes, score: float) -> bool:
    return score > number(bound[1:]) if bound.startswith(b"(") else score >= number(bound)


def _below(bound: bytes, score: float) -> bool:
    return score < number(bound[1:]) if bound.startswith(b"(") else score <= number(bound)


def _within(scores: Scores, low: bytes, high: bytes) -> list[tuple[bytes, float]]:
    return [(member, score) for member, score in scores.ordered() if _above(low, score) and _below(high, score)]


def _count(keys: Keyspace, args: list[bytes]) -> Reply:
    return len(_within(keys.scores(args[0]), args[1], args[2]))


def _shown(found: list[tuple[bytes, float]], options: list[bytes]) -> Reply:
    """What a range gives: a part of it with LIMIT, and the scores where they are asked for."""
    words = [word.upper() for word in options]
    if b"LIMIT" in words:
        at = words.index(b"LIMIT")
        offset, most = int(options[at + 1]), int(options[at + 2])
        found = found[offset:] if most < 0 else found[offset : offset + most]
    if b"WITHSCORES" in words:
        return [word for member, score in found for word in (member, written(score))]
    return [member for member, _ in found]


def _by_score(keys: Keyspace, args: list[bytes]) -> Reply:
    return _shown(_within(keys.scores(args[0]), args[1], args[2]), args[3:])


def _by_score_backwards(keys: Keyspace, args: list[bytes]) -> Reply:
    return _shown(_within(keys.scores(args[0]), args[2], args[1])[::-1], args[3:])


def _range(keys: Keyspace, args: list[bytes]) -> Reply:
    options = [word.upper() for word in args[3:]]
    if b"BYSCORE" in options:
        backwards = b"REV" in options
        return (_by_score_backwards if backwards else _by_score)(keys, args)
    if b"BYLEX" in options:
        raise CommandError("ERR BYLEX is not in the model")
    found = keys.scores(args[0]).ordered()
    found = found[::-1] if b"REV" in options else found
    return _shown(found[slice(*bounds(args[1], args[2], len(found)))], args[3:])


def _range_backwards(keys: Keyspace, args: list[bytes]) -> Reply:
    return _range(keys, [*args, b"REV"])


def _rank(keys: Keyspace, args: list[bytes]) -> Reply:
    members = [member for member, _ in keys.scores(args[0]).ordered()]
    return members.index(args[1]) if args[1] in members else None


def _remove_by_score(keys: Keyspace, args: list[bytes]) -> Reply:
    found = _within(keys.scores(args[0]), args[1], args[2])
    return _remove(keys, [args[0], *(member for member, _ in found)])


def _remove_by_rank(keys: Keyspace, args: list[bytes]) -> Reply:
    found = keys.scores(args[0]).ordered()
    return _remove(keys, [args[0], *(member for member, _ in found[slice(*bounds(args[1], args[2], len(found)))])])


def _pop_lowest(keys: Keyspace, args: list[bytes]) -> Reply:
    most = int(args[1]) if len(args) > 1 else 1
    found = keys.scores(args[0]).ordered()[: max(0, most)]
    _remove(keys, [args[0], *(member for member, _ in found)])
    return _shown(found, [b"WITHSCORES"])


SORTED_SETS: dict[str, Command] = {
    "ZADD": _add,
    "ZREM": _remove,
    "ZINCRBY": _increment,
    "ZSCORE": _score,
    "ZCARD": _size,
    "ZCOUNT": _count,
    "ZRANGE": _range,
    "ZREVRANGE": _range_backwards,
    "ZRANGEBYSCORE": _by_score,
    "ZREVRANGEBYSCORE": _by_score_backwards,
    "ZRANK": _rank,
    "ZREMRANGEBYSCORE": _remove_by_score,
    "ZREMRANGEBYRANK": _remove_by_rank,
    "ZPOPMIN": _pop_lowest,
}
