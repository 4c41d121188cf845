"""A port for a server of our own, which nobody takes while the server is down for a moment."""

from __future__ import annotations

import errno
import random
import socket
from pathlib import Path

_FIRST = 10_000
_ATTEMPTS = 200
_LINUX_DEFAULT = 32_768


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now, below those that the kernel lends to clients.

    A client that was lent the port of a server that is being restarted would keep it down. Where the kernel
    was told to lend nearly all ports, it is one of those.
    """
    end = _lent_from()
    if end - _FIRST < _ATTEMPTS:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])
    for _ in range(_ATTEMPTS):
        port = random.randrange(_FIRST, end)  # noqa: S311  # no secret
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
        return port
    raise OSError(errno.EADDRINUSE, f"{_ATTEMPTS} ports from {_FIRST} on were tried: all are taken")


def _lent_from() -> int:
    """The first port that the kernel lends to outgoing connections."""
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
        return int(text.split()[0])
    except (OSError, ValueError, IndexError):
        return _LINUX_DEFAULT
