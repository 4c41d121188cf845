"""The systemd unit that brings a deployment up after a reboot, for this checkout, home and user."""

from __future__ import annotations

import getpass
from pathlib import Path

from keepa_deals.deployment.home import Home
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
Environment={home}
ExecStart={start}
ExecStop={kill}
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
    """The unit's text, with paths written the way systemd reads them."""
    return _UNIT.format(
        pid=_plain(home.supervisor_pid),
        root=_plain(PROJECT_ROOT),
        home=_quoted(f"KEEPA_DEALS_HOME={home.path}"),
        start=_quoted(PROJECT_ROOT / "start_celery.sh"),
        kill=_quoted(PROJECT_ROOT / "kill_everything_force.sh"),
        user=getpass.getuser(),
        signal=STOP_SIGNAL,
    )


def _plain(path: Path) -> str:
    """A path that is the whole of a line: only specifiers are looked for in it."""
    return str(path).replace("%", "%%")


def _quoted(value: object) -> str:
    """One word among others. (systemd starts no program whose path has a quote or a backslash.)"""
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"' if " " in text else text
