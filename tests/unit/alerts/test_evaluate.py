"""From a run of the upserter to the outbox: nothing lost, nothing twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from keepa_deals.alerts.evaluate import evaluate, find
from keepa_deals.alerts.outbox import MAX_DEALS
from keepa_deals.db.models import Alert, AlertChange, AlertMemory, AlertState, DeliveryState, MessageKind
from keepa_deals.deals.freshness import AsOf
from keepa_deals.errors import LockLostError
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.marks.changes import open_book
from keepa_deals.marks.marks import Hiding
from tests.support.alerts import deliveries, make_alert, make_channel
from tests.support.world import World, make_deal, make_world

MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = make_world(tmp_path / "deals.db")
    world.keepa.list(make_deal("B000000001"))
    upsert.run(world.context)
    world.clock.pass_time(MINUTE)
    return world


def alert(world: World, *, channels: int = 1, **changes: Any) -> int:
    with world.database.begin() as session:
        now = world.clock.now()
        return make_alert(session, now, *(make_channel(session, now) for _ in range(channels)), **changes)


def look(world: World) -> int:
    return evaluate(world.database, AsOf(world.clock.now(), world.context.fresh_for), 1)


def run(world: World) -> None:
    world.clock.pass_time(MINUTE)
    upsert.run(world.context)


def list_deals(world: World, *asins: str, price: int = 1500) -> None:
    now = world.clock.now()
    world.keepa.list(*(make_deal(asin, created=now, price=price) for asin in asins))


def waiting_changes(world: World) -> int:
    with world.database.session() as session:
        return session.scalar(select(func.count()).select_from(AlertChange)) or 0


def told(world: World) -> list[list[Any]]:
    return [deal for delivery in deliveries(world.database) for deal in delivery.deals]


def test_without_an_alert_a_run_leaves_nothing_to_look_at(world: World) -> None:
    list_deals(world, "B000000002")
    run(world)
    assert waiting_changes(world) == 0


def test_a_deal_that_is_found_is_told_once_to_each_channel(world: World) -> None:
    number = alert(world, channels=2)
    list_deals(world, "B000000002")
    run(world)
    assert look(world) == 1
    messages = deliveries(world.database)
    assert [(m.kind, m.state, m.deals) for m in messages] == [
        (MessageKind.DEAL, DeliveryState.WAITING, [[1, "B000000002", "found", 1500]])
    ] * 2
    assert len({m.key for m in messages}) == len({m.channel_id for m in messages}) == 2
    list_deals(world, "B000000002", price=1400)
    run(world)
    assert look(world) == 1
    assert len(deliveries(world.database)) == 2
    with world.database.session() as session:
        told_of = session.get_one(Alert, number)
        assert (told_of.told_count, told_of.last_told_at is not None) == (1, True)


def test_a_deal_that_was_there_before_the_alert_is_no_news(world: World) -> None:
    alert(world)
    list_deals(world, "B000000001", price=1300)
    run(world)
    assert look(world) == 1
    assert told(world) == []


def test_the_filters_of_the_view_decide(world: World) -> None:
    alert(world, query="price_max=14.00")
    list_deals(world, "B000000002", price=1500)
    list_deals(world, "B000000003", price=1399)
    run(world)
    look(world)
    assert [deal[1] for deal in told(world)] == ["B000000003"]


def test_a_deal_is_told_when_it_comes_to_match_although_it_was_found_before(world: World) -> None:
    alert(world, query="price_max=14.00")
    list_deals(world, "B000000002", price=1500)
    run(world)
    look(world)
    list_deals(world, "B000000002", price=1200)
    run(world)
    look(world)
    assert [deal[1] for deal in told(world)] == ["B000000002"]


def test_cheaper_counts_from_the_price_when_the_alert_began_to_look(world: World) -> None:
    alert(world, rule={"trigger": {"kind": "cheaper", "percent": 10}})
    for price in (1400, 1350, 1300, 1215):
        list_deals(world, "B000000001", price=price)
        run(world)
        look(world)
    assert [deal[3] for deal in told(world)] == [1350, 1215]


def test_the_end_of_a_deal_is_told_whatever_status_the_view_shows(world: World) -> None:
    alert(world, rule={"trigger": {"kind": "ended"}})
    world.keepa.list(make_deal("B000000009", created=world.clock.now()))
    run(world)
    look(world)
    world.keepa.unlist("B000000009")
    world.keepa.products_by_asin["B000000009"] = replace(
        world.keepa.products_by_asin["B000000009"],
        stats=replace(
            world.keepa.products_by_asin["B000000009"].stats,  # type: ignore[type-var]
            current=make_deal("B000000009", price=3500).current,
        ),
    )
    for _ in range(200):
        run(world)
        look(world)
        if told(world):
            break
    assert [deal[1:3] for deal in told(world)] == [["B000000009", "ended"]]


def test_many_at_a_moment_become_one_digest_and_a_later_run_adds_to_it(world: World) -> None:
    alert(world)
    list_deals(world, *(f"B1{n:08d}" for n in range(300)))
    run(world)
    while look(world):
        pass
    list_deals(world, "B200000001")
    upsert.run(world.context)
    look(world)
    (digest,) = deliveries(world.database)
    assert (digest.kind, digest.deal_count, len(digest.deals)) == (MessageKind.DIGEST, 301, MAX_DEALS)


def test_in_quiet_hours_deals_are_gathered_until_their_end(world: World) -> None:
    quiet = {"from": "11:00", "to": "14:00", "zone": "UTC"}  # the world begins at noon
    alert(world, rule={"quiet": quiet})
    for asin in ("B000000002", "B000000003"):
        list_deals(world, asin)
        run(world)
        look(world)
    (digest,) = deliveries(world.database)
    assert (digest.deal_count, f"{digest.due_at:%H:%M}") == (2, "14:00")


def test_a_muted_alert_says_nothing_of_what_happens_meanwhile(world: World) -> None:
    alert(world, muted_until=world.clock.now() + timedelta(hours=1))
    list_deals(world, "B000000002")
    run(world)
    assert look(world) == 1
    assert told(world) == []


def test_an_alert_whose_view_is_no_longer_understood_is_paused_and_says_why(world: World) -> None:
    broken = alert(world, query="price_max=cheap")
    alert(world)
    list_deals(world, "B000000002")
    run(world)
    look(world)
    with world.database.session() as session:
        row = session.get_one(Alert, broken)
        assert row.state is AlertState.PAUSED
        assert "price_max" in (row.problem or "")
    assert len(told(world)) == 1


def test_a_run_that_lost_its_lock_leaves_neither_deal_nor_change(world: World) -> None:
    alert(world)
    world.lock.lost.set()
    list_deals(world, "B000000002")
    run(world)
    assert waiting_changes(world) == 0
    assert isinstance(LockLostError("x"), Exception)


def test_what_two_looked_at_is_written_by_one(world: World) -> None:
    alert(world)
    list_deals(world, "B000000002")
    run(world)
    as_of = AsOf(world.clock.now(), world.context.fresh_for)
    with world.database.session() as session:
        before = find(session.connection(), as_of, 1)
        assert before.tidings
        look(world)
    from keepa_deals.alerts import evaluate as module

    with pytest.raises(module._OvertakenError), world.database.begin() as session:
        module._write(session, before, as_of.now)
    assert len(told(world)) == 1


def test_a_run_wakes_the_notifier_after_its_commit_and_only_then(world: World) -> None:
    seen: list[int] = []
    context = replace(world.context, wake_notifier=lambda: seen.append(waiting_changes(world)))
    upsert.run(context)
    assert seen == []
    alert(world)
    list_deals(world, "B000000002")
    world.clock.pass_time(MINUTE)
    upsert.run(context)
    assert seen
    assert seen[0] >= 1


def test_memories_go_with_their_alert(world: World) -> None:
    number = alert(world)
    list_deals(world, "B000000002")
    run(world)
    look(world)
    with world.database.begin() as session:
        session.delete(session.get_one(Alert, number))
    with world.database.session() as session:
        assert session.scalar(select(func.count()).select_from(AlertMemory)) == 0
    assert deliveries(world.database) == []


def hide(world: World, asin: str, **values: Any) -> None:
    with world.database.begin() as session:
        change = open_book(session, None, world.clock.now())
        change.edit([(1, asin)], lambda mark: replace(mark, hiding=Hiding(world.clock.now(), **values)))
        change.close()


def test_nobody_is_told_of_what_they_hid_until_it_is_shown_again(world: World) -> None:
    alert(world)
    hide(world, "B000000002", percent=10, price=1350)
    list_deals(world, "B000000002", "B000000003")
    run(world)
    look(world)
    assert [asin for _, asin, *_ in told(world)] == ["B000000003"]
    list_deals(world, "B000000002", price=1300)
    run(world)
    look(world)
    assert [asin for _, asin, *_ in told(world)] == ["B000000003", "B000000002"]


def test_an_alert_of_hidden_deals_tells_of_them(world: World) -> None:
    alert(world, query="marked=hidden")
    hide(world, "B000000002")
    list_deals(world, "B000000002", "B000000003")
    run(world)
    look(world)
    assert [asin for _, asin, *_ in told(world)] == ["B000000002"]
