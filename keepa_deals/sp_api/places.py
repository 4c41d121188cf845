"""Where Amazon's API answers for each marketplace (guides: SP-API Endpoints, Marketplace IDs)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

LOGIN_URL = "https://api.amazon.com/auth/o2/token"
"""Login with Amazon, for all regions (guide: Connecting to the Selling Partner API)."""


class Region(StrEnum):
    """One authorization of a seller holds for the marketplaces of one region."""

    NORTH_AMERICA = "na"
    EUROPE = "eu"
    FAR_EAST = "fe"

    @property
    def url(self) -> str:
        return f"https://sellingpartnerapi-{self}.amazon.com"


_IDS = {
    Region.NORTH_AMERICA: {
        1: "ATVPDKIKX0DER",
        6: "A2EUQ1WTGCTBG2",
        11: "A1AM78C64UM0Y8",
        12: "A2Q3Y263D00KWC",
    },
    Region.EUROPE: {
        2: "A1F83G8C2ARO7P",
        3: "A1PA6795UKMFR9",
        4: "A13V1IB3VIYZZH",
        8: "APJ6JRA9NG5V4",
        9: "A1RKKUPIHCS9HS",
        10: "A21TJRUUN4KGV",
    },
    Region.FAR_EAST: {5: "A1VC38T7YXB528"},
}
MARKETPLACE_IDS: Mapping[int, str] = {number: name for ids in _IDS.values() for number, name in ids.items()}
"""Amazon's ids by Keepa's domain ids."""
REGIONS: Mapping[int, Region] = {number: region for region, ids in _IDS.items() for number in ids}
"""The region of each Keepa domain."""
