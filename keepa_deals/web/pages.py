"""The pages for people: the deals, one deal, the state of the service."""

from __future__ import annotations

from flask import Blueprint, render_template

from keepa_deals.health.readiness import age_text
from keepa_deals.health.report import HealthReport
from keepa_deals.web import present
from keepa_deals.web.browse import browse, requested_cursor, requested_deal, requested_view
from keepa_deals.web.columns import RANGES, SORTS
from keepa_deals.web.services import services
from keepa_deals.web.view import FLAGS, Status

blueprint = Blueprint("pages", __name__)

STATUS_WORDS = {
    Status.LIVE: "live",
    Status.STALE: "stale",
    Status.OPEN: "live and stale",
    Status.ENDED: "ended",
    Status.ALL: "all",
}


@blueprint.get("/")
def deals() -> str:
    """The deals of a view, one page of them."""
    here = services()
    view = requested_view(here)
    shown = browse(here, view, requested_cursor(view))
    return render_template(
        "deals.html",
        browse=shown,
        view=view,
        sorts=SORTS,
        ranges=RANGES,
        flags=FLAGS,
        statuses=STATUS_WORDS,
        banner=_banner(here.health.report()),
    )


@blueprint.get("/deals/<int:domain_id>/<asin>")
def deal(domain_id: int, asin: str) -> str:
    """One deal: what is known of it, its history and the events of its life."""
    found = requested_deal(services(), domain_id, asin)
    return render_template(
        "deal.html",
        deal=present.shown(found.row, found.moment),
        points=found.points[::-1],
        events=found.events,
        words=present.EVENT_WORDS,
        reasons=present.ENDED_REASONS,
    )


@blueprint.get("/health")
def health() -> str:
    """The state of the service, in words."""
    report = services().health.report()
    return render_template("health.html", report=report, age=age_text, now=report.taken_at)


def _banner(report: HealthReport) -> str | None:
    """Why the deals may be old, in one sentence; ``None`` while the service is well."""
    if not report.problems:
        return None
    return "; ".join(problem.text for problem in report.problems)
