"""Deals handed over to elsewhere: a workbook, a CSV with semicolons, ASINs, links, a list to buy by."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable
from html import unescape
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, update

from keepa_deals.db.models import Deal, DealEvent, DealPoint
from keepa_deals.web.deals import workbook
from keepa_deals.web.services import EXTENSION
from tests.support.world import World

Stock = Callable[..., None]
SHEET = {"s": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


def change(world: World, of: str = "B000000000", **values: Any) -> None:
    with world.database.begin() as session:
        session.execute(delete(DealPoint))  # they would hold the deal to its key
        session.execute(delete(DealEvent))
        session.execute(update(Deal).where(Deal.asin == of).values(**values))


def cells_of(book: bytes) -> list[dict[str, tuple[str, str, str]]]:
    """The rows of the first sheet: by column letter the type, the text, and the number format."""
    with zipfile.ZipFile(io.BytesIO(book)) as parts:
        sheet = Xml.fromstring(parts.read("xl/worksheets/sheet1.xml"))
        styles = Xml.fromstring(parts.read("xl/styles.xml"))
    codes = {one.get("numFmtId"): one.get("formatCode", "") for one in styles.iterfind(".//s:numFmt", SHEET)}
    formats = [one.get("numFmtId", "") for one in styles.iterfind(".//s:cellXfs/s:xf", SHEET)]
    rows = []
    for row in sheet.iterfind(".//s:row", SHEET):
        found = {}
        for cell in row.iterfind("s:c", SHEET):
            letters = re.sub(r"\d", "", cell.get("r", ""))
            text = cell.findtext("s:v", None, SHEET) or cell.findtext(".//s:t", "", SHEET)
            number = formats[int(cell.get("s", "0"))]
            found[letters] = (cell.get("t", "n"), text, codes.get(number, number))
        rows.append(found)
    return rows


def column(rows: list[dict[str, tuple[str, str, str]]], name: str) -> tuple[str, str, str] | None:
    """The cell of the first deal under a heading."""
    letters = next(letters for letters, (_, text, _) in rows[0].items() if text == name)
    return rows[1].get(letters)


def test_a_workbook_has_types_and_formats_and_loses_no_zero(
    client: FlaskClient, stock: Stock, world: World
) -> None:
    stock(1, title="=1+1", enrich=True)
    change(world, asin="0552990680", rating=45, amazon_in_stock=True, brand=None)
    answer = client.get("/export.xlsx")
    assert answer.content_type == workbook.CONTENT_TYPE
    assert answer.headers["Content-Disposition"] == "attachment; filename=keepa-deals-20260301-1200.xlsx"
    rows = cells_of(answer.data)
    assert len(rows) == 2
    assert column(rows, "asin") == ("inlineStr", "0552990680", "@")
    assert column(rows, "title") == ("inlineStr", "=1+1", "@")
    assert column(rows, "price") == ("n", "10", "#,##0.00")
    assert column(rows, "rating") == ("n", "4.5", "0.0#")
    assert column(rows, "amazon_in_stock") == ("b", "1", "0")
    assert column(rows, "brand") is None
    kind, text, form = column(rows, "last_seen_at") or ("", "", "")
    assert (kind, form) == ("n", "yyyy-mm-dd hh:mm")
    assert float(text) == pytest.approx(46082.5)  # 2026-03-01 12:00
    assert b"<f>" not in zipfile.ZipFile(io.BytesIO(answer.data)).read("xl/worksheets/sheet1.xml")


def test_yen_have_no_cents_in_a_workbook(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(1)
    change(world, domain_id=5)
    rows = cells_of(client.get("/export.xlsx?domain=5").data)
    assert column(rows, "price") == ("n", "1000", "#,##0")


def test_a_view_too_large_for_a_workbook_is_refused_with_its_size(
    client: FlaskClient, stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "MAX_DEALS", 2)
    stock(3)
    answer = client.get("/export.xlsx")
    assert answer.status_code == 400
    assert "3 deals; a workbook holds 2" in answer.text
    assert client.get("/export.xlsx?q=B000000001").status_code == 200


def test_a_csv_with_semicolons_has_decimal_commas(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(1, title="a; b", enrich=True)
    text = client.get("/export.csv?separator=semicolon").data.decode("utf-8-sig")
    (line,) = csv.DictReader(io.StringIO(text), delimiter=";")
    assert (line["title"], line["price"], line["referral_fee_percent"]) == ("a; b", "10,00", "15,01")
    assert line["last_seen_at"] == "2026-03-01T12:00:00Z"
    (usual,) = csv.DictReader(io.StringIO(client.get("/export.csv?separator=comma").data.decode("utf-8-sig")))
    assert usual["price"] == "10.00"
    wrong = client.get("/export.csv?separator=tab")
    assert wrong.status_code == 400
    assert "separator" in wrong.text
    assert client.get("/export.json?separator=comma").status_code == 400


def test_asins_come_one_a_line_in_the_order_of_the_view(client: FlaskClient, stock: Stock) -> None:
    stock(3)
    answer = client.get("/export.txt?sort=price&order=asc")
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.text.split() == ["B000000000", "B000000001", "B000000002"]


def test_the_list_leads_to_all_of_them_with_its_view(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    page = client.get("/?q=title").text
    for path in ("/export.xlsx?q=title", "/export.csv?q=title&amp;separator=semicolon"):
        assert f'href="{path}"' in page
    for path in ("/export.txt?q=title", "/buying-list?q=title"):
        assert f'href="{path}"' in page
    assert 'href="/export.csv?separator=semicolon"' in client.get("/").text


def test_links_of_ones_own_stand_on_the_page_of_a_deal(client: FlaskClient, stock: Stock) -> None:
    stock(1, title="Tea & Cake", enrich=True)
    assert "Shop" not in client.get("/deals/1/B000000000").text
    settings = client.application.extensions[EXTENSION].settings
    template = "Shop=https://shop.example/?a={asin}&t={title}&p={price}&s={sell}"
    object.__setattr__(settings, "deal_links", template)
    page = client.get("/deals/1/B000000000").text
    found = re.search(r'<a class="button plain" href="([^"]*)" rel="noreferrer noopener"[^>]*>Shop</a>', page)
    assert found
    address = "https://shop.example/?a=B000000000&t=Tea%20%26%20Cake&p=10.00&s=30.00"
    assert unescape(found[1]) == address


def test_the_buying_list_has_costs_units_and_sums_and_counts_no_unknown(
    client: FlaskClient, stock: Stock, world: World
) -> None:
    stock(2, enrich=True)
    change(world, "B000000001", price=None)
    settings = client.application.extensions[EXTENSION].settings
    for name, value in {"buy_quantity": 3, "buy_shipping_cost": 600, "prep_cost": 50}.items():
        object.__setattr__(settings, name, value)
    page = client.get("/buying-list?sort=price&order=asc").text
    rows = [
        [
            " ".join(unescape(re.sub(r"<[^>]+>", " ", cell)).split())
            for cell in re.findall(r"<t[dh].*?</t[dh]>", row)
        ]
        for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL)
    ]
    known = next(row for row in rows if "B000000000" in row[1])
    # 10.00 and a third of 6.00, and 0.50; sold at 30.00 less 15.01 % and 3.50
    assert known[2:9] == ["$10.00", "$12.50", "3", "$37.50", "$30.00", "$9.50", "76 %"]
    unknown = next(row for row in rows if "B000000001" in row[1])
    assert [unknown[place] for place in (2, 3, 5, 7)] == ["–"] * 4
    assert rows[-1][1] == "amazon.com, 2 deals"
    assert (rows[-1][3], rows[-1][5]) == ("$37.50 of 1", "$28.50 profit of 1")
    assert client.get("/buying-list?price_max=1").text.count("No deal matches") == 1
    assert client.get("/buying-list?price_max=x").status_code == 400
