"""Stand-ins for what ingestion needs: a clock that jumps, a feed in memory, tokens without end, a lock."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from keepa_deals.db import migrate
from keepa_deals.db.session import Database
from keepa_deals.ingest.context import IngestContext
from keepa_deals.keepa.deal import Deal, DealPage
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.product import Product, ProductBatch, ProductStats
from keepa_deals.keepa.reservation import NullReservation, Reserve
from keepa_deals.keepa.time import unix_ms
from keepa_deals.keepa.token_costs import DEAL_PAGE_TOKENS, DEALS_PER_PAGE, ProductOptions
from keepa_deals.settings import Settings
from keepa_deals.tokens.snapshot import LaneSnapshot, TokenSnapshot

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SELECTION: Mapping[str, Any] = {
    "domainId": 1,
    "priceTypes": [1],
    "dateRange": 3,
    "isRangeEnabled": True,
    "deltaPercentRange": [20, 2147483647],
    "sortType": 1,
}
PRICE = CsvType.NEW


class FakeClock:
    """Time that passes only when somebody sleeps or a test says so."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._monotonic = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.pass_time(timedelta(seconds=seconds))

    def pass_time(self, time: timedelta) -> None:
        self._now += time
        self._monotonic += time.total_seconds()

    def jump(self, time: timedelta) -> None:
        """The wall clock is set, forwards or back."""
        self._now += time


def make_deal(
    asin: str,
    *,
    created: datetime = START - timedelta(hours=1),
    price: int | None = 1500,
    average: int = 3000,
    rank: int | None = 5000,
    updated: datetime | None = None,
) -> Deal:
    """A deal as ``/deal`` shows it, consistent in itself."""
    size = len(CsvType)
    current: list[int | None] = [None] * size
    current[PRICE], current[CsvType.SALES] = price, rank
    averages: list[int | None] = [None] * size
    averages[PRICE] = average
    percent = [0] * size
    percent[PRICE] = round(100 * (average - (price or 0)) / average)
    return Deal(
        asin=asin,
        parent_asin=None,
        title=f"Title of {asin}",
        root_category=283155,
        image=None,
        creation_date=created,
        last_update=updated or created,
        current=tuple(current),
        current_since=(),
        delta=(),
        delta_percent=(tuple(percent),) * 4,
        avg=(tuple(averages),) * 4,
    )


def make_product(deal: Deal, **changes: Any) -> Product:
    """The same thing as ``/product`` shows it."""
    stats = ProductStats(
        current=deal.current,
        avg30=deal.avg[2],
        avg90=deal.avg[3],
        avg365=deal.avg[3],
        is_lowest=(),
        is_lowest_90=(),
        sales_rank_drops_30=12,
        sales_rank_drops_90=40,
        total_offer_count=7,
        buy_box_price=2900,
    )
    product = Product(
        asin=deal.asin,
        domain_id=1,
        title=deal.title,
        brand="Acme",
        last_update=deal.last_update,
        fba_fee=350,
        referral_fee_percent=15.01,
        monthly_sold=100,
        availability_amazon=-1,
        stats=stats,
        history={},
    )
    return replace(product, **changes)


@dataclass
class FakeKeepa:
    """A feed and products in memory. ``before_call`` runs ahead of every call and may raise."""

    clock: FakeClock
    listed: dict[str, Deal] = field(default_factory=dict)
    products_by_asin: dict[str, Product] = field(default_factory=dict)
    calls: list[tuple[str, object]] = field(default_factory=list)
    options: list[ProductOptions | None] = field(default_factory=list)
    """Of each call for products."""
    before_call: Callable[[str, object], None] | None = None

    def list(self, *deals: Deal) -> None:
        for deal in deals:
            self.listed[deal.asin] = deal
            self.products_by_asin[deal.asin] = make_product(deal)

    def unlist(self, *asins: str) -> None:
        for asin in asins:
            self.listed.pop(asin)

    def deals(
        self, selection: Mapping[str, Any], page: int = 0, *, reserve: Reserve = NullReservation
    ) -> DealPage:
        with reserve() as reservation:
            self._note("deals", page)
            envelope = self._envelope(DEAL_PAGE_TOKENS)
            reservation.settle(envelope)
            low, high = selection.get("deltaPercentRange", [0, 2147483647])
            matching = [d for d in self.listed.values() if low <= d.delta_percent[3][PRICE] <= high]
            matching.sort(key=lambda deal: (deal.creation_date, deal.asin), reverse=True)
            shown = matching[page * DEALS_PER_PAGE : (page + 1) * DEALS_PER_PAGE]
            return DealPage(tuple(shown), {283155: "Books"}, {283155: len(matching)}, envelope)

    def products(
        self,
        asins: Sequence[str],
        options: ProductOptions | None = None,
        *,
        domain_id: int = 1,
        reserve: Reserve = NullReservation,
    ) -> ProductBatch:
        with reserve() as reservation:
            self._note("products", tuple(asins))
            self.options.append(options)
            found = tuple(self.products_by_asin[a] for a in asins if a in self.products_by_asin)
            envelope = self._envelope(len(found))
            reservation.settle(envelope)
            unknown = tuple(a for a in asins if a not in self.products_by_asin)
            return ProductBatch(found, unknown, envelope)

    def pages_read(self) -> Sequence[object]:
        return [what for kind, what in self.calls if kind == "deals"]

    def _note(self, kind: str, what: object) -> None:
        if self.before_call:
            self.before_call(kind, what)
        self.calls.append((kind, what))

    def _envelope(self, cost: int) -> TokenEnvelope:
        return TokenEnvelope(unix_ms(self.now), 1000, 60_000, 20, 0.0, cost, 1)

    @property
    def now(self) -> datetime:
        """Keepa's own clock, which does not jump when ours does."""
        return START + timedelta(seconds=self.clock.monotonic())


def make_account(clock: FakeClock, *, rate: int = 20, ahead: float = 0.0) -> TokenSnapshot:
    """An account with ``rate`` tokens a minute; Keepa's clock is ``ahead`` of ours by so many seconds."""
    now = clock.now()
    lane = LaneSnapshot(0, 0.0)
    return TokenSnapshot(
        now=now,
        balance=300,
        available=300,
        reserved=0,
        reservations=0,
        refill_rate=rate,
        refill=rate,
        capacity=60 * rate,
        as_of=now,
        next_tick_at=now,
        recovering=False,
        foreign=0,
        foreign_at=None,
        clock_offset=ahead,
        in_doubt=False,
        small=LaneSnapshot(1, 2.5),
        bulk=lane,
        prices={},
    )


@dataclass
class FakeReservation:
    items: int
    settled: list[TokenEnvelope] = field(default_factory=list)

    def settle(self, envelope: TokenEnvelope) -> None:
        self.settled.append(envelope)

    def release(self) -> None:
        """Nothing was reserved."""

    def __enter__(self) -> FakeReservation:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to give back."""


@dataclass
class FreeTokens:
    """Grants everything at once and remembers what was asked. ``refuse`` is raised instead, if set."""

    asked: list[tuple[str, int]] = field(default_factory=list)
    refuse: Exception | None = None
    account: TokenSnapshot | None = None
    """What a look at the account shows; nobody knows it unless a test says so."""

    def snapshot(self) -> TokenSnapshot | None:
        return self.account

    def request_permission_for_call(
        self,
        cost: int,
        *,
        timeout: float | None = None,
        kind: str | None = None,
        items: int = 1,
        task: str | None = None,
    ) -> FakeReservation:
        return self._reserve(kind or "", cost, items)

    def request_batch(
        self,
        kind: str,
        *,
        max_items: int,
        min_items: int = 1,
        price_hint: int = 1,
        timeout: float | None = None,
        task: str | None = None,
    ) -> FakeReservation:
        return self._reserve(kind, max_items, max_items)

    def _reserve(self, kind: str, cost: int, items: int) -> FakeReservation:
        if self.refuse:
            raise self.refuse
        self.asked.append((kind, cost))
        return FakeReservation(items)


class FakeLock:
    """A lock that is free unless told otherwise."""

    def __init__(self, *, free: bool = True) -> None:
        self.free = free
        self.lost = threading.Event()
        self.released = 0

    def acquire(self) -> bool:
        return self.free

    def release(self) -> None:
        self.released += 1


@dataclass
class World:
    """A context with its stand-ins at hand."""

    context: IngestContext
    clock: FakeClock
    keepa: FakeKeepa
    tokens: FreeTokens
    lock: FakeLock
    stop: threading.Event

    @property
    def database(self) -> Database:
        return self.context.database


@cache
def _migrated_file() -> bytes:
    """A new SQLite database with all its tables: migrating one for each test would take most of its time."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "deals.db"
        database = Database(f"sqlite:///{file}")
        migrate.upgrade(database)
        database.close()
        return file.read_bytes()


def make_world(dsn: str | Path, *, selection: Mapping[str, Any] = SELECTION, **settings: Any) -> World:
    """A world with a migrated database, at the address or in the file given."""
    if isinstance(dsn, Path) and not dsn.exists():
        dsn.write_bytes(_migrated_file())
        database = Database(f"sqlite:///{dsn}")
    else:
        database = Database(f"sqlite:///{dsn}" if isinstance(dsn, Path) else dsn)
        migrate.upgrade(database)
    chosen: dict[str, Any] = {"_env_file": None, "keepa_api_key": "k" * 64, **settings}
    clock, tokens, lock, stop = FakeClock(), FreeTokens(), FakeLock(), threading.Event()
    keepa = FakeKeepa(clock)
    context = IngestContext(
        settings=Settings(**chosen),
        client=keepa,
        tokens=tokens,
        database=database,
        clock=clock,
        selection=selection,
        lock=lambda _name: lock,
        stop=stop.is_set,
    )
    return World(context, clock, keepa, tokens, lock, stop)
