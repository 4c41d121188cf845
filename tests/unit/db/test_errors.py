"""The database's errors in words, and without its values."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from keepa_deals.db.errors import DatabaseUnavailableError, SchemaError, translate
from keepa_deals.db.session import Database


@pytest.mark.parametrize(
    ("driver", "words"),
    [
        ("connection failed: FATAL:  the database system is starting up", "starting, stopping or recovering"),
        (
            "connection failed: FATAL:  the database system is shutting down",
            "starting, stopping or recovering",
        ),
        ("connection failed: FATAL:  the database system is in recovery mode", "starting, stopping or"),
        ("FATAL:  remaining connection slots are reserved for superusers", "no connection left"),
        ("connection failed: port 5432 failed: No route to host", "check DATABASE_URL and the network"),
        ("connection failed: port 5432 failed: Network is unreachable", "check DATABASE_URL and the network"),
        (
            'connection failed: FATAL:  no pg_hba.conf entry for host "h", user "u"',
            "lets this host or user not in",
        ),
        ("cannot execute UPDATE in a read-only transaction", "it is a standby"),
        ("consuming input failed: SSL SYSCALL error: EOF detected", "the connection broke"),
        ("connection failed: Connection refused", "is PostgreSQL running?"),
    ],
)
def test_a_server_that_is_not_there_is_no_mistake_of_the_program(driver: str, words: str) -> None:
    engine = create_engine("postgresql+psycopg://u:secret@127.0.0.1/x")
    found = translate(OperationalError("SELECT 1", {}, Exception(driver)), engine)
    assert isinstance(found, DatabaseUnavailableError)
    assert words in str(found)
    assert "secret" not in str(found)


def test_a_typed_error_tells_nothing_of_the_values(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    with pytest.raises(SchemaError, match="no such table") as caught, database.begin() as session:
        session.execute(text("INSERT INTO nowhere VALUES (:value)"), {"value": "a secret"})
    assert "a secret" not in "".join(traceback.format_exception(caught.value))
    database.close()
