"""Addresses of the database: SQLite files and PostgreSQL, as other programs write them, too."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlencode

from keepa_deals.addresses import hosts
from keepa_deals.addresses.files import as_file
from keepa_deals.addresses.redis import ESCAPES
from keepa_deals.addresses.split import Parts, scheme_of, split

FORMS = "sqlite:/// or postgresql://"
DRIVER = "postgresql+psycopg"
_POSTGRESQL = re.compile(
    r"(?:postgres|postgresql|pgsql)(?:\+(?:psycopg|psycopg2|psycopg2cffi|asyncpg|pg8000))?"
)
_SQLITE = re.compile(r"sqlite(?:\+pysqlite)?")
_IN_MEMORY = ("", ":memory:")

LIBPQ = frozenset(
    [
        "passfile",
        "channel_binding",
        "connect_timeout",
        "host",
        "hostaddr",
        "port",
        "client_encoding",
        "options",
        "application_name",
        "fallback_application_name",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "sslmode",
        "sslnegotiation",
        "sslcompression",
        "sslcert",
        "sslkey",
        "sslcertmode",
        "sslpassword",
        "sslrootcert",
        "sslcrl",
        "sslcrldir",
        "sslsni",
        "requirepeer",
        "require_auth",
        "min_protocol_version",
        "max_protocol_version",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
        "gssencmode",
        "krbsrvname",
        "gsslib",
        "gssdelegation",
        "target_session_attrs",
        "load_balance_hosts",
        "scram_client_key",
        "scram_server_key",
        "service",
        "user",
        "password",
        "dbname",
    ]
)
"""What may stand behind the ``?``."""
_LEFT_OUT = frozenset(
    [
        "pgbouncer",
        "prepare_threshold",
        "prepared_statements",
        "statement_cache_size",
        "prepared_statement_cache_size",
        "connection_limit",
        "pool_size",
        "pool_timeout",
        "pool_mode",
    ]
)
"""Options of other programs for what this one does by itself, whatever stands between."""
_SQLITE_LEFT_OUT = frozenset(
    [
        "timeout",
        "busy_timeout",
        "check_same_thread",
        "cached_statements",
        "isolation_level",
        "detect_types",
        "cache",
        "journal_mode",
        "synchronous",
        "foreign_keys",
    ]
)
"""Options of SQLite's drivers for what each connection here is told anyway."""
_WRITABLE_MODES = ("mode=rw", "mode=rwc")
_FIRST_WRITABLE = {"target_session_attrs": "read-write"}
"""Of several hosts, the one that takes writes: after a fail-over, another one."""


@dataclass(frozen=True)
class DatabaseAddress:
    """Where the database is."""

    file: Path | None = None
    """SQLite's; ``None`` for PostgreSQL, and for a database in memory."""
    places: tuple[tuple[str, int | None], ...] = ()
    name: str = ""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    left_out: tuple[str, ...] = ()
    is_sqlite: bool = False

    @property
    def dsn(self) -> str:
        """For SQLAlchemy, everything escaped; with the password: never log it."""
        if self.is_sqlite:
            return f"sqlite:///{quote(str(self.file)) if self.file else ':memory:'}"
        place = f"{self._login(self.password)}/{quote(self.name, safe='')}"
        return f"{DRIVER}://{place}{self._query(dict(self.options))}"

    @property
    def for_tools(self) -> str:
        """For PostgreSQL's own programs, without the password."""
        options = {
            name: value for name, value in self.options.items() if name not in ("password", "sslpassword")
        }
        return f"postgresql://{self._login(None)}/{quote(self.name, safe='')}{self._query(options)}"

    def _login(self, password: str | None) -> str:
        if not self.user and not password:
            return ""
        secret = f":{quote(password, safe='')}" if password else ""
        return f"{quote(self.user or '', safe='')}{secret}@"

    def _query(self, options: dict[str, str]) -> str:
        if self.places:
            options["host"] = ",".join(host for host, _ in self.places)
            if any(port for _, port in self.places):
                options["port"] = ",".join(str(port or 5432) for _, port in self.places)
        return f"?{urlencode(options, quote_via=quote)}" if options else ""


def of_file(path: Path) -> DatabaseAddress:
    """The SQLite database in a file."""
    return DatabaseAddress(file=path, is_sqlite=True)


def parse(address: str) -> DatabaseAddress:
    """The address in its parts; a ``ValueError`` that says what is wrong and quotes nothing of it."""
    scheme = scheme_of(address)
    if _SQLITE.fullmatch(scheme):
        return _sqlite(address)
    if _POSTGRESQL.fullmatch(scheme):
        return split(address, _postgresql)
    raise ValueError(f"must start with {FORMS}")


def _sqlite(address: str) -> DatabaseAddress:
    rest, _, query = address.strip().partition("://")[2].partition("?")
    if rest and not rest.startswith("/"):
        raise ValueError(
            "must have three slashes before the file, four before an absolute path: sqlite:////data/deals.db"
        )
    name = unquote(rest[1:])
    given = {pair.partition("=")[0] for pair in query.split("&") if pair and pair not in _WRITABLE_MODES}
    if given - _SQLITE_LEFT_OUT:
        raise ValueError(
            "must name SQLite's file and no options (in its name, ? is written %3F): the service writes "
            "there, and opens it in its own way"
        )
    file = None if name in _IN_MEMORY else as_file(name)
    return DatabaseAddress(file=file, is_sqlite=True, left_out=tuple(sorted(given)))


def _postgresql(parts: Parts) -> DatabaseAddress:
    options = {name: value for name, value in parts.options.items() if name not in _LEFT_OUT}
    for name in sorted(options.keys() - LIBPQ):
        likely = difflib.get_close_matches(name, LIBPQ, n=1, cutoff=0.7)
        raise ValueError(
            "has an option that PostgreSQL does not know" + (f" ({likely[0]}?)" if likely else "")
        )
    name = unquote(parts.path.removeprefix("/"))
    if "/" in parts.path[1:] or "@" in parts.path or "#" in parts.path:
        raise ValueError(
            f"must end with the database's name: postgresql://user:password@host/deals {ESCAPES}"
        )
    places = _places(parts.place) or _stated(options)
    if len(places) > 1:
        options = {**_FIRST_WRITABLE, **options}
    return DatabaseAddress(
        places=places,
        name=name or options.get("dbname", ""),
        user=parts.user or options.get("user"),
        password=parts.password or options.get("password"),
        options={name: value for name, value in options.items() if name not in _STATED},
        left_out=tuple(sorted(parts.options.keys() & _LEFT_OUT)),
    )


_STATED = ("host", "port", "user", "password", "dbname")
"""Options that say what has a place of its own in an address."""


def _places(text: str) -> tuple[tuple[str, int | None], ...]:
    """Hosts and ports; a folder of sockets is written percent-encoded."""
    places: list[tuple[str, int | None]] = []
    for place in filter(None, text.split(",")):
        folder = unquote(place)
        if folder.startswith(("/", "@")):
            places.append((folder, None))
            continue
        try:
            places.append(hosts.split_port(place))
        except ValueError as error:
            raise ValueError(f"{error} {ESCAPES}") from None
    return tuple(places)


def _stated(options: Mapping[str, str]) -> tuple[tuple[str, int | None], ...]:
    """Hosts and ports among the options, as libpq pairs them."""
    names = [name for name in options.get("host", "").split(",") if name]
    ports = [hosts.as_port(port) if port else None for port in options.get("port", "").split(",")]
    if len(names) > 1 and len(ports) not in (1, len(names)):
        raise ValueError("must have one port, or as many ports as hosts")
    places = []
    for at, name in enumerate(names or ["localhost"] if options.get("port") else names):
        host, own = (name, None) if name.startswith(("/", "@")) else hosts.split_port(name)
        places.append((host, own or (ports[at] if len(ports) > at else ports[0])))
    return tuple(places)
