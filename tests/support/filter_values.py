"""Values of any filter, made from what it says of itself: a new one needs no line here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keepa_deals.query.filters.base import Filter

NUMBERS = ("-5", "0", "1", "2", "7", "20", "47", "100", "300")
TEXTS = ("b0", "cable", "CABLE blue", "100%", "_", "a/b", "'; --", "1", "B000000007")
FEW = range(1, 13)


def values_of(each: Filter[Any]) -> Sequence[list[str]]:
    """What its parameter may be given, each with all its values."""
    schema = each.schema()
    if "enum" in schema:
        return [[value] for value in schema["enum"]]
    if schema["type"] == "array":
        return [["0"], *([str(n)] for n in FEW), ["3", "4"], ["1", "0"], ["2", "7", "12"]]
    if schema["type"] == "integer":
        least, most = schema["minimum"], schema["maximum"]
        return [[str(n)] for n in sorted({least, *range(2, 200, 11), most}) if least <= n <= most]
    return [[value] for value in (TEXTS if "maxLength" in schema else NUMBERS)]
