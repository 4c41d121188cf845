"""The pages for people: the deals, one deal, the state of the service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, render_template, request
from sqlalchemy.exc import SQLAlchemyError

from keepa_deals.health.readiness import age_text, duration_text
from keepa_deals.ingest.economics import Costs
from keepa_deals.web import choices, history, life, operate, operations, present
from keepa_deals.web.addresses import parts_of
from keepa_deals.web.banner import banner, problem_title
from keepa_deals.web.browse import browse, requested_cursor, requested_deal, requested_view
from keepa_deals.web.chips import STATUS_WORDS, chips
from keepa_deals.web.columns import RANGES, SORTS, Interval
from keepa_deals.web.curve import curve
from keepa_deals.web.live import requested_since
from keepa_deals.web.money import market
from keepa_deals.web.services import Services, services
from keepa_deals.web.view import FLAGS, ParameterError
from keepa_deals.web.whatif import what_if

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def deals() -> str:
    """The deals of a view, one page of them. ``since`` marks those that are newer."""
    here = services()
    view = requested_view(here)
    shown = browse(here, view, requested_cursor(view), requested_since())
    return render_template(
        "deals.html",
        browse=shown,
        view=view,
        chips=chips(view, {category.id: category.name for category in shown.categories}),
        sorts=SORTS,
        ranges=RANGES,
        flags=FLAGS,
        intervals=Interval,
        statuses=STATUS_WORDS,
        status_choices=choices.statuses(view, shown.statuses),
        choices=choices,
        fresh_seconds=int(shown.moment.fresh.total_seconds()),
        banner=banner(here.health.report()),
    )


@blueprint.get("/deals/<int:domain_id>/<asin>")
def deal(domain_id: int, asin: str) -> str:
    """One deal: what is known of it, its history, the events of its life, and what it would earn."""
    here = services()
    found = requested_deal(here, domain_id, asin)
    costs = Costs(here.settings.prep_cost, here.settings.shipping_cost)
    return render_template(
        "deal.html",
        deal=present.shown(found.row, found.moment),
        curve=curve(found),
        entries=life.entries(found),
        reasons=present.ENDED_REASONS,
        what_if=what_if(found.row, costs, request.args.to_dict()),
        market=market(domain_id),
        back=_way_back(),
        banner=banner(here.health.report()),
    )


def _way_back() -> str:
    """The list that the reader came from; the default view otherwise."""
    came_from = parts_of(request.referrer or "")
    if came_from.netloc == request.host and came_from.path == "/" and came_from.query:
        return f"/?{came_from.query}"
    return "/"


@blueprint.get("/health")
def health() -> str:
    """The state of the service, in words."""
    here = services()
    report = here.health.report()
    hours = _requested_hours()
    curve, runs, actions = _past(here, hours)
    return render_template(
        "health.html",
        report=report,
        age=age_text,
        lasted=duration_text,
        title_of=problem_title,
        now=report.taken_at,
        curve=curve,
        jobs=operations.job_lines(report),
        lanes=operations.lanes(report.tokens.value),
        forecast=(steps := operations.forecast(report.deals.value)),
        forecast_words=operations.forecast_words(steps),
        expected_words=operations.expected_words(report.forecast),
        movements=operations.movements(report.flow.value),
        spans=history.SPANS,
        runs=runs,
        actions=actions,
        copy=here.replica.state(),
    )


def _past(here: Services, hours: int) -> tuple[history.Curve, Sequence[Any], Sequence[Any]]:
    """The curve, the runs and the actions; nothing when the database is what the reader came to see about."""
    try:
        with here.engine.connect() as connection:
            return (
                history.read_curve(connection, hours, here.clock.now()),
                history.read_runs(connection),
                operate.read_actions(connection),
            )
    except SQLAlchemyError:
        return history.Curve(hours, ()), (), ()


def _requested_hours() -> int:
    text = request.args.get("hours", str(history.DEFAULT_SPAN))
    if text not in map(str, history.SPANS):
        raise ParameterError("hours", f"must be one of {', '.join(map(str, history.SPANS))}")
    return int(text)
