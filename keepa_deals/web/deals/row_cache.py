"""The deals of a list, each a row of the table or a card: made once, kept while they come out the same.

A line holds all that its markup depends on, its ages in words included, and nothing else. So markup is kept
by the line itself: whatever changes in a deal, or whichever minute passes, makes another line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from flask import Flask, request
from markupsafe import Markup

from keepa_deals.deals.freshness import AsOf
from keepa_deals.marks.marks import NO_MARKS, HiddenBy, Marks
from keepa_deals.query.intervals import Interval
from keepa_deals.query.rows import DealRow
from keepa_deals.query.view import Layout, View
from keepa_deals.web.deals.row import Change, Presented, change, status_of
from keepa_deals.web.format import ago

MAX_LINES = 1024
"""Some 8 kB each with what it was made of: the rows of twenty views. Each minute makes other ones, for ages
are told in words, so that the cache is always full."""


@dataclass(frozen=True, slots=True)
class Line(Presented):
    """A deal of a list. The templates of a line may use nothing that is not in it."""

    layout: Layout
    interval: Interval
    found_ago: str
    priced_ago: str
    """Since the price last changed."""
    told_ago: str
    """Since it ended, or since it was last seen."""
    is_new: bool
    """Whether the deal is newer than what the reader saw before."""
    is_starred: bool
    """By its reader, as are the next two: whoever has not marked it shares its markup."""
    is_bought: bool
    hidden_by: HiddenBy | None

    @property
    def over(self) -> Change:
        """The change over the interval of the view."""
        return change(self.row, self.interval)


def lines(
    rows: Iterable[DealRow], view: View, as_of: AsOf, since: datetime | None = None, marks: Marks = NO_MARKS
) -> list[Line]:
    """``rows`` as the list of ``view`` shows them with these marks; what came after ``since`` is new."""
    now = as_of.now
    return [
        Line(
            row=row,
            status=status_of(row, as_of),
            root=request.script_root,
            layout=view.layout,
            interval=view.interval,
            found_ago=ago(row.found_at, now),
            priced_ago=ago(row.deal_created_at, now),
            told_ago=ago(row.ended_at or row.last_seen_at, now),
            is_new=since is not None and row.found_at > since,
            is_starred=(row.domain_id, row.asin) in marks.starred,
            is_bought=(row.domain_id, row.asin) in marks.bought,
            hidden_by=marks.hidden_by((row.domain_id, row.asin), row.price, row.brand, row.root_category),
        )
        for row in rows
    ]


def configure(app: Flask) -> None:
    """Give the templates ``markup(lines)``: the rows or cards, one after the other."""
    macros = {Layout.TABLE: "row", Layout.CARDS: "card"}

    @lru_cache(maxsize=MAX_LINES)
    def made(line: Line) -> Markup:
        module = app.jinja_env.get_template("deals/_rows.html").module
        return Markup(getattr(module, macros[line.layout])(line))  # noqa: S704  # the macro escapes

    def markup(shown: Sequence[Line]) -> Markup:
        return Markup("").join(map(made, shown))

    app.jinja_env.globals["markup"] = markup
