"""A few hours of the whole deployment under a simulated clock: is the dashboard true, in two worlds?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import redis

from keepa_deals.db import migrate
from keepa_deals.db.session import Database
from keepa_deals.keepa.selection import read_selection
from keepa_deals.settings import Settings
from tests.support.simulation.run import build, simulate
from tests.support.worlds import recorded, sandbox
from tests.support.worlds.door import Create

pytestmark = pytest.mark.slow
MUST_NOT_BE = ("dropped", "false_ends", "returned", "late_ends", "rejected_429", "failed_runs")
TRUE = 0.999


@pytest.mark.parametrize(
    ("create", "deals", "rate", "hours", "options"),
    [
        pytest.param(
            sandbox.create, 450, 20, 2.1, {"siblings_every": "0"}, id="the sandbox",
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            recorded.create, 300, 20, 2.6, {"siblings": "10", "repriced": "20", "flapping": "2"},
            id="a world apart: siblings that take turns, restless prices, deals that go and come back",
        ),
    ],
)  # fmt: skip
def test_no_deal_that_keepa_lists_drops_out_ends_or_is_announced_again(
    tmp_path: Path,
    real_redis: redis.Redis,
    create: Create,
    deals: int,
    rate: int,
    hours: float,
    options: Mapping[str, str],
) -> None:
    """With a backfiller that spends all it can get."""
    database = Database(f"sqlite:///{tmp_path / 'deals.db'}")
    migrate.upgrade(database)
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    selection = read_selection(settings.keepa_deal_selection, domain_id=1).query
    if create is sandbox.create:
        options = {"selection": str(settings.keepa_deal_selection), **options}
    deployment = build(
        real_redis, database, create=create, deals=deals, rate=rate, hours=hours, selection=selection,
        options=options,
    )  # fmt: skip
    figures = simulate(deployment, settled=1.0)
    found = figures.to_json()
    database.close()
    assert {name: found[name] for name in MUST_NOT_BE} == dict.fromkeys(MUST_NOT_BE, 0), figures.marks[:5]
    assert found["ends"] > 0
    assert found["right"] >= TRUE
    assert found["shown"] >= TRUE
    assert found["used"] > 0.9, "the backfiller was saturated"
