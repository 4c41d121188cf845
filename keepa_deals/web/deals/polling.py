"""What a page that is open already wants to know: how its deals are now, and whether new ones came.

The answer is a piece of HTML made by the templates of the page itself, so that a renewed row can't look
different from a loaded one. ``since`` is when the newest event happened of which the page knew, ``keys``
are the deals that it shows: they are read by their keys, so that a deal that ended or left the view is
told, not silently kept.
"""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template, request

from keepa_deals.query.filters import FILTERS
from keepa_deals.query.named_views import read_named_views
from keepa_deals.web.auth.guard import current_person
from keepa_deals.web.deals import controls
from keepa_deals.web.deals.list_page import OLDEST_PAGE, count_statuses, count_views
from keepa_deals.web.deals.request import read_keys, requested_since, understood_view
from keepa_deals.web.deals.row_cache import lines
from keepa_deals.web.services import current_services
from keepa_deals.web.status.banner import banner

blueprint = Blueprint("live", __name__)


@blueprint.get("/live")
def live() -> Response:
    """The banner, the totals, how many new deals came since, and the rows of ``keys`` as they are now."""
    services = current_services()
    view = understood_view(services).view  # the page has said what is not understood
    as_of = services.as_of()
    since = max(requested_since() or as_of.now, as_of.now - OLDEST_PAGE)
    with services.reading(as_of, current_person().id) as reader:
        rows = reader.rows(requested_keys())
        counts = count_statuses(reader, view)
        named = read_named_views(reader.connection, current_person().id)
        page = render_template(
            "deals/polled.html",
            view=view,
            as_of=as_of,
            since=since,
            deals=lines(rows, view, as_of, marks=reader.marks),
            total=counts[view.status] or 0,
            status_choices=controls.statuses(view, counts),
            named_views=controls.named(view, named, count_views(services, named, reader)),
            hidden=reader.count_hidden(view),
            put_aside=reader.count_put_aside(view),
            arrived=reader.table.count_arrived(view, since),
            banner=banner(services.health.report()),
            filters=FILTERS,
        )
    response = make_response(page)
    response.headers["Cache-Control"] = "no-store"
    return response


def requested_keys() -> list[tuple[int, str]]:
    """The parameter ``keys``: ``1-B000000000`` and so on, separated by commas."""
    text = request.args.get("keys", "")
    return read_keys(text.split(",") if text else [])
