"""Simulated time for the real ingestion: its threads take turns, and time jumps to the next that wakes.

The account, the catalogue and the HTTP answers are the sandbox's, the tokens the real TokenManager's on a
real Redis, the store a real database. Only the clock is not real: an actor that sleeps, waits for tokens or
for Keepa hands on to whoever wakes next.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import redis
import requests
from requests.adapters import HTTPAdapter
from sqlalchemy import select
from werkzeug.test import Client, EnvironBuilder

from keepa_deals.db.models import Deal
from keepa_deals.db.session import Database
from keepa_deals.errors import TokensUnavailableError
from keepa_deals.ingest import backfill
from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.job import Outcome
from keepa_deals.ingest.ports import TokenSource
from keepa_deals.keepa.client import KeepaClient
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

    def run(self, *actors: Callable[[], None]) -> None:
        """Let the actors go on until the time is over; raises what one of them failed with."""
        threads = [threading.Thread(target=self._act, args=(actor,)) for actor in actors]
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


class InProcess(HTTPAdapter):
    """Hands requests to a WSGI application, and lets a moment of simulated time pass before and after."""

    def __init__(self, app: Any, clock: SimulatedTime) -> None:
        super().__init__()
        self._client = Client(app)
        self._clock = clock

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        url = urlsplit(str(request.url))
        self._clock.sleep(KEEPA_SECONDS / 2)
        answer = self._client.open(
            EnvironBuilder(
                url.path, query_string=url.query, method=request.method, data=request.body,
                content_type=request.headers.get("Content-Type"),
            )
        )  # fmt: skip
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
    samples: list[tuple[float, int, int]] = field(default_factory=list)
    """Hours, deals that the dashboard shows as live, deals that Keepa lists."""

    def truth(self) -> dict[str, int]:
        """What Keepa lists at this moment: ASIN and price."""
        query = {k: v for k, v in self.context.selection.items() if k != "page"}
        return {d["asin"]: d["price"] for d in self.sandbox.truth({"page": 0, **query})}

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
    keepa = KeepaClient(KEY, base_url="http://keepa", sleep=clock.sleep, adapter=InProcess(app, clock))
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
    return World(clock, account, app.extensions["sandbox"], context, client)


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
