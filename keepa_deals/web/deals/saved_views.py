"""Saving named views, one's own or shared: on the server, so that they are there on every machine.

Nothing of them goes without a question: a taken name asks, and so does deleting, which can be undone from the
page that follows.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, redirect, render_template, request
from flask.typing import ResponseReturnValue
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import select
from sqlalchemy.orm import Session

from keepa_deals.db.models import OwnView, SavedView
from keepa_deals.people.person import Person
from keepa_deals.query.named_views import BUILTIN, NamedView, is_view
from keepa_deals.query.parameters import ParameterError
from keepa_deals.query.parse import MAX_QUERY, parse_query
from keepa_deals.query.view import View
from keepa_deals.roles import Role
from keepa_deals.web.auth.guard import current_person
from keepa_deals.web.http import errors
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
    """Keep the view ``query`` under ``name``, for everybody with ``shared``.

    A name that can't be is asked for again. One that is taken asks, too: ``replace`` says that it is meant.
    """
    services, person = current_services(), current_person()
    typed = request.form.get("name", "")
    name, query = " ".join(typed.split()), _canonical(services, request.form.get("query", ""))
    own = person.id is not None and not request.form.get("shared")
    if problem := _wrong_name(name):
        return _ask(typed, query, own, problem=problem), 400
    with services.database.begin() as session:
        shelf = _shelf(session, person, own=own)
        same = next((view for view in shelf if _key(view.name) == _key(name)), None)
        if same is None and len(shelf) >= MAX_VIEWS:
            return _ask(typed, query, own, problem=_FULL), 400
        if same is not None and same.query != query:
            may = _may_change(same, person)
            if not may or not request.form.get("replace"):
                return _ask(name, query, own, taken=same.name, may_replace=may), 409
        if same is None:
            session.add(_new(person, own, name, query, services.clock.now()))
        else:
            same.query = query
    return _shown(query)


@blueprint.get("/views/delete")
def ask_to_remove() -> ResponseReturnValue:
    """Whether the view ``name`` shall go."""
    with current_services().database.session() as session:
        view = _named(session, request.args.get("name", ""), own=bool(request.args.get("own")))
        if view is None:
            raise ParameterError("name", "there is no such view, or no longer")
        if not _may_change(view, current_person()):
            return _not_yours(view.name)
        own = isinstance(view, OwnView)
        return render_template("deals/delete_view.html", name=view.name, query=view.query, own=own)


@blueprint.post("/views/delete")
def remove() -> ResponseReturnValue:
    """Delete the view ``name``; one that is not there is deleted already.

    The page that follows can undo it.
    """
    services, own = current_services(), bool(request.form.get("own"))
    name, query = " ".join(request.form.get("name", "").split()), request.form.get("query", "")
    with services.database.begin() as session:
        view = _named(session, name, own=own)
        if view is None:
            return _shown(_canonical(services, query))
        if not _may_change(view, current_person()):
            return _not_yours(name)
        query = _canonical(services, view.query) if is_view(view.name, view.query) else ""
        session.delete(view)
    return _shown(query, deleted=str(_signer(query).dumps([name, own])))


@dataclass(frozen=True, slots=True)
class DeletedView:
    """A view that can be had back."""

    name: str
    own: bool


def deleted_view(view: View, named: Sequence[NamedView]) -> DeletedView | None:
    """The view that was deleted on the way to this page, as long as it is gone."""
    try:
        name, own = _signer(view.query()).loads(request.args.get("deleted", ""))
    except (BadSignature, ValueError):  # a version before signed the name alone
        return None
    gone = DeletedView(str(name), bool(own))
    return None if (gone.name, gone.own) in {(one.name, one.own) for one in named} else gone


# -- whose they are --------------------------------------------------------------------------------
def _shelf(session: Session, person: Person, *, own: bool) -> Sequence[SavedView | OwnView]:
    """A person's own views, or the shared ones."""
    if own:
        return session.scalars(select(OwnView).where(OwnView.person_id == person.id)).all()
    return session.scalars(select(SavedView)).all()


def _named(session: Session, name: str, *, own: bool) -> SavedView | OwnView | None:
    person_id = current_person().id
    if not own:
        return session.get(SavedView, name)
    return None if person_id is None else session.get(OwnView, (person_id, name))


def _new(person: Person, own: bool, name: str, query: str, now: datetime) -> SavedView | OwnView:
    if own:
        return OwnView(person_id=person.id, name=name, query=query, created_at=now)
    return SavedView(person_id=person.id, name=name, query=query, created_at=now)


def _may_change(view: SavedView | OwnView, person: Person) -> bool:
    """A shared view is for who shared it, and for operators, to change."""
    return view.person_id == person.id or person.role.may(Role.OPERATOR)


def _not_yours(name: str) -> Response:
    return errors.answer(403, f"“{name}” is shared by somebody else: they or an operator can delete it.")


# -- pages -----------------------------------------------------------------------------------------
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


def _ask(
    typed: str, query: str, own: bool, *, problem: str = "", taken: str = "", may_replace: bool = True
) -> str:
    return render_template(
        "deals/save_view.html",
        typed=typed,
        query=query,
        own=own,
        problem=problem,
        taken=taken,
        may_replace=may_replace,
    )


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
