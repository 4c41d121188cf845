"""Addresses of HTTP servers that this program calls."""

from __future__ import annotations

from urllib.parse import quote

from keepa_deals.addresses import hosts
from keepa_deals.addresses.split import Parts, scheme_of, split

FORMS = "http:// or https://"


def base(address: str) -> str:
    """The address of an API, without a slash at its end; a ``ValueError`` that quotes nothing of it.

    It is shown in logs and errors: so it has neither login nor options.
    """
    return split(_http(address), _without_secrets)


def whole(address: str) -> str:
    """Any address of a page, as it is to be called; a ``ValueError`` that quotes nothing of it."""
    split(_http(address), _with_host)
    if not address.strip().isprintable() or " " in address.strip():
        raise ValueError("must have no blanks")
    return address.strip()


def _http(address: str) -> str:
    if scheme_of(address) not in ("http", "https"):
        raise ValueError(f"must start with {FORMS}")
    return address


def _with_host(parts: Parts) -> tuple[str, int | None]:
    if not parts.place:
        raise ValueError("must name a host")
    return hosts.split_port(parts.place)


def _without_secrets(parts: Parts) -> str:
    host, port = _with_host(parts)
    if parts.user or parts.password:
        raise ValueError("must have no user and password")
    if parts.options or "#" in parts.path:
        raise ValueError("must have no options: the key has a setting of its own, KEEPA_API_KEY")
    path = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~-._")
    return f"{parts.scheme}://{hosts.with_port(host, port)}{path}"
