"""The JSON API, the probes and the metrics, as the contract names them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from keepa_deals.db.models import SearchOwner
from keepa_deals.keepa.selection import selection_from
from keepa_deals.keepa.selection_files import SearchTerms
from keepa_deals.query.view import VIEW_PARAMETERS
from keepa_deals.searches import registry
from keepa_deals.web.services import EXTENSION
from tests.support.world import SELECTION, World

Stock = Callable[..., None]


def test_deals_have_the_fields_of_the_contract(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    body = client.get("/api/deals").json
    assert body is not None
    assert (body["total"], body["next"]) == (1, None)
    (deal,) = body["deals"]
    assert deal["asin"] == "B000000000"
    assert deal["domain_id"] == 1
    assert deal["status"] == "live"
    assert (deal["price"], deal["price_avg_90"], deal["delta_percent"]) == (1000, 3000, 67)
    assert deal["sales_rank"] == 5000
    assert deal["first_seen_at"] == deal["last_seen_at"] == "2026-03-01T12:00:00Z"


def test_the_cursor_leads_through_all_deals(client: FlaskClient, stock: Stock) -> None:
    stock(25)
    found: list[str] = []
    cursor = ""
    while cursor is not None:
        body = client.get(
            "/api/deals", query_string={"limit": 10, **({"cursor": cursor} if cursor else {})}
        ).json
        assert body is not None
        found += [deal["asin"] for deal in body["deals"]]
        cursor = body["next"]
    assert found == [f"B{number:09d}" for number in range(25)]  # one page's, the newest by Keepa first


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"price_max": "10.04"}, 5),
        ({"price_min": "10.20"}, 5),
        ({"q": "B000000003"}, 1),
        ({"q": "title of"}, 25),
        ({"discount_min": "66"}, 25),
        ({"rank_max": "4999"}, 0),
        ({"status": "ended"}, 0),
        ({"found_within": "1"}, 25),
        ({"category": "283155"}, 25),
    ],
)
def test_filters_keep_what_they_say(
    client: FlaskClient, stock: Stock, query: dict[str, str], count: int
) -> None:
    stock(25)
    body = client.get("/api/deals", query_string=query).json
    assert body is not None
    assert body["total"] == count == len(body["deals"])


@pytest.mark.parametrize("sort", ["price", "discount", "found", "seen", "rank", "title", "drop", "sold"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_every_sort_pages_through_everything_once(
    client: FlaskClient, stock: Stock, sort: str, order: str
) -> None:
    stock(23)
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query: dict[str, Any] = {"limit": 7, "sort": sort, "order": order}
        body = client.get("/api/deals", query_string=query | ({"cursor": cursor} if cursor else {})).json
        assert body is not None
        found += [deal["asin"] for deal in body["deals"]]
        cursor = body["next"]
    assert len(found) == len(set(found)) == 23


@pytest.mark.parametrize("character", ["日", "😀", '"', "é", "\\"])
def test_the_longest_titles_of_any_alphabet_lead_on(
    client: FlaskClient, stock: Stock, character: str
) -> None:
    stock(3, title=character * 500)
    first = client.get("/api/deals?sort=title&limit=2").json
    assert first is not None
    rest = client.get("/api/deals", query_string={"sort": "title", "limit": 2, "cursor": first["next"]})
    assert rest.status_code == 200
    assert [deal["asin"] for deal in (rest.json or {})["deals"]] == ["B000000002"]


def test_words_are_found_in_any_case_of_any_alphabet(client: FlaskClient, stock: Stock) -> None:
    stock(2, title="ÖL FÜR MÖBEL")
    for word, total in (("öl", 2), ("Möbel", 2), ("ol", 0)):
        body = client.get("/api/deals", query_string={"q": word}).json
        assert body is not None
        assert body["total"] == total


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("sort=nonsense", "sort"),
        ("order=up", "order"),
        ("price_min=abc", "price_min"),
        ("status=alive", "status"),
        ("cursor=zzz", "cursor"),
        ("nonsense=1", "nonsense"),
        ("domain=7", "domain"),
        ("q=a&q=b", "q"),
        ("q=", "q"),
        ("q=" + "x" * 201, "q"),
    ],
)
def test_a_wrong_parameter_is_named(client: FlaskClient, query: str, named: str) -> None:
    answer = client.get(f"/api/deals?{query}")
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["error"]["parameter"] == named


def test_one_deal_comes_with_its_history(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    body = client.get("/api/deals/1/B000000000").json
    assert body is not None
    assert [event["kind"] for event in body["events"]] == ["present"]
    assert body["history"][0]["price"] == 1000
    assert client.get("/api/deals/1/B999999999").status_code == 404


def test_the_status_has_the_shape_of_the_contract(client: FlaskClient, stock: Stock) -> None:
    stock(3)
    body = client.get("/api/status").json
    assert body is not None
    assert {k: body["deals"][k] for k in ("live", "stale", "ended")} == {"live": 3, "stale": 0, "ended": 0}
    assert set(body["tokens"]) >= {"available", "refill_rate", "capacity", "as_of"}
    job = body["jobs"]["update_recent_deals"]
    assert set(job) >= {
        "last_started_at",
        "last_success_at",
        "last_outcome",
        "lock_holder",
        "rows",
        "tokens_spent",
    }
    assert job["last_outcome"] == "succeeded"
    assert "backfill_deals" in body["jobs"]
    assert body["beat"] == {"last_tick_at": None}
    assert "redis" in body["errors"]


def test_the_probes_tell_process_and_readiness_apart(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    assert client.get("/healthz").json == {"status": "ok"}
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json is not None
    assert [problem["name"] for problem in ready.json["problems"]] == ["redis_down"]


def test_the_metrics_are_in_prometheus_text(client: FlaskClient, stock: Stock) -> None:
    stock(2)
    answer = client.get("/metrics")
    assert answer.content_type.startswith("text/plain")
    assert 'keepa_deals_deals{status="live"} 2.0' in answer.text
    assert 'keepa_deals_problem{name="redis_down"} 1.0' in answer.text
    assert "k" * 64 not in answer.text


def test_the_metrics_tell_of_the_copy_of_the_deals(client: FlaskClient, stock: Stock) -> None:
    stock(2)
    assert "keepa_deals_copy_complete 0.0" in client.get("/metrics").text
    assert "being made" in client.get("/health").text
    client.application.extensions[EXTENSION].column_cache.step()
    text = client.get("/metrics").text
    assert "keepa_deals_copy_complete 1.0" in text
    assert "keepa_deals_copy_deals 2.0" in text
    assert "keepa_deals_copy_age_seconds" in text
    assert "2 deals" in client.get("/health").text


def test_an_unchanged_answer_is_304(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    tag = client.get("/api/deals").headers["ETag"]
    assert client.get("/api/deals", headers={"If-None-Match": tag}).status_code == 304


def test_the_description_names_every_path_and_parameter(client: FlaskClient) -> None:
    body = client.get("/api/openapi.json").json
    assert body is not None
    rules = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(rule))
        for rule in client.application.url_map.iter_rules()
        if str(rule).startswith(("/api", "/export.", "/feed.", "/healthz", "/readyz", "/metrics"))
    }
    assert set(body["paths"]) == rules
    named = {p["name"] for p in body["paths"]["/api/deals"]["get"]["parameters"]}
    assert named == {*VIEW_PARAMETERS, "cursor"}


def test_the_age_of_a_deal_is_told_in_utc(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(1)
    world.clock.pass_time(timedelta(hours=2))
    body = client.get("/api/deals?status=stale").json
    assert body is not None
    assert body["deals"][0]["last_seen_at"].endswith("Z")


def test_a_change_is_meant_over_the_interval_of_the_view(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    deal = client.get("/api/deals").json["deals"][0]  # type: ignore[index]
    for interval, name in (("day", "delta_percent_day"), ("90", "delta_percent")):
        for least, total in ((deal[name], 1), (deal[name] + 1, 0)):
            body = client.get("/api/deals", query_string={"interval": interval, "discount_min": least}).json
            assert body is not None
            assert body["total"] == total


def test_deals_can_be_asked_for_by_when_they_were_last_seen(
    client: FlaskClient, stock: Stock, world: World
) -> None:
    stock(2)
    world.clock.pass_time(timedelta(minutes=20))
    for minutes, total in (("10", 0), ("30", 2)):
        body = client.get("/api/deals", query_string={"seen_within": minutes}).json
        assert body is not None
        assert body["total"] == total


def test_the_searches_have_the_shape_of_the_contract(client: FlaskClient, world: World) -> None:
    assert client.get("/api/searches").json == {"searches": []}
    with world.database.begin() as session:
        selection = selection_from(dict(SELECTION))
        registry.add(session, "books", selection, SearchTerms(), SearchOwner.CLI, world.clock.now())
        toys = selection_from({**SELECTION, "domainId": 3})
        registry.add(session, "toys", toys, SearchTerms(), SearchOwner.CLI, world.clock.now())
    body = client.get("/api/searches").json
    assert body is not None
    (search, _) = body["searches"]
    assert {name: search[name] for name in ("id", "name", "domain_id", "price_type", "state", "weight")} == {
        "id": 1,
        "name": "books",
        "domain_id": 1,
        "price_type": 1,
        "state": "active",
        "weight": 5,
    }
    assert {"matching", "kept", "live", "tokens_per_hour_planned", "tokens_per_hour_spent"} < search.keys()
    assert {"oldest_seen_at", "limit", "error"} < search.keys()


def test_a_view_of_a_search_has_its_deals_alone(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(3)
    with world.database.begin() as session:
        for name, domain in (("books", 1), ("toys", 3)):
            selection = selection_from({**SELECTION, "domainId": domain})
            registry.add(session, name, selection, SearchTerms(), SearchOwner.CLI, world.clock.now())
    totals = [client.get(f"/api/deals?search={number}").json["total"] for number in (1, 2, 3)]  # type: ignore[index]
    assert totals == [3, 0, 0]
    refused = client.get("/api/deals?search=books")
    assert refused.status_code == 400
    assert refused.json is not None
    assert refused.json["error"]["parameter"] == "search"
