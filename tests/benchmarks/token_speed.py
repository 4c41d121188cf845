"""Speed of one acquire against a bare atomic bucket and public limiters, on a Redis of its own.

    .venv/bin/python tests/benchmarks/token_speed.py [--seconds 2] [--rounds 5]

Prints medians of operations a second for one and for four processes, and the ratio to the bare bucket.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import redis

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from keepa_deals.keepa.types import TokenEnvelope
from keepa_deals.token_manager import TokenManager
from tests.support.redis_server import RedisServer

PLENTY = 1_000_000_000
BARE = """
local left = tonumber(redis.call('GET', KEYS[1]) or ARGV[1])
if left < tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], left - tonumber(ARGV[2]))
return 1
"""
Take = Callable[[], object]


def bare_bucket(client: redis.Redis) -> Take:
    """The floor: one script, one key, no clock."""
    script = client.register_script(BARE)
    return lambda: script(keys=["bare"], args=[PLENTY, 5])


def token_manager(client: redis.Redis) -> Take:
    """Ours, granted; a reservation each, which a call settles in the real service."""
    tokens = TokenManager(client, account="bench")
    tokens.update_after_call(TokenEnvelope(int(time.time() * 1000), PLENTY, 60_000, 20, 0.0, 0, 0))
    return lambda: tokens.try_acquire(5)


def grant_and_settle(client: redis.Redis) -> Take:
    """Ours, both halves of a call: two round trips, counted as two operations."""
    tokens = TokenManager(client, account="bench2")
    stamp = int(time.time() * 1000)
    tokens.update_after_call(TokenEnvelope(stamp, PLENTY, 60_000, 20, 0.0, 0, 0))
    state = {"stamp": stamp, "permission": None}

    def take() -> object:
        if state["permission"] is None:
            state["permission"] = tokens.try_acquire(5)
        else:
            state["stamp"] += 1
            envelope = TokenEnvelope(state["stamp"], PLENTY, 60_000, 20, 0.0, 5, 0)
            state["permission"].settle(envelope)
            state["permission"] = None
        return state

    return take


def limits_with(strategy: str) -> Callable[[redis.Redis], Take]:
    def build(client: redis.Redis) -> Take:
        import limits
        import limits.strategies

        connection = client.connection_pool.connection_kwargs
        storage = limits.storage.RedisStorage(f"redis://{connection['host']}:{connection['port']}/0")
        limiter = getattr(limits.strategies, f"{strategy}RateLimiter")(storage)
        rate = limits.RateLimitItemPerMinute(PLENTY if strategy != "MovingWindow" else 10_000_000)
        return lambda: limiter.hit(rate, "bench", strategy, cost=5)

    return build


def pyrate(client: redis.Redis) -> Take:
    from pyrate_limiter import Duration, Limiter, Rate, RedisBucket

    bucket = RedisBucket.init([Rate(10_000_000, Duration.MINUTE)], client, "pyrate")
    limiter = Limiter(bucket)
    return lambda: limiter.try_acquire("bench", weight=5, blocking=False)


PEERS: dict[str, Callable[[redis.Redis], Take]] = {
    "bare Lua bucket": bare_bucket,
    "token manager": token_manager,
    "token manager, grant + settle": grant_and_settle,
    "limits, fixed window": limits_with("FixedWindow"),
    "limits, sliding window": limits_with("SlidingWindowCounter"),
    "limits, moving window": limits_with("MovingWindow"),
    "pyrate-limiter": pyrate,
}


def measure(url: str, name: str, seconds: float) -> float:
    """Operations a second of this process."""
    client = redis.Redis.from_url(url, decode_responses=name.startswith("token"))
    take = PEERS[name](client)
    for _ in range(50):
        take()
    count, end = 0, time.perf_counter() + seconds
    began = time.perf_counter()
    while time.perf_counter() < end:
        take()
        count += 1
    return count / (time.perf_counter() - began)


def measure_four(url: str, name: str, seconds: float) -> float:
    context = multiprocessing.get_context("fork")
    with context.Pool(4) as pool:
        return sum(pool.starmap(measure, [(url, name, seconds)] * 4))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=1.5)
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            _table(server, options.seconds, options.rounds)
            _memory(server)
        finally:
            server.stop()


def _table(server: RedisServer, seconds: float, rounds: int) -> None:
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in PEERS}
    for _ in range(rounds):  # interleaved, so that a slow minute of the machine hits all alike
        for name in PEERS:
            with server.client() as client:
                client.flushdb()
            found[name][0].append(measure(server.url, name, seconds))
            found[name][1].append(measure_four(server.url, name, seconds))
    floor = [statistics.median(values) for values in found["bare Lua bucket"]]
    print(f"{'':32} {'1 process':>12} {'ratio':>6} {'4 processes':>12} {'ratio':>6}")
    for name, samples in found.items():
        one, four = (statistics.median(values) for values in samples)
        print(f"{name:32} {one:10.0f}/s {one / floor[0]:6.2f} {four:10.0f}/s {four / floor[1]:6.2f}")


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
    print(f"memory after 1,000 calls {before >> 10} KiB, after 100,000 more {after >> 10} KiB")


if __name__ == "__main__":
    main()
