"""What a year of history costs: bytes in its field, and the time to make, write and read it.

    .venv/bin/python -m tests.benchmarks.history_size [--products 200]

Beside it stands what was kept before: 90 days of price and rank. The sandbox's products are enriched by the
same code as Keepa's; the database is SQLite in a folder of its own.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy import select

from keepa_deals.db.models import Deal, DealPast
from keepa_deals.db.upsert import write_pasts
from keepa_deals.deals.price_history import Past, pack, pack_within, unpack
from keepa_deals.ingest.keepa_history import past_of, unix_minute
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.product import Product
from keepa_deals.keepa.time import from_keepa_minutes
from keepa_deals.keepa.token_costs import ProductOptions
from keepa_deals.sandbox.catalogue.catalogue import Catalogue
from keepa_deals.sandbox.product_lookup import ProductQuery, describe
from tests.support.deal_rows import fill_deals
from tests.support.world import make_world

MINUTE = 8_000_000
"""A Keepa minute: the sandbox is asked then."""
OPTIONS = ProductOptions(stats_days=90, history=True, days=365)
KIND = CsvType.NEW
T = TypeVar("T")


def answers(count: int) -> list[Product]:
    """What the sandbox tells of so many products."""
    catalogue = Catalogue(size=count, seed="history")
    query = ProductQuery((), 1, OPTIONS)
    raw = (describe(catalogue, catalogue.item(index), query, MINUTE) for index in range(count))
    return [Product.from_json(entry) for entry in raw]


def a_year(product: Product, now: datetime) -> Past:
    return past_of(product, KIND, now) or Past((), ())


def as_before(product: Product, now: datetime) -> Past:
    """90 days of price and rank."""
    return replace(past_of(product, KIND, now, days=90) or Past((), ()), lines={}, sales=())


def report(name: str, products: Sequence[Product], cut: Callable[[Product, datetime], Past]) -> None:
    now = from_keepa_minutes(MINUTE)
    made, pasts = _timed(lambda: [cut(product, now) for product in products])
    packing, packed = _timed(lambda: [pack_within(past, unix_minute(now)) for past in pasts])
    reading, _ = _timed(lambda: [unpack(field) for field in packed])
    sizes = sorted(map(len, packed))
    thinned = sum(field != pack(past) for field, past in zip(packed, pasts, strict=True))
    with tempfile.TemporaryDirectory() as folder:
        written, read = _database(Path(folder), packed)
    per = [1000 * seconds / len(products) for seconds in (made, packing, written, read, reading)]
    print(
        f"| {name} | {sizes[len(sizes) // 2]:,} | {sizes[-1]:,} | {thinned} of {len(sizes)} | "
        + " | ".join(f"{ms:.2f}" for ms in per)
        + " |"
    )


def _database(folder: Path, packed: Sequence[bytes]) -> tuple[float, float]:
    """Seconds to write all of the fields in one transaction, and to read them one by one as pages do."""
    world = make_world(folder / "deals.db")
    now = world.clock.now()
    fill_deals(world.database.engine, len(packed), now)
    with world.database.session() as session:
        keys = session.execute(select(Deal.asin)).scalars().all()
    rows = [
        {"domain_id": 1, "asin": asin, "read_at": now, "price_type": int(KIND), "packed": field}
        for asin, field in zip(keys, packed, strict=True)
    ]

    def write() -> None:
        with world.database.begin() as session:
            write_pasts(session, rows)

    def read() -> None:
        with world.database.session() as session:
            for asin in keys:
                session.scalar(select(DealPast.packed).where(DealPast.domain_id == 1, DealPast.asin == asin))

    write()
    times = _timed(write)[0], _timed(read)[0]
    world.database.close()
    return times


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--products", type=int, default=200)
    products = answers(parser.parse_args().products)
    print("| kept | bytes, median | most | thinned to fit | cut, ms | pack | write | read | unpack |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    report("90 days of price and rank", products, as_before)
    report("a year with its lines", products, a_year)


if __name__ == "__main__":
    main()
