"""Redis as the project uses it: the client, the name of every key, and the Lua scripts."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.commands.core import Script
from redis.connection import (
    AbstractConnection,
    Connection,
    ConnectionPool,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.retry import Retry
from redis.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)

from keepa_deals.addresses.hosts import is_loopback
from keepa_deals.addresses.redis import RedisAddress
from keepa_deals.settings import Settings

DEFAULT_PREFIX = "keepa_deals"
_CONSTANTS = "--#constants"
_INCLUDE = re.compile(r"^ *--#include (\w+)$", re.MULTILINE)

CONNECT_TIMEOUT = 3.0
ANSWER_TIMEOUT = 5.0
PROBE_TIMEOUT = 1.0
RETRIES = 3
"""Calls are repeated on a lost connection: a script must bear being run twice with the same arguments."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of all keys of a deployment.

    The two locks have fixed names under the default prefix, because people and scripts outside know
    them; everything else, and every other deployment on the same Redis, is under ``<prefix>:``.
    """

    prefix: str = DEFAULT_PREFIX

    def lock(self, name: str) -> str:
        """The key of a single-flight lock, such as ``update_recent_deals_lock``."""
        return name if self.prefix == DEFAULT_PREFIX else f"{self.prefix}:{name}"

    def queue(self, name: str) -> str:
        """The list in which kombu keeps a queue's messages, the newest first."""
        return f"{self.prefix}:{name}"

    def tokens(self, account: str, part: str) -> str:
        """A part of a Keepa account's state; ``account`` is a hash that stands for the key."""
        return f"{self.prefix}:tokens:{{{account}}}:{part}"

    @property
    def beat_last_tick(self) -> str:
        """Unix milliseconds of beat's last tick."""
        return f"{self.prefix}:beat:last_tick"

    @property
    def last_answers(self) -> str:
        """Keepa's last answers by call."""
        return f"{self.prefix}:keepa:last"

    def answers(self, slot: int) -> str:
        """How many answers of each kind came in one slot of time."""
        return f"{self.prefix}:keepa:answers:{slot}"

    @property
    def rejected_asins(self) -> str:
        """The ASINs that Keepa takes for malformed, by when it said so."""
        return f"{self.prefix}:keepa:rejected"

    @property
    def pause(self) -> str:
        """Stands for as long as Keepa wants no call."""
        return f"{self.prefix}:keepa:pause"

    @property
    def notifier_wake(self) -> str:
        """A list with a word for the notifier: there is something to look at, or to send."""
        return f"{self.prefix}:notify:wake"

    @property
    def notifier_looked(self) -> str:
        """Unix milliseconds of the notifier's last look."""
        return f"{self.prefix}:notify:looked"

    @property
    def metrics(self) -> str:
        """The counters that all processes share."""
        return f"{self.prefix}:metrics"


def who_may_write(settings: Settings) -> str | None:
    """Who can write into Redis without a password: everybody who reaches it, or everybody on this machine.

    ``None`` with a password or a client's certificate, for a Unix socket, whose mode decides, and where there
    is no address or none that can be read: other checks say so.
    """
    if settings.redis_url is None:
        return None
    address = settings.redis_address
    if address.socket is not None or address.password or "ssl_certfile" in address.tls_options:
        return None
    if all(is_loopback(host) for host, _ in address.places):
        return "everybody on this machine"
    return f"everybody who reaches {address.host}"


def now_ms() -> int:
    """This machine's clock in Unix milliseconds."""
    return int(time.time() * 1000)


def connect(settings: Settings) -> redis.Redis:
    """A client for work: keeps its connections alive and repeats a call on a lost connection, briefly."""
    backoff = ExponentialWithJitterBackoff(base=0.05, cap=0.5)
    return _client(
        settings.redis_address,
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_timeout=ANSWER_TIMEOUT,
        health_check_interval=10,
        retry=Retry(backoff, RETRIES),
    )


def connect_probe(settings: Settings, *, timeout: float = PROBE_TIMEOUT) -> redis.Redis:
    """A client for a look: one attempt, answered or failed within about ``timeout`` seconds."""
    return _client(
        settings.redis_address,
        socket_connect_timeout=timeout,
        socket_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
    )


def connection_class(address: RedisAddress) -> type[AbstractConnection]:
    """The kind of redis-py's connections that leads there."""
    if address.socket is not None:
        return UnixDomainSocketConnection
    if address.master is not None:
        return SentinelManagedSSLConnection if address.tls else SentinelManagedConnection
    return SSLConnection if address.tls else Connection


def pool_of(address: RedisAddress, **options: Any) -> ConnectionPool:
    """Connections to an address; its own options win. ``options`` may hold another ``connection_class``."""
    chosen = {"connection_class": connection_class(address), **options, **address.connection_options()}
    if address.master is None:
        return ConnectionPool(**chosen)
    asked = {name: options[name] for name in ("socket_connect_timeout", "socket_timeout") if name in options}
    once: dict[str, Any] = {"retry": Retry(NoBackoff(), 0)}  # the next Sentinel knows as well
    to_sentinel = dict(address.sentinel_options(), **once, **asked)
    watchers = Sentinel(address.places, sentinel_kwargs=to_sentinel)  # type: ignore[no-untyped-call]
    return SentinelConnectionPool(address.master, watchers, **chosen)  # type: ignore[no-untyped-call]


def _client(address: RedisAddress, **options: Any) -> redis.Redis:
    return redis.Redis.from_pool(pool_of(address, decode_responses=True, **options))


def load_script(client: redis.Redis, name: str, constants: Mapping[str, int] | None = None) -> Script:
    """The script ``lua/<name>.lua``, run by its hash and sent again when Redis has forgotten it.

    ``constants`` are declared in the place of its line ``--#constants``.
    """
    text = script_text(name)
    if constants:
        values = ", ".join(map(str, constants.values()))
        text = text.replace(_CONSTANTS, f"local {', '.join(constants)} = {values}")
    return client.register_script(text)


@functools.cache
def script_text(name: str) -> str:
    """The source of ``lua/<name>.lua``, with the file named in a line ``--#include <name>`` in its place."""
    source = (resources.files("keepa_deals") / "lua" / f"{name}.lua").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda line: script_text(line[1]), source)
