"""The systemd unit that brings a deployment up after a reboot, for this checkout, home and user."""

from __future__ import annotations

import getpass

from keepa_deals.ops.layout import Home
from keepa_deals.settings import PROJECT_ROOT

_UNIT = """\
# /etc/systemd/system/keepa-deals.service, printed by: keepa-deals ops unit
# sudo systemctl daemon-reload && sudo systemctl enable --now keepa-deals
[Unit]
Description=keepa_deals: live Keepa deals
Wants=network-online.target
After=network-online.target redis-server.service postgresql.service
StartLimitIntervalSec=0

[Service]
Type=forking
PIDFile={pid}
User={user}
WorkingDirectory={root}
Environment=KEEPA_DEALS_HOME={home}
ExecStart={root}/start_celery.sh
ExecStop={root}/kill_everything_force.sh
# 4: it runs and is not healthy yet, because Keepa is away, say: no reason to start all over
SuccessExitStatus=4
Restart=on-failure
RestartSec=5
# how kill_everything_force.sh ends the supervisor: what an operator stops stays stopped
RestartPreventExitStatus={signal}
TimeoutStartSec=900
TimeoutStopSec=120

[Install]
WantedBy=multi-user.target
"""
STOP_SIGNAL = "SIGUSR1"
"""Ends the supervisor at once, as KILL does, and tells systemd that somebody wanted it."""


def render(home: Home) -> str:
    """The unit's text; ``%`` and blanks in paths are written the way systemd reads them."""
    return _UNIT.format(
        pid=_path(home.supervisor_pid),
        home=_path(home.path),
        root=_path(PROJECT_ROOT),
        user=getpass.getuser(),
        signal=STOP_SIGNAL,
    )


def _path(value: object) -> str:
    return str(value).replace("\\\\", "\\\\\\\\").replace("%", "%%").replace(" ", "\\\\x20")
