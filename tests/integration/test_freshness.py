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

pytestmark = pytest.mark.slow


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
    world = build(real_redis, database, deals=deals, rate=rate, hours=hours, selection=selection)
    figures = simulate(world, settled=1.0)
    assert figures.dropped == set()
    assert figures.worst_share == 1.0
    assert figures.right >= 0.995 * figures.shown
    assert figures.overstayed <= 0.005 * figures.shown
    statistics = world.account.statistics()
    assert statistics.rejected_429 == 0
    assert statistics.tokens_left < 100, "nothing was left unspent: the backfiller was saturated"
    database.close()
