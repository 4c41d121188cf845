"""One deal query in a file, or a folder of them: each file is a search, and a broken one stops no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keepa_deals import settings
from keepa_deals.errors import SettingsError
from keepa_deals.keepa.selection_files import (
    MAX_FILES,
    SearchTerms,
    SelectionFiles,
    check_fresh_minutes,
    check_weight,
    read_selection_files,
    selection_of,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "searches"
    made.mkdir()
    return made


def write(path: Path, **options: Any) -> Path:
    path.write_text(json.dumps({"priceTypes": [1], "dateRange": 3, **options}))
    return path


def read(path: Path, **chosen: Any) -> SelectionFiles:
    return read_selection_files(
        settings.load(
            env_file=None, runtime=False, keepa_deals_home=path.parent, keepa_deal_selection=path, **chosen
        )
    )


def test_a_file_is_one_search_of_its_name(tmp_path: Path) -> None:
    files = read(write(tmp_path / "used books.json", domainId=3))
    assert [(file.name, file.selection.domain_id) for file in files.found] == [("used books", 3)]
    assert not files.is_folder


def test_a_folder_has_a_search_for_each_file_by_name(folder: Path) -> None:
    write(folder / "toys.json", domainId=3, search={"weight": 8, "freshMinutes": 30})
    write(folder / "books.json", domainId=1)
    (folder / "notes.txt").write_text("no search")
    files = read(folder)
    assert [file.name for file in files.found] == ["books", "toys"]
    assert [file.terms for file in files.found] == [SearchTerms(), SearchTerms(8, 30)]
    assert files.broken == ()
    assert all("search" not in " ".join(file.selection.notes) for file in files.found)


def test_in_a_folder_each_file_has_its_own_marketplace(folder: Path) -> None:
    write(folder / "a.json", domainId=3)
    write(folder / "b.json")
    files = read(folder, keepa_domain_id=9)
    assert [file.selection.domain_id for file in files.found] == [3, 9]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"search": {"weight": 11}}, "weight is 11: must be a whole number from 1 to 10"),
        ({"search": {"weight": True}}, "weight is True: must be a whole number from 1 to 10"),
        (
            {"search": {"freshMinutes": 4}},
            "freshMinutes is 4: must be a whole number from 5 to 1440",
        ),
        (
            {"search": {"wait": 3}},
            'search is {\'wait\': 3}: must be {"weight": 5, "freshMinutes": 60}',
        ),
        ({"domainId": 7}, "domainId is 7: must be"),
        ({"priceTypes": [3]}, "priceTypes is [3]: must be"),
    ],
)
def test_one_broken_file_is_one_line_and_the_rest_goes_on(
    folder: Path, options: dict[str, Any], problem: str
) -> None:
    write(folder / "broken.json", **options)
    write(folder / "good.json")
    files = read(folder)
    assert [file.name for file in files.found] == ["good"]
    (broken,) = files.broken
    assert broken.name == "broken"
    assert broken.problem.startswith(f"KEEPA_DEAL_SELECTION={folder / 'broken.json'}: {problem}")
    assert "\n" not in broken.problem


def test_names_that_differ_in_their_case_alone_are_one(folder: Path) -> None:
    write(folder / "Toys.json")
    write(folder / "toys.json")
    (broken,) = read(folder).broken
    assert "another file has this name but for its case" in broken.problem


def test_a_folder_without_files_is_refused_in_one_line(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"no \*\.json in this folder: it needs one"):
        read(folder)


def test_a_folder_in_which_nothing_can_be_used_is_refused_with_the_first_problem(folder: Path) -> None:
    (folder / "a.json").write_text("{")
    (folder / "b.json").write_text("")
    with pytest.raises(SettingsError, match=r"a\.json: not JSON"):
        read(folder)


def test_a_folder_of_too_many_files_is_refused(folder: Path) -> None:
    for number in range(MAX_FILES + 1):
        (folder / f"{number}.json").touch()
    with pytest.raises(SettingsError, match=f"{MAX_FILES + 1} files: must be at most {MAX_FILES}"):
        read(folder)


def test_of_a_folder_the_first_query_stands_for_all(folder: Path) -> None:
    write(folder / "b.json", domainId=3)
    write(folder / "a.json", domainId=2)
    loaded = settings.load(env_file=None, runtime=False, keepa_deals_home=folder, keepa_deal_selection=folder)
    assert selection_of(loaded).domain_id == 2


@pytest.mark.parametrize("value", [0, 11, True, 5.0, "5", None])
def test_what_is_no_weight_is_refused(value: object) -> None:
    with pytest.raises(SettingsError, match="from 1 to 10"):
        check_weight(value)


def test_the_ends_of_what_is_allowed_are_allowed() -> None:
    assert [check_weight(1), check_weight(10)] == [1, 10]
    assert [check_fresh_minutes(5), check_fresh_minutes(1440)] == [5, 1440]
