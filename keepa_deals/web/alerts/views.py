"""The page of a person's alerts, channels and messages, and its forms."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from keepa_deals.alerts import book, check
from keepa_deals.alerts.addresses import WEBHOOK, AddressError
from keepa_deals.alerts.book import Change, NotThereError
from keepa_deals.alerts.preview import would_have_told
from keepa_deals.alerts.rules import Rule, read_rule
from keepa_deals.alerts.schedule import RuleError
from keepa_deals.db.models import Alert, Channel
from keepa_deals.query.parameters import ParameterError
from keepa_deals.query.parse import parse_query
from keepa_deals.query.view import View
from keepa_deals.roles import Role
from keepa_deals.secret_box import MUTE, SecretBox, SecretBoxError
from keepa_deals.web.alerts.forms import AGAIN, TRIGGERS, rule_of
from keepa_deals.web.auth.guard import current_person
from keepa_deals.web.http import errors
from keepa_deals.web.services import Services, current_services

blueprint = Blueprint("alerts", __name__)

SERVICE_ACTIONS = ("tell_of_service", "be_silent_of_service")
MESSAGES = 50
"""Messages that the page shows."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An alert as its page shows it."""

    alert: Alert
    rule: Rule | None
    channels: list[str]
    is_muted: bool


def box_of(services: Services) -> SecretBox:
    return SecretBox(services.settings.keepa_deals_home)


# -- pages -------------------------------------------------------------------------------------------
@blueprint.get("/alerts")
def page() -> str:
    """Alerts, channels, and what was sent; with a view in ``query``, the form of a new alert for it."""
    return _page(current_services())


def _page(services: Services, *, problem: str = "", typed: dict[str, str] | None = None) -> str:
    person, search = current_person().id, request.args.get("search", "")[:100]
    query = (typed or {}).get("query", request.args.get("query"))
    with services.database.session() as session:
        alerts, channels = book.listed(session, Alert, person), book.listed(session, Channel, person)
        numbers = book.channels_of(session, alerts)
        messages = book.deliveries(session, person, search=search, most=MESSAGES)
        preview = None if query is None else _preview(services, session, query, typed or {})
    names = {channel.id: channel.name for channel in channels}
    now = services.clock.now()
    return render_template(
        "alerts/page.html",
        alerts=[
            Shown(
                alert,
                _rule(alert),
                [names[number] for number in numbers[alert.id]],
                alert.muted_until is not None and alert.muted_until > now,
            )
            for alert in alerts
        ],
        channels=channels,
        secrets=_signing_secrets(services, channels),
        messages=messages,
        search=search,
        query=query,
        preview=preview,
        problem=problem,
        typed=typed or {},
        triggers=TRIGGERS,
        again=AGAIN,
        now=now,
    )


def _rule(alert: Alert) -> Rule | None:
    try:
        return read_rule(alert.rule)
    except (RuleError, AttributeError):
        return None


def _signing_secrets(services: Services, channels: Sequence[Channel]) -> dict[int, str]:
    """What a webhook's receiver checks signatures with, shown to its owner alone."""
    box = box_of(services)
    try:
        return {one.id: signing_secret(box, one.id) for one in channels if one.kind == WEBHOOK}
    except SecretBoxError:
        return {}


def signing_secret(box: SecretBox, channel_id: int) -> str:
    """As Standard Webhooks writes it."""
    return f"whsec_{base64.b64encode(box.signing_secret(channel_id)).decode('ascii')}"


def _preview(services: Services, session: Session, query: str, typed: dict[str, str]) -> int | None:
    """How many deals the alert would have told of in 24 hours; ``None`` while its rule is none."""
    try:
        view = parse_query(query, domain_id=services.settings.keepa_domain_id)
        rule = rule_of(typed, view.money_domain)
    except (ParameterError, RuleError):
        return None
    connection = session.connection()
    marks = services.marks.read(connection, current_person().id)
    return would_have_told(connection, view, rule, services.as_of(), marks)


# -- forms -------------------------------------------------------------------------------------------
@blueprint.post("/alerts")
def add() -> ResponseReturnValue:
    """Make an alert of a view; ``preview`` only counts what it would have sent."""
    services = current_services()
    typed = {name: value for name, value in request.form.items() if name != "csrf_token"}
    if "preview" in typed:
        return _page(services, typed=typed)
    try:
        view = parse_query(typed.get("query", ""), domain_id=services.settings.keepa_domain_id)
        rule = rule_of(typed, view.money_domain)
        _add(services, typed.get("name", ""), view, rule, _numbers(request.form.getlist("channels")))
    except RuleError as error:
        return _page(services, problem=str(error), typed=typed), 400
    services.wake_notifier()
    return _to_page()


def _add(services: Services, name: str, view: View, rule: Rule, channels: list[int]) -> None:
    with services.database.begin() as session:
        now = services.clock.now()
        book.add_alert(session, current_person().id, name, view.query(), rule, channels, now)


@blueprint.post("/alerts/change")
def change() -> Response:
    """Pause, resume, mute, test or delete an alert; one that is not there is gone already."""
    action = request.form.get("action", "")
    if action not in list(Change):
        raise ParameterError("action", f"must be one of {', '.join(Change)}")

    def do(session: Session, number: int) -> None:
        services = current_services()
        alert = book.owned(session, Alert, current_person().id, number)
        book.change(session, alert, Change(action), services.clock.now())

    return _changed("alert", do)


@blueprint.post("/channels")
def add_channel() -> ResponseReturnValue:
    """Add a channel, whose address is looked at first."""
    services = current_services()
    name, address = request.form.get("name", ""), request.form.get("address", "")
    try:
        known = check.look_at(address)
        with services.database.begin() as session:
            book.add_channel(
                session,
                box_of(services),
                current_person().id,
                name,
                address,
                lambda _: known,
                services.clock.now(),
            )
    except (AddressError, RuleError, SecretBoxError) as error:
        return _page(services, problem=str(error), typed={"channel_name": name}), 400
    return _to_page("channels")


@blueprint.post("/channels/change")
def change_channel() -> ResponseReturnValue:
    """Test or delete a channel; an operator's may be told how the service itself is."""
    action = request.form.get("action", "")
    if action in SERVICE_ACTIONS and not current_person().role.may(Role.OPERATOR):
        return errors.answer(403, "Only the channels of operators are told how the service is.")

    def do(session: Session, number: int) -> None:
        channel = book.owned(session, Channel, current_person().id, number)
        if action == "delete":
            session.delete(channel)
        elif action == "test":
            book.test_channel(session, channel, current_services().clock.now())
        elif action in SERVICE_ACTIONS:
            channel.tells_of_service = action == "tell_of_service"

    return _changed("channel", do, anchor="channels")


def _changed(field: str, do: Callable[[Session, int], None], anchor: str = "") -> Response:
    services = current_services()
    (number,) = _numbers([request.form.get(field, "")]) or (0,)
    try:
        with services.database.begin() as session:
            do(session, number)
    except NotThereError:
        return _to_page(anchor)
    services.wake_notifier()
    return _to_page(anchor)


def _numbers(texts: list[str]) -> list[int]:
    return [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 10]


def _to_page(anchor: str = "") -> Response:
    response = redirect(url_for("alerts.page", _anchor=anchor or None), 303)
    assert isinstance(response, Response)
    return response


# -- from a message, without a log-in ------------------------------------------------------------------
@blueprint.get("/alerts/mute/<token>")
def muting(token: str) -> ResponseReturnValue:
    """Ask whether the alert of a message's link shall be muted: what opens links by itself mutes nothing."""
    services = current_services()
    alert = _alert_of(services, token)
    if alert is None:
        return errors.answer(404, "This link mutes no alert: it was deleted, or the link is not whole.")
    return render_template("alerts/mute.html", alert=alert, token=token, now=services.clock.now(), done=False)


@blueprint.post("/alerts/mute")
def mute() -> ResponseReturnValue:
    """Mute the alert of a message's link."""
    services, token = current_services(), request.form.get("token", "")
    alert = _alert_of(services, token)
    if alert is None:
        return _to_page()
    with services.database.begin() as session:
        row = session.get(Alert, alert.id)
        if row is not None:
            book.change(session, row, Change.MUTE, services.clock.now())
    return render_template("alerts/mute.html", alert=alert, token=token, now=services.clock.now(), done=True)


def _alert_of(services: Services, token: str) -> Alert | None:
    try:
        number = box_of(services).number_of(MUTE, token)
    except SecretBoxError:
        return None
    if number is None:
        return None
    with services.database.session() as session:
        return session.get(Alert, number)
