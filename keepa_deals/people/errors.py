"""What can be wrong with people, passwords and tokens."""

from __future__ import annotations

from keepa_deals.errors import KeepaDealsError


class AccessError(KeepaDealsError):
    """People or tokens can't be read or changed as asked; the text says why and what to do."""
