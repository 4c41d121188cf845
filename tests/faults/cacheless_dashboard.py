"""gunicorn's configuration of a dashboard that never has the memory for its column cache."""

from __future__ import annotations

from typing import Any

from keepa_deals.web import gunicorn_conf
from keepa_deals.web.gunicorn_conf import *  # noqa: F403  # a configuration is a module's names


def post_worker_init(worker: Any) -> None:
    """As ever, but for the cache. Imported here: the worker has forgotten what its master has read."""
    from keepa_deals.query.cache.cache import ColumnCache

    def without_memory(_: ColumnCache) -> None:
        raise MemoryError

    ColumnCache._load = without_memory  # type: ignore[method-assign]
    gunicorn_conf.post_worker_init(worker)
