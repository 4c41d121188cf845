"""The rows of the searches follow the files, and what people change; what cannot be is told in a line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from keepa_deals.db.models import SearchOwner, SearchRow, SearchState
from keepa_deals.db.session import Database
from keepa_deals.keepa.selection import Selection, selection_from
from keepa_deals.keepa.selection_files import BrokenFile, SearchFile, SearchTerms, SelectionFiles
from keepa_deals.searches import registry
from keepa_deals.searches.registry import SearchError
from keepa_deals.searches.search import count_tokens, search_of

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    database = Database(f"sqlite:///{tmp_path / 'deals.db'}")
    with database.begin() as opened:
        SearchRow.metadata.create_all(opened.connection(), tables=[SearchRow.__table__])  # type: ignore[list-item]
    with database.begin() as opened:
        yield opened
    database.close()


def query(domain: int = 1, **options: Any) -> Selection:
    return selection_from({"priceTypes": [1], "dateRange": 3, "domainId": domain, **options})


def file(name: str, domain: int = 1, weight: int = 5, **options: Any) -> SearchFile:
    return SearchFile(name, query(domain, **options), SearchTerms(weight))


def folder(*found: SearchFile, broken: tuple[str, ...] = ()) -> SelectionFiles:
    return SelectionFiles(found, tuple(BrokenFile(name, f"{name}: no") for name in broken), is_folder=True)


def follow(session: Session, files: SelectionFiles, *, later: int = 0) -> list[str]:
    return [*registry.follow_files(session, files, NOW + timedelta(minutes=later))]


def names(session: Session) -> list[tuple[int, str, int]]:
    return [(search.id, search.name, search.domain_id) for search in registry.all_searches(session)]


def add(session: Session, name: str, domain: int) -> None:
    registry.add(session, name, query(domain), SearchTerms(), SearchOwner.CLI, NOW)


class TestFiles:
    def test_the_first_search_is_the_deployments_own_and_keeps_its_state(self, session: Session) -> None:
        follow(session, SelectionFiles((file("deal_selection"),)))
        follow(session, folder(file("deal_selection"), file("toys", 3)))
        assert names(session) == [(1, "deal_selection", 1), (2, "toys", 3)]
        assert [search.is_first for search in registry.all_searches(session)] == [True, False]

    def test_nothing_changes_while_the_files_do_not(self, session: Session) -> None:
        files = folder(file("books"), file("toys", 3, weight=8))
        follow(session, files)
        before = registry.all_searches(session)
        follow(session, files, later=5)
        assert registry.all_searches(session) == before

    def test_a_single_file_is_the_same_search_under_any_name_in_any_marketplace(
        self, session: Session
    ) -> None:
        follow(session, SelectionFiles((file("books"),)))
        follow(session, SelectionFiles((file("toys", 3),)))
        assert names(session) == [(1, "toys", 3)]

    def test_a_renamed_file_goes_on_with_its_search(self, session: Session) -> None:
        follow(session, folder(file("books"), file("toys", 3)))
        follow(session, folder(file("old books"), file("toys", 3)))
        assert names(session) == [(1, "old books", 1), (2, "toys", 3)]

    def test_two_files_may_change_places(self, session: Session) -> None:
        follow(session, folder(file("a"), file("b", 3)))
        assert follow(session, folder(file("a", 3), file("b"))) == []
        assert names(session) == [(1, "a", 3), (2, "b", 1)]

    def test_a_vanished_file_removes_its_search_and_the_next_run_hears_of_it(self, session: Session) -> None:
        follow(session, folder(file("books"), file("toys", 3)))
        follow(session, folder(file("books")))
        assert names(session) == [(1, "books", 1)]
        (removed,) = registry.removed_searches(session)
        assert removed.name == "toys"
        registry.forget(session, [removed])
        assert registry.removed_searches(session) == []

    def test_a_broken_file_changes_nothing_but_says_so_at_its_search(self, session: Session) -> None:
        follow(session, folder(file("books"), file("toys", 3)))
        assert follow(session, folder(file("books"), broken=("toys",))) == ["toys: no"]
        assert names(session) == [(1, "books", 1), (2, "toys", 3)]
        assert registry.find(session, "toys").file_problem == "toys: no"
        follow(session, folder(file("books"), file("toys", 3)))
        assert registry.find(session, "toys").file_problem is None

    def test_a_second_search_of_a_marketplace_is_left_out_with_one_line(self, session: Session) -> None:
        (problem,) = follow(session, folder(file("books"), file("toys"), file("games", 3)))
        assert problem.startswith("the search 'toys' is left out: 'books' has amazon.com")
        assert "\n" not in problem
        assert names(session) == [(1, "books", 1), (2, "games", 3)]

    def test_another_price_type_does_not_change_that(self, session: Session) -> None:
        problems = follow(session, folder(file("books"), file("used", priceTypes=[2])))
        assert len(problems) == 1

    def test_a_name_that_somebody_has_given_already_is_left_out(self, session: Session) -> None:
        follow(session, folder(file("books")))
        add(session, "Toys", 3)
        (problem,) = follow(session, folder(file("books"), file("toys", 4)))
        assert "'toys' is left out: a search of that name is there" in problem
        assert names(session) == [(1, "books", 1), (2, "Toys", 3)]

    def test_another_query_takes_the_words_of_a_refusal_away(self, session: Session) -> None:
        follow(session, folder(file("books")))
        session.get_one(SearchRow, 1).error = "Keepa: no"
        follow(session, folder(file("books", weight=9)))
        assert registry.find(session, "books").error == "Keepa: no"
        follow(session, folder(file("books", dateRange=1)))
        assert registry.find(session, "books").error is None

    def test_a_paused_search_of_a_file_stays_paused(self, session: Session) -> None:
        follow(session, folder(file("books"), file("toys", 3)))
        registry.set_state(session, "TOYS", SearchState.PAUSED, NOW)
        follow(session, folder(file("books"), file("toys", 3, weight=9)))
        assert [search.name for search in registry.searches_to_read(session)] == ["books"]
        assert registry.find(session, "toys").weight == 9


class TestPeople:
    def test_add_pause_go_on_and_remove(self, session: Session) -> None:
        follow(session, folder(file("books")))
        add(session, " toys ", 3)
        registry.set_state(session, "toys", SearchState.PAUSED, NOW)
        assert [search.name for search in registry.searches_to_read(session)] == ["books"]
        registry.set_state(session, "toys", SearchState.ACTIVE, NOW)
        assert [search.name for search in registry.searches_to_read(session)] == ["books", "toys"]
        registry.remove(session, "toys", NOW)
        assert names(session) == [(1, "books", 1)]

    @pytest.mark.parametrize(("name", "domain"), [("Books", 3), ("more books", 1)])
    def test_a_name_or_a_marketplace_that_is_taken_is_refused(
        self, session: Session, name: str, domain: int
    ) -> None:
        follow(session, folder(file("books")))
        with pytest.raises(SearchError, match="ooks"):
            add(session, name, domain)

    @pytest.mark.parametrize("name", ["", "  ", "x" * 61, "two\nlines"])
    def test_what_is_no_name_is_refused(self, session: Session, name: str) -> None:
        with pytest.raises(SearchError, match="must have 1 to 60 printable signs"):
            add(session, name, 3)

    def test_a_search_that_is_not_there_is_named_with_those_that_are(self, session: Session) -> None:
        follow(session, folder(file("books")))
        with pytest.raises(SearchError, match="no search is named 'toys': there are 'books'"):
            registry.find(session, "toys")

    def test_a_files_search_is_removed_by_its_file_alone(self, session: Session) -> None:
        follow(session, folder(file("books")))
        with pytest.raises(SearchError, match="move the file away, or pause"):
            registry.remove(session, "books", NOW)

    def test_a_removed_name_and_marketplace_are_free_at_once(self, session: Session) -> None:
        follow(session, folder(file("books")))
        add(session, "toys", 3)
        registry.remove(session, "toys", NOW)
        add(session, "toys", 3)
        assert names(session) == [(1, "books", 1), (3, "toys", 3)]


def test_tokens_are_counted_for_the_hour_that_has_just_passed(session: Session) -> None:
    follow(session, folder(file("books")))
    row = session.get_one(SearchRow, 1)
    count_tokens(row, 60, NOW)
    assert search_of(row).tokens_within_an_hour(NOW) == 60
    assert search_of(row).tokens_within_an_hour(NOW + timedelta(hours=1)) == 30
    count_tokens(row, 10, NOW + timedelta(hours=1))
    assert search_of(row).tokens_within_an_hour(NOW + timedelta(hours=1)) == 40
    assert search_of(row).tokens_within_an_hour(NOW + timedelta(hours=3)) == 0
    count_tokens(row, 1, NOW + timedelta(hours=5))
    assert row.tokens_last_hour == 0
    assert row.tokens_spent == 71
