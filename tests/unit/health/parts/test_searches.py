"""What is told of the searches: of each by itself, in the contract's words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from keepa_deals.db.models import Deal, JobState, SearchOwner, SearchRow, SearchState
from keepa_deals.health.parts import searches
from keepa_deals.health.parts.plan import plan_in
from keepa_deals.ingest.upsert.budget import Limit, Plan
from keepa_deals.ingest.upsert.state import NEVER, SweepState
from keepa_deals.jobs import UPSERT_JOB
from keepa_deals.keepa.selection import selection_from
from keepa_deals.keepa.selection_files import SearchTerms
from keepa_deals.searches import registry
from tests.support.health_reports import NOW, ago, healthy, search

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
PLAN = Plan(9000, 300, 2, 900, 300, MINUTE, limit=Limit.PLAN, planned=300)


def cursor(plan: Plan) -> dict[str, Any]:
    return SweepState("x", NEVER, plan=plan).to_json()


def deal(domain: int, number: int, seen: Any, **changes: Any) -> Deal:
    return Deal(
        domain_id=domain,
        asin=f"B{number:09d}",
        price_type=1,
        deal_created_at=seen,
        keepa_updated_at=seen,
        first_seen_at=seen,
        found_at=seen,
        last_seen_at=seen,
        listed_at=seen,
        changed_at=seen,
        **changes,
    )


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Two searches: the first is short, the second has a window of its own."""
    with Session(engine) as session, session.begin():
        for name, domain, minutes in (("books", 1, None), ("toys", 3, 30)):
            query = selection_from({"priceTypes": [2], "domainId": domain, "dateRange": 3})
            registry.add(session, name, query, SearchTerms(7, minutes), SearchOwner.CLI, NOW)
        session.add(JobState(name=UPSERT_JOB.name, cursor=cursor(PLAN)))
        session.get_one(SearchRow, 2).cursor = cursor(Plan(40, 40, 1, 30, 300, MINUTE, planned=35))
        session.add_all(deal(1, number, ago(minutes=10 + number)) for number in range(3))
        session.add_all([deal(3, 1, ago(minutes=5)), deal(3, 2, ago(hours=2))])
        session.add(deal(3, 3, ago(minutes=5), ended_at=NOW))
    return engine


def test_each_is_told_with_its_own_plan_and_deals(filled: Engine) -> None:
    books, toys = (one.to_json() for one in searches.read(filled, NOW, HOUR))
    assert books == {
        "id": 1,
        "name": "books",
        "domain_id": 1,
        "price_type": 2,
        "state": "active",
        "owner": "cli",
        "weight": 7,
        "fresh_minutes": 60,
        "matching": 9000,
        "kept": 300,
        "live": 3,
        "oldest_seen_at": "2026-11-24T02:48:00.000Z",
        "tokens_per_hour_planned": 300,
        "tokens_per_hour_spent": 0,
        "tokens_per_minute_needed": 15.0,
        "limit": "plan",
        "error": None,
    }
    assert (toys["live"], toys["fresh_minutes"], toys["tokens_per_hour_planned"]) == (1, 30, 70)
    assert (toys["limit"], toys["tokens_per_minute_needed"]) == (None, 1.0)


def test_a_single_search_has_all_live_deals(filled: Engine) -> None:
    with Session(filled) as session, session.begin():
        registry.remove(session, "toys", NOW)
    (books,) = searches.read(filled, NOW, HOUR)
    assert (books.live, books.oldest_seen_at) == (4, ago(minutes=12))


def test_a_refusal_is_told_in_keepas_words_and_hides_a_key(filled: Engine) -> None:
    with Session(filled) as session, session.begin():
        row = session.get_one(SearchRow, 2)
        row.error, row.error_at = f"Keepa /deal?key={'a1' * 32}: no such category", NOW
    toys = searches.read(filled, NOW, HOUR)[1]
    assert toys.state == "refused"
    assert "no such category" in (toys.error or "")
    assert "a1a1" not in (toys.error or "")
    with Session(filled) as session, session.begin():
        registry.set_state(session, "toys", SearchState.PAUSED, NOW)
    assert searches.read(filled, NOW, HOUR)[1].state == "paused"


def test_without_a_plan_what_it_would_tell_is_unknown(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        query = selection_from({"priceTypes": [2], "dateRange": 3})
        registry.add(session, "books", query, SearchTerms(), SearchOwner.CLI, NOW)
    (told,) = (one.to_json() for one in searches.read(engine, NOW, HOUR))
    unknown = [name for name, value in told.items() if value is None]
    assert unknown == [
        *("matching", "kept", "oldest_seen_at", "tokens_per_hour_planned", "tokens_per_minute_needed"),
        *("limit", "error"),
    ]


def test_metrics_go_by_the_searches_names() -> None:
    report = healthy(searches=(search(), search("toys", 3, error="no")))
    told = {metric.name: metric for metric in searches.PART.metrics(report)}
    refused = told["search_refused"]
    assert getattr(refused, "labels", None) == ("search",)
    assert getattr(refused, "samples", None) == ((("books",), 0.0), (("toys",), 1.0))


def test_the_plan_of_a_deployment_is_that_of_all_its_searches() -> None:
    short = {"limit": Limit.PLAN, "kept": 300, "needed": 900}
    told = plan_in(healthy(searches=(search(), search("toys", 3, plan=short))))
    assert told == {"matching": 900, "kept": 750, "needed": 1000, "supply": 600, "limit": Limit.PLAN}
