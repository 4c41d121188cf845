"""A few hours of the whole deployment under a simulated clock: the dashboard tells the truth."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from keepa_deals.db import migrate
from keepa_deals.db.session import Database
from keepa_deals.keepa.selection import load_selection
from keepa_deals.settings import Settings
from tests.support.simulation import build, simulate
from tests.support.worlds import sandbox

pytestmark = pytest.mark.slow
MUST_NOT_BE = ("dropped", "false_ends", "returned", "late_ends", "rejected_429", "failed_runs")


@pytest.mark.parametrize(
    ("deals", "rate", "hours"),
    [
        pytest.param(450, 20, 2.1, id="two hours"),
        pytest.param(1500, 25, 1.3, id="the first window, after the backfiller read all pages at once"),
    ],
)
def test_no_deal_that_keepa_lists_drops_out_and_none_that_ended_stays(
    tmp_path: Path, real_redis: redis.Redis, deals: int, rate: int, hours: float
) -> None:
    """With a backfiller that spends all it can get."""
    database = Database(f"sqlite:///{tmp_path / 'deals.db'}")
    migrate.upgrade(database)
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    selection = load_selection(settings.keepa_deal_selection, domain_id=1)
    deployment = build(
        real_redis, database, create=sandbox.create, deals=deals, rate=rate, hours=hours, selection=selection,
        options={"selection": str(settings.keepa_deal_selection)},
    )  # fmt: skip
    found = simulate(deployment, settled=1.0).to_json()
    database.close()
    assert {name: found[name] for name in MUST_NOT_BE} == dict.fromkeys(MUST_NOT_BE, 0)
    assert found["worst"] == 1.0
    assert found["right"] >= 0.995
    assert found["used"] > 0.9, "the backfiller was saturated"
