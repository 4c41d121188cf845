"""The page of the alerts: made from a view, counted beforehand, changed by their owner, muted by a link."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from keepa_deals.db.models import (
    Alert,
    AlertState,
    Channel,
    Delivery,
    DeliveryState,
    MessageKind,
    PersonRow,
    Role,
)
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.secret_box import SecretBox
from tests.support.alerts import deliveries, make_alert, make_channel
from tests.support.people import People
from tests.support.world import World, make_deal
from tests.unit.web.auth.test_access import PASSWORD, log_in

Send = Callable[[str, dict[str, str]], TestResponse]


def add_channel(send: Send, address: str = "https://hooks.example/hidden-part") -> TestResponse:
    return send("/channels", {"name": "My hook", "address": address})


def one(world: World, kind: type) -> object:
    with world.database.session() as session:
        return session.scalars(select(kind)).one()


def test_a_view_has_a_button_that_leads_to_its_alert(client: FlaskClient) -> None:
    page = client.get("/?price_max=20").text
    (address,) = re.findall(r'href="(/alerts\?query=[^"]+)">Alert me', page)
    form = client.get(address).text
    assert 'name="query" value="price_max=20.00"' in form


def test_an_alert_is_made_and_sends_nothing_but_that(client: FlaskClient, world: World, send: Send) -> None:
    assert add_channel(send).status_code == 303
    channel = one(world, Channel)
    assert isinstance(channel, Channel)
    made = send("/alerts", {"query": "price_max=20", "name": "Cheap", "channels": str(channel.id)})
    assert made.status_code == 303
    alert = one(world, Alert)
    assert isinstance(alert, Alert)
    assert (alert.query, alert.state, alert.person_id) == ("price_max=20.00", AlertState.ACTIVE, None)
    (message,) = deliveries(world.database)
    assert (message.kind, message.channel_id) == (MessageKind.CONFIRMATION, channel.id)
    page = client.get("/alerts").text
    assert "Cheap" in page
    assert "confirmation" in page


def test_an_address_is_kept_encrypted_and_shown_nowhere(
    client: FlaskClient, world: World, send: Send, tmp_path: Path
) -> None:
    add_channel(send)
    channel = one(world, Channel)
    assert isinstance(channel, Channel)
    assert "hidden-part" not in channel.address + channel.shown
    assert SecretBox(tmp_path).decrypt(channel.address) == "https://hooks.example/hidden-part"
    for address in ("/alerts", "/api/channels", "/api/deliveries"):
        assert "hidden-part" not in client.get(address).text
    assert "whsec_" in client.get("/alerts").text


def test_a_wrong_address_is_refused_in_words_and_not_repeated(client: FlaskClient, send: Send) -> None:
    refused = add_channel(send, "http://hooks.example/hidden-part")
    assert refused.status_code == 400
    assert "https://" in refused.text
    assert "hidden-part" not in refused.text


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"name": ""}, "name"),
        ({"trigger": "price"}, "trigger.price"),
        ({"trigger": "price", "price": "abc"}, "price"),
        ({"trigger": "cheaper", "percent": "0"}, "trigger.percent"),
        ({"quiet_from": "22:00"}, "quiet.to"),
        ({"form": "every", "every_minutes": "1"}, "digest.every_minutes"),
        ({"channels": "77"}, "channels"),
        ({"best": "-1"}, "best"),
    ],
)
def test_a_form_that_is_wrong_comes_back_with_the_reason(
    client: FlaskClient, world: World, send: Send, form: dict[str, str], words: str
) -> None:
    answer = send("/alerts", {"query": "", "name": "An alert", **form})
    assert answer.status_code == 400
    assert words in answer.text
    with world.database.session() as session:
        assert session.scalars(select(Alert)).all() == []


def test_a_preview_counts_what_the_last_day_would_have_sent(
    client: FlaskClient, send: Send, stock: Callable[..., None]
) -> None:
    stock(7)
    answer = send("/alerts", {"query": "price_max=10.04", "preview": "1"})
    assert "would have sent 5." in answer.text
    ended = send("/alerts", {"query": "", "preview": "1", "trigger": "ended"})
    assert "would have sent 0." in ended.text


def test_an_alert_is_paused_resumed_muted_tested_and_deleted(world: World, send: Send) -> None:
    with world.database.begin() as session:
        channel = make_channel(session, world.clock.now())
        number = str(make_alert(session, world.clock.now(), channel))

    def change(action: str) -> Alert | None:
        assert send("/alerts/change", {"alert": number, "action": action}).status_code == 303
        with world.database.session() as session:
            return session.get(Alert, int(number))

    paused = change("pause")
    world.clock.pass_time(timedelta(hours=1))
    resumed = change("resume")
    muted, tested, unmuted = change("mute"), change("test"), change("unmute")
    assert paused is not None
    assert resumed is not None
    assert muted is not None
    assert tested is not None
    assert unmuted is not None
    assert (paused.state, resumed.state) == (AlertState.PAUSED, AlertState.ACTIVE)
    assert resumed.active_since == world.clock.now(), "what happened meanwhile is no news"
    assert (muted.muted_until, unmuted.muted_until) == (world.clock.now() + timedelta(hours=24), None)
    assert [message.kind for message in deliveries(world.database)] == [MessageKind.TEST]
    assert change("delete") is None
    assert send("/alerts/change", {"alert": number, "action": "delete"}).status_code == 303
    assert send("/alerts/change", {"alert": number, "action": "explode"}).status_code == 400


def test_nobody_changes_what_is_anothers(
    client: FlaskClient, world: World, send: Send, store: People
) -> None:
    store.set_password(PASSWORD)
    store.add("ann", Role.READER, PASSWORD)
    assert log_in(client, name="admin") == 303
    with world.database.begin() as session:
        now = world.clock.now()
        ann = session.scalars(select(PersonRow.id).where(PersonRow.name == "ann")).one()
        channel = make_channel(session, now, person_id=ann, name="Anns channel")
        number = make_alert(session, now, channel, person_id=ann, name="Anns alert")
        session.add_all(
            Delivery(
                key="k",
                alert_id=number,
                channel_id=channel,
                kind=MessageKind.TEST,
                state=DeliveryState.SENT,
                deals=[],
                caused_at=now,
                created_at=now,
                due_at=now,
            )
            for _ in range(1)
        )
    for address in ("/alerts", "/api/alerts", "/api/channels", "/api/deliveries"):
        assert "Anns" not in client.get(address).text
    assert client.get(f"/api/alerts/{number}").status_code == 404
    assert client.get(f"/alerts/{number}.atom").status_code == 404
    send("/alerts/change", {"alert": str(number), "action": "delete"})
    send("/channels/change", {"channel": str(channel), "action": "delete"})
    assert send("/alerts", {"query": "", "name": "x", "channels": str(channel)}).status_code == 400
    assert isinstance(one(world, Alert), Alert)
    assert isinstance(one(world, Channel), Channel)


@pytest.mark.parametrize("number", [2**63, 10**40])
def test_a_number_that_no_row_can_have_is_not_there(client: FlaskClient, number: int) -> None:
    assert client.get(f"/api/alerts/{number}").status_code == 404
    assert client.get(f"/alerts/{number}.atom").status_code == 404


def test_a_link_of_a_message_asks_before_it_mutes(
    client: FlaskClient, world: World, send: Send, tmp_path: Path
) -> None:
    with world.database.begin() as session:
        number = make_alert(session, world.clock.now(), name="Loud one")
    token = SecretBox(tmp_path).link_token("mute", number)
    assert "Loud one" in client.get(f"/alerts/mute/{token}").text
    alert = one(world, Alert)
    assert isinstance(alert, Alert)
    assert alert.muted_until is None
    assert client.get(f"/alerts/mute/{token[:-1]}x").status_code == 404
    send("/alerts/mute", {"token": token})
    alert = one(world, Alert)
    assert isinstance(alert, Alert)
    assert alert.muted_until is not None


def test_an_alerts_feed_has_what_it_told(
    client: FlaskClient, world: World, stock: Callable[..., None]
) -> None:
    from keepa_deals.alerts.evaluate import evaluate
    from keepa_deals.deals.freshness import AsOf

    stock(1)
    with world.database.begin() as session:
        number = make_alert(session, world.clock.now(), name="Fed")
    world.clock.pass_time(timedelta(minutes=1))
    world.keepa.list(make_deal("B000000099", created=world.clock.now()))
    upsert.run(world.context)
    evaluate(world.database, AsOf(world.clock.now(), world.context.fresh_for), 1)
    feed = client.get(f"/alerts/{number}.atom")
    assert feed.content_type.startswith("application/atom+xml")
    assert "Title of B000000099" in feed.text
    assert "B000000000" not in feed.text


def test_the_api_tells_alerts_and_messages_and_searches_them(
    client: FlaskClient, world: World, send: Send
) -> None:
    with world.database.begin() as session:
        channel = make_channel(session, world.clock.now(), name="Hook")
        number = make_alert(session, world.clock.now(), channel, rule={"trigger": {"kind": "lowest"}})
    send("/alerts/change", {"alert": str(number), "action": "test"})
    (alert,) = client.get("/api/alerts").json["alerts"]  # type: ignore[index]
    assert (alert["id"], alert["trigger"], alert["channels"]) == (number, {"kind": "lowest"}, [channel])
    found = client.get("/api/deliveries?search=hook").json
    assert found is not None
    assert [message["kind"] for message in found["deliveries"]] == ["test"]
    assert client.get("/api/deliveries?search=100%25").json == {"deliveries": [], "next": None}
    assert client.get("/api/deliveries?limit=0").status_code == 400


def test_a_channel_is_told_of_the_service_as_an_operator_wants_it(
    client: FlaskClient, world: World, send: Send
) -> None:
    add_channel(send)
    page = client.get("/alerts").text
    assert "Tell of the service, too" in page
    assert "; tells of the service" not in page
    channel = one(world, Channel)
    assert isinstance(channel, Channel)
    for action, is_told in (("tell_of_service", True), ("be_silent_of_service", False)):
        sent = send("/channels/change", {"channel": str(channel.id), "action": action})
        assert sent.status_code == 303
        assert client.get("/api/channels").json["channels"][0]["tells_of_service"] is is_told  # type: ignore[index]
        assert ("; tells of the service" in client.get("/alerts").text) is is_told


def test_a_reader_s_channel_is_told_nothing_of_the_service(
    client: FlaskClient, world: World, send: Send, store: People
) -> None:
    store.set_password(PASSWORD)
    store.add("ann", Role.READER, PASSWORD)
    assert log_in(client, name="ann") == 303
    add_channel(send)
    channel = one(world, Channel)
    assert isinstance(channel, Channel)
    assert "Tell of the service" not in client.get("/alerts").text
    refused = send("/channels/change", {"channel": str(channel.id), "action": "tell_of_service"})
    assert refused.status_code == 403
    unchanged = one(world, Channel)
    assert isinstance(unchanged, Channel)
    assert not unchanged.tells_of_service
