"""The store of this deployment, opened for a command: its settings and its database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from keepa_deals import settings as settings_module
from keepa_deals.db import migrate
from keepa_deals.db.session import Database
from keepa_deals.deployment.home import Home
from keepa_deals.settings import Settings


@contextmanager
def opened_store() -> Iterator[tuple[Settings, Database]]:
    """Settings and database, whose tables are made where nothing was ever started.

    A ``KeepaDealsError`` in one line where settings or tables cannot be used.
    """
    home = Home(settings_module.deployment_home())
    home.make()
    settings = settings_module.load(keepa_deals_home=home.path)
    database = Database.from_settings(settings)
    try:
        if migrate.current(database) is None:
            migrate.upgrade(database)
        migrate.check(database)
        yield settings, database
    finally:
        database.close()
