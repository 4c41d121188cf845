"""One page of a view with everything around it: totals, categories, what a filter hides, the neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint, render_template
from sqlalchemy import Connection

from keepa_deals.query import reader
from keepa_deals.query.cache.cache import Reading
from keepa_deals.query.cache.refresh import select_newest_event
from keepa_deals.query.cursor import Cursor
from keepa_deals.query.filters import FILTERS
from keepa_deals.query.filters.scope import Status
from keepa_deals.query.intervals import Interval
from keepa_deals.query.reader import Category, Moment
from keepa_deals.query.sorts import SORTS
from keepa_deals.query.view import View
from keepa_deals.web.deals import controls, saved_views
from keepa_deals.web.deals.active_filters import chips
from keepa_deals.web.deals.request import requested_cursor, requested_since, requested_view
from keepa_deals.web.deals.row_cache import Line, lines
from keepa_deals.web.deals.saved_views import Named
from keepa_deals.web.services import Services, current_services
from keepa_deals.web.status.banner import banner

blueprint = Blueprint("list_page", __name__)

OLDEST_PAGE = timedelta(days=2)
"""A page that was left open for longer is told of the arrivals of this time."""


@dataclass(frozen=True, slots=True)
class ListPage:
    """What the deals page shows."""

    view: View
    moment: Moment
    news_since: datetime
    """What happened later is not in it."""
    deals: Sequence[Line]
    total: int
    statuses: Mapping[Status, int | None]
    """How many deals of each status the view's other filters leave."""
    hidden: Mapping[str, int]
    categories: Sequence[Category]
    named: Sequence[Named]
    tallies: Mapping[str, int]
    """How many deals a named view has, by its query string, as far as it is known."""
    previous: str | None
    next: str | None


@blueprint.get("/")
def deals() -> str:
    """The deals of a view, one page of them. ``since`` marks those that are newer."""
    services = current_services()
    view = requested_view(services)
    shown = browse(services, view, requested_cursor(view), requested_since())
    return render_template(
        "deals/list.html",
        browse=shown,
        view=view,
        chips=chips(view, {category.id: category.name for category in shown.categories}),
        sorts=SORTS,
        filters=FILTERS,
        form=controls.form(view),
        intervals=Interval,
        status_choices=controls.statuses(view, shown.statuses),
        choices=controls,
        fresh_seconds=int(shown.moment.fresh.total_seconds()),
        banner=banner(services.health.report()),
    )


def browse(services: Services, view: View, cursor: Cursor | None, since: datetime | None = None) -> ListPage:
    """The page of ``view`` at ``cursor`` and what surrounds it; deals that came after ``since`` are new."""
    moment = services.moment()
    with services.reading() as reading:
        named = saved_views.read_all(reading.connection)
        newest = newest_event(reading, view, moment)
        statuses = count_statuses(reading, view, moment)  # first: the other questions look among its finds
        page = reader.read_page(reading, view, moment, cursor)
        return ListPage(
            view=view,
            moment=moment,
            news_since=newest or moment.now - OLDEST_PAGE,
            deals=lines(page.rows, view, moment, since),
            total=statuses[view.status] or 0,
            statuses=statuses,
            hidden=reader.count_hidden(reading, view, moment),
            categories=reader.count_categories(reading, view, moment),
            named=named,
            tallies=tally(services, named, reading, moment),
            previous=page.previous.encode() if page.previous else None,
            next=page.next.encode() if page.next else None,
        )


def newest_event(reading: Reading, view: View, moment: Moment) -> datetime | None:
    """When the newest event happened that whoever answers about ``view`` knows; ``None`` when there is none.

    Asked before the deals: what comes later is news to whoever reads them. By the event and not by our own
    clock: its writer read a clock, perhaps another one, some time before it could write.
    """

    def of_database(connection: Connection) -> datetime | None:
        newest: datetime | None = connection.scalar(select_newest_event(moment.now))
        return newest

    return reading.ask(view, lambda look: look.newest_event, of_database)


def tally(services: Services, named: Sequence[Named], reading: Reading, moment: Moment) -> Mapping[str, int]:
    """How many deals the named views have."""
    queries = [one.query for one in named]
    return services.tallies.of(queries, reading, moment, services.settings.keepa_domain_id)


def count_statuses(reading: Reading, view: View, moment: Moment) -> dict[Status, int | None]:
    """How many deals of each status there are under the other filters of ``view``.

    Those of the view's own are counted whatever it takes, the others not (``None``) while it takes long.
    """
    if reading.replica is not None and reading.replica.is_catching_up:
        return {**dict.fromkeys(Status), view.status: reader.count(reading, view, moment)}
    live, stale, ended = reader.count_statuses(reading, view, moment)
    return {
        Status.LIVE: live,
        Status.STALE: stale,
        Status.ENDED: ended,
        Status.OPEN: live + stale,
        Status.ALL: live + stale + ended,
    }
