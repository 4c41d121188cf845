"""A PostgreSQL of the tests' own on a free loopback port, run as an ordinary user even for root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from sqlalchemy import create_engine, text

from keepa_deals.deployment.ports import free_port


def find_programs() -> Path | None:
    """The folder of ``initdb`` and ``postgres``: Debian keeps them off PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(on_path).parent if on_path else None


class PostgresServer:
    """A server with one database, ``deals``, that asks for no password on loopback.

    With a ``folder``, what was written is there again at the next start; without, it goes with the server.
    """

    def __init__(self, programs: Path, *, host: str = "127.0.0.1", folder: Path | None = None) -> None:
        self._programs = programs
        self.host = host
        self._user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self._is_kept = folder is not None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="keepa-deals-pg-"))
        self.port = free_port()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.folder, self._user)

    @property
    def dsn(self) -> str:
        return f"postgresql+psycopg://deals@{self.host}:{self.port}/deals"

    def empty_dsn(self) -> str:
        """The address of the database after everything in it was dropped."""
        engine = create_engine(self.dsn)
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()
        return self.dsn

    def start(self) -> None:
        """Returns when the server answers."""
        data = str(self.folder / "data")
        is_new = not Path(data).exists()
        if is_new:
            self._run("initdb", "-D", data, "-U", "deals", "--auth=trust", "-E", "UTF8", "--no-sync")
            with (self.folder / "data/pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {self.host}/24 trust\n")
        options = f"-p {self.port} -h {self.host} -k {self.folder} -c fsync=off"
        self._run("pg_ctl", "-D", data, "-l", str(self.folder / "log"), "-w", "-o", options, "start")
        if is_new:
            self._run("createdb", "-h", self.host, "-p", str(self.port), "-U", "deals", "deals")

    def create(self, name: str) -> str:
        """The address of another, empty database on this server."""
        self._run("createdb", "-h", self.host, "-p", str(self.port), "-U", "deals", name)
        return self.dsn.removesuffix("/deals") + f"/{name}"

    def named(self, name: str) -> str:
        """The address of a database on this server, which is made if it is not there."""
        engine = create_engine(self.dsn)
        with engine.connect() as connection:
            known = connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name})
        engine.dispose()
        return self.dsn.removesuffix("/deals") + f"/{name}" if known else self.create(name)

    def stop(self) -> None:
        how = "fast" if self._is_kept else "immediate"
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", how, "stop")
        if not self._is_kept:
            shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str) -> None:
        user = self._user if os.geteuid() == 0 else None
        done = subprocess.run(
            [self._programs / program, *arguments],
            user=user,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self.folder)},
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
