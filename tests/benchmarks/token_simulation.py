"""24 hours of the token policy on the real Lua, beside the rules of the replaced system.

    .venv/bin/python tests/benchmarks/token_simulation.py [--hours 24] [--rates 5,20,25,60,250]

The account is the sandbox's. One upserter reads a page of 450 deals (three pages) each run, 300 s apart
at 5 tokens a minute and 60 s apart else; one backfiller spends whatever it is given. Waits in seconds.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from keepa_deals.errors import TokensUnavailableError
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.sandbox.account import Account
from keepa_deals.token_manager import Policy, Reservation, TokenManager
from tests.support.accounts import ManualTime, manager
from tests.support.servers.redis import RedisServer

PAGES = 3
FRESH = 3600.0


@dataclass
class World:
    """What goes wrong at Keepa: by how much a call may be dearer, and what share of answers is lost."""

    jump: float = 1.0
    lost: float = 0.0
    foreign: int = 0


@dataclass
class Day:
    """What happened to the upserter and to the tokens."""

    waits: list[float] = field(default_factory=list)
    missed: int = 0
    refused: int = 0
    worst_live: int = 450
    checks: int = 0


class Ours:
    """The real token manager on the real Redis; Redis's clock is the simulation's."""

    name = "this policy"

    def __init__(self, server: RedisServer, time: ManualTime, account: Account, interval: float) -> None:
        client = server.client()
        client.flushdb()
        policy = Policy(upsert_interval=interval)
        self.tokens: TokenManager = manager(
            client, time, policy=policy, sync=lambda: TokenEnvelope.from_json(account.envelope())
        )

    def small(self) -> tuple[object | None, float]:
        answer = self.tokens.try_acquire(5, kind="deal", task="update_recent_deals")
        return (answer, 0.0) if isinstance(answer, Reservation) else (None, answer.retry_after)

    def bulk(self) -> tuple[object | None, int, float]:
        try:
            permission = self.tokens.request_batch("product", max_items=100, timeout=0)
        except TokensUnavailableError as error:
            return None, 0, error.retry_after or 1.0
        return permission, permission.items, 0.0

    def settle(self, grant: object, envelope: TokenEnvelope | None) -> None:
        assert isinstance(grant, Reservation)
        if envelope is None:
            self.tokens.abandon(grant, sent=True)
        else:
            grant.settle(envelope)

    def resync(self) -> None:
        """What a waiting request does when the balance is in doubt."""
        self.tokens.request_permission_for_call(1).release()


class Replaced:
    """The rules of the replaced system on a balance that is corrected by every answer."""

    def __init__(self, name: str, time: ManualTime, account: Account, *, skip: bool, priority: bool) -> None:
        self.name = name
        self._time, self._account, self._skip, self._priority = time, account, skip, priority
        self._recovering = False

    def _refused(self, cost: int) -> float:
        """Seconds to wait; 0 when it may go."""
        balance = self._account.tokens_left
        if self._priority and cost <= 10:
            return 0.0 if balance >= cost else 15.0
        if balance < 50:
            self._recovering = True
        if balance >= 55:
            self._recovering = False
        return 15.0 if self._recovering else 0.0

    def small(self) -> tuple[object | None, float]:
        wait = self._refused(5)
        if wait and self._skip:
            return None, -1.0
        return (None, wait) if wait else (self, 0.0)

    def bulk(self) -> tuple[object | None, int, float]:
        wait = self._refused(100)
        return (None, 0, wait) if wait else (self, 100, 0.0)

    def settle(self, grant: object, envelope: TokenEnvelope | None) -> None:
        """It takes its balance from the account itself."""

    def resync(self) -> None:
        """Nothing is ever in doubt."""


def simulate(policy: Ours | Replaced, time: ManualTime, account: Account, interval: float, hours: float,
             world: World) -> Day:  # fmt: skip
    """A day of both jobs, event by event."""
    chance, day = random.Random(7), Day()
    start, end = time.ms, time.ms + int(hours * 3_600_000)
    due, wanted_since = start, None
    upsert_at = bulk_at = start
    seen = [float(start)] * PAGES
    turn, next_foreign = 0, start
    while time.ms < end:
        time.ms = max(time.ms, min(upsert_at, bulk_at))
        if world.foreign and time.ms >= next_foreign:
            account.spend_elsewhere(world.foreign)
            next_foreign += 60_000
        live = 150 * sum(time.ms - page <= FRESH * 1000 for page in seen)
        day.worst_live = min(day.worst_live, live)
        if upsert_at <= time.ms:
            wanted_since = due if wanted_since is None else wanted_since
            day.checks += 1
            grant, wait = _ask(policy)
            if grant is None and wait < 0:
                day.missed, wanted_since = day.missed + 1, None
                due += int(interval * 1000)
                upsert_at = due
            elif grant is None:
                upsert_at = time.ms + max(1, int(wait * 1000))
            else:
                day.waits.append((time.ms - wanted_since) / 1000)
                if _call(policy, grant, account, 5, world, chance, day):
                    seen[turn % PAGES] = time.ms
                    turn += 1
                skipped = (time.ms - wanted_since) // int(interval * 1000)
                day.missed += skipped
                due = wanted_since + (skipped + 1) * int(interval * 1000)
                wanted_since, upsert_at = None, due
        if bulk_at <= time.ms:
            day.checks += 1
            grant, items, wait = policy.bulk()
            if grant is None:
                bulk_at = time.ms + max(1, int(wait * 1000))
            else:
                _call(policy, grant, account, items, world, chance, day)
                bulk_at = time.ms + chance.randint(300, 2000)
    return day


def _ask(policy: Ours | Replaced) -> tuple[object | None, float]:
    try:
        return policy.small()
    except Exception:
        policy.resync()
        return policy.small()


def _call(policy: Ours | Replaced, grant: object, account: Account, price: int, world: World,
          chance: random.Random, day: Day) -> bool:  # fmt: skip
    """One call of Keepa; whether its answer was used."""
    if not account.admit():
        day.refused += 1
        policy.settle(grant, TokenEnvelope.from_json(account.envelope()))
        return False
    if price > 5 and world.jump > 1 and chance.random() < 0.05:
        price = int(price * world.jump)
    envelope = TokenEnvelope.from_json(account.charge(price))
    lost = chance.random() < world.lost
    policy.settle(grant, None if lost else envelope)
    return not lost


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--hours", type=float, default=24.0)
    arguments.add_argument("--rates", default="5,20,25,60,250")
    options = arguments.parse_args()
    print(f"{'rate':>4} {'policy':34} {'wait p50/p95/max':>18} {'runs/missed':>12} {'worst live':>10} "
          f"{'used %':>7} {'429':>4} {'checks/h':>8}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            for rate in map(int, options.rates.split(",")):
                _rate(server, rate, options.hours)
            print("\nwhen the world misbehaves, at 20 a minute")
            for name, world in (
                ("calls up to 4 times as dear", World(jump=4)),
                ("calls up to 10 times as dear", World(jump=10)),
                ("5 % of the answers lost", World(lost=0.05)),
                ("another program spends 5 a minute", World(foreign=5)),
            ):
                _row(server, 20, options.hours, "ours", world, name)
        finally:
            server.stop()


def _rate(server: RedisServer, rate: int, hours: float) -> None:
    for policy in ("skip", "wait", "priority", "ours"):
        _row(server, rate, hours, policy, World(), "")


def _row(server: RedisServer, rate: int, hours: float, kind: str, world: World, name: str) -> None:
    clock = ManualTime()
    account = Account(refill_rate=rate, clock=clock)
    interval = 300.0 if rate == 5 else 60.0
    policies = {
        "skip": lambda: Replaced(
            "50, then 55; the upserter skips", clock, account, skip=True, priority=False
        ),
        "wait": lambda: Replaced("the same, the upserter waits", clock, account, skip=False, priority=False),
        "priority": lambda: Replaced("priority pass", clock, account, skip=False, priority=True),
        "ours": lambda: Ours(server, clock, account, interval),
    }
    policy = policies[kind]()
    began = time.monotonic()
    day = simulate(policy, clock, account, interval, hours, world)
    found = account.statistics()
    waits = sorted(day.waits) or [float("nan")]
    p95 = waits[min(len(waits) - 1, int(len(waits) * 0.95))]
    used = 100 * (found.tokens_generated - found.tokens_wasted) / max(1, found.tokens_generated)
    print(f"{rate:4} {name or policy.name:34} {statistics.median(waits):6.0f}/{p95:4.0f}/{waits[-1]:5.0f} "
          f"{len(day.waits):7}/{day.missed:<4} {day.worst_live:10} {used:7.1f} {day.refused:4} "
          f"{day.checks / hours:8.0f}   ({time.monotonic() - began:.0f} s)", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
