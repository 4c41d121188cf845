"""What the dashboard says of itself."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from keepa_deals.settings import Settings

TIMEOUT = 1.5


def ask_dashboard(settings: Settings) -> dict[str, Any]:
    """The dashboard's own status; empty when it answers and wants a password."""
    try:
        with urllib.request.urlopen(f"{settings.dashboard_url}api/status", timeout=TIMEOUT) as answer:  # noqa: S310  # ours
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            return {}
        raise
