"""The database: size, migration, integrity, and who holds it."""

from __future__ import annotations

from collections.abc import Iterator

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.facts.base import Level, Line


def lines(evidence: Evidence) -> Iterator[Line]:
    """Size, migrations, integrity, and who holds it."""
    schema = evidence.report.database.value
    if schema is None:
        yield Line("database", Level.FAIL, str(evidence.report.database.error))
    else:
        size = f", {schema.size_bytes >> 20} MB" if schema.size_bytes is not None else ""
        due = "" if schema.migrated else f", this version needs {schema.expected_revision}"
        text = f"{schema.dialect}, migration {schema.revision}{due}{size}"
        yield Line("database", Level.OK if schema.migrated else Level.FAIL, text)
    if evidence.integrity.value is not None:
        fine = evidence.integrity.value.startswith(("ok", "no file", "left to"))
        yield Line("database", Level.OK if fine else Level.FAIL, f"integrity: {evidence.integrity.value}")
    elif evidence.integrity.error:
        yield Line("database", Level.UNKNOWN, f"integrity: {evidence.integrity.error}")
    if evidence.writable.error:
        who = ", ".join(f"pid {h.pid} ({h.command[:50]})" for h in evidence.lock_holders.value or ())
        yield Line(
            "database",
            Level.WARN,
            f"not writable now: {evidence.writable.error}{'; held by ' + who if who else ''}",
        )
