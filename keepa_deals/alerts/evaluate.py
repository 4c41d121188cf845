"""Which alerts speak of the deals that changed: each change is looked at once, whatever is killed.

What is found and that it was looked at are one transaction. Another process that looked at the same changes
meanwhile leaves nothing to delete, and then nothing of ours is written.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from keepa_deals.alerts import outbox
from keepa_deals.alerts.candidates import MAX_ASINS, Candidates, Key, prices_before, read_candidates
from keepa_deals.alerts.outbox import Tiding
from keepa_deals.alerts.rules import Rule, Told, Trigger, occasion, read_rule, should_tell
from keepa_deals.alerts.schedule import RuleError
from keepa_deals.db.models import Alert, AlertChange, AlertChannel, AlertMemory, AlertState
from keepa_deals.db.session import Database
from keepa_deals.db.upsert import write_memories
from keepa_deals.deals.freshness import AsOf
from keepa_deals.marks.marks import Marks
from keepa_deals.marks.reading import read_marks
from keepa_deals.query.parameters import ParameterError
from keepa_deals.query.parse import parse_query
from keepa_deals.query.view import View

log = logging.getLogger(__name__)

BATCH = 1000
"""Changes that are looked at together."""
_CHANGE, _MEMORY = AlertChange.__table__.c, AlertMemory.__table__.c
_TOLD = select(_MEMORY.domain_id, _MEMORY.asin, _MEMORY.occasion, _MEMORY.told_at, _MEMORY.price).where(
    _MEMORY.alert_id == bindparam("alert"), _MEMORY.asin.in_(bindparam("asins", expanding=True))
)


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """An alert that looks, understood."""

    id: int
    view: View
    rule: Rule
    since: datetime
    channels: Sequence[int]
    marks: Marks
    """Its owner's: what they hid they are not told of."""


@dataclass
class Findings:
    """What a look at some changes led to."""

    changes: Sequence[int] = ()
    tidings: dict[int, list[Tiding]] = field(default_factory=dict)
    """By alert."""
    alerts: dict[int, ActiveAlert] = field(default_factory=dict)
    broken: dict[int, str] = field(default_factory=dict)
    """Alerts that are no longer understood, each with the reason."""


class _OvertakenError(Exception):
    """Somebody else has looked at these changes."""


def evaluate(database: Database, as_of: AsOf, domain_id: int) -> int:
    """Look at the oldest changes and note what is to be told; how many changes that were."""
    with database.session() as session:
        findings = find(session.connection(), as_of, domain_id)
    if not findings.changes and not findings.broken:
        return 0
    try:
        with database.begin() as session:
            _write(session, findings, as_of.now)
    except _OvertakenError:
        log.info("another process has looked at these changes")
    return len(findings.changes)


def find(connection: Connection, as_of: AsOf, domain_id: int) -> Findings:
    """What is to be told of the oldest changes."""
    changes = connection.execute(
        select(_CHANGE.id, _CHANGE.domain_id, _CHANGE.asin).order_by(_CHANGE.id).limit(BATCH)
    ).all()
    findings = Findings([change.id for change in changes])
    if not changes:
        return findings
    for alert in _alerts(connection, as_of.now, domain_id, findings):
        findings.alerts[alert.id] = alert
    candidates = read_candidates(connection, [(c.domain_id, c.asin) for c in changes], as_of)
    for alert in findings.alerts.values():
        if tidings := tidings_of(connection, alert, candidates):
            findings.tidings[alert.id] = tidings
    return findings


@lru_cache(maxsize=1024)
def _view(query: str, domain_id: int) -> View:
    return parse_query(query, domain_id=domain_id)


def _alerts(
    connection: Connection, now: datetime, domain_id: int, findings: Findings
) -> Iterator[ActiveAlert]:
    """The alerts that look now; those that are not understood are noted as broken."""
    channels: dict[int, list[int]] = {}
    for alert_id, channel_id in connection.execute(select(AlertChannel.alert_id, AlertChannel.channel_id)):
        channels.setdefault(alert_id, []).append(channel_id)
    marks: dict[int | None, Marks] = {}
    columns = (
        *(Alert.id, Alert.person_id, Alert.query, Alert.rule),
        *(Alert.active_since, Alert.muted_until),
    )
    for row in connection.execute(select(*columns).where(Alert.state == AlertState.ACTIVE)):
        if row.muted_until is not None and row.muted_until > now:
            continue
        try:
            view = _view(row.query, domain_id)
            rule = read_rule(row.rule)
        except (ParameterError, RuleError, AttributeError) as error:
            findings.broken[row.id] = str(error)
            continue
        if row.person_id not in marks:
            marks[row.person_id] = read_marks(connection, row.person_id)
        its = channels.get(row.id, ())
        yield ActiveAlert(row.id, view, rule, row.active_since, its, marks[row.person_id])


def tidings_of(connection: Connection, alert: ActiveAlert, candidates: Candidates) -> list[Tiding]:
    """What an alert has to tell of these deals."""
    rule, since, now = alert.rule, alert.since, candidates.as_of.now
    keys = candidates.of(alert.view, alert.marks, ended=rule.is_about_ended)
    facts = candidates.facts
    moments = {key: at for key in keys if (at := occasion(rule, facts[key], since)) is not None}
    if not moments:
        return []
    told = _told(connection, alert.id, list(moments))
    before: dict[Key, int | None] = {}
    if rule.trigger is Trigger.CHEAPER:  # of what was told, the price that was told counts
        before = prices_before(connection, [key for key in moments if key not in told], since)
    return [
        Tiding(*key, rule.trigger, facts[key].price, moment)
        for key, moment in moments.items()
        if should_tell(rule, facts[key], told.get(key), moment, now, before.get(key))
    ]


def _told(connection: Connection, alert_id: int, keys: Sequence[Key]) -> dict[Key, Told]:
    told: dict[Key, Told] = {}
    for start in range(0, len(keys), MAX_ASINS):
        asins = [asin for _, asin in keys[start : start + MAX_ASINS]]
        for domain_id, asin, *values in connection.execute(_TOLD, {"alert": alert_id, "asins": asins}).all():
            told[domain_id, asin] = Told(*values)
    return told


def _write(session: Session, findings: Findings, now: datetime) -> None:
    _take(session, findings.changes)
    for alert_id, reason in findings.broken.items():
        paused = {"state": AlertState.PAUSED, "problem": f"Its view is no longer understood: {reason}"}
        session.execute(update(Alert).where(Alert.id == alert_id).values(paused))
        log.warning("alert %d is paused: %s", alert_id, reason)
    # An alert that was deleted meanwhile takes what it would have told along.
    there = set(session.scalars(select(Alert.id).where(Alert.id.in_(findings.tidings))))
    memories = []
    for alert_id in sorted(there):
        tidings = findings.tidings[alert_id]
        memories += [
            {
                "alert_id": alert_id,
                "domain_id": tiding.domain_id,
                "asin": tiding.asin,
                "occasion": tiding.at,
                "told_at": now,
                "price": tiding.price,
            }
            for tiding in tidings
        ]
        alert = findings.alerts[alert_id]
        outbox.put(session, alert_id, alert.channels, alert.rule, tidings, now)
        told = {"last_told_at": now, "told_count": Alert.told_count + len(tidings)}
        session.execute(update(Alert).where(Alert.id == alert_id).values(told))
    write_memories(session, memories)


def _take(session: Session, changes: Sequence[int]) -> None:
    """Delete the changes that were looked at; ``_OvertakenError`` when one of them is gone already."""
    for start in range(0, len(changes), MAX_ASINS):
        some = changes[start : start + MAX_ASINS]
        gone = session.execute(
            delete(AlertChange).where(AlertChange.id.in_(some)),
            execution_options={"synchronize_session": False},
        )
        assert isinstance(gone, CursorResult)
        if gone.rowcount != len(some):
            raise _OvertakenError
