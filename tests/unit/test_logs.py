"""Log lines: one format, UTC, no secrets, not even in tracebacks."""

from __future__ import annotations

import logging
import re
import time

import pytest

from keepa_deals.logs import RedactingFormatter, redact
from keepa_deals.redaction import learn

KEY = "k3y" * 21 + "x"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"it is {KEY}.", "it is [hidden]."),
        ("GET /deal?page=1&key=abc&domain=1", "GET /deal?page=1&key=[key]&domain=1"),
        ("redis://:hunter2@localhost:6379/0", "redis://:[password]@localhost:6379/0"),
        ("postgresql+psycopg://me:hunter2@db/deals", "postgresql+psycopg://me:[password]@db/deals"),
        ("monkey=banana", "monkey=banana"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_secrets_are_replaced_and_the_rest_stays(text: str, clean: str) -> None:
    assert redact(text, [KEY]) == clean


def test_a_traceback_is_redacted_too() -> None:
    error = RuntimeError(f"https://api/token?key={KEY}")
    record = logging.LogRecord(
        "x", logging.ERROR, "f.py", 1, "failed: %s", (error,), (type(error), error, None)
    )
    learn(KEY)
    line = RedactingFormatter().format(record)
    assert KEY not in line
    assert "RuntimeError" in line


def test_a_line_begins_with_the_utc_time_and_the_level() -> None:
    record = logging.LogRecord("part", logging.INFO, "f.py", 1, "hello", (), None)
    record.created = 0.5
    record.msecs = 500
    assert re.match(r"1970-01-01T00:00:00\.500Z INFO +\d+ part: hello$", RedactingFormatter().format(record))


@pytest.mark.parametrize(
    "text", ["x" * 200_000, "a://b:" * 30_000, "://" * 60_000, "key=" * 50_000, "password" * 25_000]
)
def test_a_long_text_of_a_stranger_is_cleaned_in_no_time(text: str) -> None:
    began = time.process_time()
    redact(text)
    assert time.process_time() - began < 1.0
