"""The job that asks Amazon, against its sandbox: what it asks, once, and what it says when it can't."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import func, insert, select, update

from keepa_deals.clock import SystemClock
from keepa_deals.db.models import (
    Alert,
    AlertChange,
    AlertState,
    Deal,
    DealMark,
    JobRun,
    ListingCheck,
    MarkBook,
    SavedView,
    SellerAccount,
)
from keepa_deals.deals.kinds import EndedReason
from keepa_deals.deals.may_sell import MaySell
from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.run import Outcome, RunResult
from keepa_deals.redis_store import Keys
from keepa_deals.sandbox.faults import Fault
from keepa_deals.secret_box import KEY_FILE, SecretBox
from keepa_deals.seller import account, checks
from keepa_deals.seller.calls import SellerCalls
from keepa_deals.seller.run import run
from keepa_deals.sp_api.answers import Restriction
from keepa_deals.sp_api.client import SpApiClient
from keepa_deals.sp_api.credentials import Credentials
from keepa_deals.sp_api.plans import Operation
from tests.support.deal_rows import make_row
from tests.support.servers.sp_api import CREDENTIALS, SpApiServer, serving
from tests.support.world import World, make_world

NEW, USED = 1, 2
RATE = 50.0


@dataclass
class Desk:
    """A deployment's tables, a seller who is connected, and the sandbox behind them."""

    world: World
    server: SpApiServer
    home: Path
    redis: redis.Redis

    def make_calls(self, context: IngestContext, credentials: Credentials) -> SellerCalls:
        client = SpApiClient(
            credentials, api_url=self.server.url, login_url=self.server.login_url, whole_timeout=2
        )
        client.rates = dict.fromkeys(Operation, RATE)  # as if Amazon had told it: waits are tested elsewhere
        return SellerCalls(client, self.redis, Keys(), SystemClock())

    def run(self) -> RunResult:
        return run(self.world.context, self.make_calls)

    def add(self, number: int, *, price_type: int = NEW, **values: Any) -> str:
        """A live deal of a product of the sandbox."""
        asin = self.server.seller.catalogue.item(number).facts.asin
        row = make_row(random.Random(number), number, self.world.clock.now(), ended=0)
        now = self.world.clock.now()
        row |= {"asin": asin, "price_type": price_type, "may_sell": None, "sell_price": 2500}
        row |= {"ended_at": None, "ended_reason": None, "last_seen_at": now, "found_at": now}
        with self.world.database.begin() as session:
            session.execute(insert(Deal).values({**row, **values}))
        return asin

    def want(self, asin: str, price_type: int = NEW) -> bool:
        with self.world.database.begin() as session:
            return checks.want(session, 1, asin, price_type, self.world.clock.now())

    def check(self, asin: str, condition: str = "new_new") -> ListingCheck:
        with self.world.database.session() as session:
            return session.get_one(ListingCheck, (1, asin, condition))

    def may_sell(self, asin: str) -> int | None:
        with self.world.database.session() as session:
            return session.scalar(select(Deal.may_sell).where(Deal.asin == asin))

    @property
    def account(self) -> SellerAccount:
        with self.world.database.session() as session:
            return session.get_one(SellerAccount, 1)

    @property
    def asked(self) -> dict[str, int]:
        counts: dict[str, int] = self.server.seller.statistics()["by_product"]
        return counts


@pytest.fixture
def desk(tmp_path: Path, real_redis: redis.Redis) -> Iterator[Desk]:
    home = tmp_path / "home"
    world = make_world(tmp_path / "deals.db", keepa_deals_home=home)
    with serving() as server:
        for operation in Operation:
            server.seller.set_rate(operation, RATE)
        with world.database.begin() as session:
            account.connect(session, SecretBox(home), CREDENTIALS, world.clock.now())
        yield Desk(world, server, home, real_redis)
    world.database.close()


def test_without_a_seller_nothing_is_locked_asked_or_written(desk: Desk) -> None:
    asin = desk.add(1)
    desk.want(asin)
    with desk.world.database.begin() as session:
        account.disconnect(session, desk.world.clock.now())
    desk.add(2)
    assert desk.run().outcome is Outcome.NOTHING_TO_DO
    assert desk.world.lock.released == 0
    assert desk.server.seller.statistics()["log_ins"] == 0
    with desk.world.database.session() as session:
        assert session.scalar(select(func.count()).select_from(JobRun)) == 0


def test_what_a_person_wants_is_answered_and_told_to_the_deal(desk: Desk) -> None:
    found = set()
    for number in range(12):
        asin = desk.add(number)
        desk.want(asin)
        found.add(asin)
    assert desk.run().outcome is Outcome.SUCCEEDED
    for asin in found:
        expected = desk.server.seller.may_sell(asin, 1, "new_new")
        check = desk.check(asin)
        assert (check.may_sell, check.wanted_at, desk.may_sell(asin)) == (expected, None, expected)
        assert check.tried_at == desk.world.clock.now()
    assert set(desk.asked.values()) == {1}


def test_nothing_is_asked_twice_within_the_days_that_answers_are_kept(desk: Desk) -> None:
    asin = desk.add(1)
    for _ in range(3):
        desk.run()
        desk.world.clock.pass_time(timedelta(minutes=6))
    assert desk.asked == {f"1/{asin}/new_new": 1}
    desk.world.clock.pass_time(timedelta(days=7))
    with desk.world.database.begin() as session:
        session.execute(update(Deal).values(last_seen_at=desk.world.clock.now()))
    desk.run()
    assert desk.asked == {f"1/{asin}/new_new": 2}


def test_a_person_cannot_ask_again_what_was_just_answered(desk: Desk) -> None:
    asin = desk.add(1)
    assert desk.want(asin)
    assert not desk.want(asin)
    desk.run()
    assert not desk.want(asin)
    desk.world.clock.pass_time(timedelta(hours=1))
    assert desk.want(asin)


def test_first_pages_are_asked_about_and_deals_that_nobody_would_open_are_not(desk: Desk) -> None:
    shown, stale = desk.add(1), desk.add(2, last_seen_at=desk.world.clock.now() - timedelta(days=1))
    ended = desk.add(3, ended_at=desk.world.clock.now(), ended_reason=EndedReason.OUT_OF_STOCK)
    desk.run()
    assert desk.asked == {f"1/{shown}/new_new": 1}
    assert (desk.may_sell(stale), desk.may_sell(ended)) == (None, None)


def test_what_is_too_much_for_one_run_is_asked_in_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keepa_deals.seller.asking.MAX_QUESTIONS_A_RUN", 2)
    for number in range(5):
        desk.add(number)
    for asked in (2, 4, 5, 5):
        desk.run()
        desk.world.clock.pass_time(timedelta(minutes=1))
        assert len(desk.asked) == asked
    assert set(desk.asked.values()) == {1}


def test_a_view_of_what_may_be_sold_gets_to_know_what_is_unknown(desk: Desk) -> None:
    old = desk.world.clock.now() - timedelta(days=1)
    asin = desk.add(1, last_seen_at=old, title="a rare thing")
    with desk.world.database.begin() as session:
        query = "q=rare&status=stale&may_sell=allowed"
        session.add(SavedView(name="Mine", query=query, created_at=old, person_id=None))
    desk.run()
    assert desk.asked == {f"1/{asin}/new_new": 1}


def test_a_starred_deal_is_asked_about_though_no_view_shows_it(desk: Desk) -> None:
    now = desk.world.clock.now()
    asin, other = (desk.add(number, last_seen_at=now - timedelta(days=1)) for number in (1, 2))
    with desk.world.database.begin() as session:
        session.add(MarkBook(id=0))
        session.flush()
        session.add(DealMark(book_id=0, domain_id=1, asin=asin, starred_at=now))
        session.add(DealMark(book_id=0, domain_id=1, asin=other, hidden_at=now))
    desk.run()
    assert desk.asked == {f"1/{asin}/new_new": 1}


def test_a_used_deal_is_asked_about_as_used(desk: Desk) -> None:
    asin = desk.add(1, price_type=USED)
    desk.run()
    assert desk.asked == {f"1/{asin}/used_good": 1}
    assert desk.may_sell(asin) == desk.server.seller.may_sell(asin, 1, "used_good")


def test_an_answer_from_before_is_told_to_a_deal_that_came_back(desk: Desk) -> None:
    asin = desk.add(1)
    desk.run()
    with desk.world.database.begin() as session:
        session.execute(update(Deal).values(may_sell=None))
    desk.world.clock.pass_time(timedelta(minutes=6))
    desk.run()
    assert desk.may_sell(asin) is not None
    assert set(desk.asked.values()) == {1}


def test_alerts_look_again_at_a_deal_of_which_the_answer_came(desk: Desk) -> None:
    now = desk.world.clock.now()
    with desk.world.database.begin() as session:
        moments = {"created_at": now, "active_since": now}
        session.add(Alert(name="x", query="may_sell=allowed", rule={}, state=AlertState.ACTIVE, **moments))
    asin = desk.add(1)
    desk.run()
    with desk.world.database.session() as session:
        assert session.scalars(select(AlertChange.asin)).all() == [asin]


def test_what_an_alert_would_tell_of_is_asked_about_though_no_view_shows_it(desk: Desk) -> None:
    now = desk.world.clock.now()
    query = "q=rare&status=stale&may_sell=allowed"
    moments = {"created_at": now, "active_since": now}
    with desk.world.database.begin() as session:
        session.add(Alert(name="x", query=query, rule={}, state=AlertState.ACTIVE, **moments))
        session.add(
            Alert(name="off", query="q=dull&status=stale", rule={}, state=AlertState.PAUSED, **moments)
        )
    rare = desk.add(1, last_seen_at=now - timedelta(days=1), title="a rare thing")
    desk.add(2, last_seen_at=now - timedelta(days=1), title="a dull thing")
    desk.run()
    assert desk.asked == {f"1/{rare}/new_new": 1}


# -- fees ----------------------------------------------------------------------------------------
def test_fees_come_in_batches_of_twenty_for_the_price_that_is_reckoned_with(desk: Desk) -> None:
    asins = [desk.add(number) for number in range(25)]
    desk.run()
    assert desk.server.seller.statistics()["by_operation"]["getMyFeesEstimates"] == 2
    known = [desk.check(asin) for asin in asins]
    assert all(check.fee_price == 2500 and check.fee_total for check in known)
    check = known[0]
    assert check.fee_total == (check.fee_referral or 0) + (check.fee_closing or 0) + (
        check.fee_fulfilment or 0
    )


@pytest.mark.parametrize(
    ("price", "minutes", "asked_for"),
    [(4000, 10, 2500), (4000, 61, 4000), (2600, 61, 2500), (2640, 61, 2640), (None, 61, 2500)],
)
def test_fees_are_asked_for_anew_when_the_price_has_moved_after_a_while(
    desk: Desk, price: int | None, minutes: int, asked_for: int
) -> None:
    asin = desk.add(1)
    desk.run()
    desk.world.clock.pass_time(timedelta(minutes=minutes))
    with desk.world.database.begin() as session:
        session.execute(update(Deal).values(sell_price=price, last_seen_at=desk.world.clock.now()))
    desk.run()
    assert desk.check(asin).fee_price == asked_for
    assert set(desk.asked.values()) == {1}


# -- what may go wrong ---------------------------------------------------------------------------
def test_throttled_the_rest_waits_and_nothing_is_asked_twice(desk: Desk) -> None:
    asins = [desk.add(number) for number in range(4)]
    desk.server.break_with(Fault.TOO_MANY)
    assert desk.run().outcome is Outcome.WAITING_FOR_TOKENS
    assert desk.account.trouble is None
    desk.server.break_with()
    desk.world.clock.pass_time(timedelta(minutes=6))
    assert desk.run().outcome is Outcome.SUCCEEDED
    assert desk.asked == {f"1/{asin}/new_new": 1 for asin in asins}


def test_an_expired_access_token_costs_one_call_more_and_nobody_notices(desk: Desk) -> None:
    calls = desk.make_calls(desk.world.context, CREDENTIALS)
    calls.client.log_in()
    desk.server.seller.expire_tokens()
    asin = desk.add(1)
    assert run(desk.world.context, lambda *_: calls).outcome is Outcome.SUCCEEDED
    assert desk.asked == {f"1/{asin}/new_new": 1}
    assert desk.server.seller.statistics()["log_ins"] == 2


def test_refused_credentials_are_told_in_one_line_and_rest_for_an_hour(desk: Desk) -> None:
    asin = desk.add(1)
    desk.want(asin)
    desk.server.seller.credentials = "revoked"
    assert desk.run().outcome is Outcome.FAILED
    assert desk.account.refusal
    assert "invalid_grant" in desk.account.refusal
    assert "\n" not in desk.account.refusal
    desk.world.clock.pass_time(timedelta(minutes=59))
    assert desk.run().outcome is Outcome.NOTHING_TO_DO
    desk.server.seller.credentials = "accepted"
    desk.world.clock.pass_time(timedelta(minutes=2))
    desk.run()
    assert desk.account.refusal is None
    assert desk.check(asin).may_sell is not None


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.GARBAGE, Fault.TIMEOUT, Fault.SERVER_ERROR])
def test_down_it_says_so_gives_up_in_time_and_goes_on_later(desk: Desk, fault: Fault) -> None:
    asins = [desk.add(number) for number in range(3)]
    desk.server.break_with(fault)
    assert desk.run().outcome is Outcome.FAILED
    assert desk.account.trouble
    assert (desk.account.refusal, desk.account.refused_at) == (None, None)
    assert all(desk.may_sell(asin) is None for asin in asins)
    desk.server.break_with()
    desk.world.clock.pass_time(timedelta(minutes=6))
    assert desk.run().outcome is Outcome.SUCCEEDED
    assert desk.account.trouble is None
    assert all(desk.may_sell(asin) is not None for asin in asins)


def test_a_lost_key_is_told_with_the_way_out(desk: Desk) -> None:
    desk.add(1)
    (desk.home / KEY_FILE).unlink()
    assert desk.run().outcome is Outcome.FAILED
    assert "connect the seller again" in str(desk.account.refusal)
    assert desk.server.seller.statistics()["log_ins"] == 0


def test_a_product_that_amazon_cannot_tell_of_has_the_reason_and_is_left_alone_for_hours(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asin = desk.add(1)
    failing: Callable[..., Any] = lambda *_: (_ for _ in ()).throw(ValueError("Invalid ASIN"))  # noqa: E731
    monkeypatch.setattr(desk.server.seller, "restrictions", failing)
    desk.run()
    assert "Invalid ASIN" in str(desk.check(asin).problem)
    assert desk.account.trouble is None
    operations = desk.server.seller.statistics()["by_operation"]
    desk.world.clock.pass_time(timedelta(minutes=10))
    desk.run()
    assert desk.server.seller.statistics()["by_operation"] == operations


@pytest.mark.parametrize("broken", ["no such answer", "an error of the server"])
def test_one_product_that_breaks_amazon_keeps_no_other_waiting(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    asins = [desk.add(number) for number in range(4)]
    desk.want(asins[2])
    answer = desk.server.seller.restrictions

    def odd(asin: str, *others: Any) -> Any:
        if asin != asins[2]:
            return answer(asin, *others)
        if broken == "no such answer":
            return [1]
        raise RuntimeError(broken)

    monkeypatch.setattr(desk.server.seller, "restrictions", odd)
    assert desk.run().outcome is Outcome.SUCCEEDED
    assert [desk.may_sell(asin) is None for asin in asins] == [False, False, True, False]


def test_fees_that_amazon_refuses_as_a_batch_are_left_alone_for_hours(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asin = desk.add(1)

    def refuse(_: object) -> None:
        raise ValueError("Incorrect price")

    monkeypatch.setattr(desk.server.seller, "estimate", refuse)
    assert desk.run().outcome is Outcome.SUCCEEDED
    assert "Incorrect price" in str(desk.check(asin).fee_problem)
    operations = desk.server.seller.statistics()["by_operation"]
    desk.world.clock.pass_time(timedelta(minutes=10))
    desk.run()
    assert desk.server.seller.statistics()["by_operation"] == operations


def test_a_deal_of_another_region_is_not_asked_about(desk: Desk) -> None:
    desk.add(1, domain_id=3)
    assert desk.run().outcome is Outcome.NOTHING_TO_DO
    assert desk.asked == {}


def test_a_run_that_lost_its_lock_writes_nothing(desk: Desk) -> None:
    asin = desk.add(1)
    desk.want(asin)
    desk.world.lock.lost.set()
    assert desk.run().outcome is Outcome.LOST_LOCK
    assert desk.may_sell(asin) is None


# -- the account ---------------------------------------------------------------------------------
def test_the_database_has_no_secret_in_the_clear(desk: Desk) -> None:
    text = f"{desk.account.credentials} {desk.account.shown}"
    for secret in (CREDENTIALS.client_secret, CREDENTIALS.refresh_token, CREDENTIALS.client_id):
        assert secret not in text


def test_another_seller_does_not_inherit_answers_and_a_new_token_of_the_same_keeps_them(desk: Desk) -> None:
    asin = desk.add(1)
    desk.run()
    now, box = desk.world.clock.now(), SecretBox(desk.home)
    renewed = replace(CREDENTIALS, refresh_token="Atzr|another-one-0123456789")
    with desk.world.database.begin() as session:
        account.connect(session, box, renewed, now)
    assert desk.may_sell(asin) is not None
    with desk.world.database.begin() as session:
        account.connect(session, box, replace(renewed, seller_id="A2OTHERSELLER"), now)
    assert desk.may_sell(asin) is None


def test_what_a_run_left_behind_after_a_disconnect_is_not_the_next_sellers(desk: Desk) -> None:
    asin = desk.add(1)
    now = desk.world.clock.now()
    with desk.world.database.begin() as session:
        account.disconnect(session, now)
        checks.write_restriction(session, (1, asin, "new_new"), Restriction(MaySell.ALLOWED), now)
    with desk.world.database.begin() as session:
        account.connect(session, SecretBox(desk.home), CREDENTIALS, now)
    assert desk.may_sell(asin) is None
