"""The state behind the sandbox's paths, and what each of them answers. Nothing here knows of HTTP."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

from keepa_deals.clock import Clock, SystemClock
from keepa_deals.keepa.costs import DEAL_PAGE_TOKENS
from keepa_deals.keepa.time import to_keepa_minutes
from keepa_deals.sandbox import products
from keepa_deals.sandbox.account import Account
from keepa_deals.sandbox.catalogue import Catalogue
from keepa_deals.sandbox.deals import DealFinder
from keepa_deals.sandbox.errors import BadRequest
from keepa_deals.sandbox.faults import Faults
from keepa_deals.sandbox.query import parse_query

DOMAINS = frozenset({1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12})
KEY_STATES = ("accepted", "refused", "lapsed")
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
        self.finder = DealFinder(catalogue)
        self.prices: dict[str, float] = {}
        self.key_state = KEY_STATES[0]
        self.stopping = threading.Event()
        self._pause: Callable[[float], object] = clock.sleep if clock else self.stopping.wait

    @property
    def minute(self) -> int:
        """Keepa's time now."""
        return to_keepa_minutes(self.clock.now())

    def deal(self, raw: object) -> Answer:
        """The answer to a deal query; ``BadRequest`` names what is wrong with it."""
        query = parse_query(raw, domain_ids=DOMAINS)
        return {"deals": self.finder.page(query, self.minute)}, self._price("deal", DEAL_PAGE_TOKENS)

    def product(self, parameters: Mapping[str, str]) -> Answer:
        """The answer to a product query; ``BadRequest`` names what is wrong with it."""
        query = products.parse_product_query(parameters, domain_ids=DOMAINS)
        for asin in query.asins:
            if _ASIN.fullmatch(asin) is None:  # recorded: 200, an error, no products, nothing charged
                raise BadRequest(f"{asin[:40]!r} is not an ASIN", status=200)
        minute, found, entries = self.minute, 0, []
        for asin in query.asins:
            item = self.catalogue.find(asin)
            if item is None:
                entries.append(products.unknown(asin, query.domain_id))
            else:
                found += 1
                entries.append(products.describe(self.catalogue, item, query, minute))
        return {"products": entries}, self._price("product", query.cost(found))

    def truth(self, raw: object) -> list[dict[str, Any]]:
        """The deals that match a query at this very minute, all of them: what a dashboard should show."""
        query = parse_query(raw, domain_ids=DOMAINS)
        return [
            {
                "asin": match.item.facts.asin,
                "price": match.current,
                "created": match.window.start,
                "ends": match.window.end,
            }
            for match in self.finder.find(query, self.minute)
        ]

    def _price(self, path: str, documented: int) -> int:
        return round(documented * self.prices.get(path, 1.0))
