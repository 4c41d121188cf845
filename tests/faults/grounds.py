"""Running deployments for the scenarios: one shared, one on a small disk, one of a checkout of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.faults.injectors import small_disk
from tests.support.checkout import Checkout
from tests.support.service import Service


@contextmanager
def running(ground: str, folder: Path, **settings: str) -> Iterator[Service]:
    """A started deployment of the kind that a scenario's ``ground`` names; killed at the end."""
    with ExitStack() as stack:
        if ground == "checkout":
            service: Service = Checkout(folder / "checkout", **settings)
        else:
            service = Service(folder / ground, **settings)
        if ground == "disk":
            stack.enter_context(small_disk(service.home))
        try:
            service.start()
            yield service
        finally:
            service.kill()
