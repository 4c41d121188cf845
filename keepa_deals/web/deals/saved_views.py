"""Saving named views: they are on the server, so that they are there on every machine.

Every reader shares them, so nothing of them goes without a question: a taken name asks, and so does deleting,
which can be undone from the page that follows.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from urllib.parse import urlencode

from flask import Blueprint, current_app, redirect, render_template, request
from flask.typing import ResponseReturnValue
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import select
from werkzeug.wrappers import Response

from keepa_deals.db.models import SavedView
from keepa_deals.query.named_views import BUILTIN, NamedView, is_view
from keepa_deals.query.parameters import ParameterError
from keepa_deals.query.parse import MAX_QUERY, parse_query
from keepa_deals.query.view import View
from keepa_deals.web.http.addresses import root
from keepa_deals.web.services import Services, current_services

blueprint = Blueprint("saved", __name__)

MAX_VIEWS = 50
MAX_NAME = 60
_FULL = f"There are {MAX_VIEWS} saved views already: delete one first."
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn")
_JOINERS = "\u200c\u200d"
"""Invisible, but without them some scripts and pictures are not what was typed."""


@blueprint.post("/views")
def save() -> ResponseReturnValue:
    """Keep the view ``query`` under ``name``. A name that can't be is asked for again.

    One that is taken asks, too: ``replace`` says that it is meant.
    """
    services = current_services()
    typed = request.form.get("name", "")
    name, query = " ".join(typed.split()), _canonical(services, request.form.get("query", ""))
    if problem := _wrong_name(name):
        return _ask(typed, query, problem=problem), 400
    with services.database.begin() as session:
        views = list(session.scalars(select(SavedView)))
        same = next((view for view in views if _key(view.name) == _key(name)), None)
        if same is None and len(views) >= MAX_VIEWS:
            return _ask(
                typed, query, problem=f"There are {MAX_VIEWS} saved views already: delete one first."
            ), 400
        if same is not None and same.query != query and not request.form.get("replace"):
            return _ask(name, query, taken=same.name), 409
        if same is None:
            session.add(SavedView(name=name, query=query, created_at=services.clock.now()))
        else:
            same.query = query
    return _shown(query)


@blueprint.get("/views/delete")
def ask_to_remove() -> ResponseReturnValue:
    """Whether the view ``name`` shall go."""
    name = request.args.get("name", "")
    with current_services().database.begin() as session:
        view = session.get(SavedView, name)
        if view is None:
            raise ParameterError("name", "there is no such view, or no longer")
        return render_template("deals/delete_view.html", name=view.name, query=view.query)


@blueprint.post("/views/delete")
def remove() -> Response:
    """Delete the view ``name``; one that is not there is deleted already.

    The page that follows can undo it.
    """
    services = current_services()
    name, query = " ".join(request.form.get("name", "").split()), request.form.get("query", "")
    with services.database.begin() as session:
        view = session.get(SavedView, name)
        if view is None:
            return _shown(_canonical(services, query))
        query = _canonical(services, view.query) if is_view(view.name, view.query) else ""
        session.delete(view)
    return _shown(query, deleted=str(_signer(query).dumps(name)))


def deleted_view(view: View, named: Sequence[NamedView]) -> str | None:
    """The name of the view that was deleted on the way to this page, as long as it is gone."""
    try:
        name = str(_signer(view.query()).loads(request.args.get("deleted", "")))
    except BadSignature:
        return None
    return None if name in {one.name for one in named} else name


def _signer(query: str) -> URLSafeSerializer:
    """Nobody else can make a page say that a view was deleted."""
    key = current_app.secret_key
    assert isinstance(key, bytes)
    return URLSafeSerializer(key, salt=f"keepa_deals deleted view {query}")


def _shown(query: str, **more: str) -> Response:
    """To the deals of the view."""
    response = redirect(f"{root()}/?{'&'.join(filter(None, (query, urlencode(more))))}", 303)
    assert isinstance(response, Response)
    return response


def _ask(typed: str, query: str, *, problem: str = "", taken: str = "") -> str:
    return render_template("deals/save_view.html", typed=typed, query=query, problem=problem, taken=taken)


def _wrong_name(name: str) -> str:
    """Why a view can't have this name; empty when it can."""
    if not any(character.isalnum() or unicodedata.category(character)[0] in "PS" for character in name):
        return "A view needs a name that can be seen."
    if len(name) > MAX_NAME:
        return f"At most {MAX_NAME} characters; this name has {len(name)}. Nothing was cut."
    if any(unicodedata.category(each) in _UNSEEN and each not in _JOINERS for each in name):
        return "The name has a character that can’t be seen: type it instead of pasting it."
    if _key(name) in {_key(view.name) for view in BUILTIN}:
        return f"“{name}” comes with the dashboard: choose another name."
    return ""


def _key(name: str) -> str:
    """What two names share that readers can't tell apart."""
    return unicodedata.normalize("NFKC", name).casefold()


def _canonical(services: Services, query: str) -> str:
    canonical = parse_query(query, domain_id=services.settings.keepa_domain_id).query()
    if len(canonical) > MAX_QUERY:
        raise ParameterError(
            "query", f"a saved view has at most {MAX_QUERY} characters; these filters are longer"
        )
    return canonical
