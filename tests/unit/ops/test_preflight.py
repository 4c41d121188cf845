"""What a start says of the deal queries before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keepa_deals import settings
from keepa_deals.ops import preflight
from keepa_deals.ops.preflight import OpsError


def said(folder: Path) -> list[str]:
    lines: list[str] = []
    loaded = settings.load(env_file=None, runtime=False, keepa_deals_home=folder, keepa_deal_selection=folder)
    preflight.selection(loaded, lines.append)
    return lines


def write(folder: Path, name: str, domain: int) -> None:
    (folder / f"{name}.json").write_text(json.dumps({"priceTypes": [1], "dateRange": 3, "domainId": domain}))


def test_each_search_of_a_folder_is_told_with_what_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "books", 1)
    write(tmp_path, "games", 1)
    write(tmp_path, "toys", 3)
    (tmp_path / "broken.json").write_text("{")
    told = said(tmp_path)
    assert told[:3] == [
        "  ok    deal query books: amazon.com, price type 1 (NEW)",
        "  ok    deal query games: amazon.com, price type 1 (NEW)",
        "  ok    deal query toys: amazon.de, price type 1 (NEW)",
    ]
    broken, left_out = told[3:]
    assert broken.startswith(f"  note  KEEPA_DEAL_SELECTION={tmp_path / 'broken.json'}: not JSON")
    assert left_out.startswith("  note  the search 'games' is left out: 'books' has amazon.com")


def test_a_folder_in_which_nothing_can_be_used_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match=r"no \*\.json in this folder"):
        said(tmp_path)
