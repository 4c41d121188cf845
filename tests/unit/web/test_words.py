"""What the pages say in words: filters, banner, forecast, curve."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient

from keepa_deals.health.forecast import Forecast
from keepa_deals.health.parts.flow import FlowHealth
from keepa_deals.health.parts.tokens import TokenHealth
from keepa_deals.health.probing import Reading
from keepa_deals.health.problems import find_problems
from keepa_deals.health.report import HealthReport
from keepa_deals.query.intervals import Interval
from keepa_deals.query.parse import parse_view
from keepa_deals.tokens.counters import Counters
from keepa_deals.web.deals.active_filters import chips
from keepa_deals.web.deals.row import change
from keepa_deals.web.status.banner import banner
from keepa_deals.web.status.charts import Curve, thinned
from keepa_deals.web.status.panels import expected_words, forecast, forecast_words, lanes, movements
from tests.support import health_reports
from tests.support.health_reports import NOW, ago

Stock = Callable[..., None]


def view_of(query: str, domain_id: int = 1):  # type: ignore[no-untyped-def]
    arguments = dict(part.split("=") for part in query.split("&"))
    return parse_view({name: [value] for name, value in arguments.items()}, domain_id=domain_id)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("price_max=40", "Price ≤ $40.00"),
        ("price_max=40&domain=3", "Price ≤ 40,00\xa0€"),
        ("price_min=1000&domain=5", "Price ≥ ￥1,000"),
        ("discount_min=30&interval=week", "Drop ≥ 30 % over week"),
        ("roi_min=25", "ROI ≥ 25 %"),
        ("rating_min=4.5", "Rating ≥ 4.5 stars"),
        ("rank_max=50000", "Rank ≤ 50,000"),
        ("category=7", "Toys"),
        ("lowest=ever", "Lowest price ever"),
        ("found_within=72", "Found within 3 d"),
        ("seen_within=15", "Seen within 15 min"),
        ("status=open", "Status: live and stale"),
    ],
)
def test_a_filter_is_said_in_words_and_can_be_taken_away(query: str, text: str) -> None:
    found = {chip.text: chip.without for chip in chips(view_of(query), {7: "Toys"}, {3: "books"})}
    assert text in found
    assert query.split("&")[0] not in found[text]


def test_another_interval_takes_an_order_by_change_along() -> None:
    assert view_of("sort=discount").over(Interval.DAY).query() == "interval=day&sort=discount_day"
    assert view_of("sort=drop_week&interval=week").over(Interval.DAYS_90).query() == "sort=drop"
    assert view_of("sort=price").over(Interval.MONTH).query() == "interval=month&sort=price"


def test_a_change_is_shown_as_it_is_sorted_and_filtered_by_whatever_became_of_the_deal() -> None:
    row = SimpleNamespace(
        price=4799, price_avg_90=4065, delta_percent=-18, domain_id=1, ended_at=NOW, price_avg_day=None
    )
    row.delta_percent_day = None
    assert change(row, Interval.DAYS_90).percent_text == "+18 %"
    assert change(row, Interval.DAYS_90).amount_text == "+$7.34"
    assert change(row, Interval.DAY).percent_text == change(row, Interval.DAY).amount_text == "–"


def look(**parts: object) -> HealthReport:
    report = health_reports.healthy(**parts)
    return health_reports.replace(report, problems=find_problems(report))


def test_a_service_in_order_has_no_banner() -> None:
    assert banner(look()) is None


def test_a_refresh_in_the_future_is_not_taken_for_a_fresh_one() -> None:
    found = banner(look(jobs=health_reports.jobs(health_reports.job(last_success_at=ago(hours=-3)))))
    assert found is not None
    assert found.headline.startswith("Nobody knows how old the deals are: the last refresh is dated ")
    assert found.headline.endswith(" UTC, 3 h ahead of this machine's clock.")


def test_the_banner_says_since_when_and_why() -> None:
    late = health_reports.job(
        last_success_at=ago(minutes=30), last_outcome="failed", last_error="Keepa does not answer: HTTP 502"
    )
    found = banner(look(jobs=health_reports.jobs(late)))
    assert found is not None
    assert found.headline == "The deals may be old: nothing has been refreshed since 02:30 UTC, 30 min ago."
    assert found.reasons == ("The last run failed: Keepa does not answer: HTTP 502",)


def test_a_wait_for_tokens_is_no_secret() -> None:
    late = health_reports.job(last_success_at=ago(minutes=30), last_outcome="waiting_for_tokens")
    found = banner(look(jobs=health_reports.jobs(late), tokens=TokenHealth(3, 5, 300, NOW)))
    assert found is not None
    assert found.reasons == ("It waits for tokens: the Keepa account has 3, 5 more come each minute.",)


def test_trouble_that_does_not_age_the_deals_is_told_apart() -> None:
    found = banner(look(beat=ago(minutes=5)))
    assert found is not None
    assert "still being refreshed" in found.headline
    assert found.reasons == ("The scheduler is silent: beat's last tick was 5 min ago",)


def test_an_account_that_cannot_be_read_is_no_lane() -> None:
    assert lanes(None) == []
    health = TokenHealth(
        1,
        5,
        300,
        NOW,
        counters=Counters({"grants|small": 9, "waited_le|small|5000": 2, "waited_ms|small": 6000}),
    )
    small, bulk = lanes(health)
    assert (small.grants, small.waits, small.mean) == (9, 2, 3.0)
    assert (bulk.grants, bulk.mean) == (0, None)


def test_the_forecast_counts_what_nobody_would_look_at() -> None:
    steps = forecast(health_reports.deals(live=100))
    assert [(step.within.total_seconds() / 60, step.deals) for step in steps] == [
        (15, 0),
        (30, 0),
        (45, 0),
        (60, 100),
    ]
    assert "at most 60 min" in forecast_words(steps)
    assert forecast(health_reports.deals(live=0)) == []


def test_what_the_last_hour_means_for_the_next_is_said() -> None:
    assert expected_words(Forecast((), ((1, 1250), (2, 900)))) == (
        "If the last hour goes on, 1,250 in 1 h, 900 in 2 h will be live."
    )
    assert expected_words(Forecast((), ())) == expected_words(None) == ""


def test_what_came_and_went_is_told_with_its_reasons() -> None:
    flow = FlowHealth({("ended", "out_of_stock"): 2, ("found", None): 7, ("stale", None): 3}, 7, 5)
    assert [(move.words, move.deals, move.arrives) for move in movements(flow)] == [
        ("found", 7, True),
        ("not looked at in time", 3, False),
        ("ended: out of stock", 2, False),
    ]
    assert movements(None) == []


def test_thinning_keeps_the_newest() -> None:
    assert thinned(range(10), 3) == [1, 5, 9]
    assert thinned([], 3) == []
    assert thinned(range(3), 3) == [0, 1, 2]


def test_the_curve_is_told_in_a_sentence() -> None:
    samples = [
        SimpleNamespace(at=NOW + timedelta(minutes=minute), live=live, stale=0, ended=0)
        for minute, live in enumerate((450, 250, 440))
    ]
    words = Curve(6, samples).words()
    assert "440 live now, 450 at the start" in words
    assert "the fewest were 250 at 03:01 UTC" in words
    assert "being taken" in Curve(6, samples[:1]).words()


def test_the_health_page_stands_without_its_database(client: FlaskClient, stock: Stock) -> None:
    extension = client.application.extensions["keepa_deals"]
    report = health_reports.healthy(database=Reading(error="the database refuses"))
    extension.health._collect = lambda: report
    extension.engine.dispose()
    path = extension.database.path
    for part in path.parent.glob("deals.db*"):
        part.unlink()
    path.mkdir()
    page = client.get("/health")
    assert page.status_code == 200
    assert "Database cannot be read: the database refuses" in page.text


@pytest.mark.parametrize("hours", ["0", "2", "x", "999999999999999999999"])
def test_a_window_that_is_not_offered_is_refused(client: FlaskClient, hours: str) -> None:
    assert client.get("/health", query_string={"hours": hours}).status_code == 400
