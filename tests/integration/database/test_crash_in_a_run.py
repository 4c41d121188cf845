"""A fault in the middle of a run: afterwards the tables are those of a deployment that had none."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from keepa_deals.db.models import Deal, DealEvent, DealPoint, JobState
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.maintenance import run as maintenance
from keepa_deals.ingest.run import Run
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.jobs import UPSERT_JOB
from keepa_deals.keepa.errors import ServerTroubleError
from tests.support.nightly import POSTGRES_BY_NIGHT
from tests.support.world import START, World, make_deal, make_product, make_world

MINUTE = timedelta(minutes=1)


class Killed(BaseException):
    """kill -9, as far as a thread can be: nothing of ours handles it."""


def deployment(dsn: str | Path) -> World:
    """800 deals that were all read; then eight hours' worth of new ones, ends and new prices."""
    world = make_world(dsn)
    for number in range(800):
        world.keepa.list(make_deal(f"A{number:09d}", created=START - number * MINUTE))
    upsert.run(world.context)
    backfill.run_slice(world.context)
    for number in range(0, 800, 7):
        asin = f"A{number:09d}"
        world.keepa.unlist(asin)
        world.keepa.products_by_asin[asin] = make_product(make_deal(asin, price=2950))
    for number in range(3, 800, 11):
        asin = f"A{number:09d}"
        if asin in world.keepa.listed:
            world.keepa.list(make_deal(asin, created=START - number * MINUTE, price=1111))
    world.clock.pass_time(MINUTE)
    for number in range(600):
        created = world.clock.now() - timedelta(seconds=number / 11)
        world.keepa.list(make_deal(f"B{number:09d}", created=created))
    return world


def finish(world: World) -> None:
    """A whole sweep more, and what it finds."""
    for minutes in (1, 1, 52, 1, 1, 1, 1, 1):
        world.clock.pass_time(minutes * MINUTE)
        upsert.run(world.context)
        maintenance.run(world.context)


def tables(world: World) -> dict[str, Any]:
    """What the tables hold, without the moments at which it came there."""
    with world.database.session() as session:
        deals = session.execute(
            select(Deal.asin, Deal.price, Deal.ended_reason, Deal.deal_created_at, Deal.profit)
            .add_columns(Deal.enriched_at.is_not(None))
            .order_by(Deal.asin)
        ).all()
        points = session.execute(
            select(DealPoint.asin, DealPoint.price).order_by(DealPoint.asin, DealPoint.at)
        ).all()
        events = session.execute(
            select(DealEvent.asin, DealEvent.kind, DealEvent.reason).order_by(DealEvent.asin, DealEvent.id)
        ).all()
        watermark = session.get_one(JobState, UPSERT_JOB.name).watermark
        found_twice = (
            select(DealEvent.asin).where(DealEvent.kind.in_(("found", "present"))).group_by(DealEvent.asin)
        )
        assert session.scalars(found_twice.having(func.count() > 1)).all() == []
    return {"deals": deals, "points": points, "events": events, "watermark": watermark}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    world = deployment(tmp_path_factory.mktemp("undisturbed") / "deals.db")
    upsert.run(world.context)
    finish(world)
    return tables(world)


def fail_once_on(page: int, error: BaseException) -> Callable[[str, object], None]:
    left = [error]

    def before_call(kind: str, what: object) -> None:
        if kind == "deals" and what == page and left:
            raise left.pop()

    return before_call


@POSTGRES_BY_NIGHT
@pytest.mark.parametrize("error", [ServerTroubleError("Keepa /deal: 500", status=500), Killed()])
def test_a_call_that_fails_on_page_three(
    empty_dsn: str, undisturbed: dict[str, Any], error: BaseException
) -> None:
    world = deployment(empty_dsn)
    world.keepa.before_call = fail_once_on(3, error)
    before = watermark(world)
    with contextlib.suppress(Killed):
        upsert.run(world.context)
    assert watermark(world) == before
    finish(world)
    assert tables(world) == undisturbed
    world.database.close()


@POSTGRES_BY_NIGHT
@pytest.mark.parametrize("page", [0, 3])
def test_a_kill_between_the_fetch_and_the_commit_of_a_page(
    empty_dsn: str, undisturbed: dict[str, Any], page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = deployment(empty_dsn)
    commits = [0]
    commit = Run.commit

    @contextlib.contextmanager
    def dying(run: Run, **memory: Any) -> Any:
        with commit(run, **memory) as session:
            yield session
            commits[0] += 1
            if commits[0] == page + 1:
                raise Killed  # everything is written, nothing is committed

    monkeypatch.setattr(Run, "commit", dying)
    with pytest.raises(Killed):
        upsert.run(world.context)
    monkeypatch.undo()
    finish(world)
    assert tables(world) == undisturbed
    world.database.close()


@pytest.mark.parametrize(
    "jump",
    [
        timedelta(hours=5),
        *(pytest.param(far, marks=pytest.mark.nightly) for far in (timedelta(hours=-5), timedelta(days=400))),
    ],
)
def test_a_clock_that_jumps_in_the_middle_of_a_run_and_back_later(
    tmp_path: Path, undisturbed: dict[str, Any], jump: timedelta
) -> None:
    world = deployment(tmp_path / "deals.db")

    def jumps(kind: str, what: object) -> None:
        if what == 2:
            world.keepa.before_call = None
            world.clock.jump(jump)

    world.keepa.before_call = jumps
    upsert.run(world.context)
    world.clock.jump(-jump)
    finish(world)
    found = tables(world)
    for name in ("deals", "watermark"):
        assert found[name] == undisturbed[name]
    assert {(asin, price) for asin, price in found["points"]} == {
        (asin, price) for asin, price in undisturbed["points"]
    }
    world.database.close()


def watermark(world: World) -> Any:
    with world.database.session() as session:
        return session.get_one(JobState, UPSERT_JOB.name).watermark
