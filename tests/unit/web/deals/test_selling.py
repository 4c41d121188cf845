"""Whether a deal may be sold: the page's states, its button, and list, API, files and alerts."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from keepa_deals.alerts.message import Told
from keepa_deals.db.models import Deal, ListingCheck
from keepa_deals.deals.may_sell import MaySell
from keepa_deals.jobs import LISTINGS_JOB, Job
from keepa_deals.query.detail import read_deal
from keepa_deals.secret_box import SecretBox
from keepa_deals.seller import account, checks
from keepa_deals.sp_api.answers import FeeEstimate, FeeQuestion, Restriction
from keepa_deals.web.services import EXTENSION
from tests.support.servers.sp_api import CREDENTIALS
from tests.support.world import World

Stock = Callable[..., None]
ASIN = "B000000000"
ADDRESS = f"/deals/1/{ASIN}"
KEY = (1, ASIN, "new_new")
LINK = "https://sellercentral.amazon.com/hz/approvalrequest?asin=B000000000"


@pytest.fixture
def seller(world: World, tmp_path: Path, stock: Stock) -> None:
    stock(1, enrich=True)
    with world.database.begin() as session:
        account.connect(session, SecretBox(tmp_path), CREDENTIALS, world.clock.now())


@pytest.fixture
def sent(client: FlaskClient) -> list[Job]:
    jobs: list[Job] = []
    object.__setattr__(client.application.extensions[EXTENSION], "send", jobs.append)
    return jobs


def panel(client: FlaskClient) -> str:
    """The words of the panel."""
    found = re.search(
        r'<section class="panel" id="selling".*?</section>', client.get(ADDRESS).text, re.DOTALL
    )
    assert found
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", found[0])).split())


def answer(world: World, told: Restriction | str) -> None:
    with world.database.begin() as session:
        checks.write_restriction(session, KEY, told, world.clock.now())


def press(client: FlaskClient) -> None:
    page = client.get("/terms").text  # a form that is there in every state
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    done = client.post(f"{ADDRESS}/may-sell", data={"csrf_token": token[1] if token else ""})
    assert (done.status_code, done.location) == (303, f"{ADDRESS}#selling")


def test_without_a_seller_the_page_has_no_such_panel_and_nothing_is_noted(
    client: FlaskClient, world: World, stock: Stock, sent: list[Job]
) -> None:
    stock(1)
    assert 'id="selling"' not in client.get(ADDRESS).text
    press(client)
    assert sent == []
    with world.database.session() as session:
        assert session.get(ListingCheck, KEY) is None


@pytest.mark.usefixtures("seller")
def test_the_button_asks_once_and_the_page_says_that_it_waits(client: FlaskClient, sent: list[Job]) -> None:
    assert "Not asked yet" in panel(client)
    assert "Ask Amazon" in panel(client)
    press(client)
    assert sent == [LISTINGS_JOB]
    assert "within a minute or two" in panel(client)
    assert "Ask Amazon" not in panel(client)
    press(client)
    assert sent == [LISTINGS_JOB]


@pytest.mark.usefixtures("seller")
def test_redis_away_the_wish_is_kept(client: FlaskClient, world: World) -> None:
    from kombu.exceptions import OperationalError

    def fail(_: Job) -> None:
        raise OperationalError("no Redis")

    object.__setattr__(client.application.extensions[EXTENSION], "send", fail)
    press(client)
    with world.database.session() as session:
        assert session.get_one(ListingCheck, KEY).wanted_at is not None


@pytest.mark.usefixtures("seller")
@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Restriction(MaySell.ALLOWED), "You may sell it new"),
        (Restriction(MaySell.APPROVAL, "You need approval.", LINK), "Amazon’s words: “You need approval.”"),
        (Restriction(MaySell.REFUSED, "<b>No</b>"), "You may not sell it"),
        ("Amazon getListingsRestrictions: 400 InvalidInput", "Amazon could not tell: Amazon getListings"),
    ],
)
def test_each_answer_has_its_words(
    client: FlaskClient, world: World, told: Restriction | str, words: str
) -> None:
    answer(world, told)
    assert words in panel(client)
    assert ("Ask Amazon for approval" in panel(client)) == (isinstance(told, Restriction) and bool(told.link))
    assert "Ask again" not in panel(client)
    world.clock.pass_time(timedelta(hours=2))
    assert "Ask again" in panel(client)
    assert "<b>No</b>" not in client.get(ADDRESS).text


@pytest.mark.usefixtures("seller")
def test_credentials_that_are_refused_are_told_in_one_line(client: FlaskClient, world: World) -> None:
    with world.database.begin() as session:
        account.note_refusal(
            session, "Login with Amazon refuses the credentials (invalid_grant)", world.clock.now()
        )
    assert "nothing is asked: Login with Amazon refuses the credentials (invalid_grant)." in panel(client)
    status = client.get("/api/status").json
    assert status
    assert "invalid_grant" in status["seller"]["refusal"]


@pytest.mark.usefixtures("seller")
def test_amazon_away_is_told_while_the_answer_is_awaited(
    client: FlaskClient, world: World, sent: list[Job]
) -> None:
    press(client)
    with world.database.begin() as session:
        account.note_trouble(session, "Amazon getListingsRestrictions: cannot connect", world.clock.now())
    assert "cannot connect. It is tried again each minute." in panel(client)
    assert sent


@pytest.mark.usefixtures("seller")
def test_a_deal_of_another_region_says_so_and_has_no_button(client: FlaskClient, world: World) -> None:
    with world.database.begin() as session:
        session.execute(update(account.SellerAccount).values(domain_id=3))
    assert "not for United States" in panel(client)
    assert "Ask" not in panel(client)


@pytest.mark.usefixtures("seller")
def test_what_amazon_says_of_fees_stands_beside_ours_and_changes_no_profit(
    client: FlaskClient, world: World
) -> None:
    profit = client.get(ADDRESS).text.split('data-result="profit"')[1][:60]
    answer(world, Restriction(MaySell.ALLOWED))
    question = FeeQuestion(ASIN, 1, 3000, by_amazon=True)
    told = FeeEstimate(total=891, referral=450, closing=0, fulfilment=441)
    with world.database.begin() as session:
        checks.write_fees(session, [(KEY, question)], [told], world.clock.now())
    words = panel(client)
    # ours: 15.01 % of 30.00 in cents, and Keepa's 3.50
    assert "Fees at $30.00, Amazon ships" in words
    assert "Referral fee $4.50 $4.50" in words
    assert "FBA fee $3.50 $4.41" in words
    assert "In all $8.00 $8.91" in words
    assert client.get(ADDRESS).text.split('data-result="profit"')[1][:60] == profit


@pytest.mark.usefixtures("seller")
def test_list_api_files_and_alerts_say_it(client: FlaskClient, world: World) -> None:
    answer(world, Restriction(MaySell.APPROVAL, "x", LINK))

    def of_api(query: str) -> Any:
        answered = client.get(f"/api/deals?{query}").json
        assert answered
        return [deal["may_sell"] for deal in answered["deals"]]

    assert of_api("may_sell=approval") == ["approval"]
    assert of_api("may_sell=not_refused") == ["approval"]
    assert of_api("may_sell=allowed") == []
    assert "approval needed" in client.get("/").text
    assert "approval" in client.get("/export.csv").text
    with world.database.engine.connect() as connection:
        row = read_deal(connection, (1, ASIN))
    assert row
    told = Told(row, "found")
    assert "Approval needed" in told.facts(world.clock.now())


@pytest.mark.usefixtures("seller")
def test_what_is_no_answer_in_the_table_is_unknown(client: FlaskClient, world: World) -> None:
    with world.database.begin() as session:
        session.execute(update(Deal).values(may_sell=9))
    answered = client.get("/api/deals").json
    assert answered
    assert answered["deals"][0]["may_sell"] is None
