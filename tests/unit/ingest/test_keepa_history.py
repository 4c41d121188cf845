"""Keepa's own history of a deal: what is kept of it, and how."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from keepa_deals.db.models import Deal, DealPast
from keepa_deals.deals.price_history import (
    MAX_PACKED,
    MAX_VALUE,
    Line,
    Past,
    Step,
    Steps,
    pack,
    pack_within,
    thinned,
    unpack,
)
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.keepa_history import MAX_STEPS, past_of, steps, unix_minute
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.history import PricePoint
from keepa_deals.keepa.product import Product
from keepa_deals.keepa.time import from_keepa_minutes, to_keepa_minutes
from tests.support.nightly import amount
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


SERIES = st.lists(st.tuples(MINUTES, VALUES), max_size=2000).map(
    lambda told: tuple(dict(sorted(told, key=lambda step: step[0])).items())
)


@given(SERIES, SERIES, st.dictionaries(st.sampled_from(Line), SERIES, max_size=len(Line)), st.data())
@settings(max_examples=amount(15, at_night=300))
def test_a_year_of_whatever_fits_into_its_field(
    prices: Steps, ranks: Steps, lines: dict[Line, Steps], data: st.DataObject
) -> None:
    sales = tuple(data.draw(st.lists(MINUTES, unique=True, max_size=500).map(sorted)))
    told = Past(prices, ranks, lines, sales)
    packed = pack_within(told, 200_000)
    assert len(packed) <= MAX_PACKED
    found = unpack(packed)
    for kept, whole in ((found.prices, prices), (found.ranks, ranks)):
        assert set(kept) <= set(whole)
        assert in_force(list(kept), 200_000) == in_force(list(whole), 200_000)
    assert set(found.sales) <= set(sales)
    assert found.lines.keys() == {line for line, steps in lines.items() if steps}


def test_the_largest_values_fit_as_well() -> None:
    loud = tuple((minute * 700, (minute % 2) * MAX_VALUE) for minute in range(750))
    told = Past(loud, loud, dict.fromkeys(Line, loud), tuple(minute for minute, _ in loud))
    assert len(pack_within(told, 525_600)) <= MAX_PACKED


def test_a_thinned_year_is_finer_in_its_last_90_days() -> None:
    hourly = tuple((60 * hour, hour) for hour in range(365 * 24))
    until = 365 * 1440
    kept = thinned(hourly, until, 360)
    recent = [minute for minute, _ in kept if minute >= until - 90 * 1440]
    assert len(kept) <= 360
    assert 170 <= len(recent) <= 180
    assert kept[-1] == hourly[-1]


def test_the_field_of_an_earlier_version_is_read() -> None:
    old = zlib.compress(b"[[[29000000,60],[2500,null]],[[29000000,5],[9000,8000]]]")
    assert unpack(old) == Past(
        ((29_000_000, 2500), (29_000_060, None)), ((29_000_000, 9000), (29_000_005, 8000))
    )


def test_a_line_of_a_later_version_is_left_out() -> None:
    later = zlib.compress(b'{"price":[[5],[7]],"rank":[[],[]],"sales":[],"shoe_size":[[5],[7]]}')
    assert unpack(later) == Past(((5, 7),), ())


@pytest.mark.parametrize(
    "told",
    [
        '{"price":[[5],[7]]}',
        '{"price":[[5],[7,8]],"rank":[[],[]],"sales":[]}',
        '{"price":[[5,5],[2147483647,1]],"rank":[[],[]],"sales":[]}',
        '{"price":[[5],[true]],"rank":[[],[]],"sales":[]}',
        '{"price":[[5],[7]],"rank":[[],[]],"sales":[-1]}',
        '{"price":[[5],[7]],"rank":[[],[]],"sales":5}',
        "5",
        '"price"',
    ],
)
def test_a_field_that_holds_something_else_is_refused(told: str) -> None:
    with pytest.raises(ValueError, match="no history"):
        unpack(zlib.compress(told.encode()))


def points(*told: tuple[int, int | None]) -> tuple[PricePoint, ...]:
    """Values from so many days before the start."""
    return tuple(PricePoint(START - timedelta(days=days), value) for days, value in told)


def test_a_year_has_the_lines_that_explain_a_price_and_its_sales() -> None:
    history = {
        CsvType.NEW: points((400, 3000), (200, 2500)),
        CsvType.AMAZON: points((300, 2900), (250, None), (30, 2800)),
        CsvType.USED: points((100, None)),
        CsvType.COUNT_NEW: points((350, 4), (20, 9)),
        CsvType.COUNT_USED: points((350, 1)),
        CsvType.BUY_BOX_USED_SHIPPING: (PricePoint(START - timedelta(days=90), 1200, 0),),
        CsvType.SALES: points((90, 9000), (80, 8900), (70, 6000), (60, None), (50, 5000), (40, 3000)),
    }
    product = make_product(make_deal("B000000001"), history=history)
    told = past_of(product, CsvType.NEW, START)
    assert told is not None
    assert [value for _, value in told.prices] == [3000, 2500]
    assert {line: [value for _, value in steps] for line, steps in told.lines.items()} == {
        Line.AMAZON: [2900, None, 2800],
        Line.OFFERS: [4, 9],
    }  # nobody ever offered a used one, and the buy box of used ones is not this deal's
    days = [(int(START.timestamp()) // 60 - minute) // 1440 for minute in told.sales]
    assert days == [70, 40]  # 8900 is drift, and what follows a gap is no fall
    used = past_of(product, CsvType.USED, START)
    assert used is not None
    assert {Line.NEW, Line.AMAZON, Line.BUY_BOX, Line.OFFERS} == used.lines.keys()


def test_a_line_that_cannot_be_read_costs_itself_only(caplog: pytest.LogCaptureFixture) -> None:
    minute = to_keepa_minutes(START) - 1440
    csv = [[1, 2, 3], [minute, 2500]]
    product = Product.from_json({"asin": "B000000001", "domainId": 1, "title": "x", "csv": csv})
    told = past_of(product, CsvType.NEW, START)
    assert told is not None
    assert [value for _, value in told.prices] == [2500]
    assert told.lines == {}
    assert "a line in the history of B000000001 is left out: history of AMAZON has 3 numbers" in caplog.text


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
    told = past_of(product, CsvType.BUY_BOX_SHIPPING, now, days=90)
    assert told is not None
    assert [value for _, value in told.prices] == [1300, 1200, None]  # shipping unknown: the sum is, too
    assert told.prices[0][0] == (now - timedelta(days=90)).timestamp() // 60
    assert told.ranks == ()


@pytest.mark.parametrize(
    ("asin", "kind", "prices", "ranks"),
    [("B0D8W1YVBX", CsvType.BUY_BOX_SHIPPING, 192, 288), ("B0F7XPYCSJ", CsvType.NEW, 3, 358)],
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
    assert len(pack_within(told, unix_minute(product.last_update))) <= MAX_PACKED


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


def test_the_year_before_is_what_an_earlier_look_kept(world: World) -> None:
    deal = make_deal("B000000001")
    world.keepa.list(deal)
    for days, price in ((0, 5000), (400, 3000)):
        world.clock.pass_time(timedelta(days=days))
        told = (PricePoint(world.clock.now() - timedelta(days=360), price),)
        world.keepa.products_by_asin["B000000001"] = make_product(deal, history={CsvType.NEW: told})
        upsert.run(world.context)
        backfill.run_slice(world.context)
    found = told_of(world, "B000000001")
    assert found is not None
    past = unpack(found.packed)
    assert [value for _, value in past.prices] == [3000]
    since = unix_minute(world.clock.now() - timedelta(days=365))
    (begin, price), (end, nothing) = past.lines[Line.YEAR_BEFORE][-2:]
    assert (price, nothing) == (5000, None)
    assert begin >= unix_minute(START - timedelta(days=360)) - 31 * 1440
    assert unix_minute(START) <= end <= since


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
    assert steps([(unix_minute(from_keepa_minutes(to_keepa_minutes(START))), 5)], 0, 2**31) == [
        (int(START.timestamp()) // 60, 5)
    ]
