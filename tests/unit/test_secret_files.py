"""A secret may stand in a file that ``<NAME>_FILE`` names: read whole, hidden, never repeated in an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepa_deals import redaction, settings
from keepa_deals.errors import SettingsError
from keepa_deals.settings import SECRET_SETTINGS

KEY = "Zq7" + "k" * (settings.KEY_LENGTH - 3)
VALUES = {
    "keepa_api_key": KEY,
    "redis_url": "redis://:a-secret-of-redis@127.0.0.1/0",
    "database_url": "postgresql+psycopg://keepa:a-secret-of-pg@127.0.0.1/keepa",
}


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRET_SETTINGS:
        for variable in (name, f"{name}_file"):
            monkeypatch.delenv(variable.upper(), raising=False)
    monkeypatch.setenv("KEEPA_DEALS_HOME", str(tmp_path / "home"))


def load(env_file: Path | None = None) -> settings.Settings:
    return settings.load(env_file=env_file, runtime=False)


def test_these_are_secrets() -> None:
    assert VALUES.keys() <= SECRET_SETTINGS


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
@pytest.mark.parametrize("name", VALUES)
def test_a_secret_is_read_from_its_file_and_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, end: str
) -> None:
    file = tmp_path / "secret"
    file.write_bytes((VALUES[name] + end).encode())
    monkeypatch.setenv(f"{name.upper()}_FILE", str(file))
    assert getattr(load(), name).get_secret_value() == VALUES[name]
    hidden = redaction.redact(f"so {VALUES[name]}")
    assert "a-secret-of" not in hidden
    assert KEY not in hidden


def test_env_may_name_the_file_too(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / ".env").write_text(f"KEEPA_API_KEY_FILE={tmp_path / 'key'}\n")
    assert load(tmp_path / ".env").api_key == KEY


def test_the_environment_s_file_wins_over_env_s_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / ".env").write_text(f"KEEPA_API_KEY={'x' * settings.KEY_LENGTH}\n")
    monkeypatch.setenv("KEEPA_API_KEY_FILE", str(tmp_path / "key"))
    assert load(tmp_path / ".env").api_key == KEY


def test_both_ways_in_one_place_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text(KEY)
    monkeypatch.setenv("KEEPA_API_KEY", KEY)
    monkeypatch.setenv("KEEPA_API_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(SettingsError) as caught:
        load()
    assert str(caught.value) == "KEEPA_API_KEY and KEEPA_API_KEY_FILE are both set: keep one of them"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("folder", "a folder: must be one file"),
        (b"", "must hold the secret in one line"),
        (b"\n", "must hold the secret in one line"),
        (f"{KEY}\n{KEY}\n".encode(), "must hold the secret in one line"),
        (KEY.encode("utf-16"), "UTF-16 or UTF-32 text"),
        (b"k" * 5000, "must hold the secret in one line"),
    ],
    ids=["missing", "folder", "empty", "blank", "two lines", "UTF-16", "long"],
)
def test_a_file_that_holds_no_secret_is_named_and_nothing_of_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | str | None, words: str
) -> None:
    file = tmp_path / "key"
    if content == "folder":
        file.mkdir()
    elif isinstance(content, bytes):
        file.write_bytes(content)
    monkeypatch.setenv("KEEPA_API_KEY_FILE", str(file))
    with pytest.raises(SettingsError) as caught:
        load()
    assert str(caught.value).startswith(f"KEEPA_API_KEY_FILE={file}: {words}")
    assert "kkkk" not in str(caught.value)


def test_a_wrong_secret_in_a_file_is_refused_as_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("short")
    monkeypatch.setenv("KEEPA_API_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(SettingsError, match=f"must have {settings.KEY_LENGTH} characters, has 5"):
        load()
