"""The runtime file: with which settings the running deployment was started (``settings.load`` reads it)."""

from __future__ import annotations

import contextlib
from typing import Any

from pydantic import SecretStr

from keepa_deals import atomic_file
from keepa_deals import settings as settings_module
from keepa_deals.deployment import embedded_redis
from keepa_deals.deployment.home import Home
from keepa_deals.errors import SettingsError
from keepa_deals.keepa.selection_files import selection_of
from keepa_deals.settings import Settings

SANDBOX_LINE = "# sandbox"
"""Marks the file of a deployment that runs its own sandbox."""


def write(home: Home, settings: Settings, *, sandbox: bool) -> None:
    """Leave every setting that was given (not the defaults), mode 0600: some are secrets."""
    lines = [*([SANDBOX_LINE] if sandbox else []), f"{settings_module.HOME_LINE}{home.path}"]
    given = sorted(settings.model_fields_set - {"keepa_deals_home"})
    lines.extend(f"{name.upper()}={_quoted(getattr(settings, name))}" for name in given)
    atomic_file.write(home.runtime, "\n".join(lines) + "\n")


def with_sandbox(home: Home) -> bool | None:
    """Whether the running deployment has a sandbox; ``None`` when there is no runtime file."""
    try:
        return home.runtime.read_text(encoding="utf-8").startswith(SANDBOX_LINE)
    except OSError:
        return None


def changes(home: Home) -> list[str]:
    """The names of the settings that a start would take otherwise now, also those that are given no more."""
    now = settings_module.load(runtime=False, keepa_deals_home=home.path)
    then = settings_module.in_force(home.path)
    chosen = {"keepa_deals_home"}
    if with_sandbox(home):
        chosen |= {"keepa_api_url", "keepa_api_key"}
    if now.redis_url is None and then.redis_url == SecretStr(embedded_redis.url(home)):
        chosen.add("redis_url")
    wanted = {name: getattr(now, name) for name in Settings.model_fields}
    if now.chosen_domain_id is None:
        wanted["keepa_domain_id"] = _own_domain(now) or then.keepa_domain_id
    differ = (name for name, value in wanted.items() if value != getattr(then, name))
    return sorted(name.upper() for name in differ if name not in chosen)


def _own_domain(settings: Settings) -> int | None:
    """The domain that the deal query names itself; ``None`` where it cannot be read."""
    with contextlib.suppress(SettingsError):
        return selection_of(settings).domain_id
    return None


def _quoted(value: Any) -> str:
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
