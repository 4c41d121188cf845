"""The state behind the sandbox's paths, and what each of them answers. Nothing here knows of HTTP."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

from keepa_deals.clock import Clock, SystemClock
from keepa_deals.keepa.time import KEEPA_EPOCH_MINUTES, unix_ms
from keepa_deals.keepa.token_costs import DEAL_PAGE_TOKENS
from keepa_deals.marketplaces import MARKETPLACES
from keepa_deals.sandbox import product_lookup
from keepa_deals.sandbox.account import Account
from keepa_deals.sandbox.catalogue.catalogue import Catalogue
from keepa_deals.sandbox.deal_query import DealQuery, parse_query
from keepa_deals.sandbox.deal_search import DealFinder
from keepa_deals.sandbox.errors import BadRequest
from keepa_deals.sandbox.faults import Faults

KEY_STATES = ("accepted", "refused", "lapsed")
CACHED_SECONDS = 120
"""How old a repeated answer is at most."""
_ASIN = re.compile(r"[0-9A-Z]{10}")

Answer = tuple[dict[str, Any], int]
"""The body without the envelope, and the cost."""


class Sandbox:
    """An account, a catalogue, faults, and by how much calls are overpriced.

    ``key_state`` is one of :data:`KEY_STATES`, whatever key is sent. ``stopping`` ends every wait.
    """

    def __init__(
        self, account: Account, catalogue: Catalogue, faults: Faults | None = None, clock: Clock | None = None
    ) -> None:
        self.account = account
        self.catalogue = catalogue
        self.faults = faults or Faults()
        self.clock = clock or SystemClock()
        self.finder = DealFinder(catalogue, seed=catalogue.seed)
        self.prices: dict[str, float] = {}
        self.key_state = KEY_STATES[0]
        self.stopping = threading.Event()
        self._chances = random.Random(f"{catalogue.seed}/cached")  # noqa: S311  # reproducible, not secret
        self._answers: dict[tuple[object, ...], tuple[int, dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._pause: Callable[[float], object] = clock.sleep if clock else self.stopping.wait

    @property
    def second(self) -> int:
        """Keepa's time now, in seconds."""
        return unix_ms(self.clock.now()) // 1000 - 60 * KEEPA_EPOCH_MINUTES

    @property
    def minute(self) -> int:
        """Keepa's time now."""
        return self.second // 60

    def deal(self, raw: object) -> Answer:
        """The answer to a deal query; ``BadRequest`` names what is wrong with it."""
        query = parse_query(raw, domain_ids=MARKETPLACES)
        with self._lock:
            deals, cached = self._cached(query) or (self.finder.page(query, self.second), False)
            if not cached and self.catalogue.behaviour.cached:
                self._answers[query.key, query.page] = self.second, deals
        return {"deals": deals, "dealsCached": cached}, self._price("deal", DEAL_PAGE_TOKENS)

    def _cached(self, query: DealQuery) -> tuple[dict[str, Any], bool] | None:
        """The last answer to the same query, when it is young, by chance."""
        if self._chances.random() >= self.catalogue.behaviour.cached:
            return None
        answered, deals = self._answers.get((query.key, query.page), (0, {}))
        return (deals, True) if 0 <= self.second - answered <= CACHED_SECONDS else None

    def product(self, parameters: Mapping[str, str]) -> Answer:
        """The answer to a product query; ``BadRequest`` names what is wrong with it."""
        query = product_lookup.parse_product_query(parameters, domain_ids=MARKETPLACES)
        for asin in query.asins:
            if _ASIN.fullmatch(asin) is None:  # recorded: 200, an error, no products, nothing charged
                raise BadRequest(f"{asin[:40]!r} is not an ASIN", status=200)
        with self._lock:
            minute = self.minute
            items = [(asin, self.catalogue.find(asin)) for asin in query.asins]
            stale = [item for _, item in items if item and query.refreshes(minute - item.last_update(minute))]
            surcharge = sum(query.surcharge(minute - item.last_update(minute)) for _, item in items if item)
        if stale and self.catalogue.behaviour.refresh_seconds:
            self._pause(self.catalogue.behaviour.refresh_seconds * self.account.tick_seconds / 60)
        with self._lock:
            minute = self.minute
            for item in stale:
                item.looked_at = minute
            entries = [
                product_lookup.describe(self.catalogue, item, query, minute)
                if item
                else product_lookup.unknown(asin, query.domain_id)
                for asin, item in items
            ]
        cost = query.cost(sum(item is not None for _, item in items)) + surcharge
        return {"products": entries}, self._price("product", cost)

    def truth(self, raw: object) -> list[dict[str, Any]]:
        """The deals that match a query at this very moment, all of them: what a dashboard should show.

        Of a family of variations each that matches is there, under the same ``family``.
        """
        query = parse_query(raw, domain_ids=MARKETPLACES)
        with self._lock:
            return [
                {
                    "asin": match.item.facts.asin,
                    "family": match.item.facts.parent_asin or match.item.facts.asin,
                    "price": match.current,
                    "created": match.created,
                    "ends": match.window.end,
                }
                for match in self.finder.listing(query, self.second).everything()
            ]

    def family(self, asin: str) -> str:
        """The same text for an ASIN and its siblings: their parent, or the ASIN itself."""
        with self._lock:
            item = self.catalogue.find(asin)
        return asin if item is None else item.facts.parent_asin or asin

    def _price(self, path: str, documented: int) -> int:
        return round(documented * self.prices.get(path, 1.0))
