"""The page of the searches: what each keeps and costs; operators add, pause and remove them here."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from keepa_deals.db.models import SearchOwner, SearchState
from keepa_deals.db.upsert import lock_writers
from keepa_deals.errors import SettingsError
from keepa_deals.health.parts.searches import read
from keepa_deals.keepa.selection import parse, selection_from
from keepa_deals.keepa.selection_files import (
    DEFAULT_WEIGHT,
    MAX_NAME,
    SearchTerms,
    check_fresh_minutes,
    check_weight,
    read_selection_files,
)
from keepa_deals.query.parameters import ParameterError
from keepa_deals.searches import registry
from keepa_deals.searches.registry import NoSuchSearchError, SearchError
from keepa_deals.searches.search import Search
from keepa_deals.web.services import Services, current_services
from keepa_deals.web.status.actions import record_in

blueprint = Blueprint("searches", __name__)

CHANGES = ("pause", "resume", "remove")


@blueprint.get("/searches")
def page() -> str:
    """Each search with its figures, and a form for a new one."""
    return _page(current_services())


def _page(services: Services, *, problem: str = "", typed: dict[str, str] | None = None) -> str:
    now = services.clock.now()
    return render_template(
        "searches/page.html",
        searches=read(services.database.engine, now, services.settings.fresh_for),
        problem=problem,
        typed=typed or {"weight": str(DEFAULT_WEIGHT)},
        now=now,
    )


@blueprint.post("/searches")
def add() -> ResponseReturnValue:
    """Make a search of a deal query that is pasted; what is wrong with it is told above the form."""
    services = current_services()
    typed = {name: value for name, value in request.form.items() if name != "csrf_token"}
    try:
        _add(services, typed)
    except (SettingsError, SearchError) as error:
        return _page(services, problem=str(error), typed=typed), 400
    return _to_page()


def _add(services: Services, typed: dict[str, str]) -> None:
    raw = parse(typed.get("deal_query", ""))
    selection = selection_from(raw, domain_id=services.settings.keepa_domain_id, own_wins=True)
    minutes = _number(typed.get("fresh_minutes", ""))
    terms = SearchTerms(
        check_weight(_number(typed.get("weight", ""))),
        None if minutes is None else check_fresh_minutes(minutes),
    )
    now = services.clock.now()
    with services.database.begin() as session:
        lock_writers(session)
        registry.follow_files(session, read_selection_files(services.settings), now)
        made = registry.add(session, typed.get("name", ""), selection, terms, SearchOwner.DASHBOARD, now)
        _record(services, session, "add search", made)


def _number(text: str) -> int | str | None:
    """A whole number as it was typed; what is none stays text, for the check to quote."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text or None


@blueprint.post("/searches/change")
def change() -> ResponseReturnValue:
    """Pause, resume or remove a search; one that is not there is gone already."""
    action = request.form.get("action", "")
    if action not in CHANGES:
        raise ParameterError("action", f"must be one of {', '.join(CHANGES)}")
    services = current_services()
    try:
        _change(services, request.form.get("name", "")[:MAX_NAME], action)
    except NoSuchSearchError:
        return _to_page()
    except SearchError as error:
        return _page(services, problem=str(error)), 400
    return _to_page()


def _change(services: Services, name: str, action: str) -> None:
    now = services.clock.now()
    with services.database.begin() as session:
        lock_writers(session)
        if action == "remove":
            changed = registry.remove(session, name, now)
        else:
            state = SearchState.PAUSED if action == "pause" else SearchState.ACTIVE
            changed = registry.set_state(session, name, state, now)
        _record(services, session, f"{action} search", changed)


def _record(services: Services, session: Session, action: str, search: Search) -> None:
    record_in(session, services, action, search.name, "from the next run on")
    services.health.forget()


def _to_page() -> Response:
    response = redirect(url_for("searches.page"), 303)
    assert isinstance(response, Response)
    return response
