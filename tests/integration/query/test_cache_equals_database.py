"""The dashboard's copy in memory gives what the database gives, whatever is asked, and follows it."""

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

from keepa_deals.db.models import Deal, DealEvent, DealPoint
from keepa_deals.deals.kinds import DealEventKind, EndedReason
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.maintenance import run as maintenance
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.query import reader
from keepa_deals.query.cache import block
from keepa_deals.query.cache import cache as replica_module
from keepa_deals.query.cache.cache import OLDEST_SECONDS, Reading, Replica, reading
from keepa_deals.query.cache.scan import SEVERAL, Look
from keepa_deals.query.cursor import decode_cursor
from keepa_deals.query.filters import FILTERS
from keepa_deals.query.filters.base import NullableFilter
from keepa_deals.query.intervals import Interval
from keepa_deals.query.parse import parse_view
from keepa_deals.query.reader import Moment
from keepa_deals.query.sorts import SORTS, Order
from tests.support.deal_rows import fill_deals, make_row
from tests.support.filter_values import values_of
from tests.support.world import World, make_deal, make_product, make_world

FRESH = timedelta(hours=1)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    dsn = f"sqlite:///{tmp_path_factory.mktemp('replica') / 'deals.db'}"
    if request.param == "postgresql":
        dsn = request.getfixturevalue("postgres_server").empty_dsn()
    world = make_world(dsn)
    fill_deals(world.database.engine, 400, world.clock.now(), seed=7)
    yield world
    world.database.close()


@pytest.fixture(params=[block.MOST, 64], ids=["one block", "many blocks"])
def replica(
    world: World, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Replica]:
    monkeypatch.setattr(block, "MOST", request.param)
    replica = Replica(world.database.engine, world.clock)
    replica.step()
    yield replica
    replica.stop()


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


def everything(reads: reader.Reads, given: dict[str, list[str]], moment: Moment) -> dict[str, Any]:
    """All that the dashboard asks about a view, the list walked to its third page and back."""
    view = parse_view(given, domain_id=1, ignore_empty=True)
    pages, cursor = [], None
    for _ in range(3):
        page = reader.read_page(reads, view, moment, cursor)
        pages.append([(row.domain_id, row.asin) for row in page.rows])
        if page.next is None:
            break
        cursor = decode_cursor(page.next.encode(), view.sort, view.order)
    back = reader.read_page(reads, view, moment, page.previous) if page.previous else None
    return {
        "pages": pages,
        "back": [row.asin for row in back.rows] if back else None,
        "total": reader.count(reads, view, moment),
        "statuses": reader.count_statuses(reads, view, moment),
        "hidden": reader.count_hidden(reads, view, moment),
        "categories": reader.count_categories(reads, view, moment),
    }


@given(given_=arguments())
@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_copy_answers_every_view_as_the_database_does(
    world: World, replica: Replica, given_: dict[str, list[str]]
) -> None:
    moment = Moment(world.clock.now(), FRESH)
    look = replica.look()
    assert look is not None
    with world.database.engine.connect() as connection:
        expected = everything(connection, given_, moment)
        with_unknown = parse_view({**given_, "unknown": ["1"]}, domain_id=1, ignore_empty=True)
        hidden = reader.count(connection, with_unknown, moment) - expected["total"]
        reads = Reading(connection, look)
        found = everything(reads, given_, moment)
        among_all = Reading(connection, replica.look())
        reader.count_statuses(among_all, parse_view(given_, domain_id=1, ignore_empty=True), moment)
        found_among_all = everything(among_all, given_, moment)
        assert reads.look is not None, "the copy could not answer"
        assert among_all.look is not None
    assert found == expected
    assert found_among_all == expected
    assert sum(expected["hidden"].values()) == (0 if "unknown" in given_ else hidden)


@pytest.mark.parametrize("name", FILTERS)
def test_the_copy_answers_every_filter_as_the_database_does(
    world: World, replica: Replica, name: str
) -> None:
    moment = Moment(world.clock.now(), FRESH)
    with world.database.engine.connect() as connection:
        reads = Reading(connection, replica.look())
        for values in values_of(FILTERS[name]):
            view = parse_view({"status": ["all"], name: values}, domain_id=1)
            assert reader.count(reads, view, moment) == reader.count(connection, view, moment)
        given_ = {"status": ["open"], name: values_of(FILTERS[name])[2 % len(values_of(FILTERS[name]))]}
        assert everything(reads, given_, moment) == everything(connection, given_, moment)
        assert reads.look is not None, "the copy could not answer"


NULLABLE = [name for name, each in FILTERS.items() if isinstance(each, NullableFilter)]


@pytest.mark.parametrize("name", NULLABLE)
def test_what_a_filter_hides_for_being_unknown_is_what_unknown_shows_more(
    world: World, replica: Replica, name: str
) -> None:
    for values in values_of(FILTERS[name]):
        view = parse_view({name: values}, domain_id=1)
        with_unknown = parse_view({name: values, "unknown": ["1"]}, domain_id=1)
        moment = Moment(world.clock.now(), FRESH)
        with reading(world.database.engine, replica) as reads:
            more = reader.count(reads, with_unknown, moment) - reader.count(reads, view, moment)
            assert reader.count_hidden(reads, view, moment) == {name: more}
            assert reads.look is not None


@pytest.mark.parametrize(
    "query",
    [
        "profit_min=2&roi_min=2",
        "sold_min=2&rank_drops_min=2&rating_min=2",
        "lowest=ever&amazon=yes&discount_min=2",
        "lowest=ever&price_max=2&rank_max=2",
    ],
)
def test_what_several_filters_hide_is_told_too(world: World, replica: Replica, query: str) -> None:
    given_ = parse_qs(query)
    view = parse_view(given_, domain_id=1)
    with_unknown = parse_view({**given_, "unknown": ["1"]}, domain_id=1)
    moment = Moment(world.clock.now(), FRESH)
    with reading(world.database.engine, replica) as reads:
        more = reader.count(reads, with_unknown, moment) - reader.count(reads, view, moment)
        hidden = reader.count_hidden(reads, view, moment)
        assert sum(hidden.values()) == more
        assert SEVERAL in hidden
        assert reader.count_hidden(reads.connection, view, moment) == hidden
        assert reads.look is not None


def asins(replica: Replica, world: World, **given: str) -> list[str]:
    """The ASINs of a view's first page by the copy."""
    view = parse_view({name: [value] for name, value in given.items()}, domain_id=1)
    look = replica.look()
    assert look is not None
    with world.database.engine.connect() as connection:
        reads = Reading(connection, look)
        page = reader.read_page(reads, view, Moment(world.clock.now(), FRESH), None)
        assert reads.look is not None
        return [row.asin for row in page.rows]


def test_words_are_found_in_any_case_of_any_alphabet(world: World, replica: Replica) -> None:
    assert asins(replica, world, q="ÜNÏCODE") == asins(replica, world, q="ünïcode") != []
    with world.database.engine.connect() as connection:
        for word in ("ÜNÏCODE", "ünïcode"):
            view = parse_view({"q": [word]}, domain_id=1)
            page = reader.read_page(connection, view, Moment(world.clock.now(), FRESH), None)
            assert [row.asin for row in page.rows] == asins(replica, world, q=word)


def test_the_copy_follows_new_changed_and_ended_deals(empty_dsn: str) -> None:
    world = make_world(empty_dsn)
    replica = Replica(world.database.engine, world.clock)
    replica.step()
    assert asins(replica, world) == []
    world.keepa.list(make_deal("B000000001", price=1000))
    upsert.run(world.context)
    backfill.run_slice(world.context)
    replica.step()
    assert asins(replica, world, price_max="10") == ["B000000001"]
    world.clock.pass_time(timedelta(minutes=1))
    world.keepa.list(make_deal("B000000001", price=2000))
    world.keepa.list(make_deal("B000000002", price=900))
    upsert.run(world.context)
    replica.step()
    assert asins(replica, world, price_max="10") == ["B000000002"]
    world.keepa.unlist("B000000001")
    world.keepa.products_by_asin["B000000001"] = make_product(make_deal("B000000001", price=2950))
    for _ in range(60):
        world.clock.pass_time(timedelta(minutes=1))
        upsert.run(world.context)
        maintenance.run(world.context)
        replica.step()
    assert asins(replica, world, status="ended") == ["B000000001"]
    replica.stop()
    world.database.close()


def test_a_new_worth_is_followed(empty_dsn: str) -> None:
    world = make_world(empty_dsn)
    world.keepa.list(make_deal("B000000001"))
    upsert.run(world.context)
    backfill.run_slice(world.context)
    replica = Replica(world.database.engine, world.clock)
    replica.step()
    with world.database.session() as session:
        worth = session.scalars(select(Deal.profit)).one()
    assert worth is not None
    assert asins(replica, world, profit_min=f"{worth / 100}") == ["B000000001"]
    dearer = make_world(empty_dsn, prep_cost=100)
    for clock in (world.clock, dearer.clock):
        clock.pass_time(timedelta(minutes=3))
    maintenance.run(dearer.context)
    replica.step()
    assert asins(replica, world, profit_min=f"{worth / 100}") == []
    assert asins(replica, world, profit_min=f"{worth / 100 - 1}") == ["B000000001"]
    replica.stop()
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


def test_whatever_happens_the_copy_says_what_the_database_does(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block, "MOST", 40)
    monkeypatch.setattr(replica_module, "LEAST_BETWEEN_LOADS", 1e9)
    world = make_world(empty_dsn)
    engine, source = world.database.engine, random.Random(5)
    fill_deals(engine, 120, world.clock.now())
    replica = Replica(engine, world.clock)
    replica.step()
    numbers = iter(range(1000, 2000))
    for _ in range(25):
        world.clock.pass_time(timedelta(seconds=7))
        happen(engine, source, numbers, world.clock.now())
        replica.step()
        moment = Moment(world.clock.now(), FRESH)
        with world.database.engine.connect() as connection:
            reads = Reading(connection, replica.look())
            for given_ in VIEWS:
                assert everything(reads, given_, moment) == everything(connection, given_, moment)
            assert reads.look is not None
    replica.stop()
    world.database.close()


@pytest.mark.parametrize("name", ["last_seen_at", "changed_at"])
def test_a_row_from_the_future_does_not_end_the_following(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A machine whose clock was ahead wrote it."""
    monkeypatch.setattr(replica_module, "LEAST_BETWEEN_LOADS", 1e9)
    world = make_world(empty_dsn)
    engine, source = world.database.engine, random.Random(5)
    fill_deals(engine, 60, world.clock.now())
    with engine.begin() as connection:
        asin = connection.scalar(select(Deal.asin).where(Deal.ended_at.is_not(None)))
        ahead = world.clock.now() + timedelta(hours=9)
        connection.execute(update(Deal).where(Deal.asin == asin).values({name: ahead}))
    replica = Replica(engine, world.clock)
    replica.step()
    numbers = iter(range(1000, 2000))
    for _ in range(5):
        world.clock.pass_time(timedelta(minutes=2))
        happen(engine, source, numbers, world.clock.now())
        replica.step()
        moment = Moment(world.clock.now(), FRESH)
        with engine.connect() as connection:
            reads = Reading(connection, replica.look())
            for given_ in VIEWS:
                assert everything(reads, given_, moment) == everything(connection, given_, moment)
            assert reads.look is not None
    replica.stop()
    world.database.close()


def test_a_copy_without_the_ended_deals_leaves_questions_about_them_to_the_database(
    world: World, replica: Replica
) -> None:
    moment = Moment(world.clock.now(), FRESH)
    whole = replica.look()
    assert whole is not None
    half = Look(whole.blocks[:1], {}, is_whole=False)
    with world.database.engine.connect() as connection:
        reads = Reading(connection, half)
        for status in ("ended", "all"):
            view = parse_view({"status": [status]}, domain_id=1)
            assert reader.count(reads, view, moment) == reader.count(connection, view, moment)
        live = parse_view({}, domain_id=1)
        assert reader.count(reads, live, moment) == sum(
            int(np.count_nonzero(part.rows)) for part in half.chosen(live, moment)
        )


def test_what_was_missed_or_deleted_is_mended_by_the_next_load(empty_dsn: str) -> None:
    world = make_world(empty_dsn)
    engine = world.database.engine
    fill_deals(engine, 20, world.clock.now())
    replica = Replica(engine, world.clock)
    replica.step()
    before = asins(replica, world, status="all", sort="title")
    with engine.begin() as connection:
        for table in (DealEvent, DealPoint, Deal):
            connection.execute(delete(table).where(table.asin == before[0]))
        connection.execute(update(Deal).where(Deal.asin == before[1]).values(title="~", price=1))
    replica.step()
    assert asins(replica, world, status="all", sort="title") == before[1:], "what is gone is not shown"
    world.clock.pass_time(timedelta(minutes=2))
    replica.step()
    assert asins(replica, world, status="all", sort="title") == [*before[2:], before[1]]
    replica.stop()
    world.database.close()


def test_a_copy_that_can_not_be_renewed_is_not_used(world: World, replica: Replica) -> None:
    with reading(world.database.engine, replica) as reads:
        assert reads.look is not None
    world.clock.pass_time(timedelta(seconds=OLDEST_SECONDS + 1))
    with reading(world.database.engine, replica) as reads:
        assert reads.look is None
        assert reader.count(reads, parse_view({}, domain_id=1), Moment(world.clock.now(), FRESH)) > 0


def test_a_copy_that_fails_is_given_up_and_the_database_answers(world: World, replica: Replica) -> None:
    view = parse_view({}, domain_id=1)
    moment = Moment(world.clock.now(), FRESH)
    with reading(world.database.engine, replica) as reads:
        expected = reader.count(reads, view, moment)
        assert reads.look is not None
        broken = replace(reads.look.blocks[0], arrays={})
        reads.look = Look([broken], {})
        assert reader.count(reads, view, moment) == expected
    assert replica.look() is None
    replica.step()
    assert replica.look() is not None


def test_a_question_that_fails_costs_nobody_else_the_copy(world: World, replica: Replica) -> None:
    view = parse_view({}, domain_id=1)

    def fail(_: Look) -> int:
        raise ValueError("no ASIN")

    with reading(world.database.engine, replica) as reads:
        assert reads.ask(view, fail, lambda _: 1) == 1
        assert reads.look is None
    assert replica.look() is not None
