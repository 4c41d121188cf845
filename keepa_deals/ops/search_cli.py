"""``keepa-deals search``: which deals are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click
from sqlalchemy.orm import Session

from keepa_deals import text_file
from keepa_deals.clock import SystemClock
from keepa_deals.db.models import SearchOwner, SearchState
from keepa_deals.db.upsert import lock_writers
from keepa_deals.deployment.store import opened_store
from keepa_deals.errors import SettingsError
from keepa_deals.keepa.selection import Selection, parse, selection_from
from keepa_deals.keepa.selection_files import (
    DEFAULT_WEIGHT,
    SearchTerms,
    check_fresh_minutes,
    check_weight,
    read_selection_files,
)
from keepa_deals.searches import registry
from keepa_deals.searches.search import Search
from keepa_deals.settings import Settings

NEXT_RUN = "from the next run on"


@dataclass(frozen=True)
class _Desk:
    """The searches of a deployment under change, in one transaction."""

    session: Session
    settings: Settings
    now: datetime


@click.group()
def search() -> None:
    """The searches: deal queries that share the tokens of one Keepa key."""


@search.command(name="list")
def list_searches() -> None:
    """Each search: state, marketplace, price type, weight, freshness, whose it is; then what is wrong."""
    with _desk(despite_files=True) as desk:
        searches = registry.all_searches(desk.session)
    for one in searches:
        click.echo("\t".join(_columns(one)))
    for one in searches:
        for problem in filter(None, (one.file_problem, one.error)):
            click.echo(f"{one.name}: {problem}")


@search.command()
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--weight", type=int, default=DEFAULT_WEIGHT, show_default=True, help="1 to 10.")
@click.option("--fresh-minutes", type=int, default=None, help="Default: DEAL_FRESH_MINUTES.")
def add(name: str, file: Path, weight: int, fresh_minutes: int | None) -> None:
    """Add a search: FILE is a deal query as keepa.com exports it."""
    with _desk() as desk:
        selection = _selection_in(file, desk.settings)
        terms = SearchTerms(
            check_weight(weight), None if fresh_minutes is None else check_fresh_minutes(fresh_minutes)
        )
        made = registry.add(desk.session, name, selection, terms, SearchOwner.CLI, desk.now)
    for note in selection.notes:
        click.echo(f"note: {note}")
    click.echo(f"{made.name} ({selection}) is read {NEXT_RUN}.")


@search.command()
@click.argument("name")
def pause(name: str) -> None:
    """Read a search no longer: its deals go stale."""
    _set_state(name, SearchState.PAUSED, "is paused")


@search.command()
@click.argument("name")
def resume(name: str) -> None:
    """Read a paused search again."""
    _set_state(name, SearchState.ACTIVE, "is read")


@search.command()
@click.argument("name")
def remove(name: str) -> None:
    """Forget a search; its deals end."""
    with _desk() as desk:
        removed = registry.remove(desk.session, name, desk.now)
    click.echo(f"{removed.name} is removed: its deals end with the next run.")


@search.command()
@click.argument("name")
def export(name: str) -> None:
    """Print a search as a file of KEEPA_DEAL_SELECTION's folder."""
    with _desk() as desk:
        found = registry.find(desk.session, name)
    terms = {"weight": found.weight, "freshMinutes": found.fresh_minutes}
    said = {name: value for name, value in terms.items() if value is not None}
    click.echo(json.dumps({**found.query, "search": said}, indent=2))


def _set_state(name: str, state: SearchState, words: str) -> None:
    with _desk() as desk:
        changed = registry.set_state(desk.session, name, state, desk.now)
    click.echo(f"{changed.name} {words} {NEXT_RUN}.")


def _columns(one: Search) -> Iterator[str]:
    yield one.name
    yield "refused" if one.error and one.state is SearchState.ACTIVE else str(one.state)
    yield f"{one.shop}, {one.price_type.name}"
    yield f"weight {one.weight}"
    yield f"fresh within {one.fresh_minutes} min" if one.fresh_minutes else "fresh within DEAL_FRESH_MINUTES"
    yield str(one.owner)


def _selection_in(file: Path, settings: Settings) -> Selection:
    try:
        raw = parse(text_file.read(file))
        return selection_from(raw, domain_id=settings.keepa_domain_id, own_wins=True)
    except SettingsError as error:
        raise SettingsError(f"{file}: {error}") from None


def _follow_files(session: Session, settings: Settings, now: datetime, *, despite: bool) -> Sequence[str]:
    try:
        return registry.follow_files(session, read_selection_files(settings), now)
    except SettingsError as error:
        if not despite:
            raise
        return (str(error),)


@contextmanager
def _desk(*, despite_files: bool = False) -> Iterator[_Desk]:
    """The searches as the files say, in a transaction; the tables are made where nothing was ever started.

    ``despite_files``: files that cannot be used at all are a note.
    """
    now = SystemClock().now()
    with opened_store() as (settings, database), database.begin() as session:
        lock_writers(session)
        for problem in _follow_files(session, settings, now, despite=despite_files):
            click.echo(f"note: {problem}", err=True)
        yield _Desk(session, settings, now)
