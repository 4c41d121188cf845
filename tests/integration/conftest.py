"""Fixtures of the tests on real servers."""

from __future__ import annotations

import pytest
import redis

from keepa_deals.token_manager import TokenManager
from tests.support.accounts import ManualTime, manager


@pytest.fixture
def time() -> ManualTime:
    """Time that passes only when somebody sleeps."""
    return ManualTime()


@pytest.fixture
def tokens(real_redis: redis.Redis, time: ManualTime) -> TokenManager:
    """A token manager on an empty Redis, whose account nobody knows yet."""
    return manager(real_redis, time)
