"""The page on the state of the service."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, render_template, request
from sqlalchemy.exc import SQLAlchemyError

from keepa_deals.health.problems import problem_title
from keepa_deals.humanize import age_text, duration_text
from keepa_deals.query.parameters import ParameterError
from keepa_deals.web.services import Services, current_services
from keepa_deals.web.status import actions as status_actions
from keepa_deals.web.status import charts, panels
from keepa_deals.web.status.rows import ActionRow, RunRow

blueprint = Blueprint("status_page", __name__)


@blueprint.get("/health")
def health() -> str:
    """The state of the service, in words."""
    services = current_services()
    report = services.health.report()
    hours = _requested_hours()
    curve, runs, actions = _past(services, hours)
    return render_template(
        "status/page.html",
        report=report,
        age=age_text,
        lasted=duration_text,
        title_of=problem_title,
        now=report.taken_at,
        curve=curve,
        jobs=panels.job_lines(report),
        lanes=panels.lanes(report.tokens.value),
        forecast=(steps := panels.forecast(report.deals.value)),
        forecast_words=panels.forecast_words(steps),
        expected_words=panels.expected_words(report.forecast),
        movements=panels.movements(report.flow.value),
        spans=charts.SPANS,
        runs=runs,
        actions=actions,
        copy=services.column_cache.state(),
    )


def _past(services: Services, hours: int) -> tuple[charts.Curve, Sequence[RunRow], Sequence[ActionRow]]:
    """The curve, the runs and the actions; nothing when the database is what the reader came to see about."""
    try:
        with services.engine.connect() as connection:
            return (
                charts.read_curve(connection, hours, services.clock.now()),
                charts.read_runs(connection),
                status_actions.read_actions(connection),
            )
    except SQLAlchemyError:
        return charts.Curve(hours, ()), (), ()


def _requested_hours() -> int:
    text = request.args.get("hours", str(charts.DEFAULT_SPAN))
    if text not in map(str, charts.SPANS):
        raise ParameterError("hours", f"must be one of {', '.join(map(str, charts.SPANS))}")
    return int(text)
