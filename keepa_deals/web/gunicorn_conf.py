"""gunicorn's configuration, from the project's settings. HUP reloads without dropping a request."""

from __future__ import annotations

import sys
from typing import Any

from keepa_deals import redaction, settings
from keepa_deals.deployment.supervisor_config import WORKER_CLASS
from keepa_deals.errors import KeepaDealsError
from keepa_deals.people.access_file import AccessFile
from keepa_deals.people.exposure import may_start

redaction.guard_streams()  # before gunicorn makes its handlers
try:
    _settings = settings.load()
    _access = AccessFile(_settings.keepa_deals_home)  # no database: this process answers nothing
    _refusal = may_start(_settings, _access.read())
    _access.session_key()  # a home that can't be written is said here, in a line
except KeepaDealsError as error:
    raise SystemExit(f"keepa_deals: {error}") from None

if _refusal is not None:
    raise SystemExit(f"keepa_deals: {_refusal}")

bind = _settings.dashboard_bind
worker_class = WORKER_CLASS
workers = 1
threads = 12
timeout = 30
"""Seconds without a sign of life of the loop, after which the master kills the process."""
graceful_timeout = 25
forwarded_allow_ips = ""  # DASHBOARD_PROXIES says whom to believe; gunicorn would believe all of loopback
max_requests = 1_000_000
max_requests_jitter = 100_000
control_socket_disable = True
errorlog = "-"
accesslog = None
"""No line a request: pages refresh themselves, and /metrics counts what matters."""


def post_fork(arbiter: Any, worker: Any) -> None:
    """Forget our modules: the master has read some, and a reload brings in all of the new version."""
    del arbiter, worker
    for name in [name for name in sys.modules if name.partition(".")[0] == "keepa_deals"]:
        del sys.modules[name]


def post_worker_init(worker: Any) -> None:
    """In the process that answers: the copy of the deals must not be made before the fork, and the master
    needs nothing of what answers."""
    from keepa_deals import process_limits
    from keepa_deals.web.http import response_cache
    from keepa_deals.web.services import EXTENSION

    worker.wsgi.config[response_cache.SECONDS] = response_cache.KEPT_SECONDS
    process_limits.spare_what_stays()
    worker.wsgi.extensions[EXTENSION].column_cache.start(after_loads=process_limits.give_back)
