"""Addresses of channels: which are allowed, how they are shown, and what sends there.

Apprise knows 130 services; those that people use most are loaded one by one, the others by loading all,
which takes seconds and 20 MB. Services that act on this machine itself are none of ours.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from keepa_deals import redaction
from keepa_deals.addresses import hosts

MAX_ADDRESS = 2000
WEBHOOK = "webhook"
"""The kind of a signed webhook: ``https://…``."""
_FEW: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("tgram",), ("telegram", "NotifyTelegram")),
    **dict.fromkeys(("discord",), ("discord", "NotifyDiscord")),
    **dict.fromkeys(("slack",), ("slack", "NotifySlack")),
    **dict.fromkeys(("ntfy", "ntfys"), ("ntfy", "NotifyNtfy")),
    **dict.fromkeys(("gotify", "gotifys"), ("gotify", "NotifyGotify")),
    **dict.fromkeys(("mailto", "mailtos"), ("email", "NotifyEmail")),
    **dict.fromkeys(("json", "jsons"), ("custom_json", "NotifyJSON")),
    **dict.fromkeys(("form", "forms"), ("custom_form", "NotifyForm")),
    **dict.fromkeys(("pover",), ("pushover", "NotifyPushover")),
    **dict.fromkeys(("mmost", "mmosts"), ("mattermost", "NotifyMattermost")),
}
"""Scheme → Apprise's module and class."""
_OF_THIS_MACHINE = frozenset(
    ("dbus", "kde", "qt", "glib", "gnome", "macosx", "windows", "syslog", "blink1", "fcm", "vapid")
)
"""They act on this machine's desktop, log or devices, or read files of it that the address names."""
_READS_FILES = ("pgp", "pgpkey", "keyfile", "subfile", "e2eefile", "template", "attach")
"""Options by which Apprise reads files of this machine."""


class AddressError(ValueError):
    """An address that nothing can be sent to; the text says why, and repeats none of it."""


@dataclass(frozen=True, slots=True)
class Address:
    """What is known of an address that was looked at."""

    kind: str
    """Its scheme, or ``webhook``."""
    shown: str
    """Without what is secret in it."""


def look_at(address: str) -> Address:
    """What an address is; ``AddressError`` in Apprise's words when it is none."""
    address = address.strip()
    scheme = address.partition("://")[0].lower() if "://" in address else ""
    if not scheme:
        raise AddressError("An address begins as tgram://, ntfys://, mailtos:// or https:// does")
    if len(address) > MAX_ADDRESS or not address.isprintable():
        raise AddressError(f"An address has at most {MAX_ADDRESS} characters, all of them printable")
    if scheme in ("http", "https"):
        return Address(WEBHOOK, _look_at_webhook(address))
    return Address(scheme, str(plugin(address).url(privacy=True)).partition("?")[0])


def _look_at_webhook(address: str) -> str:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise AddressError("That is no web address") from None
    if not host or " " in address:
        raise AddressError("That is no web address")
    if parts.username or parts.password or parts.fragment:
        raise AddressError("A webhook's address has no user, password or fragment: its messages are signed")
    if parts.scheme == "http" and not hosts.is_loopback(host):
        raise AddressError("A webhook beyond this machine has an https:// address")
    place = hosts.with_port(host, port) if port else host
    return f"{parts.scheme}://{place}/{'…' if parts.path.strip('/') or parts.query else ''}"


def plugin(address: str) -> Any:
    """Apprise's object that sends there; ``AddressError`` in its words when the address is none."""
    scheme = address.partition("://")[0].lower()
    if scheme in _OF_THIS_MACHINE:
        raise AddressError(f"{scheme}:// acts on the machine that the service runs on: choose another one")
    if options := [name for name in _READS_FILES if f"{name}=" in address.partition("?")[2].lower()]:
        raise AddressError(
            f"{options[0]}= names a file of the machine that the service runs on: leave it out"
        )
    with listening() as words:
        try:
            made = _of_few(scheme, address) if scheme in _FEW else _of_all(address)
        except Exception as error:  # noqa: BLE001  # a plugin may raise anything over an address
            words.append(str(error))
            made = None
    if made is None:
        raise AddressError(without_address(" · ".join(dict.fromkeys(words)) or "Apprise refuses it", address))
    return made


def without_address(words: str, address: str) -> str:
    """What Apprise says, without the address and what is secret in it."""
    secrets = [address, *redaction.secrets_in(address), *redaction.secrets_in_path(address)]
    return redaction.redact_addresses(words, [secret for secret in secrets if len(secret) > 3])


def _asset() -> Any:
    from apprise import AppriseAsset, PersistentStoreMode

    return AppriseAsset(
        app_id="keepa_deals",
        app_desc="keepa_deals",
        app_url="",
        async_mode=False,
        secure_logging=True,
        storage_mode=PersistentStoreMode.MEMORY,
    )


def _of_few(scheme: str, address: str) -> Any:
    module, name = _FEW[scheme]
    kind = getattr(importlib.import_module(f"apprise.plugins.{module}"), name)
    parts = kind.parse_url(address)
    if not parts:
        raise ValueError(f"That is no whole address of {kind.service_name}: see {kind.setup_url}")
    return kind(**{**parts, "schema": scheme, "asset": _asset()})


def _of_all(address: str) -> Any:
    import apprise

    return apprise.Apprise.instantiate(address, asset=_asset(), suppress_exceptions=False)


class _Listener(logging.Handler):
    """Keeps what one thread logs."""

    def __init__(self, thread: int) -> None:
        super().__init__(logging.WARNING)
        self.words: list[str] = []
        self._thread = thread

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread and len(self.words) < 5:
            self.words.append(record.getMessage()[:300])


@contextmanager
def listening() -> Iterator[list[str]]:
    """The warnings and errors that Apprise logs in this thread, from which nobody else gets them."""
    log = logging.getLogger("apprise")
    log.propagate = False  # its lines may hold addresses
    listener = _Listener(threading.get_ident())
    log.addHandler(listener)
    try:
        yield listener.words
    finally:
        log.removeHandler(listener)
