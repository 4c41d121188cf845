"""The deal query (``queryJSON``; api_backend: DealRequest.java): reading it, refusing what Keepa ignores."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keepa_deals.errors import SettingsError
from keepa_deals.keepa.types import DEAL_PRICE_TYPES, CsvType

_TEXT_OPTIONS = frozenset(
    {"titleSearch", "brand", "manufacturer", "author", "binding", "productGroup", "model", "partNumber"}
)


def load_selection(path: Path, *, domain_id: int) -> Mapping[str, Any]:
    """The deal query in the JSON file ``path``, for ``domain_id``; a ``SettingsError`` names the fault."""
    try:
        selection = json.loads(path.read_text(encoding="utf-8"))
        problem = _problem(selection)
    except (OSError, ValueError) as error:
        problem = str(error)
    if problem:
        raise SettingsError(f"KEEPA_DEAL_SELECTION={path}: {problem}")
    return {**selection, "domainId": domain_id}


def price_type(selection: Mapping[str, Any]) -> CsvType:
    """The one price type that a deal query is about."""
    return CsvType(selection["priceTypes"][0])


def _problem(selection: object) -> str | None:
    if not isinstance(selection, Mapping):
        return "must be a JSON object"
    kinds = selection.get("priceTypes")
    if not isinstance(kinds, list) or len(kinds) != 1 or kinds[0] not in DEAL_PRICE_TYPES:
        allowed = ", ".join(str(int(kind)) for kind in sorted(DEAL_PRICE_TYPES))
        return f"priceTypes must be a list of exactly one of {allowed}"
    try:
        refuse_numbers_as_text(selection)
    except ValueError as error:
        return str(error)
    return None


def refuse_numbers_as_text(selection: Mapping[str, Any]) -> None:
    """``ValueError`` for a number sent as text: Keepa ignores it in silence and answers something else."""
    for name, value in selection.items():
        if name in _TEXT_OPTIONS:
            continue
        for item in value if isinstance(value, list | tuple) else (value,):
            if isinstance(item, str) and re.fullmatch(r"-?\d+", item):
                raise ValueError(f"{name} holds the text {item!r}: Keepa ignores numbers that come as text")
