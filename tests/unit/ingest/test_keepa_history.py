"""Keepa's own history of a deal: what is kept of it, and how."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from keepa_deals.db.models import Deal, DealPast
from keepa_deals.deals.price_history import Past, Step, pack, unpack
from keepa_deals.ingest import keepa_history
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.keepa_history import MAX_STEPS, past_of, steps
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.history import PricePoint
from keepa_deals.keepa.product import Product
from keepa_deals.keepa.time import from_keepa_minutes, to_keepa_minutes
from tests.support.paths import SAMPLES
from tests.support.world import START, World, make_deal, make_product, make_world

MINUTES = st.integers(0, 200_000)
VALUES = st.none() | st.integers(0, 10_000_000)
TOLD = st.lists(st.tuples(MINUTES, VALUES), max_size=800)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path / "deals.db")


def in_force(told: list[Step], minute: int) -> int | None:
    """The value that the last step at or before ``minute`` gave; the later one of two in a minute."""
    known = [step for step in told if step[0] <= minute]
    return max(enumerate(known), key=lambda pair: (pair[1][0], pair[0]))[1][1] if known else None


@given(TOLD, MINUTES, MINUTES)
def test_steps_say_what_was_told_at_each_moment_and_nothing_twice(told: list[Step], a: int, b: int) -> None:
    since, until = sorted((a, b))
    found = steps(told, since, until)
    assert all(since <= minute <= until for minute, _ in found)
    assert [minute for minute, _ in found] == sorted({minute for minute, _ in found})
    assert len(found) <= MAX_STEPS
    assert all(before[1] != after[1] for before, after in pairwise(found))
    assert in_force(found, until) == in_force(told, until)
    if len({minute for minute, _ in told}) <= MAX_STEPS:
        for minute in (since, (since + until) // 2, *(m for m, _ in told if since <= m <= until)):
            assert in_force(found, minute) == in_force(told, minute)
    else:
        assert set(found) <= {*told, (since, in_force(told, since))}


@given(TOLD, TOLD)
def test_what_is_packed_comes_out_again(prices: list[Step], ranks: list[Step]) -> None:
    told = Past(tuple(steps(prices, 0, 200_000)), tuple(steps(ranks, 0, 200_000)))
    packed = pack(told)
    assert unpack(packed) == told
    assert len(packed) < 12_000


@given(st.binary(max_size=200))
def test_what_was_never_packed_is_refused(nonsense: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # zlib and json have their own words
        unpack(nonsense)


@given(st.lists(st.integers(-5, 10**7), max_size=60), st.sampled_from(CsvType))
def test_whatever_keepa_sends_is_read_or_left_aside(flat: list[int], kind: CsvType) -> None:
    csv = [None] * 36
    csv[kind] = flat
    product = Product.from_json({"asin": "B000000001", "domainId": 1, "title": "x", "csv": csv})
    told = past_of(product, kind, datetime(2026, 1, 1, tzinfo=UTC))
    if not flat or len(flat) % (3 if kind.has_shipping else 2):
        assert told is None
    else:
        assert told is not None
        assert all(value is None or value >= 0 for _, value in (*told.prices, *told.ranks))


def test_a_price_has_its_shipping_and_no_offer_is_a_gap() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    at = [now - timedelta(days=days) for days in (100, 50, 10, 5)]
    values = ((1000, 300), (1200, 0), (None, None), (900, None))
    points = tuple(PricePoint(when, *value) for when, value in zip(at, values, strict=True))
    product = make_product(make_deal("B000000001"), history={CsvType.BUY_BOX_SHIPPING: points})
    told = past_of(product, CsvType.BUY_BOX_SHIPPING, now)
    assert told is not None
    assert [value for _, value in told.prices] == [1300, 1200, None]  # shipping unknown: the sum is, too
    assert told.prices[0][0] == (now - timedelta(days=90)).timestamp() // 60
    assert told.ranks == ()


@pytest.mark.parametrize(
    ("asin", "kind", "prices", "ranks"),
    [("B0D8W1YVBX", CsvType.BUY_BOX_SHIPPING, 156, 169), ("B0F7XPYCSJ", CsvType.NEW, 1, 141)],
)
def test_recorded_answers_of_keepa(asin: str, kind: CsvType, prices: int, ranks: int) -> None:
    path = SAMPLES / f"product_{asin}.json"
    if not path.exists():
        pytest.skip("the recorded answers lie outside the repository")
    product = Product.from_json(json.loads(path.read_text())["products"][0])
    assert product.last_update is not None
    told = past_of(product, kind, product.last_update)
    assert told is not None
    assert (len(told.prices), len(told.ranks)) == (prices, ranks)
    assert product.stats is not None
    assert told.prices[-1][1] == product.stats.current[kind]
    assert told.ranks[-1][1] == product.stats.current[CsvType.SALES]
    assert len(pack(told)) < 1_000


def told_of(world: World, asin: str) -> DealPast | None:
    with world.database.session() as session:
        return session.get(DealPast, (1, asin))


def test_an_enrichment_asks_for_the_history_and_the_next_one_replaces_it(world: World) -> None:
    deal = make_deal("B000000001")
    world.keepa.list(deal)
    for days, price in ((0, 1234), (2, 987)):
        world.clock.pass_time(timedelta(days=days))
        point = PricePoint(world.clock.now() - timedelta(days=1), price, None)
        world.keepa.products_by_asin["B000000001"] = make_product(deal, history={CsvType.NEW: (point,)})
        upsert.run(world.context)
        backfill.run_slice(world.context)
        found = told_of(world, "B000000001")
        assert found is not None
        assert (found.read_at, found.price_type) == (world.clock.now(), int(CsvType.NEW))
        assert [value for _, value in unpack(found.packed).prices] == [price]
    options = world.keepa.options[-1]
    assert options is not None
    assert (options.history, options.days) == (True, 365)


def test_an_answer_without_a_readable_history_leaves_what_was_known(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    deal = make_deal("B000000001")
    world.keepa.list(deal)
    point = PricePoint(START - timedelta(days=1), 1234, None)
    raw = {"asin": "B00000000X", "domainId": 1, "title": "x", "csv": [None, [1, 2, 3]]}
    broken = Product.from_json(raw).history
    for history in ({CsvType.NEW: (point,)}, {}, broken):
        world.keepa.products_by_asin["B000000001"] = make_product(deal, history=history)
        upsert.run(world.context)
        backfill.run_slice(world.context)
        world.clock.pass_time(timedelta(hours=25))
    found = told_of(world, "B000000001")
    assert found is not None
    assert [value for _, value in unpack(found.packed).prices] == [1234]
    assert "NEW has 3 numbers" in caplog.text
    with world.database.session() as session:
        assert session.scalars(select(Deal.enriched_at)).one() > START + timedelta(hours=40)


def test_a_verification_does_not_ask_for_the_history(world: World) -> None:
    world.keepa.list(make_deal("B000000001"), make_deal("B000000002", created=START - timedelta(hours=1)))
    upsert.run(world.context)
    world.keepa.unlist("B000000001")
    for _ in range(6):
        world.clock.pass_time(timedelta(minutes=1))
        upsert.run(world.context)
    assert world.keepa.options
    assert not any(options and options.history for options in world.keepa.options)


def test_no_more_days_are_kept_than_points_are(world: World) -> None:
    object.__setattr__(world.context.settings, "retain_points_days", 30)
    deal = make_deal("B000000001")
    world.keepa.list(deal)
    points = tuple(PricePoint(START - timedelta(days=days), 1000 + days, None) for days in (80, 40, 10))
    world.keepa.products_by_asin["B000000001"] = make_product(deal, history={CsvType.NEW: points})
    backfill.run_slice(world.context)
    found = told_of(world, "B000000001")
    assert found is not None
    assert [value for _, value in unpack(found.packed).prices] == [1040, 1010]
    options = world.keepa.options[-1]
    assert options is not None
    assert options.days == 365  # the prices at which it sold come of a year


def test_keepa_minutes_and_unix_minutes_are_of_one_clock() -> None:
    assert steps([(keepa_history._minute(from_keepa_minutes(to_keepa_minutes(START))), 5)], 0, 2**31) == [
        (int(START.timestamp()) // 60, 5)
    ]
