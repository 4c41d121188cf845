"""Where a deployment keeps its files: everything below one home, mode 0700."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from keepa_deals.deployment import sockets
from keepa_deals.errors import SettingsError
from keepa_deals.settings import PROJECT_ROOT, RUNTIME_FILE

_FOLDERS = ("run", "log", "redis", "backups")


@dataclass(frozen=True, slots=True)
class Home:
    """The files of one deployment; ``path``, absolute and resolved, is also its identity."""

    path: Path

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def redis(self) -> Path:
        return self.path / "redis"

    @property
    def backups(self) -> Path:
        return self.path / "backups"

    @property
    def beat_pid(self) -> Path:
        return self.run / "celerybeat.pid"

    @property
    def beat_lock(self) -> Path:
        return self.run / "celerybeat.lock"

    @property
    def supervisor_conf(self) -> Path:
        return self.run / "supervisord.conf"

    @property
    def supervisor_pid(self) -> Path:
        return self.run / "supervisord.pid"

    @property
    def redis_conf(self) -> Path:
        return self.run / "redis.conf"

    @property
    def runtime(self) -> Path:
        return self.path / RUNTIME_FILE

    @property
    def operation_lock(self) -> Path:
        """Held by the start, stop or deploy that is at work."""
        return self.run / "operation.lock"

    def make(self) -> None:
        """Make the folders, mode 0700; a ``SettingsError`` for a folder that serves something else."""
        try:
            if self.path.exists():
                _refuse_foreign(self.path)
            for folder in (self.path, *(self.path / name for name in _FOLDERS)):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                if folder.stat().st_uid == os.geteuid():
                    folder.chmod(0o700)
        except OSError as error:
            raise SettingsError(f"KEEPA_DEALS_HOME={self.path}: cannot be made ({error.strerror})") from None

    def socket(self, folder: str, name: str) -> Path:
        """Where to put a Unix socket: in the home, or in a private folder of the temporary directory
        when the home's path is too long for the kernel."""
        wished = self.path / folder / name
        if sockets.is_short(wished):
            return wished
        return (sockets.folder(self.run) or self.path / folder) / name


def keep_key_private() -> str | None:
    """Let nobody but its owner read ``.env``, which holds the key; in words what was changed.

    A file that another user lends us keeps its mode.
    """
    file = PROJECT_ROOT / ".env"
    try:
        status = file.stat()
        if status.st_uid != os.geteuid() or not status.st_mode & 0o077:
            return None
        file.chmod(0o600)
    except OSError:
        return None
    return f".env was readable by others (mode {status.st_mode & 0o777:04o}) and now is yours alone"


def _of_the_user() -> Path | None:
    """The user's own folder; a user without a name and without ``HOME``, as in a container, has none."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def _refuse_foreign(path: Path) -> None:
    if not path.is_dir():
        raise SettingsError(f"KEEPA_DEALS_HOME={path}: is not a folder")
    shared = path.stat().st_mode & stat.S_ISVTX or path in (Path("/"), _of_the_user())
    known = any((path / name).exists() for name in (*_FOLDERS, "deals.db"))
    if shared or not (known or not any(path.iterdir())):
        raise SettingsError(f"KEEPA_DEALS_HOME={path}: holds other things; name a folder of its own")
