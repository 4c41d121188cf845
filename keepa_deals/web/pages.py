"""The pages for people: the deals, one deal, the state of the service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, render_template, request
from sqlalchemy.exc import SQLAlchemyError

from keepa_deals.deals.economics import Costs
from keepa_deals.deals.money import notation
from keepa_deals.formats import as_data
from keepa_deals.humanize import age_text, duration_text
from keepa_deals.query.columns import RANGES, SORTS, Interval
from keepa_deals.query.view import FLAGS, ParameterError
from keepa_deals.web.deals import controls, timeline
from keepa_deals.web.deals import row as deal_row
from keepa_deals.web.deals.active_filters import STATUS_WORDS, chips
from keepa_deals.web.deals.list_page import browse, requested_cursor, requested_deal, requested_view
from keepa_deals.web.deals.polling import requested_since
from keepa_deals.web.deals.price_chart import curve
from keepa_deals.web.deals.what_if import what_if
from keepa_deals.web.http.addresses import parts_of
from keepa_deals.web.services import Services, services
from keepa_deals.web.status import actions as status_actions
from keepa_deals.web.status import charts, panels
from keepa_deals.web.status.banner import banner, problem_title

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def deals() -> str:
    """The deals of a view, one page of them. ``since`` marks those that are newer."""
    here = services()
    view = requested_view(here)
    shown = browse(here, view, requested_cursor(view), requested_since())
    return render_template(
        "deals/list.html",
        browse=shown,
        view=view,
        chips=chips(view, {category.id: category.name for category in shown.categories}),
        sorts=SORTS,
        ranges=RANGES,
        flags=FLAGS,
        intervals=Interval,
        statuses=STATUS_WORDS,
        status_choices=controls.statuses(view, shown.statuses),
        choices=controls,
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
        "deals/detail.html",
        deal=deal_row.shown(found.row, found.moment),
        curve=curve(found),
        entries=timeline.entries(found),
        reasons=deal_row.ENDED_REASONS,
        what_if=what_if(found.row, costs, request.args.to_dict()),
        money_notation=as_data(notation(domain_id)),
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
        copy=here.replica.state(),
    )


def _past(here: Services, hours: int) -> tuple[charts.Curve, Sequence[Any], Sequence[Any]]:
    """The curve, the runs and the actions; nothing when the database is what the reader came to see about."""
    try:
        with here.engine.connect() as connection:
            return (
                charts.read_curve(connection, hours, here.clock.now()),
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
