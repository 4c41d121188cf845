"""What one run of the job asks Amazon: what people wait for first, then what somebody is likely to open.

Each answer is kept in a transaction of its own, so that no run asks again what another one knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from keepa_deals.clock import Clock
from keepa_deals.db.models import ListingCheck
from keepa_deals.deals.economics.pricing import Fulfilment
from keepa_deals.deals.freshness import AsOf
from keepa_deals.errors import BudgetError
from keepa_deals.ingest.run import Outcome, Run
from keepa_deals.seller import account, checks
from keepa_deals.seller.calls import SellerCalls
from keepa_deals.seller.candidates import Candidate, alerted, candidates, first_page, starred, views
from keepa_deals.seller.checks import Key
from keepa_deals.sp_api.answers import FeeEstimate, FeeQuestion, Restriction
from keepa_deals.sp_api.client import MAX_QUESTIONS
from keepa_deals.sp_api.conditions import condition_of
from keepa_deals.sp_api.errors import QuestionRefusedError, TroubleError, UnreadableAnswerError
from keepa_deals.sp_api.places import REGIONS

SHARE = timedelta(seconds=20)
"""The longest that a run goes on asking: the backfill waits behind it."""
PATIENCE = 5.0
"""Seconds that a call waits for its turn."""
MAX_QUESTIONS_A_RUN = 60
LOOK_EVERY = timedelta(minutes=5)
"""Between two looks at what the named views show."""
LOOK_SECONDS = 5.0
"""For so long a look reads views; the next one goes on with those that are left."""


def ask(run: Run, calls: SellerCalls) -> Outcome:
    """Ask what is due. Raises what the calls raise; what was answered until then is kept."""
    until = run.context.clock.monotonic() + SHARE.total_seconds()
    return _Asking(run, calls, until).everything()


class Question(NamedTuple):
    """A product in a condition, and the deal that it is asked for, if there still is one."""

    key: Key
    deal: Candidate | None
    on_demand: bool


@dataclass
class _Asking:
    """The questions of one run."""

    run: Run
    calls: SellerCalls
    until: float
    fees: list[tuple[Key, FeeQuestion]] = field(default_factory=list)
    trouble: TroubleError | None = None
    """A product that Amazon did not answer about, once in a run, keeps nobody else waiting."""

    @property
    def clock(self) -> Clock:
        return self.run.context.clock

    @property
    def kept_for(self) -> timedelta:
        return timedelta(days=self.run.context.settings.may_sell_days)

    @property
    def is_over(self) -> bool:
        return self.clock.monotonic() >= self.until

    def everything(self) -> Outcome:
        questions = self._questions()
        for question in questions:
            if self.is_over:
                break
            self.run.checkpoint()
            try:
                self._restriction(question)
            except TroubleError as error:
                if self.trouble is not None:
                    raise
                self.trouble = error
        if self.trouble is not None and not self.run.rows:
            raise self.trouble
        for start in range(0, len(self.fees), MAX_QUESTIONS):
            if self.is_over:
                break
            self.run.checkpoint()
            self._fees(self.fees[start : start + MAX_QUESTIONS])
        return Outcome.SUCCEEDED if self.run.rows else Outcome.NOTHING_TO_DO

    def _restriction(self, question: Question) -> None:
        domain_id, asin, condition = question.key
        answer: Restriction | str
        try:
            answer = self.calls.restriction(
                asin, domain_id, condition, on_demand=question.on_demand, timeout=PATIENCE
            )
        except (QuestionRefusedError, UnreadableAnswerError) as error:
            answer = str(error)
        now = self.clock.now()
        with self.run.commit() as session:
            checks.write_restriction(session, question.key, answer, now)
            account.note_answer(session, now)
            check = session.get_one(ListingCheck, question.key)
            self._note_fees(question, check, now)
        self.run.rows += 1

    def _note_fees(self, question: Question, check: ListingCheck, now: datetime) -> None:
        """Ask for the fees, too, of what may be sold, or may be with leave."""
        deal = question.deal
        by_amazon = self.by_amazon
        if deal is None or check.may_sell is None or deal.sell_price is None:
            return
        if checks.fees_are_due(check, deal.sell_price, by_amazon, now, self.kept_for):
            asked = FeeQuestion(deal.asin, deal.domain_id, deal.sell_price, by_amazon)
            self.fees.append((question.key, asked))

    @cached_property
    def by_amazon(self) -> bool:
        """Whether the seller lets Amazon ship."""
        return self.run.context.pricing.fulfilment is Fulfilment.FBA

    def _fees(self, asked: Sequence[tuple[Key, FeeQuestion]]) -> None:
        try:
            told = self.calls.fees([question for _, question in asked], timeout=PATIENCE)
        except BudgetError:
            return  # a run later
        except (QuestionRefusedError, UnreadableAnswerError) as error:
            told = [FeeEstimate(problem=str(error))] * len(asked)
        now = self.clock.now()
        with self.run.commit() as session:
            checks.write_fees(session, asked, told, now)
            account.note_answer(session, now)
        self.run.rows += len(asked)

    # -- what to ask ---------------------------------------------------------------------------
    def _questions(self) -> Sequence[Question]:
        """What is due, the wanted ones first; what is known already is told to its deal."""
        with self.run.context.database.session() as session:
            waiting = [
                (one.domain_id, one.asin, one.condition)
                for one in checks.wanted(session, MAX_QUESTIONS_A_RUN)
            ]
        found = {key: Question(key, deal, on_demand=True) for key, deal in self._deals_of(waiting)}
        for question in self._likely():
            found.setdefault(question.key, question)
        return list(found.values())[:MAX_QUESTIONS_A_RUN]

    def _deals_of(self, keys: Sequence[Key]) -> Iterator[tuple[Key, Candidate | None]]:
        with self.run.context.database.session() as session:
            deals = candidates(session.connection(), [key[:2] for key in keys])
        by_key = {_key(deal): deal for deal in deals}
        yield from ((key, by_key.get(key)) for key in keys if self._is_ours(key[0]))

    def _is_ours(self, domain_id: int) -> bool:
        """Whether the credentials hold for a marketplace."""
        return REGIONS.get(domain_id) is self.calls.client.credentials.region

    def _likely(self) -> Sequence[Question]:
        """Of the deals that somebody is likely to open: those that are due."""
        now = self.clock.now()
        with self.run.context.database.session() as session:
            keys = [*starred(session.connection()), *alerted(session.connection(), now)]
            shown, state = self._shown(session, now)
            found = candidates(session.connection(), [*keys, *shown])
            deals = {_key(deal): deal for deal in found if self._is_ours(deal.domain_id)}
            known = checks.checks_of(session, list(deals))
        due, news = [], []
        for key, deal in deals.items():
            check = known.get(key)
            if check is None or checks.is_due(check, now, self.kept_for):
                due.append(Question(key, deal, on_demand=False))
                continue
            self._note_fees(Question(key, deal, on_demand=False), check, now)
            if deal.may_sell != check.may_sell:
                news.append(check)  # it came back, or its price is of another condition now
        if len(due) > MAX_QUESTIONS_A_RUN:
            state = self.run.cursor | {"looked_at": 0}  # the next run looks at the same views at once
        with self.run.commit(cursor=state) as session:
            checks.forget_old(session, now)
            for check in news:
                checks.tell_deal(session, check, now)
        return due

    def _shown(self, session: Session, now: datetime) -> tuple[Sequence[tuple[int, str]], dict[str, Any]]:
        """The first pages of the named views, a few views a look; and where the next look goes on."""
        state = self.run.cursor
        looked, begin = state.get("looked_at", 0), int(state.get("view", 0))
        seconds = int(now.timestamp())
        if 0 <= seconds - looked < LOOK_EVERY.total_seconds():
            return [], state
        connection, context = session.connection(), self.run.context
        queries = views(connection)
        as_of, end = AsOf(now, context.fresh_for), self.clock.monotonic() + LOOK_SECONDS
        keys: list[tuple[int, str]] = []
        read = 0
        for query in [*queries[begin:], *queries[:begin]]:
            if self.clock.monotonic() >= end:
                break
            read += 1
            keys += first_page(connection, query, as_of, context.domain_id)
        following = (begin + read) % len(queries) if queries else 0
        return keys, {"looked_at": seconds, "view": following}


def _key(deal: Candidate) -> Key:
    """The product of a deal in the condition that its price is of."""
    return deal.domain_id, deal.asin, condition_of(deal.price_type)
