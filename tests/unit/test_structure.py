"""The figures of the house, counted on a house of a few lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.structure import Arrow, Floors, House, circles, report

CONTRACT = """
[tool.importlinter]
root_package = "keepa_deals"
[[tool.importlinter.contracts]]
id = "floors"
layers = ["web", "query : tools", "db | keepa"]
"""
SIX_LINES = "".join(f"    total += {number}\n" for number in range(6))
FILES = {
    "__init__.py": '"""A house."""\n',
    "web/__init__.py": "",
    "web/page.py": "from keepa_deals.query import reader\n\n\ndef page():\n    return reader\n",
    "query/__init__.py": "",
    "query/reader.py": f"from ..tools import helper\n\n\ndef read(total):\n{SIX_LINES}    return total\n",
    "query/cache.py": f"# counts anew\ndef count(total):\n\n{SIX_LINES}    return -total\n",
    "tools.py": "def helper():\n    from keepa_deals.query import reader\n\n    return reader\n",
    "db/__init__.py": "",
    "db/models.py": "import typing\nif typing.TYPE_CHECKING:\n    import keepa_deals.web.page\n",
    "keepa/__init__.py": "import keepa_deals.db.models\n",
    "stray.py": "import keepa_deals.web.page\n",
}


@pytest.fixture
def house(tmp_path: Path) -> House:
    (tmp_path / "pyproject.toml").write_text(CONTRACT)
    for name, text in FILES.items():
        path = tmp_path / "keepa_deals" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return House(tmp_path)


def floors(house: House) -> Floors:
    assert house.floors is not None
    return house.floors


def test_an_import_in_a_function_closes_a_circle(house: House) -> None:
    assert house.circles_of_files == [["query.reader", "tools"]]
    assert house.circles_of_rooms == [("query", "tools")]


def test_an_arrow_up_is_found_under_a_type_check_and_between_rooms_that_must_not_meet(house: House) -> None:
    assert house.arrows_up(floors(house)) == [Arrow("db.models", "web.page"), Arrow("keepa", "db.models")]
    assert house.without_floor(floors(house)) == ["stray"]


def test_equal_lines_are_one_block_whatever_stands_between_them(house: House) -> None:
    (duplicate,) = house.duplicates
    assert (duplicate.first, duplicate.second, duplicate.lines) == ("query.cache:4", "query.reader:5", 6)


def test_rooms_and_functions_are_counted(house: House) -> None:
    assert house.rooms["query"] == (3, 21)
    assert house.rooms["."][0] == 3
    assert [(f.name, f.lines) for f in house.functions][-1] == ("query.cache.count", 9)


def test_two_circles_that_touch_are_one() -> None:
    assert circles({"a": {"b"}, "b": {"a", "c"}, "c": {"b"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_the_report_has_a_column_a_house(house: House) -> None:
    told = report({"before": house, "after": house}, floors(house))
    assert told.startswith("|  | before | after |\n")
    assert "| `query/` | 3, " in told
    assert "before\n  circle of files: query.reader ↔ tools\n" in told
