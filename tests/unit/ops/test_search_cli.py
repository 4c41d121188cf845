"""``keepa-deals search``, from an empty home on: each change stands in the table, each problem in a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keepa_deals.errors import KeepaDealsError
from keepa_deals.ops.search_cli import search

QUERY = {"priceTypes": [1], "dateRange": 3}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "searches"
    made.mkdir()
    write(made / "books.json", domainId=1)
    monkeypatch.setenv("KEEPA_DEALS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KEEPA_DEAL_SELECTION", str(made))
    return made


def write(path: Path, **options: Any) -> Path:
    path.write_text(json.dumps({**QUERY, **options}))
    return path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(search, arguments)


def said(*arguments: str) -> list[str]:
    result = call(*arguments)
    assert result.exit_code == 0, result
    return result.stdout.splitlines()


def refusal(*arguments: str) -> str:
    error = call(*arguments).exception
    assert isinstance(error, KeepaDealsError)
    assert "\n" not in str(error)
    return str(error)


def rows() -> list[list[str]]:
    return [line.split("\t") for line in said("list")]


def test_the_files_are_listed_before_anything_was_started(folder: Path) -> None:
    write(folder / "toys.json", domainId=3, search={"weight": 8, "freshMinutes": 30})
    assert rows() == [
        ["books", "active", "amazon.com, NEW", "weight 5", "fresh within DEAL_FRESH_MINUTES", "file"],
        ["toys", "active", "amazon.de, NEW", "weight 8", "fresh within 30 min", "file"],
    ]


def test_a_search_is_added_paused_read_again_and_removed(folder: Path, tmp_path: Path) -> None:
    query = write(tmp_path / "toys.json", domainId=3, curentRange=[1, 2])
    note, done = said("add", "new toys", str(query), "--weight", "7")
    assert "curentRange (currentRange?)" in note
    assert done == "new toys (amazon.de, price type 1 (NEW)) is read from the next run on."
    said("pause", "NEW toys")
    assert [row[:2] for row in rows()] == [["books", "active"], ["new toys", "paused"]]
    said("resume", "new toys")
    exported = json.loads("\n".join(said("export", "new toys")))
    assert exported["domainId"] == 3
    assert exported["search"] == {"weight": 7}
    write(folder / "again.json", **{**exported, "domainId": 4})
    assert said("remove", "new toys") == ["new toys is removed: its deals end with the next run."]
    assert [row[0] for row in rows()] == ["books", "again"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("books", "--weight", "5"), "a search named 'books' is there"),
        (("toys", "--weight", "11"), "weight is 11: must be a whole number from 1 to 10"),
        (("toys", "--fresh-minutes", "2"), "freshMinutes is 2: must be a whole number from 5 to 1440"),
    ],
)
def test_what_cannot_be_added_is_refused_in_a_line(
    folder: Path, tmp_path: Path, options: tuple[str, ...], problem: str
) -> None:
    del folder
    name, *chosen = options
    query = write(tmp_path / "toys.json", domainId=3)
    assert problem in refusal("add", name, str(query), *chosen)


def test_an_unknown_marketplace_is_refused_with_the_file(folder: Path, tmp_path: Path) -> None:
    del folder
    query = write(tmp_path / "toys.json", domainId=7)
    assert refusal("add", "toys", str(query)).startswith(f"{query}: domainId is 7: must be")


@pytest.mark.usefixtures("folder")
def test_a_file_that_is_not_there_is_named() -> None:
    assert (
        refusal("add", "toys", "nowhere.json") == "nowhere.json: cannot be read (No such file or directory)"
    )


def test_a_broken_file_is_one_line_and_the_rest_is_listed(folder: Path) -> None:
    write(folder / "toys.json", domainId=3)
    rows()
    (folder / "toys.json").write_text("{")
    result = call("list")
    assert len(result.stderr.splitlines()) == 1
    assert [line.split("\t")[0] for line in result.stdout.splitlines()[:2]] == ["books", "toys"]
    assert result.stdout.splitlines()[2].startswith("toys: KEEPA_DEAL_SELECTION=")


@pytest.mark.usefixtures("folder")
def test_a_files_search_cannot_be_removed_here() -> None:
    assert "move the file away" in refusal("remove", "books")


def test_searches_are_listed_also_while_no_file_can_be_used(folder: Path) -> None:
    rows()
    (folder / "books.json").write_text("{")
    assert [row[0] for row in rows()] == ["books"]
    assert "not JSON" in refusal("pause", "books")
