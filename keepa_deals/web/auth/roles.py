"""What a request needs: the role of each route, and which routes a write token may change something by.

What changes something and stands nowhere here is for admins: a new route is closed until it says more.
"""

from __future__ import annotations

from keepa_deals.roles import Role
from keepa_deals.web.http.methods import READ_ONLY_METHODS

CHANGES: dict[str, Role] = {
    "access.log_out": Role.READER,
    "access.try_password": Role.READER,
    "saved.save": Role.READER,
    "saved.remove": Role.READER,
    **dict.fromkeys(("alerts.add", "alerts.change", "alerts.mute"), Role.READER),
    **dict.fromkeys(("alerts.add_channel", "alerts.change_channel"), Role.READER),
    "selling.ask": Role.READER,
    **dict.fromkeys(("mark_forms.mark", "mark_forms.undo", "hidden_rules.show"), Role.READER),
    **dict.fromkeys(("mark_api.change", "mark_api.put", "mark_api.remove"), Role.READER),
    "operate.run_now": Role.OPERATOR,
    "operate.pause_or_resume": Role.OPERATOR,
    **dict.fromkeys(("searches.add", "searches.change"), Role.OPERATOR),
    "terms.change_terms": Role.OPERATOR,
}
"""The role that a change by this route needs."""
PAGES: dict[str, Role] = {}
"""The same for what only shows something; what is not here is for every reader."""
BY_PROGRAMS: frozenset[str] = frozenset(("mark_api.change", "mark_api.put", "mark_api.remove"))
"""Routes that a write token may change something by, in its person's name."""


def needed(endpoint: str | None, method: str) -> Role:
    """The least role that may ask this."""
    if method in READ_ONLY_METHODS:
        return PAGES.get(endpoint or "", Role.READER)
    return CHANGES.get(endpoint or "", Role.ADMIN)
