"""The buttons of the health page: run a job now, pause and resume the backfill. Guarded and recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from flask import Blueprint, redirect, request, url_for
from kombu.exceptions import OperationalError
from sqlalchemy import Connection, delete, select, update
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from keepa_deals.db.models import JobState, OperatorAction
from keepa_deals.db.upsert import ensure_job
from keepa_deals.health.report import HealthReport
from keepa_deals.jobs import BACKFILL_JOB, Job
from keepa_deals.query.parameters import ParameterError
from keepa_deals.web.auth.guard import current_person
from keepa_deals.web.services import Services, current_services
from keepa_deals.web.status.panels import why_blocked
from keepa_deals.web.status.rows import ActionRow
from keepa_deals.worker.dispatch import RUNNABLE

blueprint = Blueprint("operate", __name__)

BETWEEN_RUNS = timedelta(seconds=5)
"""How soon after a "run now" the same job may be sent again."""
SENT = "sent to its queue"
MAX_ACTIONS = 1000
"""Recorded actions that are kept."""


# -- the requests --------------------------------------------------------------------------------
@blueprint.post("/health/run")
def run_now() -> Response:
    """Send the job that the form names to its queue, unless it runs or waits there already."""
    services = current_services()
    job = RUNNABLE.get(request.form.get("job", ""))
    if job is None:
        raise ParameterError("job", f"must be one of {', '.join(RUNNABLE)}")
    outcome = _refusal(services, services.health.refresh(), job) or _sent(services, job)
    _record(services, "run now", job.name, outcome)
    return redirect(url_for("status_page.health", _anchor="actions"), 303)


@blueprint.post("/health/backfill")
def pause_or_resume() -> Response:
    """Pause the backfill, or let it go on."""
    wanted = {"pause": True, "resume": False}.get(request.form.get("action", ""))
    if wanted is None:
        raise ParameterError("action", "must be one of pause, resume")
    services = current_services()
    with services.database.begin() as session:
        ensure_job(session, BACKFILL_JOB.name)
        was = session.get_one(JobState, BACKFILL_JOB.name, with_for_update=True).paused
        session.execute(update(JobState).where(JobState.name == BACKFILL_JOB.name).values(paused=wanted))
        words = "paused: a slice that is under way still ends" if wanted else "goes on with the next slice"
        outcome = words if was != wanted else f"was {'paused' if wanted else 'not paused'} already"
        session.add(_action(services, "pause" if wanted else "resume", BACKFILL_JOB.name, outcome))
        _prune(session)
    services.health.forget()
    return redirect(url_for("status_page.health", _anchor="actions"), 303)


def _refusal(services: Services, report: HealthReport, job: Job) -> str | None:
    """Why the job is not sent; ``None`` when nothing speaks against it."""
    blocked = why_blocked(report, job)
    if blocked is not None:
        return f"not sent: {blocked}"
    return "not sent: it was sent a moment ago" if _sent_lately(services, job) else None


def _sent_lately(services: Services, job: Job) -> bool:
    table = OperatorAction.__table__.c
    query = select(table.id).where(
        table.at > services.clock.now() - BETWEEN_RUNS, table.target == job.name, table.outcome == SENT
    )
    with services.engine.connect() as connection:
        return connection.execute(query.limit(1)).first() is not None


def _sent(services: Services, job: Job) -> str:
    try:
        services.send(job)
    except OperationalError:
        return "not sent: Redis does not answer"
    return SENT


# -- the record ----------------------------------------------------------------------------------
def _action(services: Services, action: str, target: str, outcome: str) -> OperatorAction:
    actor = current_person().name or (request.remote_addr or "unknown")[:48]
    return OperatorAction(at=services.clock.now(), actor=actor, action=action, target=target, outcome=outcome)


def _record(services: Services, action: str, target: str, outcome: str) -> None:
    with services.database.begin() as session:
        record_in(session, services, action, target, outcome)


def record_in(session: Session, services: Services, action: str, target: str, outcome: str) -> None:
    """Record what somebody did, in the transaction that does it."""
    session.add(_action(services, action, target, outcome))
    _prune(session)


def _prune(session: Session) -> None:
    """Forget the oldest actions, so that the table is bounded whatever is sent."""
    table = OperatorAction.__table__.c
    oldest = select(table.id).order_by(table.id.desc()).offset(MAX_ACTIONS).limit(1)
    if (last := session.scalar(oldest)) is not None:
        session.execute(delete(OperatorAction).where(OperatorAction.id <= last))


def read_actions(connection: Connection, most: int = 10) -> Sequence[ActionRow]:
    """The latest actions, newest first (``at, actor, action, target, outcome``)."""
    table = OperatorAction.__table__.c
    query = select(*(table[name] for name in ActionRow._fields))
    latest = query.order_by(table.at.desc(), table.id.desc()).limit(most)
    return [ActionRow(*row) for row in connection.execute(latest)]
