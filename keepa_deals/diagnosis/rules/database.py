"""Causes in the database: whether it can be reached, read and written, and fits the code."""

from __future__ import annotations

from collections.abc import Iterator

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.rules.base import (
    KILL,
    RESTART,
    RESTORE,
    START,
    Alert,
    Finding,
    Precedence,
    Rank,
    Signs,
    Stops,
    classify,
    last_error,
    rule,
)
from keepa_deals.health.parts.database import sqlite_path


@rule(
    rank=Rank.STORES,
    meaning="Nothing can be read or written.",
    seen_by="the database does not answer, or its file is missing",
    fix="check DATABASE_URL and the database's own log; a missing file comes back like a damaged one",
    stops=Stops.ALL,
    follows="disk_full home_not_writable",
    alert=Alert("keepa_deals_problem{name='database_unavailable'} == 1"),
    signs=Signs(
        ("database_url", "cannot open the file", "the connection broke", "the server ended"),
        Precedence.AT_ALL,
    ),
)
def database_unavailable(evidence: Evidence) -> Iterator[Finding]:
    error = evidence.report.database.error or evidence.report.jobs.error or evidence.report.deals.error
    if not error or classify(error) in ("database_locked", "database_damaged"):
        return
    path = sqlite_path(evidence.settings.database_dsn)
    if path is not None and "does not exist" in error:
        yield Finding(error, _restore(evidence, f"no copy of it is there, so begin anew: {RESTART}"))
    else:
        yield Finding(error)


@rule(
    rank=Rank.STORES,
    meaning="Reads and writes fail at some rows or all.",
    seen_by="quick_check finds a fault, or the file is no database",
    fix=f"{KILL} && {RESTORE} backups/<the newest copy> && {START}; without a copy, move deals.db* away and "
    "begin anew",
    stops=Stops.ALL,
    alert=None,
    signs=Signs(("malformed", "no sqlite database", "not a database")),
)
def database_damaged(evidence: Evidence) -> Iterator[Finding]:
    words = [evidence.integrity.error, evidence.report.database.error, evidence.report.deals.error]
    text = next((text for text in words if text and classify(text) == "database_damaged"), "")
    text = text or last_error(evidence, "database_damaged")
    check = evidence.integrity.value or ""
    if not text and check and not check.startswith(("ok", "no file", "left to")):
        text = f"quick_check: {check}"
    if text:
        path = sqlite_path(evidence.settings.database_dsn)
        anew = f"no copy of it is there, so begin anew: {KILL}, move {path}* away, {START}"
        yield Finding(text, _restore(evidence, anew) if path is not None else None)


@rule(
    rank=Rank.STORES,
    meaning="Another program holds the database; our writes wait and fail.",
    seen_by="no write lock within a second (who holds it is named where the kernel tells)",
    fix="find the holder with: fuser -v var/deals.db (your home's), and let it finish or end it",
    stops=Stops.ALL,
    alert=None,
    signs=Signs(("is locked", "lock timeout", "another process holds it")),
)
def database_locked(evidence: Evidence) -> Iterator[Finding]:
    report = evidence.report
    texts = (evidence.writable.error, report.database.error, report.jobs.error, report.deals.error)
    text = next((text for text in texts if text and classify(text) == "database_locked"), "")
    text = text or last_error(evidence, "database_locked")
    if not text:
        return
    table = evidence.processes.value
    ours = table.pids if table else frozenset()
    strangers = [holder for holder in evidence.lock_holders.value or () if holder.pid not in ours]
    if strangers:
        who = "; ".join(f"pid {holder.pid} ({holder.command[:60]})" for holder in strangers)
        pids = " ".join(str(holder.pid) for holder in strangers)
        yield Finding(f"{text}; held by {who}", f"let it finish, or: kill {pids}")
    elif not evidence.lock_holders.value or not evidence.writable.error:
        yield Finding(text)


@rule(
    rank=Rank.STORES,
    meaning="The code and the tables do not fit.",
    seen_by="the revision in the database is not the one that this version of the code expects",
    fix="./deploy_update.sh",
    stops=Stops.ALL,
    follows="database_unavailable",
    alert=Alert("keepa_deals_database_migrated == 0"),
    signs=Signs(("no such table", "no such column", "bring its tables up to date")),
)
def database_not_migrated(evidence: Evidence) -> Iterator[Finding]:
    schema = evidence.report.database.value
    if schema and not schema.migrated:
        revision = schema.revision or "nothing"
        yield Finding(f"the tables are at {revision}, this version needs {schema.expected_revision}")
    elif text := last_error(evidence, "database_not_migrated"):
        yield Finding(text)


def _restore(evidence: Evidence, without_a_copy: str) -> str:
    copy = evidence.home.value.newest_copy if evidence.home.value else None
    return f"{KILL} && {RESTORE} {copy} && {START}" if copy else without_a_copy
