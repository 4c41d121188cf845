"""No part of a secret with eight characters or more is in anything that a program writes."""

from __future__ import annotations

import base64
import html
import json
import logging
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepa_deals import logs, redaction, settings
from keepa_deals.errors import SettingsError
from keepa_deals.redaction import HIDDEN, PART_LENGTH, hide_known, learn, redact, secrets_in
from tests.support.paths import ROOT
from tests.support.secrets import shown

KEY = "q7Zt0xW3mB9rKfLh2yVnSdPgJ5cTaE8uXo1iNwRbG6vMkDzCpYs4HqFjUeA0lIt7"
PASSWORD = 'p@ss/w:rd#"§ <9Kx>'
URLS = {
    "redis_url": f"rediss://deals:{quote(PASSWORD, safe='')}@cache.example:6379/2",
    "database_url": "postgresql+psycopg://deals:Hq3vXk7LmN2p@db.example/deals",
}


@pytest.fixture
def known() -> Iterator[None]:
    learn(KEY, PASSWORD, "Hq3vXk7LmN2p")
    yield
    redaction.forget()


@pytest.mark.usefixtures("known")
@given(st.integers(0, 56), st.integers(8, 64), st.text(max_size=30), st.text(max_size=30))
def test_every_part_of_the_key_is_hidden_wherever_it_stands(
    start: int, length: int, before: str, after: str
) -> None:
    learn(KEY)
    part = KEY[start : start + length]
    text = hide_known(f"{before}{part}{after}")
    if len(part) >= PART_LENGTH:
        assert shown(text, KEY) == set()
        assert HIDDEN in text


@pytest.mark.usefixtures("known")
@given(st.text(alphabet="abcdefghij 0123456789", max_size=200))
def test_other_text_stays_as_it_is(text: str) -> None:
    assert hide_known(text) == text


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("secret", [KEY, PASSWORD])
@pytest.mark.parametrize(
    "encode",
    [
        str,
        str.lower,
        str.upper,
        repr,
        json.dumps,
        html.escape,
        lambda secret: quote(secret, safe=""),
        lambda secret: secret.encode().hex(),
        *(
            lambda secret, user=user: base64.b64encode(f"{user}:{secret}".encode()).decode()
            for user in ("", "d", "de", "deals")
        ),
        lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    ],
)
def test_a_secret_is_hidden_in_the_forms_in_which_it_travels(secret: str, encode: object) -> None:
    encoded = encode(secret)  # type: ignore[operator]
    text = hide_known(f"Authorization: Basic {encoded}, refused")
    inner = encoded.strip("'\"=")[3:-3]  # the ends of Base64 hold bits of what is beside
    assert shown(text, inner) == set()
    assert text.startswith("Authorization: Basic ")
    assert text.endswith(", refused")


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        (KEY, [KEY]),
        ("redis://localhost:6379/0", []),
        ("redis://:hunter2@localhost", ["hunter2"]),
        ("redis://u:a%40b@localhost", ["a%40b", "a@b"]),
        ("postgresql+psycopg://u:p@ss/w?r#d@db/deals", ["p@ss/w?r#d"]),
        ("unix:///run/redis.sock?db=1&password=hunter22", ["hunter22"]),
        ("no address at all", ["no address at all"]),
    ],
)
def test_what_is_secret_in_a_setting(value: str, secret: list[str]) -> None:
    assert secrets_in(value) == secret


def test_names_of_ours_stay_readable_and_short_passwords_are_hidden_alone() -> None:
    learn("keepa_deals", "cat7")
    assert (
        hide_known("INFO keepa_deals.ingest: cat7 and scat7x")
        == f"INFO keepa_deals.ingest: {HIDDEN} and scat7x"
    )


def test_settings_teach_their_secrets_also_those_that_are_refused(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"KEEPA_API_KEY={KEY[:63]}\nDATABASE_URL=mysql://u:{'Xw4tR8bQ2z'}@db/deals\n")
    with pytest.raises(SettingsError) as refused:
        settings.load(env_file=file, runtime=False, keepa_deals_home=tmp_path)
    assert shown(str(refused.value), KEY, "Xw4tR8bQ2z") == set()
    assert hide_known(f"{KEY[5:20]} Xw4tR8bQ2z") == f"{HIDDEN} {HIDDEN}"


def test_a_log_line_its_traceback_and_what_is_printed_show_no_part(capfd: pytest.CaptureFixture[str]) -> None:
    program = """
import logging, sys, warnings
from keepa_deals import logs, settings
settings.load(env_file=None, runtime=False)
logs.configure()
key, password = sys.argv[1:]
logging.getLogger("urllib3").warning("GET /deal?key=%s&x", key)
logging.getLogger("gunicorn.error").error("half of it: %s", key[20:40])
print("printed", key[3:17], flush=True)
warnings.warn(f"warned of {password}")
try:
    raise ValueError(f"connect {password} failed")
except ValueError:
    logging.exception("with %r", {"url": password})
raise SystemExit(RuntimeError(f"at the end {key[-12:]}"))
"""
    environment = {"KEEPA_API_KEY": KEY, **{name.upper(): url for name, url in URLS.items()}}
    done = subprocess.run(
        [sys.executable, "-c", program, KEY, PASSWORD],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert shown(said, KEY, PASSWORD) == set(), said
    for word in ("GET /deal?key=[key]&x", "half of it", "printed", "warned of", "ValueError", "at the end"):
        assert word in said


def test_an_unhandled_error_s_traceback_shows_no_part() -> None:
    learn(KEY)
    error = RuntimeError(f"https://api.keepa.com/token?key={KEY}")
    text = redact("".join(traceback.format_exception(error)))
    assert shown(text, KEY) == set()
    record = logging.LogRecord("x", 40, "f", 1, "%s", (KEY[10:30],), None)
    assert shown(logs.RedactingFormatter().format(record), KEY) == set()


def test_a_command_that_fails_on_a_secret_setting_shows_no_part(tmp_path: Path) -> None:
    wrong = {
        "DATABASE_URL": "postgresql+psycopg://u:p@ss9Xw4tR8b/Q2z@db:port/deals",
        "REDIS_URL": "redis://:Xw4tR8b/Q2z[9#@cache:6379/0",
        "KEEPA_API_KEY": KEY[:40],
    }
    program = """
import json, os, sys, traceback
from keepa_deals.cli import main
right = dict(os.environ)
for name, value in json.loads(sys.argv[1]).items():
    os.environ.clear()
    os.environ.update({**right, name: value})
    sys.argv = ["keepa-deals", "status"]
    try:
        main()
    except SystemExit:
        print("ended", name, flush=True)
    except Exception:
        traceback.print_exc()
"""
    environment = {"KEEPA_DEALS_HOME": str(tmp_path / "home"), "KEEPA_API_KEY": KEY}
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(wrong)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert "KEEPA_API_KEY=(hidden)" in said
    assert shown(said, KEY, *(secret for value in wrong.values() for secret in secrets_in(value))) == set(), (
        said
    )
