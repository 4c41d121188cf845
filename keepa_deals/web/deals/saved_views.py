"""Saving named views: they are on the server, so that they are there on every machine."""

from __future__ import annotations

import re

from flask import Blueprint, redirect, request
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from keepa_deals.db.models import SavedView
from keepa_deals.query.named_views import BUILTIN
from keepa_deals.query.parameters import ParameterError
from keepa_deals.query.parse import parse_query
from keepa_deals.web.services import Services, current_services

blueprint = Blueprint("saved", __name__)

MAX_VIEWS = 50
MAX_NAME = 60
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


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
    return parse_query(query, domain_id=services.settings.keepa_domain_id).query()


def _refuse_too_many(session: Session, name: str) -> None:
    others = select(func.count()).select_from(SavedView).where(SavedView.name != name)
    if session.execute(others).scalar_one() >= MAX_VIEWS:
        raise ParameterError("name", f"there are {MAX_VIEWS} saved views already: delete one first")
