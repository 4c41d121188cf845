"""One run of the upserter serves all searches: none hinders another, and each keeps its own state."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from keepa_deals.db.models import Deal, JobState, SearchOwner, SearchRow, SearchState
from keepa_deals.deals.kinds import EndedReason
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.run import Outcome, RunResult
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.ingest.upsert.budget import Limit
from keepa_deals.ingest.upsert.state import plan_of, sweep_of
from keepa_deals.keepa.deal import DealPage
from keepa_deals.keepa.errors import RequestRejectedError, ServerTroubleError
from keepa_deals.keepa.product import ProductBatch
from keepa_deals.keepa.reservation import NullReservation, Reserve
from keepa_deals.keepa.selection import selection_from
from keepa_deals.keepa.selection_files import SearchTerms
from keepa_deals.keepa.token_costs import ProductOptions
from keepa_deals.searches import registry
from keepa_deals.searches.source import SearchSource
from tests.support.world import (
    SELECTION,
    START,
    FakeClock,
    FakeKeepa,
    World,
    make_account,
    make_deal,
    make_world,
)

US, UK, DE = 1, 2, 3


@dataclass
class Shops:
    """A Keepa of several marketplaces, each with a feed of its own."""

    clock: FakeClock
    feeds: dict[int, FakeKeepa] = field(default_factory=dict)
    refused: dict[int, Exception] = field(default_factory=dict)

    def of(self, domain_id: int) -> FakeKeepa:
        return self.feeds.setdefault(domain_id, FakeKeepa(self.clock))

    def deals(
        self, selection: Mapping[str, Any], page: int = 0, *, reserve: Reserve = NullReservation
    ) -> DealPage:
        domain_id = selection["domainId"]
        if domain_id in self.refused:
            raise self.refused[domain_id]
        return self.of(domain_id).deals(selection, page, reserve=reserve)

    def products(
        self,
        asins: Sequence[str],
        options: ProductOptions | None = None,
        *,
        domain_id: int = 1,
        reserve: Reserve = NullReservation,
    ) -> ProductBatch:
        return self.of(domain_id).products(asins, options, domain_id=domain_id, reserve=reserve)


@dataclass
class Shop:
    """A deployment whose searches are the files of a folder."""

    world: World
    shops: Shops
    folder: Path

    def write(self, name: str, domain_id: int, **options: Any) -> None:
        (self.folder / f"{name}.json").write_text(json.dumps({**SELECTION, "domainId": domain_id, **options}))

    def list(self, domain_id: int, count: int) -> None:
        for number in range(count):
            created = START - timedelta(minutes=2 * number)
            self.shops.of(domain_id).list(make_deal(f"B{domain_id}{number:08d}", created=created))

    def run(self, *, after: int = 1) -> RunResult:
        self.world.clock.pass_time(timedelta(minutes=after))
        return upsert.run(self.world.context)

    def row(self, name: str) -> SearchRow:
        with self.world.database.session() as session:
            return session.scalars(select(SearchRow).where(SearchRow.name == name)).one()

    def names(self) -> list[str]:
        with self.world.database.session() as session:
            return list(session.scalars(select(SearchRow.name).order_by(SearchRow.id)))

    def open(self, domain_id: int) -> int:
        query = select(Deal).where(Deal.domain_id == domain_id, Deal.ended_at.is_(None))
        with self.world.database.session() as session:
            return len(session.scalars(query).all())

    def reasons(self, domain_id: int) -> set[EndedReason | None]:
        with self.world.database.session() as session:
            return set(session.scalars(select(Deal.ended_reason).where(Deal.domain_id == domain_id)))

    def job(self) -> JobState:
        with self.world.database.session() as session:
            return session.get_one(JobState, "update_recent_deals")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    folder = tmp_path / "searches"
    folder.mkdir()
    world = make_world(tmp_path / "deals.db", keepa_deal_selection=folder)
    shops = Shops(world.clock)
    source = SearchSource(world.context.settings, world.clock)
    world.context = dataclasses.replace(world.context, client=shops, searches=source.follow_files)
    made = Shop(world, shops, folder)
    made.write("books", US)
    made.list(US, 200)
    return made


def test_each_search_is_read_and_keeps_its_own_state(shop: Shop) -> None:
    shop.write("toys", DE)
    shop.list(DE, 10)
    assert shop.run().outcome is Outcome.SUCCEEDED
    for _ in range(58):
        assert shop.run().outcome is Outcome.SUCCEEDED
    assert (shop.open(US), shop.open(DE)) == (200, 10)
    first, toys, job = shop.row("books"), shop.row("toys"), shop.job()
    assert (first.watermark, first.cursor) == (None, None)
    assert job.watermark == START
    assert toys.watermark == START
    assert (plan_of(job.cursor).matching, plan_of(toys.cursor).matching) == (200, 10)  # type: ignore[union-attr]


def test_a_search_that_is_added_has_its_first_page_with_the_next_run(shop: Shop) -> None:
    shop.run()
    shop.write("toys", DE)
    shop.list(DE, 10)
    shop.run()
    assert shop.open(DE) == 10


def test_no_search_ends_the_deals_of_another_marketplace(shop: Shop) -> None:
    shop.write("toys", DE)
    shop.list(DE, 10)
    shop.run()
    shop.write("books", US, deltaPercentRange=[30, 2147483647])  # from here on "another selection" is ended
    for _ in range(70):
        shop.run()
    assert (shop.open(US), shop.open(DE)) == (200, 10)


def test_a_refused_query_marks_its_own_search_and_stops_no_other(shop: Shop) -> None:
    shop.write("toys", DE)
    shop.list(DE, 10)
    shop.shops.refused[US] = RequestRejectedError("Keepa: no such category", status=400)
    assert shop.run().outcome is Outcome.SUCCEEDED
    assert (shop.open(US), shop.open(DE)) == (0, 10)
    assert shop.row("books").error == "Keepa: no such category"
    assert shop.row("toys").error is None


def test_a_refused_query_is_tried_again_later_or_when_it_has_changed(shop: Shop) -> None:
    shop.write("toys", DE)
    shop.shops.refused[DE] = RequestRejectedError("Keepa: no", status=400)
    shop.list(DE, 10)
    shop.run()
    del shop.shops.refused[DE]
    for _ in range(9):
        shop.run()
    assert shop.open(DE) == 0
    shop.run()
    assert (shop.open(DE), shop.row("toys").error) == (10, None)
    shop.shops.refused[DE] = RequestRejectedError("Keepa: no", status=400)
    shop.run()
    del shop.shops.refused[DE]
    shop.write("toys", DE, deltaPercentRange=[30, 2147483647])
    shop.run()
    assert shop.row("toys").error is None


def test_where_keepa_refuses_every_query_the_run_has_failed_with_its_words(shop: Shop) -> None:
    shop.shops.refused[US] = RequestRejectedError("Keepa: no such category", status=400)
    result = shop.run()
    assert (result.outcome, result.detail) == (Outcome.FAILED, "Keepa: no such category")
    assert shop.row("books").error == "Keepa: no such category"


def test_a_keepa_that_does_not_answer_is_no_fault_of_a_search(shop: Shop) -> None:
    shop.write("toys", DE)
    shop.shops.refused[US] = ServerTroubleError("502")
    assert shop.run().outcome is Outcome.FAILED
    assert shop.row("books").error is None


def test_the_deals_of_a_removed_search_end_with_that_reason(shop: Shop) -> None:
    shop.write("toys", DE)
    shop.list(DE, 10)
    shop.run()
    (shop.folder / "toys.json").unlink()
    shop.run()
    assert shop.reasons(DE) == {EndedReason.SEARCH_REMOVED}
    assert shop.open(US) == 150
    assert shop.names() == ["books"]


def test_a_paused_search_is_not_read_and_none_of_its_deals_end(shop: Shop) -> None:
    shop.write("toys", DE)
    shop.list(DE, 10)
    shop.run()
    with shop.world.database.begin() as session:
        registry.set_state(session, "toys", SearchState.PAUSED, shop.world.clock.now())
    pages = len(shop.shops.of(DE).calls)
    for _ in range(5):
        shop.run()
    assert len(shop.shops.of(DE).calls) == pages
    assert shop.open(DE) == 10


def test_without_an_active_search_there_is_nothing_to_do(shop: Shop) -> None:
    shop.run()
    with shop.world.database.begin() as session:
        registry.set_state(session, "books", SearchState.PAUSED, shop.world.clock.now())
    assert shop.run().outcome is Outcome.NOTHING_TO_DO
    assert backfill.run_slice(shop.world.context).outcome is Outcome.NOTHING_TO_DO


def test_nothing_is_written_for_a_search_that_was_removed_meanwhile(shop: Shop) -> None:
    shop.run()
    with shop.world.database.begin() as session:
        terms, query = SearchTerms(), selection_from({**SELECTION, "domainId": UK})
        registry.add(session, "games", query, terms, SearchOwner.CLI, START)
    shop.list(UK, 10)

    def remove(_kind: str, _what: object) -> None:
        with shop.world.database.begin() as session:
            registry.remove(session, "games", START)

    shop.shops.of(UK).before_call = remove
    assert shop.run().outcome is Outcome.SUCCEEDED
    assert shop.open(UK) == 0
    assert shop.names() == ["books"]


def test_a_folder_that_breaks_changes_nothing_and_is_told_once(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.run()
    (shop.folder / "books.json").write_text("{")
    for _ in range(3):
        assert shop.run().outcome is Outcome.SUCCEEDED
    assert shop.names() == ["books"]
    assert len([r for r in caplog.records if "books.json: not JSON" in r.getMessage()]) == 1


def test_the_backfiller_fills_all_feeds_and_enriches_their_deals(shop: Shop) -> None:
    shop.write("toys", DE)
    shop.list(DE, 10)
    assert backfill.run_slice(shop.world.context).outcome is Outcome.SUCCEEDED
    query = select(Deal.domain_id).where(Deal.enriched_at.is_not(None))
    with shop.world.database.session() as session:
        enriched = list(session.scalars(query))
    assert (enriched.count(US), enriched.count(DE)) == (200, 10)
    assert shop.row("toys").crawl is not None
    assert shop.row("books").crawl is None  # it is the job's own


def test_on_a_short_plan_the_searches_keep_parts_by_their_weights(shop: Shop) -> None:
    shop.world.tokens.account = make_account(shop.world.clock, rate=5)
    for name, domain, weight in (("books", US, 2), ("toys", DE, 6)):
        shop.write(name, domain, search={"weight": weight})
        shop.list(domain, 9000)
    shop.run()
    shop.run()
    books, toys = plan_of(shop.job().cursor), plan_of(shop.row("toys").cursor)
    assert books is not None
    assert toys is not None
    assert (books.limit, toys.limit) == (Limit.PLAN, Limit.PLAN)
    assert (books.share, toys.share) == (0.25, 0.75)
    assert 0 < books.kept < toys.kept


def test_a_search_that_comes_takes_its_part_of_those_that_are_there(shop: Shop) -> None:
    shop.world.tokens.account = make_account(shop.world.clock, rate=5)
    shop.list(US, 9000)
    shop.run()
    alone = plan_of(shop.job().cursor)
    shop.write("toys", DE)
    shop.list(DE, 9000)
    shop.run()
    shop.run()
    shared, sweep = plan_of(shop.job().cursor), sweep_of(shop.job().cursor)
    assert alone is not None
    assert shared is not None
    assert sweep is not None
    assert shared.share == 0.5
    assert shared.kept < alone.kept
    assert sweep.pages == max(shared.pages, sweep.next_page)


def test_a_search_may_be_fresher_than_the_deployment_but_not_staler(shop: Shop) -> None:
    shop.write("books", US, search={"freshMinutes": 20})
    shop.list(US, 400)
    for _ in range(60):
        shop.run()
    reads = shop.shops.of(US).pages_read()
    assert 3 <= reads.count(2) <= 5
    shop.write("books", US, search={"freshMinutes": 600})
    before = len([page for page in reads if page == 2])
    for _ in range(60):
        shop.run()
    assert shop.shops.of(US).pages_read().count(2) > before


def test_what_a_search_costs_is_counted(shop: Shop) -> None:
    shop.write("toys", DE)
    shop.list(DE, 10)
    result = shop.run()
    spent = [shop.row(name).tokens_spent for name in ("books", "toys")]
    assert all(spent)
    assert sum(spent) == result.tokens_spent
    assert result.rows == 160
