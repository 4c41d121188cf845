"""A Redis of the tests' own, on a free loopback port, with its files in a temporary folder."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from keepa_deals.deployment.embedded_redis import find_server
from keepa_deals.deployment.ports import free_port

NO_PERSISTENCE = ("--save", "", "--appendonly", "no")
APPEND_ONLY = ("--save", "", "--appendonly", "yes", "--appendfsync", "everysec")


class RedisServer:
    """A server that a test may kill, stop and start again on the same port and files."""

    def __init__(
        self,
        folder: Path,
        *,
        persistence: tuple[str, ...] = NO_PERSISTENCE,
        host: str = "127.0.0.1",
        password: str = "",
    ) -> None:
        self.folder = folder
        self.host = host
        self.port = free_port()
        self.password = password
        self._persistence = persistence
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        user = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis://{user}{self.host}:{self.port}/0"

    def client(self) -> redis.Redis:
        """One that waits as long as a busy machine takes: how slow is too slow is not what tests ask."""
        return redis.Redis.from_url(self.url, decode_responses=True, socket_timeout=None)

    def start(self) -> None:
        """Returns when the server answers."""
        command = [
            str(find_server()),
            "--port",
            str(self.port),
            "--bind",
            self.host,
            "--protected-mode",
            "no",
            "--dir",
            str(self.folder),
        ]
        command += ["--maxmemory-policy", "noeviction", "--daemonize", "no", *self._persistence]
        command += ["--requirepass", self.password] if self.password else []
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        patient = Retry(ConstantBackoff(0.02), 500)
        with redis.Redis.from_url(self.url, retry=patient) as client:
            try:
                client.ping()
            except redis.RedisError as error:
                raise AssertionError((self.folder / "redis.log").read_text()) from error

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=20)
            self.process = None
