"""The JSON API under ``/api``. Its description is in ``openapi.py``; a test holds the two together."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from keepa_deals.query import reader
from keepa_deals.web.api import openapi
from keepa_deals.web.deals import row as deal_row
from keepa_deals.web.deals.list_page import requested_cursor, requested_deal, requested_view
from keepa_deals.web.services import services

blueprint = Blueprint("api", __name__, url_prefix="/api")


@blueprint.get("/deals")
def deals() -> Response:
    """One page of a view: ``{"deals": […], "total": n, "next": cursor | null}``."""
    here = services()
    view = requested_view(here, strict=True, extra=("cursor",))
    cursor = requested_cursor(view)
    moment = here.moment()
    with here.reading() as reads:
        page = reader.read_page(reads, view, moment, cursor)
        total = reader.count(reads, view, moment)
    return jsonify(
        deals=[deal_row.to_json(row, moment) for row in page.rows],
        total=total,
        next=page.next.encode() if page.next else None,
    )


@blueprint.get("/deals/<int:domain_id>/<asin>")
def deal(domain_id: int, asin: str) -> Response:
    """One deal with its recorded history and the events of its life."""
    found = requested_deal(services(), domain_id, asin)
    return jsonify(
        deal=deal_row.to_json(found.row, found.moment),
        history=[deal_row.point_json(point) for point in found.points],
        keepa_history=deal_row.past_json(found.past, found.past_read_at) if found.past else None,
        events=[deal_row.event_json(event) for event in found.events],
    )


@blueprint.get("/status")
def status() -> Response:
    """The state of the service, as ``health.collect()`` sees it now."""
    response = jsonify(services().health.report().to_status())
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/openapi.json")
def description() -> Response:
    """The OpenAPI description of all of this."""
    return jsonify(openapi.describe())
