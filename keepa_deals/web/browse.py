"""One page of a view with everything around it: totals, categories, what a filter hides, the neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import request
from werkzeug.datastructures import MultiDict

from keepa_deals.web import store
from keepa_deals.web.paging import Cursor, decode_cursor
from keepa_deals.web.present import Shown, shown
from keepa_deals.web.services import Services
from keepa_deals.web.store import Category, Moment
from keepa_deals.web.view import VIEW_PARAMETERS, View, parse_view, reject_unknown


@dataclass(frozen=True, slots=True)
class Browse:
    """What the deals page shows."""

    view: View
    moment: Moment
    deals: Sequence[Shown]
    total: int
    hidden: Mapping[str, int]
    categories: Sequence[Category]
    previous: str | None
    next: str | None


def arguments() -> dict[str, list[str]]:
    """The present request's parameters, each with all its values."""
    given: MultiDict[str, str] = request.args
    return {name: given.getlist(name) for name in given}


def requested_view(services: Services, *, strict: bool = False, extra: Sequence[str] = ()) -> View:
    """The view that the request asks for. ``strict`` (programs) refuses unknown and empty parameters."""
    given = arguments()
    if strict:
        reject_unknown(given, (*VIEW_PARAMETERS, *extra))
    return parse_view(given, domain_id=services.settings.keepa_domain_id, lenient=not strict)


def requested_cursor(view: View) -> Cursor | None:
    token = request.args.get("cursor")
    return decode_cursor(token, view.sort, view.order) if token is not None else None


def browse(services: Services, view: View, cursor: Cursor | None) -> Browse:
    """The page of ``view`` at ``cursor`` and what surrounds it."""
    moment = services.moment()
    with services.engine.connect() as connection:
        page = store.read_page(connection, view, moment, cursor)
        return Browse(
            view=view,
            moment=moment,
            deals=[shown(row, moment) for row in page.rows],
            total=store.count(connection, view, moment),
            hidden=store.count_hidden(connection, view, moment),
            categories=store.count_categories(connection, view, moment),
            previous=page.previous.encode() if page.previous else None,
            next=page.next.encode() if page.next else None,
        )
