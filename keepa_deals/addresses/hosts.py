"""Names and addresses of machines, and ports."""

from __future__ import annotations

import ipaddress
import re

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_MAX_NAME = 253
_ESCAPED_ZONE = "25"
"""Of ``fe80::1%25eth0``: how an address on the web writes the ``%`` before an interface (RFC 6874)."""
MAX_PORT = 65535


def as_host(text: str) -> str:
    """A host as machines write it (lower case, no brackets, an international name in ASCII).

    A ``ValueError`` says what else stands there: it follows "must be", and quotes nothing.
    """
    name = _bare(text)
    if _is_ip(name):
        address, zone, interface = name.partition("%")
        return address.lower() + zone + interface.removeprefix(_ESCAPED_ZONE)
    name = _in_ascii(name).lower().removesuffix(".")
    if name and len(name) <= _MAX_NAME and all(map(_LABEL.fullmatch, name.split("."))):
        return name
    raise ValueError(f"must be a host name or an address, {_misfit(text)}")


def as_port(text: str) -> int:
    """A port from 1 on; a ``ValueError`` otherwise."""
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:6]) <= MAX_PORT:
        raise ValueError(f"the port must be a number from 1 to {MAX_PORT}")
    return int(text)


def split_port(text: str) -> tuple[str, int | None]:
    """Host and port of ``host``, ``host:port``, ``[::1]`` and ``[::1]:port``; a ``ValueError`` otherwise."""
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        host, colon, port = host + bracket, rest[:1], rest[1:]
        if colon not in ("", ":") or not bracket:
            raise ValueError("must be a host name or an address, with IPv6 in brackets")
    else:
        host, colon, port = text.partition(":")
    return as_host(host), as_port(port) if colon else None


def is_loopback(host: str) -> bool:
    """Whether a name or address leads to this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def with_port(host: str, port: int | None) -> str:
    """``host:port`` as addresses have it."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def _bare(text: str) -> str:
    return text[1:-1] if text.startswith("[") and text.endswith("]") else text


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _in_ascii(name: str) -> str:
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return ""


def _misfit(text: str) -> str:
    """What is in the way, in words."""
    if not text:
        return "and is missing"
    if "://" in text:
        return "without a scheme"
    if "/" in text:
        return "without a path"
    if "*" in text:
        return "not a pattern (every address of this machine: 0.0.0.0; names: each of them)"
    if any(char.isspace() for char in text):
        return "without blanks (several: with commas between)"
    if re.fullmatch(r"[^:]+:\d*|\[[^\]]*\]:\d*", text):
        return "without a port"
    return "of letters, digits, '-' and '.'"
