"""A Keepa for the check: pages, products an account that keeps its ticks; a test may bend each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from keepa_deals.keepa.deal import Deal, DealPage
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.product import Product, ProductBatch
from keepa_deals.keepa.reservation import NullReservation, Reserve
from keepa_deals.keepa.time import to_keepa_minutes, unix_ms
from keepa_deals.keepa.token_costs import DEALS_PER_PAGE, ProductOptions

START = datetime(2026, 11, 1, 12, 0, 30, tzinfo=UTC)
BOOKS = 283155
QUERY: Mapping[str, Any] = {
    "domainId": 1,
    "priceTypes": [2],
    "dateRange": 3,
    "isRangeEnabled": True,
    "currentRange": [100, 100_000],
    "deltaPercentRange": [10, 100],
}
USED, TICK = 2, 60.0


def raw_deal(number: int, **changes: Any) -> dict[str, Any]:
    """The JSON of the ``number``-th newest deal: two minutes older than the one before."""
    minutes = to_keepa_minutes(START) // 2 * 2 - 2 * number - 2
    price, average = 1000 + number, 2000
    deal = {
        "asin": f"B{number:09d}",
        "title": f"secret title {number}",
        "rootCat": BOOKS,
        "creationDate": minutes,
        "lastUpdate": minutes,
        "current": [-1, -1, price],
        "currentSince": [0, 0, minutes],
        "avg": [[-1, -1, average]] * 4,
        "delta": [[0, 0, average - price]] * 4,
        "deltaPercent": [[0, 0, round(100 * (average - price) / average)]] * 4,
    }
    return deal | changes


def raw_product(asin: str, price: int, **changes: Any) -> dict[str, Any]:
    stats = {"current": [-1, -1, price], "avg": [], "avg90": []}
    return {"asin": asin, "domainId": 1, "title": f"secret title {asin}", "stats": stats} | changes


@dataclass
class Time:
    """A clock that sleeping moves on."""

    moment: datetime = START
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return (self.moment - START).total_seconds()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)


@dataclass
class FakeKeepa:
    """Answers by ``deals`` (raw, the newest first), ``products`` (raw, by ASIN) and its account."""

    time: Time
    deals_: list[dict[str, Any]]
    products_: dict[str, dict[str, Any]]
    balance: int = 300
    rate: int = 20
    tick_late: float = 0.3
    errors: dict[str, Exception] = field(default_factory=dict)
    """By call: ``token``, ``page 0``, ``product+update-1``, …"""
    calls: list[str] = field(default_factory=list)
    ticks: int = 0
    page_price: int = 5

    def token_status(self) -> TokenEnvelope:
        self._note("token")
        return self._charge(0)

    def deals(
        self, selection: Mapping[str, Any], page: int = 0, *, reserve: Reserve = NullReservation
    ) -> DealPage:
        assert selection["sortType"] == 1
        with reserve() as reservation:
            self._note(f"page {page}")
            envelope = self._charge(self.page_price)
            reservation.settle(envelope)
        shown = self.deals_[page * DEALS_PER_PAGE :][:DEALS_PER_PAGE]
        return DealPage(
            deals=tuple(map(Deal.from_json, shown)),
            category_names={BOOKS: "Books"},
            category_counts={BOOKS: len(self.deals_)},
            envelope=envelope,
        )

    def products(
        self,
        asins: Sequence[str],
        options: ProductOptions | None = None,
        *,
        domain_id: int = 1,
        reserve: Reserve = NullReservation,
    ) -> ProductBatch:
        assert options is not None
        assert domain_id == 1
        found = [Product.from_json(self.products_[asin]) for asin in asins if asin in self.products_]
        with reserve() as reservation:
            self._note(options.kind)
            envelope = self._charge(options.documented_tokens_per_product() * len(found))
            reservation.settle(envelope)
        unknown = tuple(asin for asin in asins if asin not in self.products_)
        return ProductBatch(tuple(found), unknown, envelope)

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if call in self.errors:
            raise self.errors[call]

    def _charge(self, tokens: int) -> TokenEnvelope:
        self.time.moment += timedelta(milliseconds=200)
        period = TICK + self.tick_late
        ticks, into = divmod((self.time.moment - START).total_seconds(), period)
        self.balance += self.rate * (int(ticks) - self.ticks) - tokens
        self.ticks = int(ticks)
        return TokenEnvelope(
            timestamp_ms=unix_ms(self.time.moment),
            tokens_left=self.balance,
            refill_in_ms=round((period - into) * 1000),
            refill_rate=self.rate,
            token_flow_reduction=0.0,
            tokens_consumed=tokens,
            processing_time_ms=1,
        )


def keepa(count: int = 400) -> FakeKeepa:
    """A Keepa of ``count`` deals that is all that we assume."""
    deals = [raw_deal(number) for number in range(count)]
    products = {deal["asin"]: raw_product(deal["asin"], deal["current"][USED]) for deal in deals}
    return FakeKeepa(Time(), deals, products)


def with_deals(page: DealPage, *raw: Mapping[str, Any]) -> DealPage:
    """``page`` with other deals on it."""
    return replace(page, deals=tuple(map(Deal.from_json, raw)))
