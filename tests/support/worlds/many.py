"""Several worlds behind one door, a marketplace each, on one account: the answers of the world that is meant,
with the account's envelope in the place of that world's own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from keepa_deals.sandbox.account import TICK_LATE_MS, Account
from tests.support.simulation.run import Traffic, call_of
from tests.support.worlds.door import CheckedWorld, Create, open_world

RICH = 100_000
"""Tokens a minute of each world's own account, which refuses nothing: the one account does."""


class _Clock:
    def __init__(self, seconds: Callable[[], float]) -> None:
        self.monotonic = seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.monotonic(), UTC)

    def sleep(self, seconds: float) -> None:
        """Nobody waits here."""
        del seconds


@dataclass
class Markets:
    """The worlds by Keepa's domain id, the one account, and what was spent on each."""

    worlds: Mapping[int, CheckedWorld]
    account: Account
    traffic: dict[int, Traffic] = field(default_factory=dict)

    def answer(self, method: str, url: str, body: bytes | str | None) -> tuple[Any, ...]:
        path = urlsplit(url).path.strip("/")
        if path == "token":
            return 200, self.account.envelope()
        if not self.account.admit():
            return 429, self.account.envelope()
        domain = _domain_in(url, body)
        answer = self.worlds[domain].answer(method, url, body)
        if not isinstance(answer.body, Mapping):
            return answer.status, answer.text, answer.headers
        envelope = self.account.charge(int(answer.body.get("tokensConsumed", 0)))
        told = {**answer.body, **envelope}
        if products := told.get("products"):  # a world may not know in which marketplace it is
            told["products"] = [one and {**one, "domainId": domain} for one in products]
        self.traffic[domain].note(threading.current_thread().name, call_of(url, body), answer.status, told)
        return answer.status, told, answer.headers

    def listed(self, at: float) -> Mapping[str, int]:
        """Of none in particular: each is looked at by itself."""
        del at
        return {}

    def family(self, asin: str) -> str:
        return asin


def _domain_in(url: str, body: bytes | str | None) -> int:
    if body:
        return int(json.loads(body)["domainId"])
    return int(parse_qs(urlsplit(url).query)["domain"][0])


def markets(create: Create, source: str, deals: Mapping[int, int], options: Mapping[str, str]) -> Create:
    """A ``create`` of worlds with so many deals each, by domain id."""

    def make(now: Callable[[], float], *, rate: int, hours: float, seed: int, **_: Any) -> Markets:
        worlds = {
            domain: open_world(
                create, source, now,
                deals=count, rate=RICH, hours=hours, seed=100 * seed + domain, options=dict(options),
            )
            for domain, count in deals.items()
        }  # fmt: skip
        account = Account(refill_rate=rate, tokens=rate, clock=_Clock(now), tick_late_ms=TICK_LATE_MS)
        return Markets(worlds, account, {domain: Traffic() for domain in deals})

    return make
