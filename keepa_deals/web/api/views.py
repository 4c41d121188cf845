"""The JSON API under ``/api``. Its description is in ``openapi.py``; a test holds the two together."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, Response, jsonify, request

from keepa_deals.health.parts.searches import read as read_searches
from keepa_deals.web.api import openapi
from keepa_deals.web.auth.guard import current_person
from keepa_deals.web.deals.detail import requested_deal, requested_row
from keepa_deals.web.deals.marked_rows import MarkedRow, marked_rows
from keepa_deals.web.deals.request import requested_cursor, requested_view
from keepa_deals.web.deals.serializers import deal_json, event_json, past_json, point_json
from keepa_deals.web.deals.what_if import read_terms, what_if, what_if_json
from keepa_deals.web.services import current_services

blueprint = Blueprint("api", __name__, url_prefix="/api")


@blueprint.get("/deals")
def deals() -> Response:
    """One page of a view: ``{"deals": […], "total": n, "hidden": n by marks, "next": cursor | null}``."""
    services = current_services()
    view = requested_view(services, extra=("cursor",))
    cursor = requested_cursor(view)
    as_of = services.as_of()
    person = current_person().id
    with services.reading(as_of, person) as reader:
        page = reader.page(view, cursor)
        rows = marked_rows(reader.connection, reader.marks, person, page.rows)
        total, put_aside = reader.count(view), reader.count_put_aside(view)
    return jsonify(
        deals=[deal_json(row, as_of, request.script_root) for row in rows],
        total=total,
        hidden=put_aside,
        next=page.next.encode() if page.next else None,
    )


@blueprint.get("/deals/<int:domain_id>/<asin>")
def deal(domain_id: int, asin: str) -> Response:
    """One deal with its recorded history and the events of its life."""
    detail = requested_deal(current_services(), domain_id, asin)
    return jsonify(
        deal=deal_json(MarkedRow(detail.row, detail.marks), detail.as_of, request.script_root),
        history=[point_json(point) for point in detail.points],
        keepa_history=past_json(detail.past, detail.past_read_at) if detail.past else None,
        events=[event_json(event) for event in detail.events],
    )


@blueprint.get("/deals/<int:domain_id>/<asin>/economics")
def economics(domain_id: int, asin: str) -> Response:
    """What one unit of a deal earns, term by term; a parameter stands in the place of what is known."""
    services = current_services()
    row = requested_row(services, domain_id, asin)
    typed = read_terms(request.args.to_dict(flat=False))
    return jsonify(what_if_json(what_if(row, services.pricing(), typed), row))


@blueprint.get("/status")
def status() -> Response:
    """The state of the service, as ``health.collect()`` sees it now."""
    services = current_services()
    cache = services.column_cache.state()
    response = jsonify({**services.health.report().to_status(), "column_cache": asdict(cache)})
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/searches")
def searches() -> Response:
    """The searches, in the order in which they were made."""
    services = current_services()
    found = read_searches(services.database.engine, services.clock.now(), services.settings.fresh_for)
    return jsonify(searches=[search.to_json() for search in found])


@blueprint.get("/openapi.json")
def description() -> Response:
    """The OpenAPI description of all of this."""
    return jsonify(openapi.describe(request.script_root))
