"""All filters, by name. The order is that of an address, of the chips and of the API's description.

A new filter is an object of its family's module and an entry here; everything else asks this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keepa_deals.query.filters.base import Filter
from keepa_deals.query.filters.bounds import BOUNDS
from keepa_deals.query.filters.flags import FLAGS
from keepa_deals.query.filters.marked import MARKED
from keepa_deals.query.filters.scope import AGES, CATEGORY, DOMAIN, SEARCH, STATUS
from keepa_deals.query.filters.text import TEXT

_ALL: tuple[Filter[Any], ...] = (TEXT, DOMAIN, SEARCH, CATEGORY, STATUS, MARKED, *BOUNDS, *FLAGS, *AGES)

FILTERS: Mapping[str, Filter[Any]] = {each.name: each for each in _ALL}
