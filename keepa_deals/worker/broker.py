"""Celery's connection to Redis: soon back when Redis is, and open to our own messages only."""

# kombu's Redis transport is typed in part: what it does not declare is there all the same.
# mypy: disable-error-code="attr-defined,misc,override"

from __future__ import annotations

import functools
import inspect
import logging
import re
from queue import Empty
from typing import Any

import redis
from celery import current_app
from celery.app.amqp import AMQP
from kombu import Connection
from kombu.transport import redis as over_redis

from keepa_deals import settings
from keepa_deals.addresses.redis import RedisAddress
from keepa_deals.redis_store import Keys, connect_probe, connection_class, now_ms, pool_of
from keepa_deals.tokens.counters import MESSAGES_DROPPED, MESSAGES_DROPPED_AT
from keepa_deals.worker.messages import UnusableMessageError, cleaned

log = logging.getLogger(__name__)

MAX_PAUSE = 4
"""Seconds between two attempts. Celery's own pause grows to 32, and so would our return after Redis's."""
MAX_REASON = 200
_PLACES = ("host", "port", "path", "username", "password", "db")


class GuardedQoS(over_redis.QoS):
    """Messages that were taken and not finished: one that cannot be put back is dropped."""

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        try:
            super().restore_by_tag(tag, client, leftmost)
        except self.channel.connection_errors:
            raise
        except Exception as error:  # noqa: BLE001  # whatever stands there; it would be tried for ever
            drop("unacked", f"it cannot be put back ({type(error).__name__})")
            with self.channel.conn_or_acquire(client) as at_hand, at_hand.pipeline() as pipe:
                self._remove_from_indices(tag, pipe).execute()


class GuardedChannel(over_redis.Channel):
    """Takes messages from the queues; what is no message at all is dropped where it is read."""

    QoS = GuardedQoS
    from_transport_options = (*over_redis.Channel.from_transport_options, "address")
    address: RedisAddress | None = None
    """Where Redis is. Kombu's own reading of ``broker_url`` knows fewer addresses, and no certificates."""

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        """What kombu wants of a connection, with the place, login and TLS of ``address``."""
        if self.address is None:  # a connection that is not made by celeryconfig
            return dict(super()._connparams(asynchronous))
        self.connection_class = self.connection_class_ssl = connection_class(self.address)
        params: dict[str, Any] = super()._connparams(asynchronous)
        for name in _PLACES:
            params.pop(name, None)
        if self.address.socket is not None:
            for name in ("socket_keepalive", "socket_keepalive_options"):
                params.pop(name, None)
        return params | self.address.connection_options()

    def _get_pool(self, asynchronous: bool = False) -> redis.ConnectionPool:
        if self.address is None:
            kombus_own: redis.ConnectionPool = super()._get_pool(asynchronous)
            return kombus_own
        params = self._connparams(asynchronous)
        self.keyprefix_fanout = self.keyprefix_fanout.format(db=params["db"])
        return pool_of(self.address, **params)

    def _brpop_read(self, **options: Any) -> Any:
        self.connection.delivers = False
        try:
            return super()._brpop_read(**options)
        except (Empty, *self.connection_errors):
            raise
        except redis.ResponseError as error:
            if self.connection.delivers or not str(error).startswith("WRONGTYPE"):
                raise
            self._clear_what_is_no_queue()
        except Exception as error:
            if self.connection.delivers:  # an error of the worker's own, not of the message
                raise
            drop("/".join(self.active_queues), f"no JSON ({type(error).__name__})")
        raise Empty

    def _clear_what_is_no_queue(self) -> None:
        with self.conn_or_acquire() as client:
            for queue in self.active_queues:
                for key in (self._q_for_pri(queue, priority) for priority in self.priority_steps):
                    try:
                        client.llen(key)  # one of the few commands to which kombu adds our prefix
                    except redis.ResponseError:
                        client.delete(key)
                        drop(queue, "under its name stood what is no queue")


class GuardedTransport(over_redis.Transport):
    """Hands the worker a copy of each message, made of checked parts only."""

    Channel = GuardedChannel
    delivers = False
    """Whether the message at hand has been read, and is with the worker."""

    def _deliver(self, message: Any, queue: str) -> None:
        """Celery's own talk between workers (``celeryev.…``) passes; the service starts without it."""
        if queue in current_app.amqp.queues:
            try:
                message = cleaned(message, queue, _signature_of)
            except UnusableMessageError as error:
                drop(queue, error)
                return
        self.delivers = True
        super()._deliver(message, queue)


class GuardedConnection(Connection):
    """Kombu's connection with short pauses and guarded queues; Celery calls this without a word on them."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("interval_max", MAX_PAUSE)
        return super().ensure_connection(*args, **kwargs)

    def get_transport_cls(self) -> Any:
        transport = super().get_transport_cls()
        return GuardedTransport if transport is over_redis.Transport else transport


class Amqp(AMQP):
    """Gives Celery's workers and beat that connection."""

    Connection = GuardedConnection


def drop(queue: str, why: object) -> None:
    """Count and log, in one line, a message that nobody will see again; Redis being away costs the count."""
    reason = re.sub(r"[^ -~]+", "?", str(why))[:MAX_REASON]
    log.warning("a message in the queue %s is none of ours and is dropped: %s", queue, reason)
    try:
        counters, keys = _counters()
        counters.hincrby(keys.metrics, f"{MESSAGES_DROPPED}|{queue}")
        counters.hset(keys.metrics, MESSAGES_DROPPED_AT, now_ms())
    except redis.RedisError as error:
        log.debug("a dropped message was not counted: %s", error)


@functools.cache
def _counters() -> tuple[redis.Redis, Keys]:
    configured = settings.load()
    return connect_probe(configured), Keys(configured.redis_key_prefix)


def _signature_of(name: str) -> inspect.Signature | None:
    """The parameters of one of our tasks; Celery's own are nothing to send."""
    task = current_app.tasks.get(name) if name.startswith("keepa_deals.") else None
    return inspect.signature(task.run) if task is not None else None
