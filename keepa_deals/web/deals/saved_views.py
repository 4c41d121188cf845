"""Named views: kept on the server, so that they are there on every machine and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from flask import Blueprint, redirect, request
from sqlalchemy import Connection, delete, func, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from keepa_deals.db.models import SavedView
from keepa_deals.query.parameters import ParameterError
from keepa_deals.query.parse import parse_view
from keepa_deals.web.http.addresses import fields_of
from keepa_deals.web.services import Services, current_services

blueprint = Blueprint("saved", __name__)

MAX_VIEWS = 50
MAX_NAME = 60
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Named:
    """A view with its name; ``builtin`` ones come with the dashboard and stay."""

    name: str
    query: str
    builtin: bool = False


BUILTIN = (
    Named("Newest", "", True),
    Named("Biggest drops today", "interval=day&sort=discount_day", True),
    Named("Best ROI", "profit_min=1.00&sort=roi", True),
    Named("Sells fast", "sold_min=100&sort=sold", True),
    Named("Lowest ever", "lowest=ever", True),
    Named("Back in stock", "back_in_stock=1", True),
)


def read_all(connection: Connection) -> Sequence[Named]:
    """The views that come with the dashboard, then the saved ones by name."""
    table = SavedView.__table__.c
    rows = connection.execute(select(table.name, table.query).order_by(func.lower(table.name), table.name))
    return (*BUILTIN, *(Named(row.name, row.query) for row in rows if _is_view(row.name, row.query)))


def _is_view(name: object, query: object) -> bool:
    """Whether a saved view can still be shown: a filter of an older version, or a damaged row, may not be."""
    return isinstance(name, str) and isinstance(query, str) and _can_be_parsed(query)


@lru_cache(maxsize=256)
def _can_be_parsed(query: str) -> bool:
    try:
        parse_view(fields_of(query[:4000]), domain_id=1, ignore_empty=True)
    except ParameterError:
        return False
    return True


@blueprint.post("/views")
def save() -> Response:
    """Keep the view ``query`` under ``name``; a view that has the name already is replaced."""
    services = current_services()
    name, query = _name(), _canonical(services, request.form.get("query", ""))
    with services.database.begin() as session:
        _refuse_too_many(session, name)
        session.merge(SavedView(name=name, query=query, created_at=services.clock.now()))
    return redirect(f"/?{query}", 303)


@blueprint.post("/views/delete")
def remove() -> Response:
    """Forget the view ``name``; one that is not there is forgotten already."""
    services = current_services()
    name, query = _name(), _canonical(services, request.form.get("query", ""))
    with services.database.begin() as session:
        session.execute(delete(SavedView).where(SavedView.name == name))
    return redirect(f"/?{query}", 303)


def _name() -> str:
    name = " ".join(request.form.get("name", "").split())
    if not name or len(name) > MAX_NAME or _CONTROL.search(name):
        raise ParameterError("name", f"a view needs a name of 1 to {MAX_NAME} characters")
    if name.casefold() in {view.name.casefold() for view in BUILTIN}:
        raise ParameterError("name", f"“{name}” comes with the dashboard: choose another name")
    return name


def _canonical(services: Services, query: str) -> str:
    return parse_view(
        fields_of(query[:4000]), domain_id=services.settings.keepa_domain_id, ignore_empty=True
    ).query()


def _refuse_too_many(session: Session, name: str) -> None:
    others = select(func.count()).select_from(SavedView).where(SavedView.name != name)
    if session.execute(others).scalar_one() >= MAX_VIEWS:
        raise ParameterError("name", f"there are {MAX_VIEWS} saved views already: delete one first")
