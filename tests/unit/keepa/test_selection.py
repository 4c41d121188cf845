"""The file of a deal query: what is read from it, and what its operator is told."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepa_deals import settings
from keepa_deals.errors import SettingsError
from keepa_deals.keepa.selection import log_notes, read_selection
from keepa_deals.keepa.selection_files import selection_of
from keepa_deals.text_file import MAX_BYTES
from tests.support.paths import SAMPLES

needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the recorded Keepa answers are not beside this checkout"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "selection.json"


def written(path: Path, **options: Any) -> Path:
    query = {
        "domainId": 1,
        "priceTypes": [1],
        "dateRange": 3,
        "isFilterEnabled": True,
        "isRangeEnabled": True,
    }
    path.write_text(json.dumps({**query, **options}))
    return path


def notes(path: Path, domain_id: int | None = None) -> str:
    return "\n".join(read_selection(path, domain_id=domain_id).notes)


def refusal(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        read_selection(path)
    text = str(caught.value)
    assert text.startswith(f"KEEPA_DEAL_SELECTION={path}: ")
    assert "\n" not in text
    return text.removeprefix(f"KEEPA_DEAL_SELECTION={path}: ")


@needs_samples
class TestRecordedSelections:
    def test_what_keepas_page_exports_is_taken(self) -> None:
        selection = read_selection(SAMPLES / "keepa_export_selection_es.json")
        assert selection.query["domainId"] == 9
        assert selection.query["dateRange"] == 0
        assert "salesRankRange" not in selection.query
        assert selection.query["excludeCategories"][0] == 818936031
        assert "hasAmazonOffer" not in selection.query
        assert selection.notes[0] == "no options of a deal query, left out: hasAmazonOffer"
        assert str(selection) == "amazon.es, price type 0 (AMAZON)"

    def test_the_selection_of_the_recorded_sweeps_is_taken(self) -> None:
        raw = json.loads((SAMPLES / "deal_selection_of_the_sweeps.json").read_text())
        selection = read_selection(SAMPLES / "deal_selection_of_the_sweeps.json")
        assert selection.query == {**raw, "domainId": 1, "dateRange": 3}
        assert selection.notes == ()

    def test_the_selection_of_a_dashboard_for_used_books_is_taken(self) -> None:
        raw = json.loads((SAMPLES / "deal_selection_used_books.json").read_text())
        selection = read_selection(SAMPLES / "deal_selection_used_books.json")
        assert selection.query == raw
        assert selection.notes == ()


class TestDomain:
    def test_is_the_files_own_where_none_is_set(self, path: Path) -> None:
        assert read_selection(written(path, domainId="9")).domain_id == 9

    def test_is_com_where_nobody_says_any(self, path: Path) -> None:
        assert read_selection(written(path, domainId=None)).domain_id == 1

    def test_is_the_set_one_and_the_contradiction_is_told(self, path: Path) -> None:
        selection = read_selection(written(path, domainId=9), domain_id=1)
        assert selection.domain_id == 1
        assert selection.notes == (
            "KEEPA_DOMAIN_ID=1 (amazon.com) wins over the file's domainId 9 (amazon.es)",
        )
        assert notes(written(path, domainId=1), domain_id=1) == ""

    def test_of_a_deployment_is_set_only_where_somebody_set_it(
        self, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written(path, domainId=3)
        monkeypatch.delenv("KEEPA_DOMAIN_ID", raising=False)
        monkeypatch.setenv("KEEPA_DEALS_HOME", str(tmp_path))

        def domain(**chosen: Any) -> int:
            loaded = settings.load(env_file=None, keepa_deal_selection=path, **chosen)
            return selection_of(loaded).domain_id

        assert domain() == 3
        assert domain(keepa_domain_id=1) == 1
        monkeypatch.setenv("KEEPA_DOMAIN_ID", "9")
        assert domain() == 9


class TestNotes:
    def test_of_a_query_without_surprises_there_are_none(self, path: Path) -> None:
        assert notes(written(path, currentRange=[1, 2], brand=["Lego"])) == ""

    def test_name_unknown_options_with_what_was_likely_meant(self, path: Path) -> None:
        said = notes(written(path, curentRange=[1, 2], perPage=150))
        assert said == "no options of a deal query, left out: curentRange (currentRange?), perPage"

    def test_name_ranges_that_are_switched_off(self, path: Path) -> None:
        said = notes(written(path, isRangeEnabled=False, currentRange=[1, 2], salesRankRange=[-1, -1]))
        assert said == "isRangeEnabled is not true, so these count for nothing: currentRange"

    def test_name_filters_that_are_switched_off(self, path: Path) -> None:
        said = notes(written(path, isFilterEnabled=None, brand="Lego", hasReviews=False))
        assert said == "isFilterEnabled is not true, so these may count for nothing: brand"

    def test_name_a_missing_date_range(self, path: Path) -> None:
        path.write_text('{"priceTypes": [1]}')
        assert notes(path) == "dateRange is missing: 3 (90 days) is asked for"

    @pytest.mark.parametrize("kind", [0, 1, 2, 5, 6, 8])
    def test_are_silent_on_price_types_that_a_product_tells(self, path: Path, kind: int) -> None:
        assert notes(written(path, priceTypes=[kind])) == ""

    @pytest.mark.parametrize("kind", [7, 9, 10, 19, 20, 21, 22, 33])
    def test_say_of_which_prices_only_the_feed_tells(self, path: Path, kind: int) -> None:
        assert "told by the feed alone" in notes(written(path, priceTypes=[kind]))

    @pytest.mark.parametrize("kind", [18, 32])
    def test_say_what_the_buy_box_costs(self, path: Path, kind: int) -> None:
        assert "for 2 tokens more a product" in notes(written(path, priceTypes=[kind]))

    def test_are_logged_with_the_name_of_their_search(
        self, path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        log_notes(read_selection(written(path, perPage=150)), "used books")
        assert [record.getMessage() for record in caplog.records] == [
            "deal query used books: no options of a deal query, left out: perPage"
        ]


class TestUnusableFiles:
    def test_that_is_missing(self, path: Path) -> None:
        assert refusal(path) == "cannot be read (No such file or directory)"

    def test_that_is_a_folder(self, tmp_path: Path) -> None:
        assert refusal(tmp_path) == "a folder: must be one file"

    def test_that_would_be_waited_for(self, path: Path) -> None:
        os.mkfifo(path)
        assert refusal(path) == "no regular file: must be one"

    def test_that_cannot_be_reached(self, path: Path) -> None:
        assert refusal(written(path) / "below") == "cannot be read (Not a directory)"

    def test_that_is_latin_1(self, path: Path) -> None:
        path.write_bytes('{"priceTypes": [1],\n "titleSearch": "café"}'.encode("latin-1"))
        assert refusal(path) == "not UTF-8 text (byte 0xe9 in line 2): save it as UTF-8"

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    def test_that_is_utf_16(self, path: Path, encoding: str) -> None:
        path.write_bytes('{"priceTypes": [1]}'.encode(encoding))
        assert refusal(path) == "UTF-16 or UTF-32 text: save it as UTF-8"

    def test_that_is_empty(self, path: Path) -> None:
        path.write_text(" \n")
        assert refusal(path) == "empty: must be a JSON object"

    def test_that_is_not_json(self, path: Path) -> None:
        path.write_text('{"priceTypes": [1]\n "page": 0}')
        assert refusal(path) == "not JSON (Expecting ',' delimiter in line 2, column 2)"

    def test_that_is_larger_than_any_query(self, path: Path) -> None:
        path.write_text(" " * (MAX_BYTES + 1))
        assert refusal(path) == f"a file of {MAX_BYTES + 1} bytes: must have at most {MAX_BYTES}"

    @pytest.mark.parametrize("text", ["[" * 100_000, '{"page": ' + "9" * 10_000 + "}"])
    def test_that_is_made_to_break_a_reader(self, path: Path, text: str) -> None:
        path.write_text(text)
        assert "not JSON" in refusal(path)

    def test_that_is_no_object(self, path: Path) -> None:
        path.write_text("[1]")
        assert refusal(path).startswith("[1]: must be a JSON object")

    def test_that_names_an_option_twice(self, path: Path) -> None:
        path.write_text('{"priceTypes": [1], "priceTypes": [2]}')
        assert refusal(path) == "'priceTypes' is there twice: leave one"

    def test_that_holds_a_value_out_of_range(self, path: Path) -> None:
        said = refusal(written(path, dateRange=7))
        assert said == "dateRange is 7: must be 0 (day), 1 (week), 2 (month) or 3 (90 days)"


def test_a_byte_order_mark_is_no_fault(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + written(path).read_bytes())
    assert read_selection(path).query["priceTypes"] == [1]


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_whatever_bytes_the_file_has_they_are_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.json"
    path.write_bytes(data)
    assert refusal(path)


def test_the_shipped_query_needs_no_note() -> None:
    default = settings.Settings.model_fields["keepa_deal_selection"].default
    assert read_selection(default).notes == ()
