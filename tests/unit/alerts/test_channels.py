"""Addresses of channels: which are taken, how they are shown, and how they are kept."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keepa_deals.alerts import addresses, check
from keepa_deals.alerts.addresses import AddressError, look_at
from keepa_deals.alerts.senders import retry_after
from keepa_deals.secret_box import KEY_FILE, SecretBox, SecretBoxError

GOOD = {
    "tgram://123456789:abcdefg_hijklmnop/12315544/": "tgram",
    "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js": "discord",
    "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/": "slack",
    "ntfy://user:hunter2hunter2@ntfy.example/topic": "ntfy",
    "mailtos://me:hunter2hunter2@mail.example?to=you@mail.example": "mailtos",
    "https://hooks.example/hunter2hunter2?key=hunter2hunter2": "webhook",
    "http://127.0.0.1:99/hunter2hunter2": "webhook",
}


@pytest.mark.parametrize("address", GOOD)
def test_an_address_is_known_and_shown_without_its_secrets(address: str) -> None:
    known = look_at(address)
    assert known.kind == GOOD[address]
    for secret in (
        "hunter2",
        "abcdefg_hijklmnop",
        "JHMHI8qBe7bk2ZwO5U711o3dV_js",
        "TIiajkdnlazkcOXrIdevi7FQ",
    ):
        assert secret not in known.shown


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ntfy",
        "tgram://x",
        "http://hooks.example/plain",
        "https://user:pw@hooks.example/",
        "syslog://",
        "dbus://",
        "mailtos://me:pw@mail.example?pgpkey=/etc/passwd",
        f"https://hooks.example/{'x' * 3000}",
        "https://hooks.example/\n",
        "https://[::1/",
    ],
)
def test_an_address_that_is_none_is_refused_in_words(address: str) -> None:
    with pytest.raises(AddressError) as error:
        look_at(address.replace("\n", "\n/x"))
    assert str(error.value)


def test_a_refusal_repeats_nothing_secret() -> None:
    words = addresses.without_address(
        "Could not load gotify://h/Sesame123Street", "gotify://h/Sesame123Street"
    )
    assert "Sesame123" not in words


def test_an_address_of_a_service_is_looked_at_in_another_process() -> None:
    assert check.look_at(" ntfys://ntfy.example/topic ").kind == "ntfys"
    with pytest.raises(AddressError, match="Telegram"):
        check.look_at("tgram://x")


def test_the_key_is_private_and_made_once(tmp_path: Path) -> None:
    token = SecretBox(tmp_path).encrypt("tgram://secret")
    assert "secret" not in token
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert SecretBox(tmp_path).decrypt(token) == "tgram://secret"
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_a_key_that_does_not_fit_names_its_file(tmp_path: Path) -> None:
    token = SecretBox(tmp_path).encrypt("x")
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(SecretBoxError, match=KEY_FILE):
        SecretBox(tmp_path).decrypt(token)
    (tmp_path / KEY_FILE).write_text("nonsense")
    with pytest.raises(SecretBoxError, match=KEY_FILE):
        SecretBox(tmp_path).encrypt("x")


def test_a_link_does_one_thing_for_one_alert(tmp_path: Path) -> None:
    box = SecretBox(tmp_path)
    token = box.link_token("mute", 7)
    assert box.number_of("mute", token) == 7
    forged = ("", "7", "7-", token.replace("7-", "8-"), f"{token}x", "٧" + token[1:], "-1-x")
    assert [box.number_of("mute", text) for text in forged] == [None] * len(forged)
    assert box.number_of("other", token) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("30", 30.0),
        ("-5", 0.0),
        ("nan", None),
        ("1e9", 86_400.0),
        ("soon", None),
        ("Sun, 01 Mar 2026 12:00:10 GMT", 10.0),
    ],
)
def test_a_pause_is_read_as_seconds_or_as_a_date(text: str | None, seconds: float | None) -> None:
    assert retry_after(text, datetime(2026, 3, 1, 12, tzinfo=UTC)) == seconds
