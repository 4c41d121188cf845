"""From the outbox to the channel: claims, retries, circuits, and what a message says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from keepa_deals.alerts import retry, senders
from keepa_deals.alerts.courier import CLAIMED_FOR, Courier, CourierSettings, Sent
from keepa_deals.alerts.evaluate import evaluate
from keepa_deals.alerts.notifier import Channels, Notifier
from keepa_deals.alerts.senders import Envelope, SendError
from keepa_deals.db.models import AlertState, Channel, Deal, Delivery, DeliveryState
from keepa_deals.deals.freshness import AsOf
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.marks.changes import open_book
from keepa_deals.marks.marks import Hiding
from keepa_deals.secret_box import MUTE, SecretBox
from tests.support.alerts import deliveries, make_alert, make_channel
from tests.support.webhooks import Hooks, hooks
from tests.support.world import World, make_deal, make_world

ROOT = "https://deals.example/"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path / "deals.db")


@pytest.fixture
def box(tmp_path: Path) -> SecretBox:
    return SecretBox(tmp_path)


@pytest.fixture
def web() -> Iterator[Hooks]:
    with hooks() as server:
        yield server


def courier(world: World, box: SecretBox, send: Callable[[Envelope], None] = senders.send) -> Courier:
    known = CourierSettings(ROOT, 1, world.context.fresh_for, timedelta(hours=1))
    return Courier(world.database, box, world.clock, known, send)


def channel(world: World, box: SecretBox, address: str = "http://127.0.0.1:1/", kind: str = "webhook") -> int:
    with world.database.begin() as session:
        return make_channel(session, world.clock.now(), kind=kind, address=box.encrypt(address))


def find_deals(
    world: World, *channels: int, asins: tuple[str, ...] = ("B000000001",), **alert: object
) -> int:
    """An alert, and deals that it finds; the alert's number."""
    with world.database.begin() as session:
        number = make_alert(session, world.clock.now(), *channels, **alert)
    world.clock.pass_time(timedelta(seconds=1))
    world.keepa.list(*(make_deal(asin, created=world.clock.now()) for asin in asins))
    upsert.run(world.context)
    evaluate(world.database, AsOf(world.clock.now(), world.context.fresh_for), 1)
    return number


def only(world: World) -> Delivery:
    (delivery,) = deliveries(world.database)
    return delivery


def channel_row(world: World, number: int) -> Channel:
    with world.database.session() as session:
        return session.get_one(Channel, number)


class Recorder:
    """A sender that keeps what it is given, and fails as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.sent: list[Envelope] = []
        self.failures = list(failures)

    def __call__(self, envelope: Envelope) -> None:
        self.sent.append(envelope)
        if self.failures:
            raise self.failures.pop(0)


def test_a_webhook_gets_signed_json_with_a_key_that_stays_the_same(
    world: World, box: SecretBox, web: Hooks
) -> None:
    number = channel(world, box, web.address("secret-path"))
    alert = find_deals(world, number, name="Cheap things")
    web.answer = lambda _: (500, {})
    assert courier(world, box).send_next(number) is False
    web.answer = lambda _: (204, {})
    world.clock.pass_time(timedelta(minutes=5))
    assert courier(world, box).send_next(number) == Sent("webhook", 300.0)
    (_, first, _), (path, headers, body) = web.taken
    assert path == "/secret-path"
    assert headers["webhook-id"] == first["webhook-id"] == headers["idempotency-key"]
    signed = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
    mac = hmac.digest(box.signing_secret(number), signed, hashlib.sha256)
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(mac).decode()}"
    told = json.loads(body)
    assert (told["kind"], told["alert"], told["count"]) == ("deal", "Cheap things", 1)
    assert told["mute"] == f"{ROOT}alerts/mute/{box.link_token(MUTE, alert)}"
    (deal,) = told["deals"]
    assert (deal["asin"], deal["event"], deal["price"]) == ("B000000001", "found", 1500)
    assert only(world).state is DeliveryState.SENT


def test_what_a_channel_refuses_is_tried_later_with_growing_pauses(world: World, box: SecretBox) -> None:
    number = channel(world, box)
    find_deals(world, number)
    send = Recorder(*(SendError("It answered 500") for _ in range(3)))
    pauses = []
    for _ in range(3):
        assert courier(world, box, send).send_next(number) is False
        row = only(world)
        assert row.retry_at is not None
        pauses.append((row.retry_at - world.clock.now()).total_seconds())
        assert courier(world, box, send).send_next(number) is False, "not before its time"
        world.clock.pass_time(timedelta(seconds=pauses[-1]))
    assert [5 <= pauses[0] <= 7.5, 10 <= pauses[1] <= 15, 20 <= pauses[2] <= 30] == [True] * 3
    assert isinstance(courier(world, box, send).send_next(number), Sent)
    assert len(send.sent) == 4


def test_a_channel_that_asks_for_a_pause_gets_it(world: World, box: SecretBox, web: Hooks) -> None:
    number = channel(world, box, web.address())
    find_deals(world, number, asins=("B000000001", "B000000002"))
    web.answer = lambda _: (429, {"Retry-After": "120"})
    assert courier(world, box).send_next(number) is False
    assert channel_row(world, number).resting_until == world.clock.now() + timedelta(seconds=120)
    assert courier(world, box).send_next(number) is False
    assert len(web.taken) == 1


def test_after_failures_in_a_row_a_channel_rests_and_one_success_ends_that(
    world: World, box: SecretBox
) -> None:
    number = channel(world, box)
    find_deals(world, number)
    send = Recorder(*(SendError("no") for _ in range(retry.FAILURES_IN_A_ROW)))
    for _ in range(retry.FAILURES_IN_A_ROW):
        courier(world, box, send).send_next(number)
        world.clock.pass_time(timedelta(minutes=8))
    row = channel_row(world, number)
    assert (row.failures, row.last_error) == (retry.FAILURES_IN_A_ROW, "no")
    assert row.resting_until is not None
    assert isinstance(courier(world, box, send).send_next(number), Sent)
    assert channel_row(world, number).failures == 0


def test_a_message_is_given_up_after_its_time_with_the_reason(world: World, box: SecretBox) -> None:
    number = channel(world, box)
    find_deals(world, number)
    world.clock.pass_time(timedelta(hours=1))
    upsert.run(world.context)
    courier(world, box, Recorder(SendError("It answered 404"))).send_next(number)
    row = only(world)
    assert (row.state, row.error) == (DeliveryState.FAILED, "It answered 404")


def test_a_deal_that_ended_before_it_could_be_sent_is_not_sent(world: World, box: SecretBox) -> None:
    number = channel(world, box)
    find_deals(world, number)
    with world.database.begin() as session:
        session.execute(update(Deal).values(ended_at=world.clock.now()))
    send = Recorder()
    assert courier(world, box, send).send_next(number) is True
    assert send.sent == []
    assert only(world).state is DeliveryState.DROPPED


def test_a_sender_that_died_leaves_its_message_to_another_when_its_claim_is_over(
    world: World, box: SecretBox
) -> None:
    number = channel(world, box)
    find_deals(world, number)

    class Died(BaseException):
        pass

    def die(_: Envelope) -> None:
        raise Died

    with pytest.raises(Died):
        courier(world, box, die).send_next(number)
    send = Recorder()
    assert courier(world, box, send).send_next(number) is False
    world.clock.pass_time(CLAIMED_FOR)
    assert isinstance(courier(world, box, send).send_next(number), Sent)
    assert len(send.sent) == 1


def test_an_address_of_another_key_is_a_failure_that_says_so(
    world: World, box: SecretBox, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    number = channel(world, SecretBox(other))
    find_deals(world, number)
    assert courier(world, box, Recorder()).send_next(number) is False
    assert "is not the key" in (only(world).error or "")


def test_a_digest_has_the_best_by_the_views_order_and_how_many_there_are(
    world: World, box: SecretBox
) -> None:
    number = channel(world, box)
    with world.database.begin() as session:
        make_alert(session, world.clock.now(), number, query="sort=price", rule={"best": 2})
    world.clock.pass_time(timedelta(seconds=1))
    now = world.clock.now()
    prices = {f"B00000000{n}": 1000 + 10 * ((n * 7) % 10) for n in range(9)}
    world.keepa.list(*(make_deal(asin, created=now, price=price) for asin, price in prices.items()))
    upsert.run(world.context)
    evaluate(world.database, AsOf(world.clock.now(), world.context.fresh_for), 1)
    world.clock.pass_time(timedelta(minutes=1))
    send = Recorder()
    courier(world, box, send).send_next(number)
    (envelope,) = send.sent
    assert envelope.message.title == "An alert: 9 deals"
    assert [deal["price"] for deal in envelope.message.json["deals"]] == [1000, 1010]
    assert f"All of them: {ROOT}?sort=price" in envelope.message.text


def test_a_slow_channel_holds_up_no_other(world: World, box: SecretBox, web: Hooks) -> None:
    numbers = [channel(world, box, web.address(f"slow-{n}" if n < 5 else f"quick-{n}")) for n in range(50)]
    find_deals(world, *numbers)
    go_on = threading.Event()

    def answer(path: str) -> tuple[int, dict[str, str]]:
        if "slow" in path:
            go_on.wait(30)
        return 200, {}

    web.answer = answer
    sent: list[Sent] = []
    channels = Channels(courier(world, box), sent.append)
    notifier = Notifier(
        world.database, world.clock, channels, lambda: AsOf(world.clock.now(), world.context.fresh_for), 1
    )
    try:
        notifier.look()
        web.wait_for(45, "quick")
    finally:
        go_on.set()
        channels.close()
    assert len(sent) == 50


def test_what_comes_while_a_channel_is_busy_is_sent_after_it(world: World, box: SecretBox) -> None:
    number = channel(world, box)
    find_deals(world, number)
    reached, go_on, done = threading.Event(), threading.Event(), threading.Event()
    sent: list[Envelope] = []

    def send(envelope: Envelope) -> None:
        sent.append(envelope)
        if len(sent) == 2:
            done.set()
        reached.set()
        assert go_on.wait(20)

    channels = Channels(courier(world, box, send), lambda _: None)
    channels.serve(number)
    assert reached.wait(20)
    world.keepa.list(make_deal("B000000002", created=world.clock.now()))
    upsert.run(world.context)
    evaluate(world.database, AsOf(world.clock.now(), world.context.fresh_for), 1)
    channels.serve(number)
    go_on.set()
    assert done.wait(20)
    channels.close()
    assert len({envelope.key for envelope in sent}) == 2


def test_no_secret_of_an_address_is_kept_in_an_error(world: World, box: SecretBox) -> None:
    number = channel(world, box, "json://user:sesame-street@127.0.0.1:1/hidden-path-of-mine", kind="json")
    find_deals(world, number)
    assert courier(world, box).send_next(number) is False
    words = f"{only(world).error} {channel_row(world, number).last_error}"
    assert "sesame" not in words
    assert "hidden-path" not in words


def test_a_paused_alert_sends_nothing_that_was_waiting(world: World, box: SecretBox) -> None:
    number = channel(world, box)
    find_deals(world, number, state=AlertState.ACTIVE)
    from keepa_deals.db.models import Alert

    with world.database.begin() as session:
        session.execute(update(Alert).values(state=AlertState.PAUSED))
    send = Recorder()
    courier(world, box, send).send_next(number)
    assert send.sent == []


def test_a_title_with_markup_arrives_as_text_in_every_form(world: World, box: SecretBox) -> None:
    number = channel(world, box)
    with world.database.begin() as session:
        make_alert(session, world.clock.now(), number)
    deal = make_deal("B000000001", created=world.clock.now())
    evil = "<script>alert(1)</script> \u202egnp.exe\u0007 " + "x" * 2000
    world.keepa.list(replace(deal, title=evil))
    upsert.run(world.context)
    evaluate(world.database, AsOf(world.clock.now(), world.context.fresh_for), 1)
    send = Recorder()
    courier(world, box, send).send_next(number)
    (envelope,) = send.sent
    said = envelope.message
    assert "<script>" not in said.html
    assert len(said.title) < 250
    assert not set(said.title + said.text + said.html) & {"\u202e", "\u0007"}
    with world.database.session() as session:
        assert session.scalar(select(Delivery.state)) is DeliveryState.SENT


def test_what_was_hidden_before_it_was_sent_is_not_sent(world: World, box: SecretBox) -> None:
    sent: list[Envelope] = []
    number = channel(world, box)
    find_deals(world, number)
    with world.database.begin() as session:
        change = open_book(session, None, world.clock.now())
        change.edit([(1, "B000000001")], lambda mark: replace(mark, hiding=Hiding(world.clock.now())))
        change.close()
    courier(world, box, sent.append).send_next(number)
    assert sent == []
    assert only(world).state is DeliveryState.DROPPED
