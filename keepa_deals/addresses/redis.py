"""Addresses of Redis: over TCP, TLS or a Unix socket, alone or watched by Sentinels."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from keepa_deals.addresses import hosts
from keepa_deals.addresses.files import as_file
from keepa_deals.addresses.split import Parts, scheme_of, split
from keepa_deals.errors import SettingsError

PORT, SENTINEL_PORT = 6379, 26379
FORMS = "redis://, rediss://, unix:// or redis+sentinel://"
ESCAPES = "(in a password, / # ? [ @ may be written as %2F %23 %3F %5B %40)"

_TCP = ("redis", "valkey")
_TLS = ("rediss", "valkeys", "rediss+sentinel", "rediss-sentinel")
_SOCKET = ("unix", "redis+socket", "redis+unix")
_SENTINEL = ("redis+sentinel", "redis-sentinel", "rediss+sentinel", "rediss-sentinel", "sentinel")
_MASTER = ("master_name", "service_name", "sentinelmasterid", "sentinel_master")
_CERT_REQS = {
    **dict.fromkeys(("required", "cert_required"), "required"),
    **dict.fromkeys(("optional", "cert_optional"), "optional"),
    **dict.fromkeys(("none", "cert_none"), "none"),
}
_BOOLEANS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}
_FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
_OURS = frozenset(
    [
        "socket_timeout",
        "socket_connect_timeout",
        "socket_keepalive",
        "socket_read_size",
        "health_check_interval",
        "retry_on_timeout",
        "retry_on_error",
        "max_connections",
        "timeout",
        "decode_responses",
        "encoding",
        "encoding_errors",
        "visibility_timeout",
        "legacy_responses",
    ]
)
"""Options that clients know and this program sets by itself."""


@dataclass(frozen=True)
class RedisAddress:
    """Where Redis is, and as whom to speak to it."""

    places: tuple[tuple[str, int], ...] = ()
    """Host and port; of each Sentinel where ``master`` names what they watch."""
    socket: str | None = None
    db: int = 0
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    master: str | None = None
    sentinel_user: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    protocol: int | None = None
    client_name: str | None = None
    tls_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    left_out: tuple[str, ...] = ()
    """Options that this program sets by itself."""

    def __str__(self) -> str:
        """Where it is, without user and password."""
        if self.socket is not None:
            return f"unix://{self.socket}?db={self.db}"
        scheme = ("rediss" if self.tls else "redis") + ("+sentinel" if self.master else "")
        places = ",".join(hosts.with_port(*place) for place in self.places)
        return f"{scheme}://{places}/{f'{self.master}/' if self.master else ''}{self.db}"

    @property
    def host(self) -> str:
        """The first host; empty for a socket."""
        return self.places[0][0] if self.places else ""

    @property
    def verifies(self) -> bool:
        """Whether TLS asks for the server's certificate."""
        return self.tls and self.tls_options.get("ssl_cert_reqs", "required") != "none"

    def connection_options(self) -> dict[str, Any]:
        """What a connection of redis-py takes, without time-outs: place, login, protocol, TLS."""
        chosen: dict[str, Any] = {"db": self.db, "username": self.user, "password": self.password}
        if self.socket is not None:
            chosen["path"] = self.socket
        elif self.master is None:
            chosen["host"], chosen["port"] = self.places[0]
        chosen |= {"protocol": self.protocol, "client_name": self.client_name}
        return {name: value for name, value in chosen.items() if value is not None} | dict(self.tls_options)

    def sentinel_options(self) -> dict[str, Any]:
        """What a connection to a Sentinel takes."""
        login = {"username": self.sentinel_user, "password": self.sentinel_password}
        return {name: value for name, value in login.items() if value} | (
            {"ssl": True, **self.tls_options} if self.tls else {}
        )

    def check_files(self) -> None:
        """A ``SettingsError`` that names the first file of the address that cannot be read."""
        for name in _FILES:
            path = self.tls_options.get(name)
            if path is None:
                continue
            try:
                if name == "ssl_ca_path":
                    next(Path(path).iterdir(), None)
                elif b"-----BEGIN " not in Path(path).read_bytes():
                    raise SettingsError(f"{name}={path} is no PEM file")
            except OSError as error:
                raise SettingsError(f"{name}={path} cannot be read ({error.strerror})") from None


def parse(address: str) -> RedisAddress:
    """The address in its parts; a ``ValueError`` that says what is wrong and quotes nothing of it."""
    scheme = scheme_of(address)
    if "cluster" in scheme:
        raise ValueError(
            "Redis Cluster is not supported: the token bucket and the queue change several keys in one step, "
            f"which a cluster keeps apart: name a single Redis, or Sentinels, with {FORMS}"
        )
    if scheme not in (*_TCP, *_TLS, *_SOCKET, *_SENTINEL):
        raise ValueError(f"must start with {FORMS}")
    if scheme == "sentinel":  # kombu repeats the scheme for each
        address = re.sub(r"[;,]\s*sentinel://(?:[^@;,/]*@)?", ",", address)
    return split(address, _checked)


def _checked(parts: Parts) -> RedisAddress:
    options = {name.lower(): value for name, value in parts.options.items()}
    _refuse_unknown(options, parts.scheme)
    tls = parts.scheme in _TLS
    place: dict[str, Any]
    if parts.scheme in _SOCKET:
        place = {"socket": _socket(parts)}
        db = ""
    elif parts.scheme in _SENTINEL:
        place, db = _sentinels(parts, options)
    else:
        place, db = {"places": (_place(parts.place, PORT),)}, parts.path.strip("/")
    return RedisAddress(
        **place,
        db=_number(options.get("db") or options.get("virtual_host", "").strip("/") or db or "0", db),
        user=options.get("username") or parts.user,
        password=options.get("password") or parts.password,
        tls=tls,
        sentinel_user=options.get("sentinel_username"),
        sentinel_password=options.get("sentinel_password"),
        protocol=_protocol(options.get("protocol")),
        client_name=options.get("client_name"),
        tls_options=_tls_options(options) if tls else {},
        left_out=tuple(sorted(options.keys() & _OURS)),
    )


_LOGIN = ("username", "password", "db", "virtual_host", "protocol", "client_name")
_SENTINEL_LOGIN = ("sentinel_username", "sentinel_password", *_MASTER)
_TLS_OPTIONS = (
    *_FILES,
    "ssl_password",
    "ssl_cert_reqs",
    "ssl_check_hostname",
    "ssl_min_version",
    "ssl_ciphers",
)


def _refuse_unknown(options: Mapping[str, str], scheme: str) -> None:
    known = {*_LOGIN, *_OURS}
    known |= set(_TLS_OPTIONS) if scheme in _TLS else set()
    known |= set(_SENTINEL_LOGIN) if scheme in _SENTINEL else set()
    for name in options.keys() - known:
        if name in _TLS_OPTIONS:
            raise ValueError(f"{name} is for TLS: must start with rediss://")
        likely = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
        raise ValueError(
            f"must have no options but {', '.join(sorted(known - _OURS - set(_MASTER[1:])))}"
            + (f" ({likely[0]}?)" if likely else "")
        )


def _place(text: str, default: int) -> tuple[str, int]:
    if "," in text or ";" in text:
        raise ValueError("must name one host; several Sentinels are written redis+sentinel://a,b,c/master")
    if not text or text.startswith(":"):
        return "localhost", hosts.as_port(text[1:]) if text[1:] else default
    try:
        host, port = hosts.split_port(text)
    except ValueError as error:
        raise ValueError(f"{error} {ESCAPES}") from None
    return host, port or default


def _socket(parts: Parts) -> str:
    if parts.place:
        raise ValueError("must have the whole path of the socket: unix:///run/redis.sock, with three slashes")
    path = unquote(parts.path)
    if path in ("", "/"):
        raise ValueError("must name a socket: unix:///run/redis.sock")
    return path


def _sentinels(parts: Parts, options: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """Where the Sentinels are and what they watch; and the database, if the path has one."""
    places = tuple(
        _place(text.strip(), SENTINEL_PORT) for text in re.split("[,;]", parts.place) if text.strip()
    )
    path, _, fragment = parts.path.partition("#")
    names = [unquote(part) for part in path.split("/") if part]
    numbers = [name for name in names if name.isdecimal()]
    given = [options[name] for name in _MASTER if name in options]
    masters = [*given, unquote(fragment), *(name for name in names if not name.isdecimal())]
    masters = [name for name in masters if name]
    if not places or len(masters) != 1 or len(numbers) > 1:
        raise ValueError(
            "must name Sentinels and one master: redis+sentinel://host:26379,host:26379/master/0"
        )
    if not re.fullmatch(r"[A-Za-z0-9._-]+", masters[0]):
        raise ValueError("the master's name must be letters, digits, '.', '_' and '-'")
    return {"places": places, "master": masters[0]}, numbers[0] if numbers else ""


def _number(text: str, in_path: str) -> int:
    """The database; a path that another one overrides must be a number all the same."""
    if not all(part.isascii() and part.isdecimal() and len(part) < 6 for part in (text, in_path or "0")):
        raise ValueError(f"the database must be a number, as in redis://host:6379/2 {ESCAPES}")
    return int(text)


def _protocol(text: str | None) -> int | None:
    if text not in (None, "2", "3"):
        raise ValueError("protocol must be 2 or 3")
    return int(text) if text else None


def _tls_options(options: Mapping[str, str]) -> dict[str, Any]:
    chosen: dict[str, Any] = {
        name: options[name] for name in ("ssl_password", "ssl_ciphers") if options.get(name)
    }
    chosen |= {name: str(as_file(options[name])) for name in _FILES if options.get(name)}
    if "ssl_cert_reqs" in options:
        wanted = _CERT_REQS.get(options["ssl_cert_reqs"].lower())
        if wanted is None:
            raise ValueError("ssl_cert_reqs must be required, optional or none")
        chosen["ssl_cert_reqs"] = wanted
    if "ssl_check_hostname" in options:
        checks = _BOOLEANS.get(options["ssl_check_hostname"].lower())
        if checks is None:
            raise ValueError("ssl_check_hostname must be true or false")
        chosen["ssl_check_hostname"] = checks
    if "ssl_min_version" in options:
        chosen["ssl_min_version"] = _tls_version(options["ssl_min_version"])
    return chosen


def _tls_version(text: str) -> int:
    versions = {"tlsv1.2": 771, "tlsv1_2": 771, "1.2": 771, "771": 771}
    versions |= {"tlsv1.3": 772, "tlsv1_3": 772, "1.3": 772, "772": 772}
    if text.lower() not in versions:
        raise ValueError("ssl_min_version must be TLSv1.2 or TLSv1.3")
    return versions[text.lower()]
