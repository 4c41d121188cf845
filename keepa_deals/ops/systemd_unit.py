"""The systemd unit that brings a deployment up after a reboot, for this checkout, home and user."""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Iterator, Mapping
from pathlib import Path

from keepa_deals.deployment import runtime_env
from keepa_deals.deployment.home import Home
from keepa_deals.errors import SettingsError
from keepa_deals.settings import PROJECT_ROOT, SECRET_SETTINGS, Settings

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
{environment}
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


_ALSO_READ = ("REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE")
"""Variables that are no settings of ours, and that the programs need."""


def render(home: Home, environment: Mapping[str, str], *, sandbox: bool | None = None) -> str:
    """The unit's text, with paths written the way systemd reads them.

    Settings that ``environment`` has are carried along, but for secrets, which it names: anybody may read
    a unit. ``sandbox=None``: as the deployment was last started.
    """
    if sandbox is None:
        sandbox = bool(runtime_env.with_sandbox(home))
    start = _quoted(PROJECT_ROOT / "start_celery.sh")
    return _UNIT.format(
        pid=_plain(home.supervisor_pid),
        root=_plain(PROJECT_ROOT),
        environment="\n".join(_environment(home, environment)),
        start=f"{start} --sandbox" if sandbox else start,
        kill=_quoted(PROJECT_ROOT / "kill_everything_force.sh"),
        user=_user(os.geteuid()),
        signal=STOP_SIGNAL,
    )


def _environment(home: Home, environment: Mapping[str, str]) -> Iterator[str]:
    """What the service is to be given, and what it is not although it has it now."""
    yield f"Environment={_assignment('KEEPA_DEALS_HOME', str(home.path))}"
    settings = [name.upper() for name in Settings.model_fields]
    given = {name for name in (*settings, *_ALSO_READ) if environment.get(name)} - {"KEEPA_DEALS_HOME"}
    secrets = {name for name in given if name.lower() in SECRET_SETTINGS}
    for name in sorted(given - secrets):
        yield f"Environment={_assignment(name, environment[name])}"
    for name in sorted(secrets):
        yield f"# left out, because it is a secret and units are read by everybody: {name}. Put it into .env"
    for name in sorted(_started_with(home) - given):
        yield f"# the last start had another {name} than .env has: put it into .env"


def _started_with(home: Home) -> set[str]:
    """The settings that the next start would take otherwise than the last one."""
    if not home.runtime.exists():
        return set()
    with contextlib.suppress(SettingsError):
        return set(runtime_env.changes(home))
    return set()


def _user(uid: int) -> str:
    """The user's name; the number of one that has none, which systemd takes, too."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _assignment(name: str, value: str) -> str:
    """A variable as systemd reads it, in quotes where the value needs them."""
    if value and all(each.isalnum() or each in "/._:,@+=-" for each in value):
        return f"{name}={value}"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{name}={escaped}"'


def _plain(path: Path) -> str:
    """A path that is the whole of a line: only specifiers are looked for in it."""
    return str(path).replace("%", "%%")


def _quoted(value: object) -> str:
    """One word among others. (systemd starts no program whose path has a quote or a backslash.)"""
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"' if " " in text else text
