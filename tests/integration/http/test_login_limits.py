"""Wrong passwords are counted in Redis for all dashboards, and in the process when Redis goes away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask.testing import FlaskClient

from keepa_deals.settings import Settings
from keepa_deals.web.app import create_app
from keepa_deals.web.services import EXTENSION
from tests.support.people import People
from tests.support.servers.redis import RedisServer
from tests.unit.web.auth.test_access import PASSWORD, log_in


@contextmanager
def reader(home: Path, redis: RedisServer) -> Iterator[FlaskClient]:
    """A reader of a dashboard in a process of its own, as far as counting goes."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        keepa_api_key="k" * 64,  # type: ignore[arg-type]
        keepa_deals_home=home,
        redis_url=redis.url,  # type: ignore[arg-type]
        redis_key_prefix="other",
    )
    app = create_app(settings)
    yield app.test_client()
    app.extensions[EXTENSION].engine.dispose()


def test_two_dashboards_count_together_under_our_prefix(own_redis: RedisServer, tmp_path: Path) -> None:
    People(tmp_path).set_password(PASSWORD)
    with reader(tmp_path, own_redis) as first, reader(tmp_path, own_redis) as second:
        assert [log_in(client, "wrong") for client in (first, second, first, second, first)] == [401] * 5
        assert log_in(second) == 429
    with own_redis.client() as client:
        keys = client.keys()
        assert keys
        assert [key for key in keys if not key.startswith("other:throttle:")] == []


def test_tries_stay_limited_when_redis_dies(own_redis: RedisServer, tmp_path: Path) -> None:
    People(tmp_path).set_password(PASSWORD)
    with reader(tmp_path, own_redis) as client:
        assert log_in(client, "wrong") == 401
        own_redis.kill()
        answers = [log_in(client, "wrong") for _ in range(6)]
        assert answers[-1] == 429
        assert set(answers) == {401, 429}
