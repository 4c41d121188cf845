"""Whether a simulated deployment tells the truth, minute by minute, held against its world.

A *family* is an ASIN and its sibling variations: the ASINs to which the world gives one name. A family is
listed while Keepa lists one of its members, and shown while one of its rows is live. The *window* is the
freshness window (an hour).

- **right**: of the pairs of a live row and a minute, the share in which Keepa has listed the deal, or a
  member of its family, at the price shown within the last window.
- **shown**: of the pairs of a family and a minute in which Keepa had listed it for a whole window without a
  gap, the share in which it was shown. Of these only families that the plan keeps, for a whole window too:
  where not all deals can be kept fresh, those at or above the upserter's horizon. **worst**: the smallest
  share in any minute. These three count from ``settled`` hours on; until then the table fills.
- **dropped**: families that must be shown in this sense, and went from shown to not shown all the same.
- **ends**: events ENDED. One with the reason ``merged`` is none: the row's family goes on under another.
  **false_ends**: ends at whose very moment Keepa lists the deal or a member of its family. Strict: that the
  feed may show a change up to 3 minutes late excuses nothing here, ``listed(at)`` is what Keepa lists.
- **returned**: events FOUND and RETURNED, which announce a deal as new, though another row of its family was
  live at that moment (and not announced at the same one); or though the family had left the live list less
  than a window ago while Keepa listed it all along (in each minute, and at the moments of ends).
- **overstayed**: families shown longer than a window after Keepa listed them last; **late_ends**: longer than
  two. A minute more is borne, because all moments are minutes here.
- **used**: tokens spent of those that came, by the envelopes of the answers that arrived: the first balance,
  and what it grew by between two answers; of a full bucket also what it could not hold.
- **keep_ratio**: the tokens of the pages of whole sweeps against 5 for each 150 deals kept, once a window,
  from ``in_step`` hours on. The first two pages are counted once a sweep: they are mostly read for what is
  new. 0 for a feed of at most two pages, which is kept by looking for what is new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from keepa_deals.ingest.upsert.state import SweepState
from keepa_deals.keepa.time import to_keepa_minutes

if TYPE_CHECKING:
    from tests.support.simulation.run import Deployment, Event

ANNOUNCES = {"found", "returned"}
SHOWS = {"found", "present", "returned", "live_again"}
HIDES = {"ended", "stale"}
MERGED = "merged"


@dataclass
class Mark:
    """Something that must not be, and when (Unix seconds): for whoever looks into it."""

    at: float
    what: str
    family: str
    asin: str


@dataclass
class Figures:
    """The figures of one deployment; ``look`` is called each simulated minute."""

    deployment: Deployment
    settled: float
    in_step: float
    right: int = 0
    """Of ``pairs``."""
    pairs: int = 0
    there: int = 0
    """Of ``must``."""
    must: int = 0
    worst: float = 1.0
    ends: int = 0
    false_ends: int = 0
    returned: int = 0
    dropped: set[str] = field(default_factory=set)
    overstayed: int = 0
    late_ends: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """The ends by reason."""
    marks: list[Mark] = field(default_factory=list)
    curve: list[tuple[float, int, int]] = field(default_factory=list)
    """Hours, rows shown as live, deals that Keepa lists."""
    kept: int = 0
    """How many deals the plan keeps."""
    result: dict[str, Any] = field(default_factory=dict)
    """What ``to_json`` said at the end, when the database was still open."""

    def __post_init__(self) -> None:
        self.window = round(self.deployment.context.fresh_for.total_seconds() / 60)
        self.keeping = Keeping(self.window)
        self._minute = 0
        self._event = 0
        self._listed_at: dict[str, dict[int, int]] = {}
        self._last_listed: dict[str, int] = {}
        self._since: dict[str, float] = {}
        self._kept_since: dict[str, int] = {}
        self._live: dict[str, set[str]] = {}
        self._left: dict[str, float] = {}
        self._over: dict[str, int] = {}
        self._known: dict[float, AbstractSet[str]] = {}
        self._announced: dict[str, tuple[float, frozenset[str]]] = {}
        self._live_before: AbstractSet[str] = frozenset()
        self._state: SweepState | None = None

    # -- one minute --------------------------------------------------------------------------
    def look(self) -> None:
        """Compare the dashboard with Keepa at this minute."""
        deployment = self.deployment
        now = deployment.unix()
        self._minute = round(deployment.clock.monotonic() / 60)
        self._state = deployment.sweep_state()
        self._read_events()
        listed = deployment.world.listed(now)
        families = self._note_listed(now, listed)
        shown = deployment.shown()
        live = self._group(shown)
        must = self._must(now, families)
        self._note_dropped(now, live, must)
        self._note_left(now, live)
        self._note_overstayed(now, live, families)
        self.curve.append((self._minute / 60, len(shown), len(listed)))
        if self._minute >= self.settled * 60:
            self._compare(shown, live, must)
        plan = self._state.plan
        self.kept = min(len(listed), (plan.kept if plan else 0) or len(listed))
        if self._minute >= self.in_step * 60:
            self.keeping.count(deployment.traffic.spent, self.kept)
        self._live = live
        self._known = {now: families}

    def _note_listed(self, now: float, listed: Mapping[str, int]) -> AbstractSet[str]:
        """The families that are listed; since when, at which prices, and in which minute last."""
        name = self.deployment.world.family
        families: set[str] = set()
        for asin, price in listed.items():
            family = name(asin)
            families.add(family)
            self._listed_at.setdefault(family, {})[price] = self._minute
        for family in families:
            self._last_listed[family] = self._minute
            self._since.setdefault(family, now)
        for family in self._since.keys() - families:
            del self._since[family]
        return families

    def _group(self, shown: Mapping[str, int | None]) -> dict[str, set[str]]:
        """The rows that are live, by family."""
        live: dict[str, set[str]] = {}
        for asin in shown:
            live.setdefault(self.deployment.world.family(asin), set()).add(asin)
        return live

    def _must(self, now: float, families: AbstractSet[str]) -> set[str]:
        """The families that have been listed, and kept by the plan, for a whole window."""
        kept = self._kept(now, families)
        for family in kept:
            self._kept_since.setdefault(family, self._minute)
        for family in self._kept_since.keys() - kept:
            del self._kept_since[family]
        due = self._minute - self.window
        oldest = now - 60 * self.window
        return {f for f, m in self._kept_since.items() if m <= due and self._since[f] <= oldest}

    def _kept(self, now: float, families: AbstractSet[str]) -> AbstractSet[str]:
        horizon = self._state.horizon if self._state else None
        if horizon is None:
            return families
        world = self.deployment.world
        oldest = to_keepa_minutes(horizon)
        dates = world.dated(now)
        if dates is None:
            dates = self.deployment.traffic.dates
        return families & {world.family(asin) for asin, date in dates.items() if date >= oldest}

    def _compare(self, shown: Mapping[str, int | None], live: AbstractSet[str] | Mapping[str, Any],
                 must: AbstractSet[str]) -> None:  # fmt: skip
        oldest = self._minute - self.window - 1
        name = self.deployment.world.family
        self.pairs += len(shown)
        for asin, price in shown.items():
            at = self._listed_at.get(name(asin))
            if at is not None and price is not None and at.get(price, -1) >= oldest:
                self.right += 1
        there = sum(family in live for family in must)
        self.must += len(must)
        self.there += there
        if must:
            self.worst = min(self.worst, there / len(must))

    # -- what must not be --------------------------------------------------------------------
    def _mark(self, at: float, what: str, family: str, asin: str = "") -> None:
        self.marks.append(Mark(at, what, family, asin))

    def _note_dropped(self, now: float, live: Mapping[str, Any], must: AbstractSet[str]) -> None:
        for family in must:
            if family in self._live_before and family not in live:
                self.dropped.add(family)
                self._mark(now, "dropped", family)

    def _note_left(self, now: float, live: Mapping[str, Any]) -> None:
        for family in self._live_before - live.keys():
            self._left.setdefault(family, now)
        for family in live:
            self._left.pop(family, None)

    def _note_overstayed(self, now: float, live: Mapping[str, Any], families: AbstractSet[str]) -> None:
        """How long families are shown after Keepa listed them last, in windows; each stay counts once."""
        for family in self._over.keys() - live.keys():
            del self._over[family]
        for family in live:
            if family in families:
                self._over.pop(family, None)
                continue
            gone = self._minute - self._last_listed.get(family, 0) - 1
            windows = 2 if gone > 2 * self.window else 1 if gone > self.window else 0
            if windows > self._over.get(family, 0):
                self._over[family] = windows
                self.overstayed += windows == 1
                self.late_ends += windows == 2
                self._mark(now, "overstayed" if windows == 1 else "late end", family)

    # -- events ------------------------------------------------------------------------------
    def _read_events(self) -> None:
        """Go through what was noted since the last minute, in order."""
        self._live_before = {family for family, rows in self._live.items() if rows}
        for event in self.deployment.events(self._event):
            self._event = event.id
            family = self.deployment.world.family(event.asin)
            rows = self._live.setdefault(family, set())
            if event.kind == "ended":
                self._note_end(event, family)
            if event.kind in ANNOUNCES:
                self._note_announced(event, family, rows)
            if event.kind in HIDES and event.asin in rows:
                rows.discard(event.asin)
                if not rows:
                    self._left[family] = event.at
            elif event.kind in SHOWS:
                rows.add(event.asin)

    def _note_end(self, event: Event, family: str) -> None:
        if event.reason == MERGED:
            return
        self.ends += 1
        self.reasons[str(event.reason)] += 1
        if family in self._families_at(event.at):
            self.false_ends += 1
            self._mark(event.at, f"false end ({event.reason})", family, event.asin)
        else:
            self._since.pop(family, None)  # there was a gap, if only between two minutes

    def _note_announced(self, event: Event, family: str, rows: AbstractSet[str]) -> None:
        left = self._left.get(family)
        since = self._since.get(family)
        at, together = self._announced.get(family, (0.0, frozenset()))
        together = together if at == event.at else frozenset()
        self._announced[family] = event.at, together | {event.asin}
        there = bool(rows - together)
        just_left = left is not None and event.at - left < 60 * self.window
        if there or (just_left and left is not None and since is not None and since < left):
            self.returned += 1
            self._mark(event.at, f"{event.kind} again", family, event.asin)

    def _families_at(self, at: float) -> AbstractSet[str]:
        """The families that Keepa listed at a moment of the last minute; asked once each."""
        found = self._known.get(at)
        if found is None:
            world = self.deployment.world
            found = self._known[at] = {world.family(asin) for asin in world.listed(at)}
        return found

    # -- the result --------------------------------------------------------------------------
    def to_json(self) -> dict[str, Any]:
        """The figures: shares as fractions, counts as integers."""
        traffic = self.deployment.traffic
        return {
            "right": _share(self.right, self.pairs),
            "shown": _share(self.there, self.must),
            "worst": round(self.worst, 6),
            "dropped": len(self.dropped),
            "ends": self.ends,
            "false_ends": self.false_ends,
            "returned": self.returned,
            "late_ends": self.late_ends,
            "rejected_429": traffic.statuses[429],
            "used": _share(traffic.consumed, traffic.came),
            "keep_ratio": round(self.keeping.ratio, 4),
            "overstayed": self.overstayed,
            "kept": self.kept,
            "reasons": dict(sorted(self.reasons.items())),
            "failed_runs": self.deployment.failed_runs(),
        }


@dataclass
class Keeping:
    """What keeping costs, between two moments at which the same page of a sweep had just been read."""

    window: int
    bound: float = 0.0
    """5 tokens for each 150 deals that are kept, once a window; since a sweep's third page, to ``swept``."""
    swept: float = 0.0
    """The bound when a sweep's third page was last read: between two such moments lie whole sweeps."""
    before: Counter[tuple[str, str]] = field(default_factory=Counter)
    spent: Counter[tuple[str, str]] = field(default_factory=Counter)
    """What had been spent where ``bound`` begins, and at ``swept``, by actor and call."""

    def count(self, spent: Counter[tuple[str, str]], kept: int) -> None:
        """One minute more."""
        page = ("upserter", "/deal 2")
        if not self.spent:
            self.before = self.spent = Counter(spent)
        elif spent[page] > self.spent[page]:
            if self.spent is self.before:
                self.before, self.bound = Counter(spent), 0.0
            self.spent, self.swept = Counter(spent), self.bound
        self.bound += 5 * -(-kept // 150) / self.window

    @property
    def ratio(self) -> float:
        """The tokens of whole sweeps, their first two pages once, against the bound."""
        spent = self.spent - self.before
        pages = {c: n for (who, c), n in spent.items() if who == "upserter" and c.startswith("/deal ")}
        pages["/deal 0"] = pages["/deal 1"] = pages.get("/deal 2", 0)
        return sum(pages.values()) / self.swept if self.swept else 0.0


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 1.0
