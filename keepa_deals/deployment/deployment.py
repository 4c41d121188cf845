"""A deployment: its home, its settings, and whether it runs a sandbox. Read once and passed on."""

from __future__ import annotations

from dataclasses import dataclass

from keepa_deals import settings as settings_module
from keepa_deals.deployment import embedded_redis, runtime_env
from keepa_deals.deployment.home import Home
from keepa_deals.settings import Settings


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment on this host. ``settings`` are those that it runs with, or is about to."""

    home: Home
    settings: Settings
    with_sandbox: bool

    @property
    def own_redis(self) -> bool:
        """Whether ``REDIS_URL`` is the one that the start chose for the deployment's own Redis."""
        address = self.settings.redis_url
        return address is not None and address.get_secret_value() == embedded_redis.url(self.home)

    @classmethod
    def as_wanted(cls, *, with_sandbox: bool = False) -> Deployment:
        """What the settings in force describe, whatever runs."""
        settings = settings_module.load(runtime=False)
        return cls(Home(settings.keepa_deals_home), settings, with_sandbox)

    @classmethod
    def as_last_started(cls, home: Home) -> Deployment:
        """What runs in a home, or ran there last; without a start, what the settings in force describe."""
        settings = settings_module.load(keepa_deals_home=home.path)
        return cls(home, settings, with_sandbox=bool(runtime_env.with_sandbox(home)))
