"""One page of a view with everything around it: totals, categories, what a filter hides, the neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint, render_template

from keepa_deals.deals.freshness import AsOf
from keepa_deals.marks.changes import LastChange
from keepa_deals.query.contradictions import contradictions
from keepa_deals.query.cursor import Cursor
from keepa_deals.query.filters import FILTERS
from keepa_deals.query.filters.scope import Status
from keepa_deals.query.intervals import Interval
from keepa_deals.query.named_views import NamedView, read_named_views
from keepa_deals.query.reader import Category, DealReader
from keepa_deals.query.search_names import read_search_names
from keepa_deals.query.sorts import SORTS
from keepa_deals.query.view import View
from keepa_deals.web.auth.guard import current_person
from keepa_deals.web.deals import controls
from keepa_deals.web.deals.active_filters import chips
from keepa_deals.web.deals.mark_forms import change_of_page
from keepa_deals.web.deals.request import requested_cursor, requested_since, understood_view
from keepa_deals.web.deals.row_cache import Line, lines
from keepa_deals.web.deals.saved_views import deleted_view
from keepa_deals.web.services import Services, current_services
from keepa_deals.web.status.banner import banner

blueprint = Blueprint("list_page", __name__)

OLDEST_PAGE = timedelta(days=2)
"""A page that was left open for longer is told of the arrivals of this time."""


@dataclass(frozen=True, slots=True)
class ListPage:
    """What the deals page shows."""

    view: View
    as_of: AsOf
    news_since: datetime
    """What happened later is not in it."""
    deals: Sequence[Line]
    total: int
    statuses: Mapping[Status, int | None]
    """How many deals of each status the view's other filters leave."""
    hidden: Mapping[str, int]
    """For being unknown to filters."""
    put_aside: int
    """Left out because the reader hid them."""
    categories: Sequence[Category]
    searches: Mapping[int, str]
    """Their names."""
    named: Sequence[NamedView]
    view_counts: Mapping[str, int]
    """How many deals a named view has, by its query string, as far as it is known."""
    last_change: LastChange | None
    """What the reader marked on the way to this page, as long as it can be taken back."""
    here: str
    """The query string that leads back to it."""
    previous: str | None
    next: str | None


@blueprint.get("/")
def deals() -> str:
    """The deals of a view, one page of them. ``since`` marks those that are newer."""
    services = current_services()
    asked = understood_view(services)
    view = asked.view
    opposed = contradictions(view)
    shown = browse(services, view, requested_cursor(view), requested_since())
    return render_template(
        "deals/list.html",
        browse=shown,
        view=view,
        chips=chips(view, {category.id: category.name for category in shown.categories}, shown.searches),
        searches=controls.searches(view, shown.searches),
        sorts=SORTS,
        filters=FILTERS,
        form=controls.form(view, asked.mistakes, opposed),
        mistakes=controls.mistakes(view, asked.mistakes),
        opposed=opposed,
        intervals=Interval,
        status_choices=controls.statuses(view, shown.statuses),
        choices=controls,
        fresh_seconds=int(shown.as_of.fresh_for.total_seconds()),
        deleted=deleted_view(view, shown.named),
        banner=banner(services.health.report()),
    )


def browse(services: Services, view: View, cursor: Cursor | None, since: datetime | None = None) -> ListPage:
    """The page of ``view`` at ``cursor`` and what surrounds it; deals that came after ``since`` are new."""
    as_of = services.as_of()
    with services.reading(as_of, current_person().id) as reader:
        named = read_named_views(reader.connection, current_person().id)
        newest = reader.newest_event(view)
        statuses = count_statuses(reader, view)  # first: the other questions search among its deals
        page = reader.page(view, cursor)
        return ListPage(
            view=view,
            as_of=as_of,
            news_since=newest or as_of.now - OLDEST_PAGE,
            deals=lines(page.rows, view, as_of, since, reader.marks),
            total=statuses[view.status] or 0,
            statuses=statuses,
            hidden=reader.count_hidden(view),
            put_aside=reader.count_put_aside(view),
            categories=reader.categories(view),
            searches=read_search_names(reader.connection),
            named=named,
            view_counts=count_views(services, named, reader),
            last_change=change_of_page(reader.connection),
            here=view.query(cursor=cursor.encode()) if cursor else view.query(),
            previous=page.previous.encode() if page.previous else None,
            next=page.next.encode() if page.next else None,
        )


def count_views(services: Services, named: Sequence[NamedView], reader: DealReader) -> Mapping[str, int]:
    """How many deals the named views have."""
    queries = [one.query for one in named]
    return services.view_counts.of(queries, reader, services.settings.keepa_domain_id)


def count_statuses(reader: DealReader, view: View) -> dict[Status, int | None]:
    """How many deals of each status there are under the other filters of ``view``.

    Those of the view's own are counted whatever it takes, the others not (``None``) while it takes long.
    """
    if reader.is_catching_up:
        return {**dict.fromkeys(Status), view.status: reader.count(view)}
    live, stale, ended = reader.count_by_status(view)
    return {
        Status.LIVE: live,
        Status.STALE: stale,
        Status.ENDED: ended,
        Status.OPEN: live + stale,
        Status.ALL: live + stale + ended,
    }
