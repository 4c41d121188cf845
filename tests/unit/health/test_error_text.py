"""Errors in words, and nothing secret in them."""

from __future__ import annotations

import pytest
import redis
import sqlalchemy.exc

from keepa_deals.errors import SettingsError
from keepa_deals.health.error_text import describe, redact

KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ01"


@pytest.mark.parametrize(
    "text",
    [
        f"GET https://api.keepa.com/token?key={KEY}",
        f"KEEPA_API_KEY={KEY}",
        f"the key is {KEY}.",
        f"'{KEY}'",
    ],
)
def test_a_keepa_key_is_hidden_wherever_it_stands(text: str) -> None:
    assert KEY not in redact(text)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql+psycopg://deals:hunter2@db/deals", "hunter2"),
        ("redis://:hunter2@localhost:6379/0", "hunter2"),
        ("rediss://user:a/b@localhost", "a/b"),
        ('{"password": "hunter2"}', "hunter2"),
        ("DASHBOARD_PASSWORD_HASH=scrypt$hunter2", "hunter2"),
    ],
)
def test_a_password_is_hidden(text: str, secret: str) -> None:
    assert secret not in redact(text)


def test_other_text_stays_as_it_is() -> None:
    text = (
        "2026-11-24T02:40:55.123Z INFO 1234 keepa_deals: 150 deals, watermark 2026-11-24, sha256 " + "a" * 63
    )
    assert redact(text) == text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SettingsError("KEEPA_API_KEY is not set"), "KEEPA_API_KEY is not set"),
        (redis.exceptions.AuthenticationError("invalid password"), "refuses the password"),
        (redis.exceptions.TimeoutError("reading"), "not answer in time"),
        (redis.exceptions.ConnectionError("refused"), "does not answer"),
        (redis.exceptions.ResponseError("MISCONF"), "Redis refuses: MISCONF"),
        (
            sqlalchemy.exc.OperationalError("SELECT 1", {}, Exception("database is locked")),
            "database is locked",
        ),
        (PermissionError(13, "Permission denied", "/x/deals.db"), "no permission for /x/deals.db"),
        (FileNotFoundError(2, "No such file", "/x/log"), "/x/log does not exist"),
        (ValueError("odd"), "ValueError: odd"),
    ],
)
def test_an_error_is_one_line_in_the_words_of_who_refused(error: Exception, words: str) -> None:
    line = describe(error)
    assert words in line
    assert "\n" not in line


def test_an_error_never_shows_the_key() -> None:
    assert KEY not in describe(ValueError(f"https://api.keepa.com/deal?key={KEY}"))
