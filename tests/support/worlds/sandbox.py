"""The sandbox as a world: its account, catalogue and paths behind the same door as any other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from werkzeug.test import Client, EnvironBuilder

from keepa_deals.keepa.time import to_keepa_minutes
from keepa_deals.marketplaces import MARKETPLACES
from keepa_deals.sandbox.account import Account
from keepa_deals.sandbox.behaviour import RECORDED, Behaviour
from keepa_deals.sandbox.catalogue.catalogue import Catalogue
from keepa_deals.sandbox.core import Sandbox
from keepa_deals.sandbox.deal_matching import Match
from keepa_deals.sandbox.deal_query import parse_query
from keepa_deals.sandbox.http.app import create_app
from tests.support.worlds.door import TAKES, WorldError

MOST_DEALS = 10_000
"""Keepa shows no more of one query."""
REMEMBERED = 4
"""Minutes whose truth is kept; of an earlier one the present truth is told."""


class _Clock:
    """The simulated clock, as the sandbox wants it."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self.slept = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._seconds(), UTC)

    def monotonic(self) -> float:
        return self._seconds()

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


class SandboxWorld:
    """A bucket of one tick, and a catalogue in which about ``deals`` products match the selection."""

    def __init__(self, now: Callable[[], float], selection: Mapping[str, Any], rate: int,
                 catalogue: Catalogue) -> None:  # fmt: skip
        clock = self._clock = _Clock(now)
        self.account = Account(refill_rate=rate, clock=clock, tokens=rate)
        self._app = create_app(self.account, catalogue, clock=clock)
        self._client = Client(self._app)
        self._sandbox: Sandbox = self._app.extensions["sandbox"]
        self._selection = {**selection, "page": 0, "sortType": 1}
        self._truths: dict[int, list[Match]] = {}

    def answer(self, method: str, url: str, body: bytes | str | None) -> tuple[int, Any, dict[str, str]]:
        parts = urlsplit(url)
        self._clock.slept = 0.0
        answer = self._client.open(EnvironBuilder(
            parts.path, query_string=parts.query, method=method, data=body,
            content_type="application/json" if body else None,
        ))  # fmt: skip
        told: Any = answer.get_data()
        if (answer.content_type or "").startswith("application/json"):
            told = json.loads(told)
        return answer.status_code, told, {**answer.headers, TAKES: str(self._clock.slept)}

    def listed(self, at: float) -> dict[str, int]:
        return {match.item.facts.asin: match.current for match in self._truth(at)}

    def dated(self, at: float) -> dict[str, int]:
        return {match.item.facts.asin: match.created for match in self._truth(at)}

    def family(self, asin: str) -> str:
        return self._sandbox.family(asin)

    def _truth(self, at: float) -> list[Match]:
        minute = to_keepa_minutes(datetime.fromtimestamp(at, UTC))
        found = self._truths.get(minute)
        if found is None:
            query = parse_query(self._selection, domain_ids=MARKETPLACES)
            listing = self._sandbox.finder.listing(query, self._sandbox.second)  # it never goes back
            found = self._truths[minute] = list(islice(listing.everything(), MOST_DEALS))
            while len(self._truths) > REMEMBERED:
                del self._truths[min(self._truths)]
        return found


def create(
    now: Callable[[], float], *, deals: int, rate: int, hours: float, seed: int, options: Mapping[str, str]
) -> SandboxWorld:
    """The sandbox; its options are ``selection``, the path of the deal query, and its behaviour's habits."""
    habits = {name: text for name, text in options.items() if name != "selection"}
    selection = json.loads(Path(options["selection"]).read_text(encoding="utf-8"))
    catalogue = Catalogue.for_deals(deals, seed=f"simulation {seed}", behaviour=_behaviour(habits))
    return SandboxWorld(now, selection, rate, catalogue)


def _behaviour(habits: Mapping[str, str]) -> Behaviour:
    known = {field.name: type(getattr(RECORDED, field.name)) for field in fields(RECORDED)}
    unknown = habits.keys() - known.keys()
    if unknown:
        raise WorldError(f"the sandbox has no option {', '.join(sorted(unknown))}: {', '.join(known)}")
    try:
        return replace(RECORDED, **{name: known[name](text) for name, text in habits.items()})
    except ValueError as error:
        raise WorldError(f"the sandbox: {error}") from None
