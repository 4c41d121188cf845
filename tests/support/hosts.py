"""Two network namespaces that stand for two hosts, joined by a bridge whose address both can reach."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence


def why_not() -> str | None:
    """The reason why namespaces cannot be made here; ``None``: they can."""
    if shutil.which("ip") is None:
        return "the program ip is missing (package iproute2)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"kd-{secrets.token_hex(3)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return f"this machine allows no network namespaces: {made.stderr.strip()}"
    _ip("netns", "del", name)
    return None


class Hosts:
    """``middle`` is the bridge's address; a process started with ``inside`` sees one host's network only."""

    def __init__(self) -> None:
        self._id = secrets.token_hex(3)
        self._net = f"10.{secrets.randbelow(100) + 100}.{secrets.randbelow(250) + 1}"
        self.middle = f"{self._net}.1"
        self._bridge = f"kdb{self._id}"
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("addr", "add", f"{self.middle}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        for number in (0, 1):
            self._add(number)

    def _add(self, number: int) -> None:
        name, near, far = self._name(number), f"kdn{number}{self._id}", f"kdf{number}{self._id}"
        _ip("netns", "add", name)
        _ip("link", "add", near, "type", "veth", "peer", "name", far)
        _ip("link", "set", far, "netns", name)
        _ip("link", "set", near, "master", self._bridge)
        _ip("link", "set", near, "up")
        _ip("-n", name, "addr", "add", f"{self.address(number)}/24", "dev", far)
        _ip("-n", name, "link", "set", far, "up")
        _ip("-n", name, "link", "set", "lo", "up")

    def _name(self, number: int) -> str:
        return f"kd-{self._id}-{number}"

    def address(self, number: int) -> str:
        return f"{self._net}.{number + 2}"

    def inside(self, number: int, command: Sequence[str]) -> list[str]:
        """``command`` as it is run on host ``number``, under a host name of its own."""
        renamed = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', f"host{number}", *command]
        return ["ip", "netns", "exec", self._name(number), *renamed]

    def remove(self) -> None:
        for number in (0, 1):
            subprocess.run(["ip", "netns", "del", self._name(number)], check=False)
        subprocess.run(["ip", "link", "del", self._bridge], check=False)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
