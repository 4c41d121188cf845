"""What Amazon said of products: kept for days, asked for by people, written to the deals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from keepa_deals.db.models import Deal, ListingCheck
from keepa_deals.ingest.events import note_changes
from keepa_deals.sp_api.answers import FeeEstimate, FeeQuestion, Restriction
from keepa_deals.sp_api.conditions import condition_of

AGAIN_AFTER = timedelta(hours=1)
"""Sooner a person cannot ask for the same again: the answer would be the same."""
PROBLEM_FOR = timedelta(hours=6)
"""For so long a product is left alone of which Amazon could not tell."""
PRICE_PERCENT = 5
"""An average moves with every look: fees are asked for anew when the price has moved by more than that."""
KEPT_FOR = timedelta(days=90)
"""A product that nothing was asked about for so long is forgotten."""

Key = tuple[int, str, str]
"""Domain, ASIN, condition."""
_CHUNK = 500
"""ASINs of one query."""


def check_of(session: Session, domain_id: int, asin: str, price_type: int) -> ListingCheck | None:
    """What is known of a deal's product in the deal's condition."""
    return session.get(ListingCheck, (domain_id, asin, condition_of(price_type)))


def checks_of(session: Session, keys: Sequence[Key]) -> Mapping[Key, ListingCheck]:
    """What is known of these, by their keys."""
    found: dict[Key, ListingCheck] = {}
    wanted = set(keys)
    for domain in {key[0] for key in keys}:
        asins = sorted({asin for its_domain, asin, _ in keys if its_domain == domain})
        for start in range(0, len(asins), _CHUNK):
            some = asins[start : start + _CHUNK]
            query = select(ListingCheck).where(ListingCheck.domain_id == domain, ListingCheck.asin.in_(some))
            for check in session.scalars(query):
                found[check.domain_id, check.asin, check.condition] = check
    return {key: check for key, check in found.items() if key in wanted}


def want(session: Session, domain_id: int, asin: str, price_type: int, now: datetime) -> bool:
    """Note that somebody wants to know; whether that is news: what was just asked is not asked again."""
    check = check_of(session, domain_id, asin, price_type)
    if check is None:
        check = ListingCheck(domain_id=domain_id, asin=asin, condition=condition_of(price_type))
        session.add(check)
    elif check.wanted_at is not None or not may_ask_again(check, now):
        return False
    check.wanted_at = now
    return True


def may_ask_again(check: ListingCheck, now: datetime) -> bool:
    """Whether it was answered long enough ago."""
    return check.tried_at is None or not timedelta(0) <= now - check.tried_at < AGAIN_AFTER


def is_due(check: ListingCheck | None, now: datetime, kept_for: timedelta) -> bool:
    """Whether the job asks: somebody wants it, nobody knows it, or the answer is old."""
    if check is None or check.wanted_at is not None or check.tried_at is None:
        return True
    age = now - check.tried_at
    return age < timedelta(0) or age >= (kept_for if check.may_sell is not None else PROBLEM_FOR)


def fees_are_due(
    check: ListingCheck, price: int | None, by_amazon: bool, now: datetime, kept_for: timedelta
) -> bool:
    """Whether fees are asked for: not known for such a price, or old. Never without a price."""
    if price is None or price <= 0:
        return False
    if check.fees_tried_at is None or check.fee_price is None:
        return True
    age = now - check.fees_tried_at
    if check.fee_by_amazon is not by_amazon or abs(check.fee_price - price) * 100 > PRICE_PERCENT * price:
        return not timedelta(0) <= age < AGAIN_AFTER
    return age < timedelta(0) or age >= (kept_for if check.fee_total is not None else PROBLEM_FOR)


# -- answers -------------------------------------------------------------------------------------
def write_restriction(session: Session, key: Key, answer: Restriction | str, now: datetime) -> None:
    """Keep an answer, or why there is none; the deals of the product in that condition say it, too."""
    domain_id, asin, condition = key
    check = session.get(ListingCheck, key)
    if check is None:
        check = ListingCheck(domain_id=domain_id, asin=asin, condition=condition)
        session.add(check)
    check.tried_at, check.wanted_at = now, None
    if isinstance(answer, str):
        check.may_sell, check.problem, check.message, check.link = None, answer, None, None
    else:
        check.may_sell, check.problem = int(answer.may_sell), None
        check.message, check.link = answer.message or None, answer.link
    session.flush()
    tell_deal(session, check, now)


def tell_deal(session: Session, check: ListingCheck, now: datetime) -> bool:
    """Let the deal say what is known, where it does not yet; alerts look at it anew."""
    row = session.get(Deal, (check.domain_id, check.asin), with_for_update=True)
    if row is None or condition_of(row.price_type) != check.condition or row.may_sell == check.may_sell:
        return False
    row.may_sell, row.changed_at = check.may_sell, now
    note_changes(session, check.domain_id, [check.asin], now)
    return True


def write_fees(
    session: Session, asked: Sequence[tuple[Key, FeeQuestion]], told: Sequence[FeeEstimate], now: datetime
) -> None:
    """Keep what Amazon says of fees, an estimate a question."""
    for (key, question), estimate in zip(asked, told, strict=True):
        values = {
            "fees_tried_at": now,
            "fee_price": question.price,
            "fee_by_amazon": question.by_amazon,
            "fee_total": estimate.total,
            "fee_referral": estimate.referral,
            "fee_closing": estimate.closing,
            "fee_fulfilment": estimate.fulfilment,
            "fee_problem": estimate.problem or None,
        }
        table = ListingCheck.__table__.c
        of_key = (table.domain_id == key[0], table.asin == key[1], table.condition == key[2])
        session.execute(update(ListingCheck).where(*of_key).values(values))


def forget_old(session: Session, now: datetime) -> None:
    """Forget products that nothing was asked about for long."""
    session.execute(delete(ListingCheck).where(ListingCheck.tried_at < now - KEPT_FOR))


def wanted(session: Session, most: int) -> Sequence[ListingCheck]:
    """Those that people wait for, the first first."""
    query = select(ListingCheck).where(ListingCheck.wanted_at.is_not(None))
    return session.scalars(query.order_by(ListingCheck.wanted_at).limit(most)).all()
