"""Simulated time for the real ingestion: its threads take turns, and time jumps to the next that wakes.

The account, the deals and the HTTP answers are those of a world (``tests/support/worlds``), the tokens the
real TokenManager's on a real Redis, the store a real database. Only the clock is not real: an actor that
sleeps, waits for tokens or for Keepa hands on to whoever wakes next.
"""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NoReturn
from urllib.parse import urlsplit

import redis
import requests
from requests.adapters import HTTPAdapter
from sqlalchemy import func, select

from keepa_deals.db.models import Deal, DealEvent, JobRun, JobState
from keepa_deals.db.session import Database
from keepa_deals.errors import TokensUnavailableError
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.interfaces import TokenSource
from keepa_deals.ingest.maintenance import run as maintenance
from keepa_deals.ingest.run import Outcome
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.ingest.upsert.state import SweepState, load_state
from keepa_deals.jobs import UPSERT_JOB
from keepa_deals.keepa.client import KeepaClient
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.locks import SingleFlightLock
from keepa_deals.settings import Settings
from keepa_deals.token_manager import Policy, TokenManager
from tests.support.simulation.truthfulness import Figures
from tests.support.worlds.door import Answer, CheckedWorld, Create, WorldError, open_world

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = "k" * 64
ADDRESS = "http://keepa"
KEEPA_SECONDS = 0.4
"""How long a call of Keepa takes."""
PATIENCE = 120.0
"""Seconds that the glutton waits for an answer."""
LOCKED_SECONDS = 24 * 3600.0
"""How long a lock lives without a sign of its holder: it goes by the real clock, and a busy machine may let a
simulation wait for minutes in the middle of a run."""


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

    def wait_until_notified(self, key: str, seconds: float) -> None:
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

    def fail(self, error: BaseException) -> NoReturn:
        """End the simulation from within an actor: ``run`` raises ``error``."""
        self.failure = self.failure or error
        self._end = 0
        raise Over

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


@dataclass
class Traffic:
    """What the answers of a world tell: their costs by actor and call, their statuses, dates and balances."""

    spent: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Tokens by actor and call, ``("upserter", "/deal 0")``."""
    statuses: Counter[int] = field(default_factory=Counter)
    dates: dict[str, int] = field(default_factory=dict)
    """The ``creationDate`` (Keepa minutes) that each deal had last."""
    consumed: int = 0
    came: int = 0
    """Tokens: the first balance, and what came since; what a full bucket lost came too."""
    _last: tuple[int, int] | None = None

    def note(self, actor: str, call: str, status: int, body: Any) -> None:
        self.statuses[status] += 1
        if not isinstance(body, dict):
            return
        cost = body.get("tokensConsumed")
        if isinstance(cost, int):
            self.spent[actor, call] += cost
            self._balance(body, cost)
        found = body.get("deals")
        for deal in (found.get("dr") or ()) if isinstance(found, dict) else ():
            if isinstance(deal, dict) and isinstance(deal.get("creationDate"), int):
                self.dates[str(deal.get("asin"))] = deal["creationDate"]

    def _balance(self, body: Mapping[str, Any], cost: int) -> None:
        left, rate, at = body.get("tokensLeft"), body.get("refillRate"), body.get("timestamp")
        if not (isinstance(left, int) and isinstance(rate, int) and isinstance(at, int) and rate > 0):
            return
        self.consumed += cost
        before = left + cost
        if self._last is None:
            self.came += before
        else:
            came = before - self._last[0]
            if before >= 60 * rate:  # a full bucket: what came above that is lost
                came = max(came, rate * round((at - self._last[1]) / 60_000))
            self.came += max(0, came)
        self._last = left, at

    def of(self, actor: str, call: str = "") -> int:
        return sum(n for (who, what), n in self.spent.items() if who == actor and what.startswith(call))


class Wire(HTTPAdapter):
    """Hands requests to a world, and lets a moment of simulated time pass before and after.

    An answer that the world loses costs the time that its caller waits for it. What each call costs is
    noted under the name of the thread that makes it.
    """

    def __init__(self, world: CheckedWorld, clock: SimulatedTime, traffic: Traffic) -> None:
        super().__init__()
        self._world = world
        self._clock = clock
        self._traffic = traffic

    def exchange(self, method: str, url: str, body: bytes | str | None, patience: float) -> Answer:
        """One answer of the world, and the time that it takes; ``patience`` in seconds, for a lost one."""
        began = self._clock.monotonic()
        self._clock.sleep(KEEPA_SECONDS / 2)
        try:
            answer = self._world.answer(method, url, body)
        except WorldError as error:
            self._clock.fail(error)
        except TimeoutError:
            self._clock.sleep(began + patience - self._clock.monotonic())
            raise
        finally:
            self._clock.sleep(KEEPA_SECONDS / 2)
        self._traffic.note(threading.current_thread().name, call_of(url, body), answer.status, answer.body)
        self._clock.sleep(answer.seconds)
        return answer

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        patience = kwargs.get("timeout") or 0.0
        if isinstance(patience, tuple):
            patience = patience[1]
        try:
            answer = self.exchange(str(request.method), str(request.url), request.body, float(patience or 0))
            content = self._world.content(answer)
        except WorldError as error:
            self._clock.fail(error)
        except TimeoutError:
            raise requests.ReadTimeout("the world lost the answer", request=request) from None
        except ConnectionError:
            raise requests.ConnectionError("Remote end closed connection", request=request) from None
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(answer.headers)
        response.raw = io.BytesIO(content)
        response.request, response.url = request, str(request.url)
        return response


def call_of(url: str, body: bytes | str | None) -> str:
    """The path, and the page of a deal query: ``/deal 3``."""
    path = "/" + urlsplit(url).path.strip("/")
    if path != "/deal":
        return path
    return f"{path} {json.loads(body or b'{}').get('page', 0)}"


@dataclass
class Deployment:
    """Everything that a simulated deployment consists of, and the world that it works against."""

    clock: SimulatedTime
    world: CheckedWorld
    context: IngestContext
    redis: redis.Redis
    traffic: Traffic
    wire: Wire

    def unix(self) -> float:
        """The simulated clock in Unix seconds."""
        return self.clock.now().timestamp()

    def sweep_state(self) -> SweepState:
        """What the upserter knows from run to run."""
        with self.context.database.session() as session:
            job = session.get(JobState, UPSERT_JOB.name)
            cursor = (job.cursor if job else None) or {}
        return load_state(cursor, self.context.selection, self.clock.now())

    def shown(self) -> dict[str, int | None]:
        """What the dashboard shows as live at this moment: ASIN and price."""
        live_since = self.clock.now() - self.context.fresh_for
        query = select(Deal.asin, Deal.price).where(Deal.ended_at.is_(None), Deal.last_seen_at >= live_since)
        with self.context.database.session() as session:
            return dict(session.execute(query).all())

    def events(self, after: int) -> list[Event]:
        """The changes of state that were noted since the event ``after``, in their order."""
        columns = select(DealEvent.id, DealEvent.asin, DealEvent.at, DealEvent.kind, DealEvent.reason)
        with self.context.database.session() as session:
            rows = session.execute(columns.where(DealEvent.id > after).order_by(DealEvent.id)).all()
        return [Event(id_, asin, at.timestamp(), str(kind), reason) for id_, asin, at, kind, reason in rows]

    def failed_runs(self) -> int:
        """Runs of the jobs that ended with an error."""
        query = select(func.count()).where(JobRun.outcome == Outcome.FAILED)
        with self.context.database.session() as session:
            return session.scalar(query) or 0


@dataclass(frozen=True)
class Event:
    """One change of a deal's state; ``at`` in Unix seconds."""

    id: int
    asin: str
    at: float
    kind: str
    reason: str | None


Rules = Callable[[SimulatedTime, CheckedWorld], TokenSource]


def build(client: redis.Redis, database: Database, *, create: Create, deals: int, rate: int, hours: float,
          selection: Mapping[str, Any], source: str = "the world", seed: int = 1,
          options: Mapping[str, str] | None = None, interval: int = 60,
          rules: Rules | None = None) -> Deployment:  # fmt: skip
    """A deployment with an empty table, against the world that ``create`` makes."""
    clock = SimulatedTime(client, hours)
    world = open_world(
        create, source, lambda: clock.now().timestamp(),
        deals=deals, rate=rate, hours=hours, seed=seed, options=dict(options or {}),
    )  # fmt: skip
    traffic = Traffic()
    wire = Wire(world, clock, traffic)
    keepa = KeepaClient(KEY, base_url=ADDRESS, sleep=clock.sleep, adapter=wire)
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        keepa_api_key=KEY,  # type: ignore[arg-type]
        upsert_interval_seconds=interval,
    )
    tokens = rules(clock, world) if rules else TokenManager(
        client, account="simulation", policy=Policy.from_settings(settings), clock=clock,
        sync=keepa.token_status, now_ms=clock.now_ms, sleeper=clock.wait_until_notified,
    )  # fmt: skip
    context = IngestContext(
        settings=settings,
        client=keepa,
        tokens=tokens,
        database=database,
        clock=clock,
        selection=selection,
        lock=lambda name: SingleFlightLock(client, name, ttl=LOCKED_SECONDS, max_hold=LOCKED_SECONDS),
        stop=lambda: False,
    )
    return Deployment(clock, world, context, client, traffic, wire)


def every(deployment: Deployment, seconds: float, work: Callable[[], object]) -> Callable[[], None]:
    """An actor that does ``work`` as beat has it done: at each multiple of ``seconds``, unless it is busy."""

    def act() -> None:
        clock = deployment.clock
        while True:
            work()
            clock.sleep_until((clock.monotonic() // seconds + 1) * seconds)

    return act


def saturated_backfiller(deployment: Deployment) -> Callable[[], None]:
    """An actor that spends whatever the bulk lane gives: the backfiller, and for ever when it has nothing.

    Then it asks about products that Keepa lists, as many as it may, and forgets the answers.
    """

    def act() -> None:
        clock = deployment.clock
        while True:
            if backfill.run_slice(deployment.context).outcome is Outcome.NOTHING_TO_DO:
                _gorge(deployment)
            clock.sleep_until((clock.monotonic() // 10 + 1) * 10)

    return act


def _gorge(deployment: Deployment) -> None:
    """One call of as many products as the bulk lane gives tokens for; nobody reads the answer."""
    asins = list(islice(deployment.traffic.dates, 100))
    if not asins:
        return
    tokens, domain = deployment.context.tokens, deployment.context.domain_id
    try:
        with tokens.request_batch("product", max_items=len(asins), timeout=50.0, task="glutton") as grant:
            names = ",".join(asins[: grant.items])
            url = f"{ADDRESS}/product?domain={domain}&asin={names}&history=0&key={KEY}"
            answer = deployment.wire.exchange("GET", url, None, PATIENCE)
            if isinstance(answer.body, dict):
                grant.settle(TokenEnvelope.from_json(answer.body))
    except (TokensUnavailableError, TimeoutError, ConnectionError, KeyError, TypeError, ValueError):
        return


def simulate(deployment: Deployment, *, settled: float, in_step: float | None = None) -> Figures:
    """The whole deployment until its time is over: upserter, maintenance, and a backfiller without an end."""
    figures = Figures(deployment, settled, settled if in_step is None else in_step)

    def each_minute() -> None:
        maintenance.run(deployment.context)
        try:
            figures.look()
        except WorldError as error:
            deployment.clock.fail(error)

    deployment.clock.run(
        upserter=every(
            deployment, deployment.context.settings.upsert_interval_seconds,
            lambda: upsert.run(deployment.context),
        ),
        backfiller=saturated_backfiller(deployment),
        maintenance=every(deployment, 60, each_minute),
    )  # fmt: skip
    return figures
