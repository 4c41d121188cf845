"""Where a dashboard may listen: beyond this machine only with people."""

from __future__ import annotations

from keepa_deals.people.access_file import Access
from keepa_deals.settings import Settings


def may_start(settings: Settings, access: Access) -> str | None:
    """Why the dashboard must not listen where the settings say; ``None`` when it may."""
    guarded = bool(access.register.accounts) or access.password is not None
    if not settings.dashboard_is_public or guarded:
        return None
    return (
        f"DASHBOARD_HOST={settings.dashboard_host}: the dashboard listens beyond this machine only with a "
        "password; set one: .venv/bin/keepa-deals dashboard password"
    )
