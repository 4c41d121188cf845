"""Hours of a deployment with several searches on one account: each is as true as if it were alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from keepa_deals.db import migrate
from keepa_deals.db.session import Database
from keepa_deals.keepa.selection import read_selection
from keepa_deals.settings import Settings
from tests.support.simulation.searches import Found, Wanted, build_searches, simulate_searches
from tests.support.worlds import recorded

pytestmark = pytest.mark.slow
MUST_NOT_BE = ("false_ends", "returned", "late_ends", "rejected_429", "failed_runs")
NOTHING = dict.fromkeys(MUST_NOT_BE, 0)
TRUE = 0.999


def played(tmp_path: Path, client: redis.Redis, *wanted: Wanted, rate: int, hours: float) -> list[Found]:
    folder = tmp_path / "searches"
    folder.mkdir()
    database = Database(f"sqlite:///{tmp_path / 'deals.db'}")
    migrate.upgrade(database)
    query = Settings(_env_file=None).keepa_deal_selection  # type: ignore[call-arg]
    deployment = build_searches(
        client, database, folder, wanted, create=recorded.create, source="the recorded world", rate=rate,
        hours=hours, selection=read_selection(query).query,
    )  # fmt: skip
    try:
        found = simulate_searches(deployment, wanted, hours=hours, settled=hours / 2)
        for one in found:
            one.figures.result = one.to_json()
        return found
    finally:
        database.close()


@pytest.mark.parametrize(("searches", "hours"), [(2, 1.7), pytest.param(11, 4.0, marks=pytest.mark.nightly)])
def test_where_the_tokens_suffice_every_search_is_true(
    tmp_path: Path, real_redis: redis.Redis, searches: int, hours: float
) -> None:
    domains = (1, 3, 2, 4, 5, 6, 8, 9, 10, 11, 12)[:searches]
    wanted = [
        Wanted(domain, 150, weight) for domain, weight in zip(domains, (*range(1, 11), 5), strict=False)
    ]
    for one in played(tmp_path, real_redis, *wanted, rate=max(10, 7 * searches), hours=hours):
        result = one.figures.result
        assert {name: result[name] for name in MUST_NOT_BE} == NOTHING, one.figures.marks
        assert (result["dropped"], result["limit"]) == (0, None)
        assert result["right"] >= TRUE
        assert result["shown"] >= TRUE
        assert 0.85 <= result["spent"] / result["planned"] <= 1.15


@pytest.mark.nightly
def test_where_they_do_not_each_keeps_a_part_by_its_weight_and_nobody_starves(
    tmp_path: Path, real_redis: redis.Redis
) -> None:
    wanted = (Wanted(1, 1500, 2), Wanted(3, 1500, 5), Wanted(2, 1500, 5))
    small, *large = played(tmp_path, real_redis, *wanted, rate=5, hours=4.0)
    for one in (small, *large):
        result = one.figures.result
        assert {name: result[name] for name in MUST_NOT_BE} == NOTHING, one.figures.marks
        assert result["limit"] == "plan"
        assert result["right"] >= TRUE
        assert result["kept"] >= 150
        assert 0.8 <= result["spent"] / result["planned"] <= 1.1
    assert small.figures.result["share"] == pytest.approx(2 / 12, abs=0.01)
    assert [one.figures.result["share"] for one in large] == pytest.approx([5 / 12, 5 / 12], abs=0.01)
