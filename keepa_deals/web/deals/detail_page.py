"""The page of one deal."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, render_template, request

from keepa_deals.deals.ended_reasons import ENDED_REASONS
from keepa_deals.deals.money import notation
from keepa_deals.formats import as_data
from keepa_deals.web.deals import row as deal_row
from keepa_deals.web.deals import timeline
from keepa_deals.web.deals.detail import requested_deal, requested_row
from keepa_deals.web.deals.mark_forms import last_change
from keepa_deals.web.deals.own_links import own_links
from keepa_deals.web.deals.price_chart import curve
from keepa_deals.web.deals.selling import selling_of
from keepa_deals.web.deals.what_if import understood_what_if, what_if_json
from keepa_deals.web.http.addresses import parts_of
from keepa_deals.web.services import current_services
from keepa_deals.web.status.banner import banner

blueprint = Blueprint("detail_page", __name__)


@blueprint.get("/deals/<int:domain_id>/<asin>")
def deal(domain_id: int, asin: str) -> str:
    """One deal: what is known of it, its history, the events of its life, and what it would earn."""
    services = current_services()
    detail = requested_deal(services, domain_id, asin)
    with services.engine.connect() as connection:
        changed = last_change(connection)
    return render_template(
        "deals/detail.html",
        deal=deal_row.shown(detail.row, detail.as_of, request.script_root),
        curve=curve(detail),
        entries=timeline.entries(detail),
        reasons=ENDED_REASONS,
        what_if=understood_what_if(detail.row, services.pricing(), request.args.to_dict()),
        money_notation=as_data(notation(domain_id)),
        selling=selling_of(services, detail.row),
        own_links=own_links(services.settings.deal_links, detail.row),
        back=_way_back(),
        banner=banner(services.health.report()),
        marks=detail.marks,
        last_change=changed,
    )


@blueprint.get("/deals/<int:domain_id>/<asin>/economics")
def economics(domain_id: int, asin: str) -> Response:
    """The same economics for the page's script, while somebody types: a wrong term says why."""
    services = current_services()
    row = requested_row(services, domain_id, asin)
    asked = understood_what_if(row, services.pricing(), request.args.to_dict())
    return jsonify({**what_if_json(asked, row), "problems": asked.problems})


def _way_back() -> str:
    """The list that the reader came from; the default view otherwise."""
    came_from = parts_of(request.referrer or "")
    home = f"{request.script_root}/"
    if came_from.netloc == request.host and came_from.path == home and came_from.query:
        return f"{home}?{came_from.query}"
    return home
