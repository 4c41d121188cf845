"""The column cache gives what the database gives, whatever is asked, and follows it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert, select, update

from keepa_deals.db.models import (
    Deal,
    DealEvent,
    DealMark,
    DealPoint,
    HiddenBrand,
    HiddenCategory,
    MarkBook,
    SearchOwner,
)
from keepa_deals.deals.freshness import AsOf
from keepa_deals.deals.kinds import DealEventKind, EndedReason
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.maintenance import run as maintenance
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.keepa.selection import selection_from
from keepa_deals.keepa.selection_files import SearchTerms
from keepa_deals.marks.marks import MarkKind
from keepa_deals.marks.reading import read_marks
from keepa_deals.query.cache import block
from keepa_deals.query.cache import cache as cache_module
from keepa_deals.query.cache.cache import MAX_AGE_SECONDS, ColumnCache
from keepa_deals.query.cache.snapshot import CacheSnapshot
from keepa_deals.query.cursor import decode_cursor
from keepa_deals.query.database import SEVERAL
from keepa_deals.query.filters import FILTERS
from keepa_deals.query.filters.base import NullableFilter
from keepa_deals.query.intervals import Interval
from keepa_deals.query.parse import parse_view
from keepa_deals.query.reader import DealReader, reading
from keepa_deals.query.sorts import SORTS, Order
from keepa_deals.searches import registry
from tests.support.deal_rows import fill_deals, make_row
from tests.support.filter_values import values_of
from tests.support.nightly import amount
from tests.support.world import World, make_deal, make_product, make_world

FRESH = timedelta(hours=1)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    dsn = f"sqlite:///{tmp_path_factory.mktemp('cache') / 'deals.db'}"
    if request.param == "postgresql":
        dsn = request.getfixturevalue("postgres_server").empty_dsn()
    world = make_world(dsn)
    fill_deals(world.database.engine, 400, world.clock.now(), seed=7)
    with world.database.begin() as session:
        for name, domain in (("books", 1), ("toys", 3)):
            query = selection_from({"priceTypes": [1], "domainId": domain})
            registry.add(session, name, query, SearchTerms(), SearchOwner.CLI, world.clock.now())
    mark_some(world)
    yield world
    world.database.close()


BOOKS = (None, 1, 2, 3)
"""Readers: without marks, with marks of every kind, with hidden deals alone, with brands and categories."""


def mark_some(world: World) -> None:
    """The readers' marks; each book stands in for a person's, without the person."""
    source, now = random.Random(3), world.clock.now()
    with world.database.begin() as session:
        deals = session.execute(
            select(Deal.domain_id, Deal.asin, Deal.price, Deal.brand, Deal.root_category)
        ).all()
        session.add_all(MarkBook(id=book, revision=1) for book in BOOKS if book is not None)
        session.flush()
        for deal in source.sample(deals, 150):
            mark = DealMark(book_id=1, domain_id=deal.domain_id, asin=deal.asin)
            if source.random() < 0.5:
                mark.starred_at = now
            if source.random() < 0.5:
                mark.hidden_at = now
                mark.hidden_price = source.choice([None, deal.price, (deal.price or 1) - 1, 5000])
            mark.note = source.choice([None, "a note"])
            if source.random() < 0.3:
                mark.bought_at = now
            hidden = DealMark(book_id=2, domain_id=deal.domain_id, asin=deal.asin, hidden_at=now)
            session.add_all([mark, hidden])
        session.add(DealMark(book_id=1, domain_id=1, asin="B0GONE0000", hidden_at=now))
        for book, deal in [(b, d) for b in (1, 3) for d in source.sample(deals, 3)]:
            if deal.brand:
                session.merge(HiddenBrand(book_id=book, brand=deal.brand, hidden_at=now))
            if deal.root_category:
                category = {"domain_id": deal.domain_id, "category": deal.root_category}
                session.merge(HiddenCategory(book_id=book, hidden_at=now, **category))
        session.merge(HiddenBrand(book_id=1, brand="nobody's", hidden_at=now))


@pytest.fixture(params=[block.MAX_ROWS, 64], ids=["one block", "many blocks"])
def cache(
    world: World, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ColumnCache]:
    monkeypatch.setattr(block, "MAX_ROWS", request.param)
    cache = ColumnCache(world.database.engine, world.clock)
    cache.step()
    yield cache
    cache.stop()


@st.composite
def arguments(draw: st.DrawFn) -> dict[str, list[str]]:
    """The parameters of any view."""
    chosen = draw(st.lists(st.sampled_from(sorted(FILTERS)), max_size=7, unique=True))
    return {
        **{name: draw(st.sampled_from(values_of(FILTERS[name]))) for name in chosen},
        "limit": [draw(st.sampled_from(["1", "7", "50"]))],
        "sort": [draw(st.sampled_from(sorted(SORTS)))],
        "order": [draw(st.sampled_from(list(Order)))],
        "interval": [draw(st.sampled_from(list(Interval)))],
    }


def everything(reader: DealReader, given: dict[str, list[str]]) -> dict[str, Any]:
    """All that the dashboard asks about a view, the list walked to its third page and back."""
    view = parse_view(given, domain_id=1, ignore_empty=True)
    pages, cursor = [], None
    for _ in range(3):
        page = reader.page(view, cursor)
        pages.append([(row.domain_id, row.asin) for row in page.rows])
        if page.next is None:
            break
        cursor = decode_cursor(page.next.encode(), view.sort, view.order)
    back = reader.page(view, page.previous) if page.previous else None
    return {
        "pages": pages,
        "back": [row.asin for row in back.rows] if back else None,
        "total": reader.count(view),
        "statuses": reader.count_by_status(view),
        "hidden": reader.count_hidden(view),
        "put_aside": reader.count_put_aside(view),
        "categories": reader.categories(view),
    }


@given(given_=arguments(), book=st.sampled_from(BOOKS))
@settings(
    max_examples=amount(40, at_night=200),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_column_cache_answers_every_view_as_the_database_does(
    world: World, cache: ColumnCache, given_: dict[str, list[str]], book: int | None
) -> None:
    as_of = AsOf(world.clock.now(), FRESH)
    snapshot = cache.snapshot()
    assert snapshot is not None
    with world.database.engine.connect() as connection:
        marks = read_marks(connection, book)
        expected = everything(DealReader(connection, as_of, marks=marks), given_)
        with_unknown = parse_view({**given_, "unknown": ["1"]}, domain_id=1, ignore_empty=True)
        hidden = DealReader(connection, as_of, marks=marks).count(with_unknown) - expected["total"]
        reads = DealReader(connection, as_of, snapshot=snapshot, marks=marks)
        found = everything(reads, given_)
        among_all = DealReader(connection, as_of, snapshot=cache.snapshot(), marks=marks)
        among_all.count_by_status(parse_view(given_, domain_id=1, ignore_empty=True))
        found_among_all = everything(among_all, given_)
        assert reads.snapshot is not None, "the cache could not answer"
        assert among_all.snapshot is not None
    assert found == expected
    assert found_among_all == expected
    assert sum(expected["hidden"].values()) == (0 if "unknown" in given_ else hidden)


@pytest.mark.parametrize("name", FILTERS)
def test_the_column_cache_answers_every_filter_as_the_database_does(
    world: World, cache: ColumnCache, name: str
) -> None:
    as_of = AsOf(world.clock.now(), FRESH)
    with world.database.engine.connect() as connection:
        reads = DealReader(connection, as_of, snapshot=cache.snapshot())
        for values in values_of(FILTERS[name]):
            view = parse_view({"status": ["all"], name: values}, domain_id=1)
            assert reads.count(view) == DealReader(connection, as_of).count(view)
        given_ = {"status": ["open"], name: values_of(FILTERS[name])[2 % len(values_of(FILTERS[name]))]}
        assert everything(reads, given_) == everything(DealReader(connection, as_of), given_)
        assert reads.snapshot is not None, "the cache could not answer"


@pytest.mark.parametrize("book", BOOKS)
def test_marks_hide_the_same_deals_in_cache_and_database_and_by_their_definition(
    world: World, cache: ColumnCache, book: int | None
) -> None:
    as_of, everywhere = AsOf(world.clock.now(), FRESH), {"status": ["all"], "limit": ["200"]}
    with world.database.engine.connect() as connection:
        marks = read_marks(connection, book)
        deals = connection.execute(
            select(Deal.domain_id, Deal.asin, Deal.price, Deal.brand, Deal.root_category)
        ).all()
        hidden = {(d, a) for d, a, p, b, c in deals if marks.hidden_by((d, a), p, b, c) is not None}
        for snapshot in (cache.snapshot(), None):
            reader = DealReader(connection, as_of, snapshot=snapshot, marks=marks)
            shown = parse_view(everywhere, domain_id=1)
            assert reader.count(shown) == len(deals) - len(hidden)
            assert reader.count_put_aside(shown) == len(hidden)
            put_aside = parse_view({**everywhere, "marked": ["hidden"]}, domain_id=1)
            assert reader.count(put_aside) == len(hidden)
            every = parse_view({**everywhere, "marked": ["any"]}, domain_id=1)
            assert reader.count(every) == len(deals)
            for kind in (MarkKind.STARRED, MarkKind.BOUGHT, MarkKind.NOTED):
                view = parse_view({**everywhere, "marked": [kind]}, domain_id=1)
                assert {(row.domain_id, row.asin) for row in reader.page(view).rows} == set(
                    marks.keys_of(kind)
                )


NULLABLE = [name for name, each in FILTERS.items() if isinstance(each, NullableFilter)]


@pytest.mark.parametrize("name", NULLABLE)
def test_what_a_filter_hides_for_being_unknown_is_what_unknown_shows_more(
    world: World, cache: ColumnCache, name: str
) -> None:
    for values in values_of(FILTERS[name]):
        view = parse_view({name: values}, domain_id=1)
        with_unknown = parse_view({name: values, "unknown": ["1"]}, domain_id=1)
        as_of = AsOf(world.clock.now(), FRESH)
        with reading(world.database.engine, cache, as_of) as reads:
            more = reads.count(with_unknown) - reads.count(view)
            assert reads.count_hidden(view) == {name: more}
            assert reads.snapshot is not None


@pytest.mark.parametrize(
    "query",
    [
        "profit_min=2&roi_min=2",
        "sold_min=2&rank_drops_min=2&rating_min=2",
        "lowest=ever&amazon=yes&discount_min=2",
        "lowest=ever&price_max=2&rank_max=2",
    ],
)
def test_what_several_filters_hide_is_told_too(world: World, cache: ColumnCache, query: str) -> None:
    given_ = parse_qs(query)
    view = parse_view(given_, domain_id=1)
    with_unknown = parse_view({**given_, "unknown": ["1"]}, domain_id=1)
    as_of = AsOf(world.clock.now(), FRESH)
    with reading(world.database.engine, cache, as_of) as reads:
        more = reads.count(with_unknown) - reads.count(view)
        hidden = reads.count_hidden(view)
        assert sum(hidden.values()) == more
        assert SEVERAL in hidden
        assert DealReader(reads.connection, as_of).count_hidden(view) == hidden
        assert reads.snapshot is not None


def asins(cache: ColumnCache, world: World, **given: str) -> list[str]:
    """The ASINs of a view's first page by the cache."""
    view = parse_view({name: [value] for name, value in given.items()}, domain_id=1)
    snapshot = cache.snapshot()
    assert snapshot is not None
    with world.database.engine.connect() as connection:
        reads = DealReader(connection, AsOf(world.clock.now(), FRESH), snapshot=snapshot)
        page = reads.page(view)
        assert reads.snapshot is not None
        return [row.asin for row in page.rows]


def test_words_are_found_in_any_case_of_any_alphabet(world: World, cache: ColumnCache) -> None:
    assert asins(cache, world, q="ÜNÏCODE") == asins(cache, world, q="ünïcode") != []
    with world.database.engine.connect() as connection:
        for word in ("ÜNÏCODE", "ünïcode"):
            view = parse_view({"q": [word]}, domain_id=1)
            page = DealReader(connection, AsOf(world.clock.now(), FRESH)).page(view)
            assert [row.asin for row in page.rows] == asins(cache, world, q=word)


def test_the_column_cache_follows_new_changed_and_ended_deals(empty_dsn: str) -> None:
    world = make_world(empty_dsn)
    cache = ColumnCache(world.database.engine, world.clock)
    cache.step()
    assert asins(cache, world) == []
    world.keepa.list(make_deal("B000000001", price=1000))
    upsert.run(world.context)
    backfill.run_slice(world.context)
    cache.step()
    assert asins(cache, world, price_max="10") == ["B000000001"]
    world.clock.pass_time(timedelta(minutes=1))
    world.keepa.list(make_deal("B000000001", price=2000))
    world.keepa.list(make_deal("B000000002", price=900))
    upsert.run(world.context)
    cache.step()
    assert asins(cache, world, price_max="10") == ["B000000002"]
    world.keepa.unlist("B000000001")
    world.keepa.products_by_asin["B000000001"] = make_product(make_deal("B000000001", price=2950))
    for _ in range(60):
        world.clock.pass_time(timedelta(minutes=1))
        upsert.run(world.context)
        maintenance.run(world.context)
        cache.step()
    assert asins(cache, world, status="ended") == ["B000000001"]
    cache.stop()
    world.database.close()


def test_a_new_worth_is_followed(empty_dsn: str) -> None:
    world = make_world(empty_dsn)
    world.keepa.list(make_deal("B000000001"))
    upsert.run(world.context)
    backfill.run_slice(world.context)
    cache = ColumnCache(world.database.engine, world.clock)
    cache.step()
    with world.database.session() as session:
        worth = session.scalars(select(Deal.profit)).one()
    assert worth is not None
    assert asins(cache, world, profit_min=f"{worth / 100}") == ["B000000001"]
    dearer = make_world(empty_dsn, prep_cost=100)
    for clock in (world.clock, dearer.clock):
        clock.pass_time(timedelta(minutes=3))
    maintenance.run(dearer.context)
    cache.step()
    assert asins(cache, world, profit_min=f"{worth / 100}") == []
    assert asins(cache, world, profit_min=f"{worth / 100 - 1}") == ["B000000001"]
    cache.stop()
    dearer.database.close()
    world.database.close()


VIEWS = (
    {"status": ["all"], "sort": ["title"]},
    {"sort": ["price"], "order": ["desc"], "limit": ["7"]},
    {"status": ["open"], "sort": ["category"], "q": ["cable"]},
    {"status": ["all"], "back_in_stock": ["1"], "sort": ["seen"]},
    {"status": ["ended"], "price_min": ["50"], "amazon": ["yes"], "category": ["3", "0"]},
)


def happen(engine: Engine, source: random.Random, numbers: Iterator[int], now: datetime) -> None:
    """Some of what happens to deals between two looks."""
    with engine.begin() as connection:
        every = [row.asin for row in connection.execute(select(Deal.asin))]
        for values in (
            {"price": source.randrange(20_000)},
            {"title": f"Cable {source.random()}", "brand": "New"},
            {"root_category": 3, "category_name": "Category 3"},
            {"ended_at": now, "ended_reason": EndedReason.OUT_OF_STOCK},
            {"ended_at": None, "ended_reason": None, "last_seen_at": now},
        ):
            chosen = source.sample(every, source.randrange(6))
            changed = update(Deal).where(Deal.asin.in_(chosen)).values(changed_at=now, **values)
            connection.execute(changed)
            if values.get("ended_at"):
                event = {"domain_id": 1, "at": now, "kind": DealEventKind.ENDED}
                for asin in chosen:
                    reason = values["ended_reason"]
                    connection.execute(insert(DealEvent).values(asin=asin, reason=reason, **event))
        seen = source.sample(every, len(every) // 3)
        connection.execute(
            update(Deal).where(Deal.asin.in_(seen), Deal.ended_at.is_(None)).values(last_seen_at=now)
        )
        new = [make_row(source, next(numbers), now) for _ in range(source.randrange(9))]
        if new:
            connection.execute(insert(Deal), [{**row, "changed_at": now} for row in new])


def test_whatever_happens_the_column_cache_says_what_the_database_does(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block, "MAX_ROWS", 40)
    monkeypatch.setattr(cache_module, "MIN_BETWEEN_LOADS", 1e9)
    world = make_world(empty_dsn)
    engine, source = world.database.engine, random.Random(5)
    fill_deals(engine, 120, world.clock.now())
    cache = ColumnCache(engine, world.clock)
    cache.step()
    numbers = iter(range(1000, 2000))
    for _ in range(25):
        world.clock.pass_time(timedelta(seconds=7))
        happen(engine, source, numbers, world.clock.now())
        cache.step()
        as_of = AsOf(world.clock.now(), FRESH)
        with world.database.engine.connect() as connection:
            reads = DealReader(connection, as_of, snapshot=cache.snapshot())
            for given_ in VIEWS:
                assert everything(reads, given_) == everything(DealReader(connection, as_of), given_)
            assert reads.snapshot is not None
    cache.stop()
    world.database.close()


@pytest.mark.parametrize("name", ["last_seen_at", "changed_at"])
def test_a_row_from_the_future_does_not_end_the_following(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A machine whose clock was ahead wrote it."""
    monkeypatch.setattr(cache_module, "MIN_BETWEEN_LOADS", 1e9)
    world = make_world(empty_dsn)
    engine, source = world.database.engine, random.Random(5)
    fill_deals(engine, 60, world.clock.now())
    with engine.begin() as connection:
        asin = connection.scalar(select(Deal.asin).where(Deal.ended_at.is_not(None)))
        ahead = world.clock.now() + timedelta(hours=9)
        connection.execute(update(Deal).where(Deal.asin == asin).values({name: ahead}))
    cache = ColumnCache(engine, world.clock)
    cache.step()
    numbers = iter(range(1000, 2000))
    for _ in range(5):
        world.clock.pass_time(timedelta(minutes=2))
        happen(engine, source, numbers, world.clock.now())
        cache.step()
        as_of = AsOf(world.clock.now(), FRESH)
        with engine.connect() as connection:
            reads = DealReader(connection, as_of, snapshot=cache.snapshot())
            for given_ in VIEWS:
                assert everything(reads, given_) == everything(DealReader(connection, as_of), given_)
            assert reads.snapshot is not None
    cache.stop()
    world.database.close()


def test_a_cache_without_the_ended_deals_leaves_questions_about_them_to_the_database(
    world: World, cache: ColumnCache
) -> None:
    as_of = AsOf(world.clock.now(), FRESH)
    whole = cache.snapshot()
    assert whole is not None
    half = CacheSnapshot(whole.blocks[:1], {}, is_whole=False)
    with world.database.engine.connect() as connection:
        reads = DealReader(connection, as_of, snapshot=half)
        for status in ("ended", "all"):
            view = parse_view({"status": [status]}, domain_id=1)
            assert reads.count(view) == DealReader(connection, as_of).count(view)
        live = parse_view({}, domain_id=1)
        assert reads.count(live) == sum(int(np.count_nonzero(part.rows)) for part in half.chosen(live, as_of))


def test_what_was_missed_or_deleted_is_mended_by_the_next_load(empty_dsn: str) -> None:
    world = make_world(empty_dsn)
    engine = world.database.engine
    fill_deals(engine, 20, world.clock.now())
    cache = ColumnCache(engine, world.clock)
    cache.step()
    before = asins(cache, world, status="all", sort="title")
    with engine.begin() as connection:
        for table in (DealEvent, DealPoint, Deal):
            connection.execute(delete(table).where(table.asin == before[0]))
        connection.execute(update(Deal).where(Deal.asin == before[1]).values(title="~", price=1))
    cache.step()
    assert asins(cache, world, status="all", sort="title") == before[1:], "what is gone is not shown"
    world.clock.pass_time(timedelta(minutes=2))
    cache.step()
    assert asins(cache, world, status="all", sort="title") == [*before[2:], before[1]]
    cache.stop()
    world.database.close()


def test_a_cache_that_can_not_be_renewed_is_not_used(world: World, cache: ColumnCache) -> None:
    with reading(world.database.engine, cache, AsOf(world.clock.now(), FRESH)) as reads:
        assert reads.snapshot is not None
    world.clock.pass_time(timedelta(seconds=MAX_AGE_SECONDS + 1))
    with reading(world.database.engine, cache, AsOf(world.clock.now(), FRESH)) as reads:
        assert reads.snapshot is None
        assert reads.count(parse_view({}, domain_id=1)) > 0


def test_a_cache_that_fails_is_given_up_and_the_database_answers(world: World, cache: ColumnCache) -> None:
    view = parse_view({}, domain_id=1)
    as_of = AsOf(world.clock.now(), FRESH)
    with reading(world.database.engine, cache, as_of) as reads:
        expected = reads.count(view)
        assert reads.snapshot is not None
        broken = replace(reads.snapshot.blocks[0], arrays={})
        reads.snapshot = CacheSnapshot([broken], {})
        assert reads.count(view) == expected
    assert cache.snapshot() is None
    cache.step()
    assert cache.snapshot() is not None


def test_a_question_that_fails_costs_nobody_else_the_cache(world: World, cache: ColumnCache) -> None:
    view = parse_view({}, domain_id=1)

    def fail(_: CacheSnapshot) -> int:
        raise ValueError("no ASIN")

    with reading(world.database.engine, cache, AsOf(world.clock.now(), FRESH)) as reads:
        assert reads.ask(view, fail, lambda: 1) == 1
        assert reads.snapshot is None
    assert cache.snapshot() is not None
