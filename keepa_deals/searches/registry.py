"""The rows of the searches: what people change, and what the deployment's files say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from keepa_deals.db.models import SearchOwner, SearchRow, SearchState
from keepa_deals.errors import KeepaDealsError
from keepa_deals.keepa.selection import Selection, price_type
from keepa_deals.keepa.selection_files import (
    MAX_NAME,
    SearchFile,
    SearchTerms,
    SelectionFiles,
)
from keepa_deals.marketplaces import marketplace
from keepa_deals.searches.search import Search, count_tokens, search_of

MAX_SEARCHES = 50


class SearchError(KeepaDealsError):
    """A search cannot be made or changed; one line that names it and the way out."""


class NoSuchSearchError(SearchError):
    """No search has this name."""


def all_searches(session: Session) -> Sequence[Search]:
    """All but the removed ones, in the order in which they were made."""
    return [search_of(row) for row in _rows(session)]


def searches_to_read(session: Session) -> Sequence[Search]:
    """The active ones."""
    return [search for search in all_searches(session) if search.state is SearchState.ACTIVE]


def removed_searches(session: Session) -> Sequence[Search]:
    """Those whose deals are still to be ended."""
    removed = select(SearchRow).where(SearchRow.state == SearchState.REMOVED)
    return [search_of(row) for row in session.scalars(removed)]


def forget(session: Session, removed: Iterable[Search]) -> None:
    """Delete the rows of removed searches."""
    ids = [search.id for search in removed]
    session.execute(delete(SearchRow).where(SearchRow.id.in_(ids), SearchRow.state == SearchState.REMOVED))


def note_reading(session: Session, search: Search, tokens: int, error: str | None, now: datetime) -> None:
    """Note what a run spent on a search, and why Keepa refused it; ``None``: it did not."""
    row = session.get(SearchRow, search.id)
    if row is None:
        return
    if tokens:
        count_tokens(row, tokens, now)
    row.error, row.error_at = error, now if error else None


def find(session: Session, name: str) -> Search:
    """The search of this name, whatever its case."""
    return search_of(_named(session, name))


def add(
    session: Session,
    name: str,
    selection: Selection,
    terms: SearchTerms,
    owner: SearchOwner,
    now: datetime,
) -> Search:
    """Make a search, which the next run reads."""
    rows = _rows(session)
    name = check_name(name)
    if any(row.name.casefold() == name.casefold() for row in rows):
        raise SearchError(f"a search named {name!r} is there: choose another name, or remove it first")
    if len(rows) >= MAX_SEARCHES:
        raise SearchError(f"{len(rows)} searches are there: must be at most {MAX_SEARCHES}")
    problem = _why_taken([(row.name, row.domain_id) for row in rows], name, selection.domain_id)
    if problem is not None:
        raise SearchError(problem)
    row = _made(session, name, selection, terms, owner, now)
    return search_of(row)


def set_state(session: Session, name: str, state: SearchState, now: datetime) -> Search:
    """Pause a search or go on with it: also one of a file, whose query and weight are the file's."""
    row = _named(session, name)
    if row.state is not state:
        row.state, row.changed_at = state, now
    return search_of(row)


def remove(session: Session, name: str, now: datetime) -> Search:
    """Let the next run end a search's deals, and forget it."""
    row = _named(session, name)
    if row.owner is SearchOwner.FILE:
        raise SearchError(f"the search {row.name!r} is a file's: move the file away, or pause the search")
    row.state, row.changed_at = SearchState.REMOVED, now
    return search_of(row)


def check_name(name: str) -> str:
    """A name that a search may have."""
    name = name.strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise SearchError(f"{name[:MAX_NAME]!r}: a search's name must have 1 to {MAX_NAME} printable signs")
    return name


# -- files -----------------------------------------------------------------------------------
def follow_files(session: Session, files: SelectionFiles, now: datetime) -> Sequence[str]:
    """Bring the rows to what the files say; what could not be done, a line each.

    A file's row is known by the file's name, then by its marketplace, so that a renamed file goes on with its
    deals. A single file is always the same search. A file that is broken changes nothing.
    """
    rows = _rows(session)
    broken = {file.name.casefold() for file in files.broken}
    bound = [row for row in rows if row.owner is not SearchOwner.FILE or row.name.casefold() in broken]
    free = [row for row in rows if row not in bound]
    accepted, conflicts = _sorted_out(files, bound)
    matched = _matched(free, accepted, at_any_rate=not files.is_folder)
    for row in free:
        if row not in matched.values():
            row.state, row.changed_at = SearchState.REMOVED, now
    for file in accepted:
        _follow(session, file, matched.get(file.name), now)
    session.flush()
    _note_problems(session, files)
    return [*(file.problem for file in files.broken), *conflicts]


def conflicts_among(files: SelectionFiles) -> Sequence[str]:
    """Which of the files are left out for another one of them, a line each."""
    return _sorted_out(files, ())[1]


def _sorted_out(
    files: SelectionFiles, bound: Sequence[SearchRow]
) -> tuple[Sequence[SearchFile], Sequence[str]]:
    """The files that can be searches beside the ``bound`` ones; and why others cannot."""
    accepted: list[SearchFile] = []
    conflicts: list[str] = []
    for file in files.found:
        conflict = _conflict(file, bound, accepted)
        if conflict is None:
            accepted.append(file)
        else:
            conflicts.append(conflict)
    return accepted, conflicts


def _conflict(file: SearchFile, bound: Sequence[SearchRow], accepted: Sequence[SearchFile]) -> str | None:
    """Why a file is left out, in one line; ``None``: it is not."""
    named = [row.name for row in bound]
    if any(name.casefold() == file.name.casefold() for name in named):
        return f"the file of {file.name!r} is left out: a search of that name is there, rename the file"
    taken = [(row.name, row.domain_id) for row in bound]
    taken += [(other.name, other.selection.domain_id) for other in accepted]
    return _why_taken(taken, file.name, file.selection.domain_id)


def _matched(
    rows: Sequence[SearchRow], files: Sequence[SearchFile], *, at_any_rate: bool
) -> Mapping[str, SearchRow]:
    """For each file that has a row already, by its name: that row."""
    matched: dict[str, SearchRow] = {}
    left = list(rows)
    for rule in ("name", "marketplace", "whatever"):
        for file in files:
            same = {"name": file.name, "marketplace": file.selection.domain_id, "whatever": at_any_rate}
            for row in left if file.name not in matched else ():
                if {"name": row.name, "marketplace": row.domain_id, "whatever": True}[rule] == same[rule]:
                    matched[file.name] = row
                    left.remove(row)
                    break
    return matched


def _follow(session: Session, file: SearchFile, row: SearchRow | None, now: datetime) -> None:
    """Bring one row to what its file says."""
    if row is None:
        _made(session, file.name, file.selection, file.terms, SearchOwner.FILE, now)
        return
    query = dict(file.selection.query)
    if row.query != query:
        row.error = row.error_at = None
    said = {
        "name": file.name,
        "domain_id": file.selection.domain_id,
        "price_type": int(price_type(query)),
        "query": query,
        "weight": file.terms.weight,
        "fresh_minutes": file.terms.fresh_minutes,
    }
    if any(getattr(row, name) != value for name, value in said.items()):
        for name, value in said.items():
            setattr(row, name, value)
        row.changed_at = now


def _note_problems(session: Session, files: SelectionFiles) -> None:
    """What is wrong with a file stands at its search."""
    problems = {file.name.casefold(): file.problem for file in files.broken}
    for row in _rows(session):
        if row.owner is SearchOwner.FILE:
            row.file_problem = problems.get(row.name.casefold())


# -- rows ------------------------------------------------------------------------------------
def _rows(session: Session) -> Sequence[SearchRow]:
    there = SearchRow.state != SearchState.REMOVED
    return session.scalars(select(SearchRow).where(there).order_by(SearchRow.id)).all()


def _named(session: Session, name: str) -> SearchRow:
    rows = _rows(session)
    row = next((row for row in rows if row.name.casefold() == name.strip().casefold()), None)
    if row is None:
        there = ", ".join(repr(row.name) for row in rows) or "none yet"
        raise NoSuchSearchError(f"no search is named {name[:MAX_NAME]!r}: there are {there}")
    return row


def _why_taken(taken: Iterable[tuple[str, int]], name: str, domain_id: int) -> str | None:
    """Why a search is left out where others have these marketplaces.

    A deal is a product of a marketplace: two searches of one would each end what only the other lists.
    """
    other = next((other for other, domain in taken if domain == domain_id), None)
    if other is None:
        return None
    shop = f"amazon.{marketplace(domain_id).tld}"
    return (
        f"the search {name!r} is left out: {other!r} has {shop}, and a marketplace can have one search; "
        "give it another domainId, or a deployment of its own"
    )


def _made(
    session: Session,
    name: str,
    selection: Selection,
    terms: SearchTerms,
    owner: SearchOwner,
    now: datetime,
) -> SearchRow:
    query: dict[str, Any] = dict(selection.query)
    first = select(SearchRow.id).where(SearchRow.is_first)
    row = SearchRow(
        is_first=session.scalar(first) is None,
        name=name,
        domain_id=selection.domain_id,
        price_type=int(price_type(query)),
        query=query,
        weight=terms.weight,
        fresh_minutes=terms.fresh_minutes,
        state=SearchState.ACTIVE,
        owner=owner,
        created_at=now,
        changed_at=now,
        tokens_spent=0,
        tokens_this_hour=0,
        tokens_last_hour=0,
    )
    session.add(row)
    session.flush()
    return row
