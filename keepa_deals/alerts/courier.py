"""Takes messages out of the outbox, one channel at a time, and notes what became of each.

A message is claimed before it is sent and noted after. Whoever is killed in between leaves a claim that runs
out: then the message is sent again. That is the one window in which a message can come twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from keepa_deals.alerts import message, retry
from keepa_deals.alerts.message import Links, Message, Told
from keepa_deals.alerts.rules import read_rule
from keepa_deals.alerts.schedule import RuleError
from keepa_deals.alerts.senders import Envelope, Send, SendError
from keepa_deals.clock import Clock
from keepa_deals.db.errors import StoreError
from keepa_deals.db.models import Alert, AlertState, Channel, Delivery, DeliveryState, MessageKind
from keepa_deals.db.session import Database
from keepa_deals.deals.freshness import AsOf
from keepa_deals.marks.marks import NO_MARKS, Marks
from keepa_deals.marks.reading import read_marks
from keepa_deals.query.database import DealTable
from keepa_deals.query.filters.marked import MARKED, Marked
from keepa_deals.query.left_out import LeftOut
from keepa_deals.query.parameters import ParameterError
from keepa_deals.query.parse import parse_query
from keepa_deals.query.rows import DealRow
from keepa_deals.query.sorts import SORTS
from keepa_deals.secret_box import MUTE, SecretBox, SecretBoxError

log = logging.getLogger(__name__)

CLAIMED_FOR = timedelta(seconds=60)
"""Longer than any channel is waited for."""


@dataclass(frozen=True)
class CourierSettings:
    """What the courier needs to know of the deployment."""

    root: str
    """The dashboard's address for people, with a slash at the end."""
    domain_id: int
    fresh_for: timedelta
    given_up_after: timedelta


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that is ours to send until ``until``."""

    delivery: Delivery
    channel: Channel
    alert: Alert | None
    until: datetime


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that a channel has taken: how long after its cause."""

    kind: str
    seconds: float


def due(now: datetime) -> ColumnElement[bool]:
    """The messages that may be sent now: those that wait, and those whose sender is dead."""
    return and_(
        Delivery.finished_at.is_(None),
        or_(
            and_(
                Delivery.state == DeliveryState.WAITING,
                func.coalesce(Delivery.retry_at, Delivery.due_at) <= now,
            ),
            and_(Delivery.state == DeliveryState.SENDING, Delivery.claimed_until <= now),
        ),
    )


def channels_due(session: Session, now: datetime) -> Sequence[int]:
    """The channels that have something to send now and do not rest."""
    awake = or_(Channel.resting_until.is_(None), Channel.resting_until <= now)
    query = select(Delivery.channel_id).join(Channel, Channel.id == Delivery.channel_id)
    return session.scalars(query.where(due(now), awake).distinct()).all()


class Courier:
    """Sends what is due, message by message; several may work on one outbox."""

    def __init__(
        self, database: Database, box: SecretBox, clock: Clock, settings: CourierSettings, send: Send
    ) -> None:
        self._database = database
        self._box = box
        self._clock = clock
        self._settings = settings
        self._send = send

    def send_next(self, channel_id: int) -> Sent | bool:
        """Send the oldest message that is due on a channel; ``False`` when there is none, or it failed."""
        claim = self._claim(channel_id)
        if claim is None:
            return False
        try:
            envelope = self._envelope(claim)
            if envelope is None:
                self._finish(claim, DeliveryState.DROPPED, "Its deals had ended before it could be sent")
                return True
            self._send(envelope)
        except (SendError, SecretBoxError) as error:
            self._failed(claim, str(error), getattr(error, "retry_after", None))
            return False
        except StoreError:
            raise
        except Exception as error:  # one message that cannot be made must not hold up those behind it
            log.exception("message %d could not be made or sent", claim.delivery.id)
            self._failed(claim, f"{type(error).__name__}: see the log", None)
            return False
        return self._taken(claim)

    # -- claims ----------------------------------------------------------------------------------
    def _claim(self, channel_id: int) -> Claim | None:
        now = self._clock.now()
        with self._database.begin() as session:
            channel = session.get(Channel, channel_id, with_for_update=True)
            if channel is None or (channel.resting_until is not None and channel.resting_until > now):
                return None
            query = select(Delivery).where(Delivery.channel_id == channel_id, due(now))
            delivery = session.scalars(query.order_by(Delivery.due_at, Delivery.id).limit(1)).first()
            if delivery is None:
                return None
            until = now + CLAIMED_FOR
            delivery.state, delivery.claimed_until = DeliveryState.SENDING, until
            delivery.attempts += 1
            alert = None if delivery.alert_id is None else session.get(Alert, delivery.alert_id)
            session.flush()
            session.expunge_all()
            return Claim(delivery, channel, alert, until)

    def _finish(self, claim: Claim, state: DeliveryState, error: str | None = None) -> bool:
        """Note the end of a message that is still ours; whether it was."""
        with self._database.begin() as session:
            return self._note(session, claim, state=state, finished_at=self._clock.now(), error=error)

    def _note(self, session: Session, claim: Claim, **values: Any) -> bool:
        ours = update(Delivery).where(
            Delivery.id == claim.delivery.id,
            Delivery.state == DeliveryState.SENDING,
            Delivery.claimed_until == claim.until,
        )
        result = session.execute(
            ours.values(claimed_until=None, **values), execution_options={"synchronize_session": False}
        )
        assert isinstance(result, CursorResult)
        return result.rowcount == 1

    def _taken(self, claim: Claim) -> Sent:
        now = self._clock.now()
        with self._database.begin() as session:
            self._note(session, claim, state=DeliveryState.SENT, finished_at=now, error=None)
            well = {"failures": 0, "resting_until": None, "last_sent_at": now}
            session.execute(update(Channel).where(Channel.id == claim.channel.id).values(well))
        since = max(claim.delivery.caused_at, claim.delivery.due_at)
        return Sent(claim.channel.kind, max(0.0, (now - since).total_seconds()))

    def _failed(self, claim: Claim, reason: str, asked: float | None) -> None:
        now, delivery = self._clock.now(), claim.delivery
        failures = claim.channel.failures + 1
        gives_up = now - delivery.due_at >= self._settings.given_up_after
        rest = retry.rest(failures, asked)
        with self._database.begin() as session:
            if gives_up or delivery.kind is MessageKind.TEST:
                noted = self._note(session, claim, state=DeliveryState.FAILED, finished_at=now, error=reason)
            else:
                again = now + retry.pause(delivery.attempts, asked)
                noted = self._note(session, claim, state=DeliveryState.WAITING, retry_at=again, error=reason)
            unwell = {"failures": failures, "last_failed_at": now, "last_error": reason}
            unwell |= {"resting_until": None if rest is None else now + rest}
            session.execute(update(Channel).where(Channel.id == claim.channel.id).values(unwell))
        if noted:
            log.warning(
                "channel %d (%s) did not take a message: %s", claim.channel.id, claim.channel.kind, reason
            )

    # -- what is said ----------------------------------------------------------------------------
    def _envelope(self, claim: Claim) -> Envelope | None:
        said = self._message(claim)
        if said is None:
            return None
        channel = claim.channel
        return Envelope(
            channel.kind,
            self._box.decrypt(channel.address),
            claim.delivery.key,
            self._box.signing_secret(channel.id),
            said,
            self._clock.now(),
        )

    def _message(self, claim: Claim) -> Message | None:
        delivery, alert, now = claim.delivery, claim.alert, self._clock.now()
        mute = None if alert is None else self._box.link_token(MUTE, alert.id)
        links = Links(self._settings.root, "" if alert is None else alert.query, mute)
        if delivery.kind not in (MessageKind.DEAL, MessageKind.DIGEST):
            title, _, body = (delivery.body or "").partition("\n")
            if delivery.kind is MessageKind.SERVICE:
                links = Links(f"{self._settings.root}health")
            return message.of_words(delivery.kind, title, body, links)
        if alert is None or alert.state is AlertState.PAUSED:
            return None
        told = self._told(delivery, alert)
        if not told:
            return None
        gone = len(delivery.deals) - len(told)
        if delivery.deal_count == 1:
            return message.of_deal(alert.name, told[0], links, now)
        best = self._best(alert, told)
        return message.of_digest(alert.name, best, max(len(told), delivery.deal_count - gone), links, now)

    def _told(self, delivery: Delivery, alert: Alert) -> list[Told]:
        """The deals of a message that there still are, and that its reader did not hide since.

        An end is told of those that ended.
        """
        is_about_ended = _is_about_ended(alert)
        triggers = {(domain_id, asin): trigger for domain_id, asin, trigger, _ in delivery.deals}
        as_of = AsOf(self._clock.now(), self._settings.fresh_for)
        with self._database.session() as session:
            connection = session.connection()
            rows = DealTable(connection, as_of, LeftOut()).rows(list(triggers))
            marks = read_marks(connection, alert.person_id) if self._leaves_hidden(alert) else NO_MARKS
        return [
            Told(row, triggers[row.domain_id, row.asin])
            for row in rows
            if (row.ended_at is not None) == is_about_ended and not _is_hidden(row, marks)
        ]

    def _leaves_hidden(self, alert: Alert) -> bool:
        """Whether the alert's view leaves out what its owner hid."""
        try:
            view = parse_query(alert.query, domain_id=self._settings.domain_id)
        except ParameterError:
            return True
        return view.value_of(MARKED) is Marked.NOT_HIDDEN

    def _best(self, alert: Alert, told: list[Told]) -> list[Told]:
        """The first of them in the order of the alert's view."""
        try:
            view = parse_query(alert.query, domain_id=self._settings.domain_id)
            most = read_rule(alert.rule).best
        except (ParameterError, RuleError):
            return told[:10]
        column = SORTS[view.sort].column.key or ""

        def place(one: Told) -> tuple[bool, Any]:
            value = getattr(one.row, column, None)
            return value is None, value if value is not None else 0

        known = sorted((t for t in told if not place(t)[0]), key=place, reverse=view.descending)
        return [*known, *(t for t in told if place(t)[0])][:most]


def _is_hidden(row: DealRow, marks: Marks) -> bool:
    key = row.domain_id, row.asin
    return marks.hidden_by(key, row.price, row.brand, row.root_category) is not None


def _is_about_ended(alert: Alert) -> bool:
    try:
        return read_rule(alert.rule).is_about_ended
    except RuleError:
        return False
