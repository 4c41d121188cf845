"""What the check asks Keepa, in its order, and what came of each question."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, TypeVar

from keepa_deals.clock import Clock
from keepa_deals.errors import KeepaDealsError
from keepa_deals.health.probing import Reading
from keepa_deals.keepa.counts import counted_matches
from keepa_deals.keepa.deal import Deal, DealPage
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.errors import KeepaError, RequestRejectedError
from keepa_deals.keepa.product import ProductBatch
from keepa_deals.keepa.reservation import Reserve
from keepa_deals.keepa.token_costs import (
    DEAL_KIND,
    DEAL_PAGE_TOKENS,
    DEALS_PER_PAGE,
    MAX_DEALS_PER_QUERY,
    ProductOptions,
)
from keepa_deals.keepa_check.purse import MAX_TOKENS, Purse

NEWEST_FIRST = 1
PRODUCTS = 3
NOBODYS_ASIN = "B0ZZZZZZZZ"
"""Well-formed, and of no product: what an unknown ASIN costs."""
STORED = ProductOptions(update_hours=-1)
WITH_BUY_BOX = ProductOptions(update_hours=-1, buybox=True)
TICK_TOLERANCE = 0.025
"""By how much a tick may come late, of its period: 1.26 s of a minute is the most that was recorded."""
T = TypeVar("T")


class CannotLookError(KeepaDealsError):
    """Nothing can be said of any assumption; the text says why and what to do."""


class Keepa(Protocol):
    """The calls of Keepa that the check makes."""

    def token_status(self) -> TokenEnvelope: ...

    def deals(self, selection: Mapping[str, Any], page: int = 0, *, reserve: Reserve = ...) -> DealPage: ...

    def products(
        self,
        asins: Sequence[str],
        options: ProductOptions | None = None,
        *,
        domain_id: int = 1,
        reserve: Reserve = ...,
    ) -> ProductBatch: ...


@dataclass(frozen=True)
class Evidence:
    """What Keepa answered. A reading without a value says why its question has no answer."""

    query: Mapping[str, Any]
    tick_seconds: float
    shared: bool
    """Whether a service spent from the same account meanwhile."""
    first: DealPage
    """The newest page …"""
    second: Reading[DealPage]
    """… and the same once more, at once."""
    last_index: int | None
    """Where the last page should be by the counts; ``None`` where these do not tell."""
    last: Reading[DealPage]
    beyond: Reading[DealPage]
    """The page after it."""
    products: Reading[ProductBatch]
    buybox: Reading[ProductBatch]
    envelopes: tuple[TokenEnvelope, ...] = ()
    """The account as each answer told it, the oldest first."""
    failures: tuple[str, ...] = ()
    """Why questions had no answer, where something failed."""


def run_probes(
    keepa: Keepa, purse: Purse, clock: Clock, query: Mapping[str, Any], *, tick_seconds: float
) -> Evidence:
    """Ask everything, in about two ticks; a ``CannotLookError`` when nothing can be learned."""
    return _Interview(keepa, purse, clock, {**query, "sortType": NEWEST_FIRST}, tick_seconds).hold()


class _Interview:
    """The questions one after the other; the answers' envelopes are kept on the way."""

    def __init__(
        self, keepa: Keepa, purse: Purse, clock: Clock, query: Mapping[str, Any], tick_seconds: float
    ) -> None:
        self._keepa = keepa
        self._purse = purse
        self._clock = clock
        self._query = query
        self._tick_seconds = tick_seconds
        self._envelopes: list[TokenEnvelope] = []
        self._failures: list[str] = []

    def hold(self) -> Evidence:
        self._look_at_account()
        first = self._first_page()
        second = self._ask(lambda: self._page(0))
        self._wait_for_tick()
        index = last_page_index(first, self._query)
        last = self._page_by_count(index, "the counts do not tell which page is the last")
        self._wait_for_tick()
        beyond = self._page_by_count(None if index is None else index + 1, "no page is known to be the last")
        products = self._ask(lambda: self._products(asins_to_ask(first, second.value), STORED))
        buybox = self._ask(lambda: self._products([first.deals[0].asin], WITH_BUY_BOX))
        evidence = Evidence(
            query=self._query,
            tick_seconds=self._tick_seconds,
            shared=self._purse.is_shared,
            first=first,
            second=second,
            last_index=index,
            last=last,
            beyond=beyond,
            products=products,
            buybox=buybox,
        )
        return replace(evidence, envelopes=tuple(self._envelopes), failures=tuple(self._failures))

    def _look_at_account(self) -> None:
        try:
            account = self._keepa.token_status()
        except RequestRejectedError as error:
            raise CannotLookError(f"{error}: Keepa refuses this KEEPA_API_KEY") from None
        except KeepaError as error:
            raise CannotLookError(str(error)) from None
        self._envelopes.append(account)
        needed = MAX_TOKENS + (DEAL_PAGE_TOKENS if self._purse.is_shared else 0)
        missing = needed - account.tokens_left
        if missing > 0:
            ticks = math.ceil(missing / max(1, account.refill_rate))
            raise CannotLookError(
                f"{account.tokens_left} tokens are there and {needed} must be, so that the check can end and "
                f"the service is not held up: nothing was spent, try again in {ticks} minutes"
            )

    def _first_page(self) -> DealPage:
        reading = self._ask(lambda: self._page(0))
        if reading.value is None:
            raise CannotLookError(str(reading.error))
        if not reading.value.deals:
            raise CannotLookError(
                f"the deal query matches no deal just now ({self._purse.spent} tokens spent): try a wider one"
            )
        return reading.value

    def _ask(self, question: Callable[[], T]) -> Reading[T]:
        try:
            return Reading(value=question())
        except KeepaDealsError as error:  # no tokens, no answer, none that can be read
            self._failures.append(str(error))
            return Reading(error=str(error))

    def _page(self, index: int) -> DealPage:
        reserve = self._purse.reserve(DEAL_PAGE_TOKENS, kind=DEAL_KIND)
        page = self._keepa.deals(self._query, index, reserve=reserve)
        self._envelopes.append(page.envelope)
        return page

    def _page_by_count(self, index: int | None, otherwise: str) -> Reading[DealPage]:
        if index is None:
            return Reading(error=otherwise)
        if index * DEALS_PER_PAGE >= MAX_DEALS_PER_QUERY:
            return Reading(error=f"not asked: a query shows {MAX_DEALS_PER_QUERY} deals at most")
        return self._ask(lambda: self._page(index))

    def _products(self, asins: Sequence[str], options: ProductOptions) -> ProductBatch:
        price = options.documented_tokens_per_product() * len(asins)
        reserve = self._purse.reserve(price, kind=options.kind, items=len(asins))
        domain = int(self._query["domainId"])
        batch = self._keepa.products(asins, options, domain_id=domain, reserve=reserve)
        if batch.envelope is not None:
            self._envelopes.append(batch.envelope)
        return batch

    def _wait_for_tick(self) -> None:
        """Until the next tick must have come, by the last answer: two periods at most."""
        late = TICK_TOLERANCE * self._tick_seconds
        announced = self._envelopes[-1].refill_in_ms / 1000
        self._clock.sleep(min(announced, 2 * self._tick_seconds) + late)


def last_page_index(first: DealPage, query: Mapping[str, Any]) -> int | None:
    """The index of the last page by the counts; ``None`` where they do not tell."""
    matching = counted_matches(first.category_counts, query)
    if matching is None:
        return None
    return (min(max(matching, 1), MAX_DEALS_PER_QUERY) - 1) // DEALS_PER_PAGE


def exchanged(first: DealPage, second: DealPage) -> tuple[list[Deal], list[Deal]]:
    """The deals of ``first`` that ``second`` shows no more, and those that it shows anew, unexplained.

    Explained are one that newer deals pushed off a full page, and one that is newer than all of ``first``.
    """
    pushed_off = (
        min(deal.creation_date for deal in second.deals) if len(second.deals) == DEALS_PER_PAGE else None
    )
    newest = max(deal.creation_date for deal in first.deals)
    shown, now = ({deal.asin for deal in page.deals} for page in (first, second))
    gone = [d for d in first.deals if d.asin not in now and _is_later(d.creation_date, pushed_off)]
    came = [d for d in second.deals if d.asin not in shown and d.creation_date <= newest]
    return gone, came


def _is_later(moment: datetime, limit: datetime | None) -> bool:
    return limit is None or moment > limit


def asins_to_ask(first: DealPage, second: DealPage | None) -> list[str]:
    """Those that were exchanged, else the newest; and one that nobody has."""
    asins: list[str] = []
    if second is not None and second.deals:
        gone, came = exchanged(first, second)
        asins = [deal.asin for pair in zip(gone, came, strict=False) for deal in pair]
        asins += [deal.asin for deal in gone]
    asins += [deal.asin for deal in first.deals]
    return [*list(dict.fromkeys(asins))[:PRODUCTS], NOBODYS_ASIN]
