"""The deployment that faults are put into."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.diagnosed_deployment import made, own_disk
from tests.support.deployment import Service

LOCK_TTL = "6"


@pytest.fixture(scope="package")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running deployment for whatever any may have, on a small disk of its own where root can make one."""
    home = tmp_path_factory.mktemp("faults") / "home"
    with own_disk(home):
        service = made(home, LOCK_TTL_SECONDS=LOCK_TTL)
        try:
            service.start()
            yield service
        finally:
            service.kill()
