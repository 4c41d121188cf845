"""The choices that the deals page offers, each as (what it says, what it leads to)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from keepa_deals.formats import counted
from keepa_deals.query.contradictions import Contradiction
from keepa_deals.query.filters import FILTERS
from keepa_deals.query.filters.base import Filter, Group, Kind, Option
from keepa_deals.query.filters.scope import SEARCH, STATUS, Status
from keepa_deals.query.intervals import Interval
from keepa_deals.query.named_views import NamedView
from keepa_deals.query.parse import Mistake
from keepa_deals.query.view import LAYOUT_PARAMETERS, Density, Layout, View
from keepa_deals.web.format import currency_of

PAGE_SIZES = {25: "25 deals", 50: "50 deals", 100: "100 deals", 200: "200 deals"}

_LABELLED = (Kind.SEARCH, Kind.NUMBER, Kind.CHOICE)
"""Kinds of fields that an address can lead to by the filter's name."""

Choice = tuple[str, View, bool]
"""What a link says, the view that it leads to, and whether that is the present one."""


def intervals(view: View) -> Sequence[Choice]:
    words = {Interval.DAY: "Day", Interval.WEEK: "Week", Interval.MONTH: "Month", Interval.DAYS_90: "90 d"}
    return [(text, view.over(interval), interval is view.interval) for interval, text in words.items()]


def layouts(view: View) -> Sequence[Choice]:
    return [(kind.title(), replace(view, layout=kind), kind is view.layout) for kind in Layout]


def densities(view: View) -> Sequence[Choice]:
    words = {Density.COMFORTABLE: "Roomy", Density.COMPACT: "Dense"}
    return [(text, replace(view, density=kind), kind is view.density) for kind, text in words.items()]


def searches(view: View, names: Mapping[int, str]) -> Sequence[tuple[str, View, bool]]:
    """A link for each search and for all of them together; none where there is but one."""
    if len(names) < 2:
        return []
    here = view.value_of(SEARCH)
    each = [(name, view.having(SEARCH, number), number == here) for number, name in names.items()]
    return [("All searches", view.having(SEARCH, None), here is None), *each]


def statuses(view: View, counts: Mapping[Status, int | None]) -> Sequence[tuple[str, int | None, View, bool]]:
    """As the others, with how many deals each has. Live and stale together show when they are chosen."""
    return [
        (status.words.capitalize(), counts[status], view.having(STATUS, status), status is view.status)
        for status in Status
        if status is not Status.OPEN or status is view.status
    ]


@dataclass(frozen=True, slots=True)
class NamedChoice:
    """A named view as a link. ``is_exact`` when it is the present one to the last parameter."""

    view: NamedView
    query: str
    is_here: bool
    is_exact: bool
    count: int | None
    """How many deals it has; ``None`` when that is not known, or the same as of all."""

    @property
    def name(self) -> str:
        return self.view.name

    @property
    def key(self) -> str:
        return self.view.key

    @property
    def builtin(self) -> bool:
        return self.view.builtin

    @property
    def own(self) -> bool:
        return self.view.own


def named(view: View, views: Sequence[NamedView], view_counts: Mapping[str, int]) -> Sequence[NamedChoice]:
    """The named views; one that does not say how its deals look is shown as the reader looks at them now."""
    current = view.query()
    bare = urlencode([pair for pair in view.parameters() if pair[0] not in LAYOUT_PARAMETERS])
    exact = [one.key for one in views if one.query == current]
    choices = []
    for one in views:
        has_looks = any(name in LAYOUT_PARAMETERS for name, _ in parse_qsl(one.query))
        query = one.query if has_looks else "&".join(filter(None, (one.query, urlencode(view.looks))))
        is_here = one.key in exact if exact else one.query == bare
        count = view_counts.get(one.query)
        choices.append(NamedChoice(one, query, is_here, one.key in exact, count))
    return choices


def page_sizes(view: View) -> Sequence[Option]:
    """How many deals a page may have; what an address asks for beside them is offered, too."""
    offered = {view.limit: counted(view.limit, "deal"), **PAGE_SIZES}
    return [(str(number), text) for number, text in sorted(offered.items())]


# -- the form ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class FormField:
    """A filter's field, filled in."""

    name: str
    kind: Kind
    label: str
    placeholder: str
    is_bare: bool
    is_whole: bool
    options: Sequence[Option]
    values: Sequence[str]
    """What the filter is set to, as people type it; what was not understood, as it was typed."""
    problem: str = ""
    """Why what was typed is not in force, or can't hold."""

    @property
    def value(self) -> str:
        return self.values[0] if self.values else ""


@dataclass(frozen=True, slots=True)
class FormGroup:
    """Fields that stand together."""

    legend: str
    style: str
    beside: str
    fields: Sequence[FormField]

    def of_kind(self, kind: str) -> Sequence[FormField]:
        return [one for one in self.fields if one.kind == kind]


@dataclass(frozen=True, slots=True)
class NamedMistake:
    """What was not understood, under the label of its field."""

    name: str
    label: str
    problem: str
    has_field: bool


def mistakes(view: View, made: Sequence[Mistake]) -> Sequence[NamedMistake]:
    """What is not in force, for people."""
    return [
        NamedMistake(
            one.name,
            _said(FILTERS[one.name].field.label, view) if one.name in FILTERS else one.name.capitalize(),
            one.problem,
            one.name in FILTERS and FILTERS[one.name].field.kind in _LABELLED,
        )
        for one in made
    ]


def form(
    view: View, made: Sequence[Mistake] = (), opposed: Sequence[Contradiction] = ()
) -> Sequence[FormGroup]:
    """The fields of all filters, in their groups; with the mistakes that were made in them."""
    problems = {name: one.text for one in opposed for name in one.names}
    typed = {one.name: one for one in made}
    groups: dict[int, list[Filter[Any]]] = {}
    for each in sorted(FILTERS.values(), key=lambda one: one.field.stands_last):
        if each.is_offered(view.values):
            groups.setdefault(each.field.group.place, []).append(each)
    grouped = [_group(groups[place], view) for place in sorted(groups)]
    return [replace(one, fields=[_marked(each, typed, problems) for each in one.fields]) for one in grouped]


def _marked(field: FormField, typed: Mapping[str, Mistake], problems: Mapping[str, str]) -> FormField:
    if (mistake := typed.get(field.name)) is not None:
        return replace(field, values=[mistake.typed], problem=mistake.problem)
    return replace(field, problem=problems.get(field.name, ""))


def _group(members: Sequence[Filter[Any]], view: View) -> FormGroup:
    group: Group = members[0].field.group
    fields = [_field(each, view) for each in members]
    return FormGroup(_said(group.legend, view), group.style, group.beside, fields)


def _field(each: Filter[Any], view: View) -> FormField:
    field, value = each.field, view.value_of(each)
    return FormField(
        name=each.name,
        kind=field.kind,
        label=_said(field.label, view),
        placeholder=_said(field.placeholder, view),
        is_bare=field.is_bare,
        is_whole=field.is_whole,
        options=each.options(value),
        values=each.shown(value, view.money_domain) if value is not None else (),
    )


def _said(text: str, view: View) -> str:
    return text.format(currency=currency_of(view.money_domain))
