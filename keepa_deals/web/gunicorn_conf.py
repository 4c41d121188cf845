"""gunicorn's configuration, from the project's settings. HUP reloads without dropping a request."""

from __future__ import annotations

from keepa_deals import settings
from keepa_deals.errors import SettingsError

try:
    _settings = settings.load()
except SettingsError as error:
    raise SystemExit(f"keepa_deals: {error}") from None

if _settings.dashboard_is_public:
    raise SystemExit(
        f"keepa_deals: DASHBOARD_HOST={_settings.dashboard_host}: the dashboard has no log-in yet, "
        "so it listens on loopback only; reach it through an SSH tunnel or a proxy that asks for a password"
    )

bind = f"{_settings.dashboard_host}:{_settings.dashboard_port}"
worker_class = "gthread"
workers = 1
threads = 8
timeout = 60
graceful_timeout = 25
keepalive = 30
max_requests = 20_000
max_requests_jitter = 2_000
no_control_socket = True
errorlog = "-"
accesslog = None
"""No line a request: pages refresh themselves, and /metrics counts what matters."""
