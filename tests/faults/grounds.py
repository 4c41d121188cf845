"""Running deployments: shared, with a password for Redis, on a small disk, of a checkout of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.faults.injection import small_disk
from tests.support.checkout import Checkout
from tests.support.deployment import Service
from tests.support.servers.redis import RedisServer

PASSWORD = 'Xw4t/R8b:Q2z#"9Kx'
"""Of a Redis that is somebody else's; as hard to write in an address, in JSON and in a log as may be."""


@contextmanager
def running(ground: str, folder: Path, **settings: str) -> Iterator[Service]:
    """A started deployment of the kind that a scenario's ``ground`` names; killed at the end."""
    with ExitStack() as stack:
        if ground == "checkout":
            service: Service = Checkout(folder / "checkout", **settings)
        else:
            service = Service(folder / ground, **settings)
        if ground == "password":
            (folder / "redis").mkdir()
            server = RedisServer(folder / "redis", password=PASSWORD)
            server.start()
            stack.callback(server.stop)
            service.environment["REDIS_URL"] = server.url
        if ground == "disk":
            stack.enter_context(small_disk(service.home))
        try:
            service.start()
            yield service
        finally:
            service.kill()
