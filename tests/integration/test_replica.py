"""The dashboard's copy in memory gives what the database gives, whatever is asked, and follows it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from keepa_deals.db.models import Deal, DealEvent, DealPoint
from keepa_deals.ingest import backfill, maintenance, recent
from keepa_deals.web import store
from keepa_deals.web.columns import RANGES, SORTS
from keepa_deals.web.paging import decode_cursor
from keepa_deals.web.replica.replica import OLDEST_SECONDS, Reading, Replica, reading
from keepa_deals.web.store import Moment
from keepa_deals.web.view import FLAGS, Order, Status, parse_view
from tests.support.deals import fill_deals
from tests.unit.ingest.fakes import World, make_deal, make_product, make_world

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


@pytest.fixture
def replica(world: World) -> Iterator[Replica]:
    replica = Replica(world.database.engine, world.clock)
    replica.step()
    yield replica
    replica.stop()


def texts() -> st.SearchStrategy[str]:
    return st.sampled_from(["", "b0", "cable", "CABLE blue", "100%", "_", "a/b", "'; --"])


@st.composite
def arguments(draw: st.DrawFn) -> dict[str, list[str]]:
    """The parameters of any view."""
    numbers = st.integers(-5, 300).map(str)
    given: dict[str, list[str]] = {"q": [draw(texts())], "limit": [draw(st.sampled_from(["1", "7", "50"]))]}
    for name in draw(st.lists(st.sampled_from(sorted(RANGES)), max_size=4, unique=True)):
        given[name] = [draw(numbers)]
    for name in draw(st.lists(st.sampled_from(sorted(FLAGS)), max_size=2, unique=True)):
        given[name] = [draw(st.sampled_from(list(FLAGS[name][0])))]
    given["status"] = [draw(st.sampled_from(list(Status)))]
    given["sort"] = [draw(st.sampled_from(sorted(SORTS)))]
    given["order"] = [draw(st.sampled_from(list(Order)))]
    if draw(st.booleans()):
        given["category"] = draw(st.lists(st.integers(0, 12).map(str), min_size=1, max_size=3, unique=True))
    return given


def everything(reads: store.Reads, given: dict[str, list[str]], moment: Moment) -> dict[str, Any]:
    """All that the dashboard asks about a view, the list walked to its third page and back."""
    view = parse_view(given, domain_id=1, lenient=True)
    pages, cursor = [], None
    for _ in range(3):
        page = store.read_page(reads, view, moment, cursor)
        pages.append([(row.domain_id, row.asin) for row in page.rows])
        if page.next is None:
            break
        cursor = decode_cursor(page.next.encode(), view.sort, view.order)
    back = store.read_page(reads, view, moment, page.previous) if page.previous else None
    return {
        "pages": pages,
        "back": [row.asin for row in back.rows] if back else None,
        "total": store.count(reads, view, moment),
        "hidden": store.count_hidden(reads, view, moment),
        "categories": store.count_categories(reads, view, moment),
    }


@given(given_=arguments())
@settings(
    max_examples=70,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_copy_answers_every_view_as_the_database_does(
    world: World, replica: Replica, given_: dict[str, list[str]]
) -> None:
    moment = Moment(world.clock.now(), FRESH)
    with world.database.engine.connect() as connection, replica.look() as look:
        assert look is not None
        expected = everything(connection, given_, moment)
        reads = Reading(connection, look)
        found = everything(reads, given_, moment)
        assert reads.look is not None, "the copy could not answer"
    assert found == expected


@pytest.mark.parametrize("name", [*RANGES, "amazon", "lowest"])
def test_what_a_filter_hides_for_being_unknown_is_what_unknown_shows_more(
    world: World, replica: Replica, name: str
) -> None:
    for value in FLAGS[name][0] if name in FLAGS else ("20",):
        given_ = {name: [str(value)]}
        view = parse_view(given_, domain_id=1)
        lenient = parse_view({**given_, "unknown": ["1"]}, domain_id=1)
        moment = Moment(world.clock.now(), FRESH)
        with reading(world.database.engine, replica) as reads:
            more = store.count(reads, lenient, moment) - store.count(reads, view, moment)
            assert store.count_hidden(reads, view, moment) == {name: more}
            assert reads.look is not None


def asins(replica: Replica, world: World, **given: str) -> list[str]:
    """The ASINs of a view's first page by the copy."""
    view = parse_view({name: [value] for name, value in given.items()}, domain_id=1)
    with world.database.engine.connect() as connection, replica.look() as look:
        assert look is not None
        reads = Reading(connection, look)
        page = store.read_page(reads, view, Moment(world.clock.now(), FRESH), None)
        assert reads.look is not None
        return [row.asin for row in page.rows]


def test_words_are_found_in_any_case_of_any_alphabet(world: World, replica: Replica) -> None:
    assert asins(replica, world, q="ÜNÏCODE") == asins(replica, world, q="ünïcode") != []


def test_the_copy_follows_new_changed_and_ended_deals(empty_dsn: str) -> None:
    world = make_world(empty_dsn)
    replica = Replica(world.database.engine, world.clock)
    replica.step()
    assert asins(replica, world) == []
    world.keepa.list(make_deal("B000000001", price=1000))
    recent.run(world.context)
    backfill.run_slice(world.context)
    replica.step()
    assert asins(replica, world, price_max="10") == ["B000000001"]
    world.clock.pass_time(timedelta(minutes=1))
    world.keepa.list(make_deal("B000000001", price=2000))
    world.keepa.list(make_deal("B000000002", price=900))
    recent.run(world.context)
    replica.step()
    assert asins(replica, world, price_max="10") == ["B000000002"]
    world.keepa.unlist("B000000001")
    world.keepa.products_by_asin["B000000001"] = make_product(make_deal("B000000001", price=2950))
    for _ in range(60):
        world.clock.pass_time(timedelta(minutes=1))
        recent.run(world.context)
        maintenance.run(world.context)
        replica.step()
    assert asins(replica, world, status="ended") == ["B000000001"]
    replica.stop()
    world.database.close()


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
        assert store.count(reads, parse_view({}, domain_id=1), Moment(world.clock.now(), FRESH)) > 0


def test_a_copy_that_fails_is_given_up_and_the_database_answers(world: World, replica: Replica) -> None:
    view = parse_view({}, domain_id=1)
    moment = Moment(world.clock.now(), FRESH)
    with reading(world.database.engine, replica) as reads:
        expected = store.count(reads, view, moment)
        assert reads.look is not None
        reads.look.connection.exec_driver_sql("DROP TABLE deals")
        reads.look.connection.commit()
        assert store.count(reads, view, moment) == expected
    with replica.look() as look:
        assert look is None
    replica.step()
    with replica.look() as look:
        assert look is not None
