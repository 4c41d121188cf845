"""What the user of ``REDIS_URL`` may do there: asked by trying, for few may read their own rights.

Each command that the service uses is tried on keys of its own, which vanish by themselves. The two locks
whose names people know are only looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import redis

from keepa_deals.jobs import LOCKED_JOBS
from keepa_deals.redis_store import DEFAULT_PREFIX, Keys

LIFE_MS = 5000
_COMMAND = re.compile(r"permissions? to run the '([^']+)'", re.IGNORECASE)


def missing(client: redis.Redis, prefix: str) -> list[str]:
    """What ``ACL SETUSER`` has to give, in its notation: ``+brpop``, ``~keepa_deals:*``."""
    pipe = client.pipeline(transaction=False)
    tried = list(_trials(prefix))
    for command in tried:
        pipe.execute_command(*command)  # type: ignore[no-untyped-call]
    answers = pipe.execute(raise_on_error=False)
    wanted: dict[str, None] = {}
    for command, answer in zip(tried, answers, strict=True):
        if isinstance(answer, redis.exceptions.NoPermissionError):
            wanted[_right(command, str(answer), prefix)] = None
    return list(wanted)


def pattern(prefix: str) -> str:
    """What the user of a deployment needs, as ``ACL SETUSER`` takes it."""
    locks = [f"~{job.lock}" for job in LOCKED_JOBS] if prefix == DEFAULT_PREFIX else []
    return " ".join((f"~{prefix}:*", *locks, "+@all", "-@admin", "-flushall", "-flushdb"))


def _right(command: tuple[Any, ...], answer: str, prefix: str) -> str:
    """The right whose lack an answer tells of: to a command, else to the key that it was about."""
    refused = _COMMAND.search(answer)
    if refused is not None:
        return f"+{refused[1].lower()}"
    key = next(
        str(part) for part in command[1:] if str(part).startswith(f"{prefix}:") or "_lock" in str(part)
    )
    return f"~{prefix}:*" if key.startswith(f"{prefix}:") else f"~{key}"


def _trials(prefix: str) -> Iterator[tuple[Any, ...]]:
    text, table, line, order, group = (
        f"{prefix}:start:{kind}" for kind in ("text", "hash", "list", "zset", "set")
    )
    yield from (
        ("PING",),
        ("INFO",),
        ("TIME",),
        ("SCRIPT", "LOAD", "return 1"),
        ("EVAL", "return 1", 1, text),
    )
    yield from (("SET", text, "1", "PX", LIFE_MS), ("GET", text), ("INCRBY", text, 1), ("TYPE", text))
    yield from (
        ("PEXPIRE", text, LIFE_MS),
        ("PTTL", text),
        ("EXISTS", text),
        ("EXPIRE", text, 5),
        ("TTL", text),
    )
    yield from (
        ("HSET", table, "a", "1"),
        ("PEXPIRE", table, LIFE_MS),
        ("HGET", table, "a"),
        ("HDEL", table, "b"),
    )
    yield from (("HGETALL", table), ("HMGET", table, "a"), ("HLEN", table), ("HKEYS", table))
    yield from (("HINCRBY", table, "a", 1), ("HEXISTS", table, "a"))
    yield from (("LPUSH", line, "1", "2", "3", "4"), ("RPUSH", line, "5"), ("PEXPIRE", line, LIFE_MS))
    yield from (
        ("LLEN", line),
        ("LRANGE", line, 0, 0),
        ("RPOP", line),
        ("BLPOP", line, 0.01),
        ("BRPOP", line, 0.01),
    )
    yield from (("ZADD", order, 1, "a"), ("PEXPIRE", order, LIFE_MS), ("ZRANGE", order, 0, 0))
    yield from (("ZSCORE", order, "a"), ("ZREM", order, "b"), ("ZREVRANGEBYSCORE", order, 1, 0))
    yield from (("SADD", group, "a"), ("PEXPIRE", group, LIFE_MS), ("SREM", group, "b"), ("SMEMBERS", group))
    yield ("DEL", text, table, line, order, group)
    for job in LOCKED_JOBS:
        yield ("PTTL", Keys(prefix).lock(job.lock))
