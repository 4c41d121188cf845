"""A person's alerts and channels: made, changed and deleted by their owner alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Text, cast, delete, func, or_, select, update
from sqlalchemy.orm import Session

from keepa_deals.alerts import outbox
from keepa_deals.alerts.addresses import Address
from keepa_deals.alerts.rules import Rule, rule_json
from keepa_deals.alerts.schedule import RuleError
from keepa_deals.db.models import (
    Alert,
    AlertChannel,
    AlertState,
    Channel,
    Delivery,
    DeliveryState,
    MessageKind,
)
from keepa_deals.secret_box import SecretBox

MAX_ALERTS = 50
MAX_CHANNELS = 20
MAX_NAME = 60
MAX_NUMBER = 2**63 - 1
"""Neither database takes a larger one for a row's number."""
MUTED_FOR = timedelta(hours=24)

T = TypeVar("T", Alert, Channel)


class NotThereError(LookupError):
    """There is no such alert or channel of this person."""


class Change(StrEnum):
    """What can be done with an alert."""

    PAUSE = "pause"
    RESUME = "resume"
    MUTE = "mute"
    UNMUTE = "unmute"
    TEST = "test"
    DELETE = "delete"


def is_of(kind: type[T], person_id: int | None) -> ColumnElement[bool]:
    """What belongs to a person; to the unnamed reader without one."""
    owner = kind.person_id
    return owner.is_(None) if person_id is None else owner == person_id


def owned(session: Session, kind: type[T], person_id: int | None, number: int) -> T:
    """An alert or a channel of a person; ``NotThereError`` when it is another's, or none."""
    if number > MAX_NUMBER:
        raise NotThereError(number)
    row = session.scalar(select(kind).where(kind.id == number, is_of(kind, person_id)))
    if row is None:
        raise NotThereError(number)
    return row


def listed(session: Session, kind: type[T], person_id: int | None) -> Sequence[T]:
    """Those of a person, in the order in which they were made."""
    return session.scalars(select(kind).where(is_of(kind, person_id)).order_by(kind.id)).all()


def checked_name(text: object) -> str:
    """A name as it is kept; ``RuleError`` when it is none."""
    if not isinstance(text, str):
        raise RuleError("name", "a text")
    name = " ".join(text.split())
    if not 0 < len(name) <= MAX_NAME:
        raise RuleError("name", f"1 to {MAX_NAME} characters")
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn") for character in name):
        raise RuleError("name", "only characters that can be seen")
    return name


# -- channels ----------------------------------------------------------------------------------------
def add_channel(
    session: Session,
    box: SecretBox,
    person_id: int | None,
    name: str,
    address: str,
    look_at: Callable[[str], Address],
    now: datetime,
) -> Channel:
    """Keep a channel; ``AddressError`` when nothing can be sent there."""
    if len(listed(session, Channel, person_id)) >= MAX_CHANNELS:
        raise RuleError("name", f"at most {MAX_CHANNELS} channels: delete one first")
    known = look_at(address)
    channel = Channel(
        person_id=person_id,
        name=checked_name(name),
        kind=known.kind,
        address=box.encrypt(address.strip()),
        shown=known.shown,
        created_at=now,
    )
    session.add(channel)
    session.flush()
    return channel


def test_channel(session: Session, channel: Channel, now: datetime) -> None:
    """Send a test; a channel that rests is awake again."""
    channel.resting_until = None
    body = f"A test of the channel “{channel.name}”\nIt works: alerts can reach you here."
    outbox.put_words(session, MessageKind.TEST, [channel.id], body, now)


# -- alerts ------------------------------------------------------------------------------------------
def add_alert(
    session: Session,
    person_id: int | None,
    name: str,
    query: str,
    rule: Rule,
    channels: Sequence[int],
    now: datetime,
) -> Alert:
    """Keep an alert, which looks from now on; all that it sends at first is that it was made."""
    if len(listed(session, Alert, person_id)) >= MAX_ALERTS:
        raise RuleError("name", f"at most {MAX_ALERTS} alerts: delete one first")
    alert = Alert(
        person_id=person_id,
        name=checked_name(name),
        query=query,
        rule=rule_json(rule),
        state=AlertState.ACTIVE,
        created_at=now,
        active_since=now,
    )
    session.add(alert)
    session.flush()
    set_channels(session, alert, channels)
    body = f"The alert “{alert.name}” is on\nFrom now on it tells you here of deals that are new to it."
    outbox.put_words(session, MessageKind.CONFIRMATION, channels, body, now, alert.id)
    return alert


def set_channels(session: Session, alert: Alert, channels: Sequence[int]) -> None:
    """Let an alert speak through these channels of its owner alone."""
    for number in channels:
        try:
            owned(session, Channel, alert.person_id, number)
        except NotThereError:
            raise RuleError("channels", f"numbers of your channels; {number} is none") from None
    session.execute(delete(AlertChannel).where(AlertChannel.alert_id == alert.id))
    session.add_all(AlertChannel(alert_id=alert.id, channel_id=number) for number in dict.fromkeys(channels))
    session.flush()


def channels_of(session: Session, alerts: Sequence[Alert]) -> Mapping[int, Sequence[int]]:
    """The channels of each alert."""
    numbers: dict[int, list[int]] = {alert.id: [] for alert in alerts}
    query = select(AlertChannel.alert_id, AlertChannel.channel_id).where(AlertChannel.alert_id.in_(numbers))
    for alert_id, channel_id in session.execute(query.order_by(AlertChannel.channel_id)):
        numbers[alert_id].append(channel_id)
    return numbers


def change(session: Session, alert: Alert, what: Change, now: datetime) -> None:
    """Do it. What happened while an alert was paused is no news to it."""
    match what:
        case Change.PAUSE:
            alert.state, alert.problem = AlertState.PAUSED, None
            _forget_waiting(session, alert, now)
        case Change.RESUME:
            if alert.state is AlertState.PAUSED:
                alert.active_since = now
            alert.state, alert.problem, alert.muted_until = AlertState.ACTIVE, None, None
        case Change.MUTE:
            alert.muted_until = now + MUTED_FOR
            _forget_waiting(session, alert, now)
        case Change.UNMUTE:
            alert.muted_until = None
        case Change.TEST:
            body = f"A test of the alert “{alert.name}”\nIt works: this alert reaches you here."
            channels = channels_of(session, [alert])[alert.id]
            outbox.put_words(session, MessageKind.TEST, channels, body, now, alert.id)
        case Change.DELETE:
            session.delete(alert)


def _forget_waiting(session: Session, alert: Alert, now: datetime) -> None:
    """What an alert had still to tell is not told."""
    waiting = update(Delivery).where(Delivery.alert_id == alert.id, Delivery.state == DeliveryState.WAITING)
    dropped = {"state": DeliveryState.DROPPED, "finished_at": now, "error": "The alert was paused or muted"}
    session.execute(waiting.values(dropped), execution_options={"synchronize_session": False})


# -- the log -----------------------------------------------------------------------------------------
def deliveries(
    session: Session, person_id: int | None, *, search: str = "", most: int = 50, before: int | None = None
) -> Sequence[tuple[Delivery, str, str | None]]:
    """A person's messages, the newest first, each with its channel's and its alert's name.

    ``search``: a part of one of these names, of the state, the reason or an ASIN.
    """
    query = (
        select(Delivery, Channel.name, Alert.name)
        .join(Channel, Channel.id == Delivery.channel_id)
        .outerjoin(Alert, Alert.id == Delivery.alert_id)
        .where(is_of(Channel, person_id))
    )
    if before is not None:
        query = query.where(Delivery.id < before)
    if search:
        texts: tuple[Any, ...] = (Channel.name, Alert.name, Delivery.state, Delivery.error)
        wanted = [func.lower(text).contains(search.lower(), autoescape=True) for text in texts]
        wanted.append(func.lower(cast(Delivery.deals, Text)).contains(search.lower(), autoescape=True))
        query = query.where(or_(*wanted))
    rows = session.execute(query.order_by(Delivery.id.desc()).limit(most))
    return [(delivery, channel, alert) for delivery, channel, alert in rows]
