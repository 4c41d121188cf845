"""Speed of one acquire against a bare token bucket in Lua and public limiters, on a Redis of its own.

    .venv/bin/python tests/benchmarks/token_speed.py [--blocks 200] [--seconds 2] [--rounds 5]

Needs the extra ``bench``. One process takes turns in blocks of 100 calls, so that a slow moment of the
machine hits all alike; four processes share the server for some seconds each, in rounds. Prints medians,
the ratio to the bare bucket, round trips a call, and Redis's memory after 100,000 calls.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path

import redis

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from keepa_deals.keepa.envelope import ACCOUNT_BOUNDS, TokenEnvelope
from keepa_deals.token_manager import Reservation, TokenManager
from tests.support.servers.redis import RedisServer

PLENTY = ACCOUNT_BOUNDS["tokensLeft"][1]
"""The largest balance that the token manager believes."""
RATE, TICK_MS = 20, 60_000
BLOCK = 100
COST = 5
BARE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local most, rate, tick, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local found = redis.call('HMGET', KEYS[1], 'left', 'tick_at')
local left, tick_at = tonumber(found[1] or most), tonumber(found[2] or now)
local ticks = math.floor((now - tick_at) / tick)
left = math.min(most, left + ticks * rate)
if left < cost then return 0 end
redis.call('HSET', KEYS[1], 'left', left - cost, 'tick_at', tick_at + ticks * tick)
return 1
"""
Take = Callable[[], object]


def bare_bucket(client: redis.Redis) -> Take:
    """The floor: a token bucket with ticks and nothing else, one script on one key."""
    script = client.register_script(BARE)
    return lambda: script(keys=["bare"], args=[PLENTY, RATE, TICK_MS, COST])


def _manager(client: redis.Redis) -> TokenManager:
    decoding = redis.Redis(connection_pool=client.connection_pool)
    return TokenManager(decoding, account="bench")


def _envelope(consumed: int, stamp: int) -> TokenEnvelope:
    return TokenEnvelope(stamp, PLENTY, TICK_MS, RATE, 0.0, consumed, 0)


def grant(client: redis.Redis) -> Take:
    """Ours, granted as the upserter is: a reservation each, which the answer of a call settles."""
    tokens = _manager(client)
    tokens.update_after_call(_envelope(0, int(time.time() * 1000)))
    return lambda: _granted(tokens)


def _granted(tokens: TokenManager) -> Reservation:
    reservation = tokens.try_acquire(COST, kind="deal", task="update_recent_deals")
    assert isinstance(reservation, Reservation)
    return reservation


def grant_and_settle(client: redis.Redis) -> Take:
    """Ours, both halves of a call in turn, each counted as one."""
    tokens, held = _manager(client), []
    stamp = int(time.time() * 1000)
    tokens.update_after_call(_envelope(0, stamp))

    def take() -> object:
        nonlocal stamp
        stamp += 1
        if held:
            held.pop().settle(_envelope(COST, stamp))
        else:
            held.append(_granted(tokens))
        return True

    return take


def limits_with(strategy: str, most: int) -> Callable[[redis.Redis], Take]:
    def build(client: redis.Redis) -> Take:
        import limits
        import limits.strategies

        connection = client.connection_pool.connection_kwargs
        storage = limits.storage.RedisStorage(f"redis://{connection['host']}:{connection['port']}/0")
        limiter = getattr(limits.strategies, f"{strategy}RateLimiter")(storage)
        rate = limits.RateLimitItemPerMinute(most)
        return lambda: limiter.hit(rate, "bench", strategy, cost=COST)

    return build


def pyrate(client: redis.Redis) -> Take:
    from pyrate_limiter import Duration, Limiter, Rate, RedisBucket

    bucket = RedisBucket.init([Rate(10_000_000, Duration.MINUTE)], client, "pyrate")
    limiter = Limiter(bucket)
    return lambda: limiter.try_acquire("bench", weight=COST, blocking=False)


FLOOR = "bare Lua bucket"
PEERS: dict[str, Callable[[redis.Redis], Take]] = {
    FLOOR: bare_bucket,
    "token manager, grant": grant,
    "token manager, grant and settlement": grant_and_settle,
    "limits, fixed window": limits_with("FixedWindow", PLENTY),
    "limits, sliding window": limits_with("SlidingWindowCounter", PLENTY),
    "limits, moving window": limits_with("MovingWindow", 10_000_000),
    "pyrate-limiter": pyrate,
}


@dataclass
class Row:
    """What was measured of one peer: microseconds a call, calls a second of four processes, round trips."""

    alone: list[float]
    together: list[float]
    round_trips: float


def _client(url: str, name: str) -> redis.Redis:
    return redis.Redis.from_url(url, decode_responses=name.startswith("token"))


def measure_alone(url: str, blocks: int) -> dict[str, Row]:
    """Blocks of calls in turn; what a block left in Redis is removed before the next of its kind."""
    rows = {name: Row([], [], _round_trips(url, name)) for name in PEERS}
    with redis.Redis.from_url(url) as admin:
        for _ in range(blocks):
            for name in PEERS:
                admin.flushdb()
                take = PEERS[name](_client(url, name))
                take(), take()
                began = time.perf_counter()
                for _ in range(BLOCK):
                    take()
                rows[name].alone.append((time.perf_counter() - began) / BLOCK * 1e6)
    return rows


def _round_trips(url: str, name: str) -> float:
    """Scripts that Redis ran for ten calls: each is one round trip."""
    with redis.Redis.from_url(url) as admin:
        admin.flushdb()
        take = PEERS[name](_client(url, name))
        take(), take()
        admin.config_resetstat()
        for _ in range(10):
            take()
        stats = admin.info("commandstats")
    return sum(stats.get(f"cmdstat_{command}", {"calls": 0})["calls"] for command in ("evalsha", "eval")) / 10


def _share(url: str, name: str, seconds: float, ready: Barrier) -> float:
    """Calls a second of one of four processes."""
    client = _client(url, name)
    take = PEERS[name](client)
    take(), take()
    ready.wait()
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        for _ in range(BLOCK):
            take()
        count += BLOCK
    return count / (time.perf_counter() - began)


def measure_together(url: str, name: str, seconds: float) -> float:
    context = multiprocessing.get_context("fork")
    with context.Manager() as manager, context.Pool(4) as pool:
        ready = manager.Barrier(4)
        return sum(pool.starmap(_share, [(url, name, seconds, ready)] * 4))


def _table(server: RedisServer, options: argparse.Namespace) -> None:
    rows = measure_alone(server.url, options.blocks)
    for _ in range(options.rounds):
        for name, row in rows.items():
            with server.client() as client:
                client.flushdb()
            row.together.append(measure_together(server.url, name, options.seconds))
    floor = rows[FLOOR]
    print(f"{'':36} {'one process':>16} {'ratio':>6} {'four processes':>15} {'ratio':>6} {'round trips':>12}")
    for name, row in rows.items():
        alone = statistics.median(row.alone)
        ratio = statistics.median(f / r for f, r in zip(floor.alone, row.alone, strict=True))
        together = statistics.median(row.together)
        shared = statistics.median(r / f for f, r in zip(floor.together, row.together, strict=True))
        print(f"{name:36} {1e6 / alone:14.0f}/s {ratio:6.2f} {together:13.0f}/s {shared:6.2f} "
              f"{row.round_trips:12.1f}")  # fmt: skip


def _memory(server: RedisServer) -> None:
    """Memory of Redis after 100,000 calls, granted and settled: it must not grow with their number."""
    with server.client() as client:
        client.flushdb()
        take = grant_and_settle(client)
        for _ in range(2000):
            take()
        before = client.info("memory")["used_memory"]
        for _ in range(200_000):
            take()
        after = client.info("memory")["used_memory"]
    print(f"\nmemory after 1,000 calls {before >> 10} KiB, after 100,000 more {after >> 10} KiB")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--blocks", type=int, default=200)
    arguments.add_argument("--seconds", type=float, default=1.5)
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            _table(server, options)
            _memory(server)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
