"""Simulated time for the real ingestion: its threads take turns, and time jumps to the next that wakes.

The account, the catalogue and the HTTP answers are the sandbox's, the tokens the real TokenManager's on a
real Redis, the store a real database. Only the clock is not real: an actor that sleeps, waits for tokens or
for Keepa hands on to whoever wakes next.
"""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import redis
import requests
from requests.adapters import HTTPAdapter
from sqlalchemy import select
from werkzeug.test import Client, EnvironBuilder

from keepa_deals.db.models import Deal, JobState
from keepa_deals.db.session import Database
from keepa_deals.errors import TokensUnavailableError
from keepa_deals.ingest import backfill, maintenance, recent
from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.job import Outcome
from keepa_deals.ingest.ports import TokenSource
from keepa_deals.keepa.client import KeepaClient
from keepa_deals.keepa.costs import MAX_DEALS_PER_QUERY
from keepa_deals.keepa.time import from_keepa_minutes
from keepa_deals.keepa.types import TokenEnvelope
from keepa_deals.locks import SingleFlightLock
from keepa_deals.sandbox.account import Account
from keepa_deals.sandbox.app import create_app
from keepa_deals.sandbox.catalogue import Catalogue
from keepa_deals.settings import Settings
from keepa_deals.token_manager import Policy, TokenManager

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = "k" * 64
KEEPA_SECONDS = 0.4
"""How long a call of Keepa takes."""


class Over(BaseException):
    """The simulated time is over: ends an actor wherever it sleeps."""


class SimulatedTime:
    """A ``Clock`` for actors in threads of their own, of which exactly one runs at any moment."""

    def __init__(self, client: redis.Redis, hours: float) -> None:
        self._redis = client
        self._turn = threading.Condition()
        self._running: threading.Thread | None = None
        self._wakes: dict[threading.Thread, tuple[float, str | None]] = {}
        self._seconds = 0.0
        self._end = hours * 3600
        self.failure: BaseException | None = None

    def now(self) -> datetime:
        return START + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return self._seconds

    def now_ms(self) -> int:
        return round(self.now().timestamp() * 1000)

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._park(self._seconds + seconds, None)

    def sleep_until(self, moment: float) -> None:
        self._park(max(moment, self._seconds), None)

    def doze(self, key: str, seconds: float) -> None:
        """Until the list ``key`` has an element, at most ``seconds``."""
        self._park(self._seconds + max(seconds, 0.001), key)

    def run(self, **actors: Callable[[], None]) -> None:
        """Let the actors go on until the time is over; raises what one of them failed with."""
        threads = [threading.Thread(target=self._act, args=(work,), name=n) for n, work in actors.items()]
        with self._turn:
            self._wakes = dict.fromkeys(threads, (0.0, None))
            for thread in threads:
                thread.start()
            self._hand_on()
        for thread in threads:
            thread.join()
        if self.failure is not None:
            raise self.failure

    def _act(self, actor: Callable[[], None]) -> None:
        me = threading.current_thread()
        with self._turn:
            self._turn.wait_for(lambda: self._running is me)
        try:
            actor()
        except Over:
            pass
        except BaseException as error:
            self.failure = self.failure or error
            self._end = 0
        with self._turn:
            self._wakes.pop(me, None)
            self._hand_on()

    def _park(self, until: float, key: str | None) -> None:
        me = threading.current_thread()
        with self._turn:
            self._wakes[me] = (until, key)
            self._hand_on()
            self._turn.wait_for(lambda: self._running is me)
            if self._seconds >= self._end:
                raise Over
        if key is not None:
            self._redis.lpop(key)

    def _hand_on(self) -> None:
        if not self._wakes:
            self._running = None
            return
        woken = [t for t, (_, key) in self._wakes.items() if key and self._redis.llen(key)]
        if woken:
            self._running = woken[0]
        else:
            self._running = min(self._wakes, key=lambda t: self._wakes[t][0])
            self._seconds = max(self._seconds, self._wakes[self._running][0])
        self._turn.notify_all()


@dataclass(frozen=True)
class Listed:
    """A deal as Keepa lists it."""

    price: int
    created: datetime


@dataclass
class Ledger:
    """What the calls of Keepa cost: tokens by actor and call, ``("upserter", "/deal 0")``."""

    spent: Counter[tuple[str, str]] = field(default_factory=Counter)

    def of(self, actor: str, call: str = "") -> int:
        return sum(n for (who, what), n in self.spent.items() if who == actor and what.startswith(call))


class InProcess(HTTPAdapter):
    """Hands requests to a WSGI application, and lets a moment of simulated time pass before and after.

    What each call costs goes into the ledger, under the name of the thread that makes it.
    """

    def __init__(self, app: Any, clock: SimulatedTime, account: Account, ledger: Ledger) -> None:
        super().__init__()
        self._client = Client(app)
        self._clock = clock
        self._account = account
        self._ledger = ledger

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        url = urlsplit(str(request.url))
        self._clock.sleep(KEEPA_SECONDS / 2)
        before = self._account.statistics().tokens_consumed
        answer = self._client.open(
            EnvironBuilder(
                url.path, query_string=url.query, method=request.method, data=request.body,
                content_type=request.headers.get("Content-Type"),
            )
        )  # fmt: skip
        call = url.path
        if call == "/deal":
            call = f"/deal {json.loads(request.body or b'{}').get('page', 0)}"
        actor = threading.current_thread().name
        self._ledger.spent[actor, call] += self._account.statistics().tokens_consumed - before
        response = requests.Response()
        response.status_code = answer.status_code
        response.headers.update(dict(answer.headers))
        response.raw = io.BytesIO(answer.get_data())
        response.request, response.url = request, str(request.url)
        self._clock.sleep(KEEPA_SECONDS / 2)
        return response


@dataclass
class World:
    """Everything that a simulated deployment consists of."""

    clock: SimulatedTime
    account: Account
    sandbox: Any
    context: IngestContext
    redis: redis.Redis
    ledger: Ledger = field(default_factory=lambda: Ledger())

    def truth(self) -> dict[str, Listed]:
        """What Keepa lists at this moment: no more than it shows of one query, the newest."""
        found = self.sandbox.truth({**self.context.selection, "page": 0, "sortType": recent.NEWEST_FIRST})
        listed = found[:MAX_DEALS_PER_QUERY]
        return {d["asin"]: Listed(d["price"], from_keepa_minutes(d["created"])) for d in listed}

    def memory(self) -> dict[str, Any]:
        """What the upserter remembers."""
        with self.context.database.session() as session:
            state = session.get(JobState, recent.JOB)
            return dict(state.cursor or {}) if state else {}

    def plan(self) -> dict[str, Any]:
        return dict(self.memory().get("plan") or {})

    def horizon(self) -> datetime | None:
        """The oldest creation date that the plan keeps, when it cannot keep all."""
        found = self.memory().get("horizon")
        return datetime.fromisoformat(found) if found else None

    def shown(self) -> dict[str, int | None]:
        """What the dashboard shows as live at this moment: ASIN and price."""
        live_since = self.clock.now() - self.context.fresh_for
        query = select(Deal.asin, Deal.price).where(Deal.ended_at.is_(None), Deal.last_seen_at >= live_since)
        with self.context.database.session() as session:
            return dict(session.execute(query).all())  # type: ignore[arg-type]


def build(client: redis.Redis, database: Database, *, deals: int, rate: int, hours: float,
          selection: Mapping[str, Any], interval: int = 60, seed: str = "simulation",
          rules: Callable[[SimulatedTime, Account], TokenSource] | None = None,
          catalogue: Catalogue | None = None) -> World:  # fmt: skip
    """A deployment with an empty table, a bucket of one tick and its account at its first tick."""
    clock = SimulatedTime(client, hours)
    account = Account(refill_rate=rate, clock=clock, tokens=rate)
    app = create_app(account, catalogue or Catalogue.for_deals(deals, seed=seed), clock=clock)
    ledger = Ledger()
    adapter = InProcess(app, clock, account, ledger)
    keepa = KeepaClient(KEY, base_url="http://keepa", sleep=clock.sleep, adapter=adapter)
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        keepa_api_key=KEY,  # type: ignore[arg-type]
        upsert_interval_seconds=interval,
    )
    tokens = rules(clock, account) if rules else TokenManager(
        client, account="simulation", policy=Policy.from_settings(settings), clock=clock,
        sync=keepa.token_status, now_ms=clock.now_ms, doze=clock.doze,
    )  # fmt: skip
    context = IngestContext(
        settings=settings,
        client=keepa,
        tokens=tokens,
        database=database,
        clock=clock,
        selection=selection,
        lock=lambda name: SingleFlightLock(client, name),
        stop=lambda: False,
    )
    return World(clock, account, app.extensions["sandbox"], context, client, ledger)


def every(world: World, seconds: float, work: Callable[[], object]) -> Callable[[], None]:
    """An actor that does ``work`` as beat has it done: at each multiple of ``seconds``, unless it is busy."""

    def act() -> None:
        clock = world.clock
        while True:
            work()
            clock.sleep_until((clock.monotonic() // seconds + 1) * seconds)

    return act


def saturated_backfiller(world: World) -> Callable[[], None]:
    """An actor that spends whatever the bulk lane gives: the backfiller, and for ever when it has nothing.

    Then it charges the account as calls of 100 products would, without asking for their answers.
    """

    def act() -> None:
        clock = world.clock
        while True:
            if backfill.run_slice(world.context).outcome is Outcome.NOTHING_TO_DO:
                _gorge(world)
            clock.sleep_until((clock.monotonic() // 10 + 1) * 10)

    return act


def _gorge(world: World) -> None:
    """One call of as many products as the bulk lane gives tokens for."""
    try:
        grant = world.context.tokens.request_batch("product", max_items=100, timeout=50.0, task="glutton")
    except TokensUnavailableError:
        return
    with grant:
        world.clock.sleep(KEEPA_SECONDS)
        cost = grant.items if world.account.admit() else 0
        grant.settle(TokenEnvelope.from_json(world.account.charge(cost)))


@dataclass
class Figures:
    """Whether the dashboard told the truth, minute by minute, after ``settled`` hours to fill the table.

    A deal that is shown is *right* when Keepa listed it, at the price shown, within the freshness window. A
    deal *must* be shown that Keepa has listed for a whole window (of those that the plan keeps).
    """

    window: int
    settled: float
    in_step: float
    """Hours until the sweeps have brought the pages into step: what keeping costs counts from then on."""
    curve: list[tuple[float, int, int]] = field(default_factory=list)
    """Hours, deals shown as live, deals that Keepa lists."""
    shown: int = 0
    right: int = 0
    must: int = 0
    there: int = 0
    strictly_right: int = 0
    dropped: set[str] = field(default_factory=set)
    """Deals that Keepa went on listing, that must be shown, and one minute no longer were, ever."""
    overstayed: int = 0
    """Deals shown a minute longer than a window after Keepa listed them last."""
    bound: float = 0.0
    """5 tokens for each 150 deals that are kept, once a window; since a sweep's third page, to ``swept``."""
    swept: float = 0.0
    """The bound when a sweep's third page was last read: between two such moments lie whole sweeps."""
    worst_share: float = 1.0
    """The smallest share of the deals that must be shown which were shown in any minute."""
    last: dict[str, float] = field(default_factory=dict)
    """The same four shares in the last minute alone."""
    spent_before: Counter[tuple[str, str]] = field(default_factory=Counter)
    spent: Counter[tuple[str, str]] = field(default_factory=Counter)
    """What had been spent where ``bound`` begins, and at ``swept``, by actor and call."""
    _listed_at: dict[str, dict[int, int]] = field(default_factory=dict)
    _since: dict[str, int] = field(default_factory=dict)
    _before: set[str] = field(default_factory=set)

    def look(self, world: World) -> None:
        """Compare the dashboard with Keepa at this minute."""
        minute = round(world.clock.monotonic() / 60)
        truth, shown = world.truth(), world.shown()
        for asin, listed in truth.items():
            self._listed_at.setdefault(asin, {})[listed.price] = minute
            self._since.setdefault(asin, minute)
        for asin in self._since.keys() - truth.keys():
            del self._since[asin]
        self.curve.append((minute / 60, len(shown), len(truth)))
        horizon = world.horizon()
        kept = {a for a, d in truth.items() if horizon is None or d.created >= horizon}
        must = {a for a in kept if minute - self._since[a] >= self.window}
        self.dropped |= (self._before & must) - shown.keys()
        if minute >= self.settled * 60:
            self._compare(minute, truth, shown, kept, must)
        if minute >= self.in_step * 60:
            self._count_tokens(world.ledger, min(len(truth), world.plan().get("kept", len(truth))))
        self._before = set(shown)

    def _compare(
        self,
        minute: int,
        truth: Mapping[str, Listed],
        shown: Mapping[str, int | None],
        kept: AbstractSet[str],
        must: AbstractSet[str],
    ) -> None:
        oldest = minute - self.window - 1  # the dashboard's seconds are rounded to minutes here
        right = sum(self._listed_at.get(a, {}).get(p or 0, -1) >= oldest for a, p in shown.items())
        there = len(must & shown.keys())
        self.shown += len(shown)
        self.right += right
        self.must += len(must)
        self.there += there
        self.strictly_right += len(truth.keys() & shown.keys())
        self.overstayed += sum(max(self._listed_at.get(a, {0: -1}).values()) < oldest for a in shown)
        share = there / len(must) if must else 1.0
        self.worst_share = min(self.worst_share, share)
        self.last = {
            "right": right / max(1, len(shown)),
            "there": share,
            "right now": len(truth.keys() & shown.keys()) / max(1, len(shown)),
            "there now": len(kept & shown.keys()) / max(1, len(kept)),
        }

    def _count_tokens(self, ledger: Ledger, kept: int) -> None:
        """Count between two moments at which the same page of a sweep had just been read."""
        page = ("upserter", "/deal 2")
        if not self.spent:
            self.spent_before = self.spent = Counter(ledger.spent)
        elif ledger.spent[page] > self.spent[page]:
            if self.spent is self.spent_before:
                self.spent_before, self.bound = Counter(ledger.spent), 0.0
            self.spent, self.swept = Counter(ledger.spent), self.bound
        self.bound += 5 * -(-kept // 150) / self.window


def simulate(world: World, *, settled: float, in_step: float | None = None) -> Figures:
    """The whole deployment until its time is over: upserter, maintenance, and a backfiller without an end."""
    window = round(world.context.fresh_for.total_seconds() / 60)
    figures = Figures(window, settled, settled if in_step is None else in_step)

    def each_minute() -> None:
        maintenance.run(world.context)
        figures.look(world)

    world.clock.run(
        upserter=every(
            world, world.context.settings.upsert_interval_seconds, lambda: recent.run(world.context)
        ),
        backfiller=saturated_backfiller(world),
        maintenance=every(world, 60, each_minute),
    )
    return figures
