"""What the upserter knows from run to run: ``job_states.cursor`` of its job, as JSON.

Nobody else opens that JSON: others ask :func:`plan_of` and :func:`sweep_of`.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from keepa_deals.ingest.upsert.budget import Limit, Plan
from keepa_deals.ingest.upsert.schedule import Sweep

log = logging.getLogger(__name__)
Json = dict[str, Any]
T = TypeVar("T")
MOMENTS = (
    "first_read_at",
    "head_at",
    "overlapped_at",
    "looked_at",
    "shrunk_since",
    "disordered_at",
    "oldest_read",
    "swept_since",
    "horizon",
)
FORMER_NAMES = {
    "shrunk_since": "doubted_at",
    "oldest_read": "floor",
    "immediate": "hurry",
    "watermark": "mark",
}
"""The keys of the last version: read where the new ones are missing, and written beside them for one version,
so that a deploy, and the way back from it, go on where the other version was."""
WHOLE_SWEEPS_KEPT = 4
NEVER = datetime(2011, 1, 1, tzinfo=UTC)
"""Before anything that Keepa knows."""


@dataclass(frozen=True, slots=True)
class CatchUp:
    """New deals lie deeper than a run reads: the sweep goes ``down_to``, then ``watermark`` is the job's.

    Until then the job's watermark stays where it was; the runs in between read down to this one.
    """

    down_to: datetime
    watermark: datetime


@dataclass(frozen=True, slots=True)
class WholeSweep:
    """A sweep of which every page showed all that stood on it: it began at ``since``.

    It went ``down_to`` that creation date; ``None``: to the end of the feed.
    """

    since: datetime
    down_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class SweepState:
    """The selection that the rest is about and since when, and how far the reading has come."""

    selection: str
    selected_at: datetime
    first_read_at: datetime | None = None
    """When the first page of this selection was read; ``None``: by a version that did not note it."""
    head_at: datetime | None = None
    """When the newest page was last read."""
    overlapped_at: datetime | None = None
    """When a look for what is new last read the overlap below the watermark, as deep as a look goes."""
    looked_at: datetime | None = None
    """When the last look began that went down to the watermark: what changed before is seen by now."""
    disordered_at: datetime | None = None
    """When the feed last was not newest first: until a sweep in order, its order proves nothing."""
    shrunk_since: datetime | None = None
    """Since when the feed has had less than half of the deals of ``reference``."""
    sweep: Sweep | None = None
    plan: Plan | None = None
    matching: int = 0
    """How many deals the feed had when a page last told."""
    reference: int = 0
    """How many deals the feed had when the sweep began: one less than half as long is doubted."""
    oldest_read: datetime | None = None
    """The oldest ``creationDate`` that the sweep under way has passed."""
    swept_since: datetime | None = None
    """When the last complete sweep began: what it did not show is not in the feed, or slipped through."""
    whole: tuple[WholeSweep, ...] = ()
    """The last whole sweeps, the oldest first: what several did not show is no longer in the feed."""
    horizon: datetime | None = None
    """The oldest ``creationDate`` that is kept fresh, when not all can be."""
    catch_up: CatchUp | None = None

    @property
    def fills_since(self) -> datetime | None:
        """Since when the feed is read for the first time; ``None``: it has been read to its end."""
        return self.first_read_at if self.swept_since is None else None

    @property
    def is_newest_first(self) -> bool:
        """Whether anything may be concluded from the order of the feed."""
        return self.disordered_at is None

    @property
    def is_cut(self) -> bool:
        """Whether sweeps leave out what the plan cannot pay."""
        return self.plan is not None and self.plan.limit is Limit.PLAN

    def to_json(self) -> Json:
        stored: Json = {"selection": self.selection, "selected_at": self.selected_at.isoformat()}
        stored["matching"], stored["reference"] = self.matching, self.reference
        for name in MOMENTS:
            moment = getattr(self, name)
            if moment is not None:
                stored[name] = moment.isoformat()
        if self.sweep:
            stored["sweep"] = _with_former_names(_sweep_json(self.sweep))
        if self.whole:
            stored["whole"] = [{"since": _text(w.since), "down_to": _text(w.down_to)} for w in self.whole]
        if self.plan:
            stored["plan"] = _plan_json(self.plan)
        if self.catch_up:
            pair = {"down_to": self.catch_up.down_to, "watermark": self.catch_up.watermark}
            stored["catch_up"] = _with_former_names(
                {name: moment.isoformat() for name, moment in pair.items()}
            )
        return _with_former_names(stored)


def load_state(cursor: Mapping[str, Any], selection: Mapping[str, Any], now: datetime) -> SweepState:
    """The state in a job's cursor; a new one for a selection that is not the one it is about."""
    current = fingerprint(selection)
    before = cursor.get("selection")
    if before is None:
        return SweepState(current, NEVER, first_read_at=now)
    if before != current:
        log.warning("the selection has changed: the feed is read anew, and what no longer matches ends")
        return SweepState(current, now, first_read_at=now)
    try:
        return _parse(cursor)
    except (KeyError, TypeError, ValueError, AttributeError):
        log.warning("what the job remembered cannot be read, so it begins anew: %.200s", dict(cursor))
        return SweepState(current, NEVER)


def fingerprint(selection: Mapping[str, Any]) -> str:
    """Short, and another one for another selection."""
    return hashlib.sha256(json.dumps(selection, sort_keys=True).encode()).hexdigest()[:12]


def plan_of(cursor: object) -> Plan | None:
    """The plan in the upserter's cursor; ``None`` before it has one, or when it cannot be read."""
    return _part_of(cursor, "plan", _plan)


def first_read_of(cursor: object, selection: str, now: datetime) -> datetime | None:
    """When the upserter first read the feed of a ``selection`` (its fingerprint).

    ``now`` where it has not read it yet; ``None`` where nobody noted it.
    """
    if not isinstance(cursor, Mapping) or cursor.get("selection") != selection:
        return now
    try:
        return _moment(cursor.get("first_read_at"))
    except (TypeError, ValueError):
        return None


def sweep_of(cursor: object) -> Sweep | None:
    """The sweep under way in the upserter's cursor; ``None`` when there is none that can be read."""
    return _part_of(cursor, "sweep", _sweep)


def pages_kept(cursor: object) -> int | None:
    """How many pages of the feed the upserter can keep fresh; ``None``: all that there are."""
    plan = plan_of(cursor)
    return plan.pages if plan is not None and plan.limit is Limit.PLAN else None


def _part_of(cursor: object, name: str, parse: Callable[[Mapping[str, Any]], T]) -> T | None:
    stored = cursor.get(name) if isinstance(cursor, Mapping) else None
    if not isinstance(stored, Mapping):
        return None
    try:
        return parse(stored)
    except (KeyError, TypeError, ValueError):
        return None


def _parse(cursor: Mapping[str, Any]) -> SweepState:
    sweep, plan, catch_up = cursor.get("sweep"), cursor.get("plan"), cursor.get("catch_up")
    return SweepState(
        selection=str(cursor["selection"]),
        selected_at=datetime.fromisoformat(cursor["selected_at"]),
        sweep=_sweep(sweep) if sweep else None,
        plan=_plan(plan) if plan else None,
        matching=int(cursor.get("matching", (plan or {}).get("matching", 0))),
        reference=int(cursor.get("reference", 0)),
        **{name: _moment(_stored(cursor, name)) for name in MOMENTS},
        whole=tuple(_whole(w) for w in cursor.get("whole", ())),
        catch_up=_catch_up(catch_up) if catch_up else None,
    )


def _stored(source: Mapping[str, Any], name: str) -> Any:
    """The value of ``name``, or of its former name; ``None`` where neither is there."""
    return source.get(name, source.get(FORMER_NAMES.get(name, name)))


def _with_former_names(stored: Json) -> Json:
    return stored | {FORMER_NAMES[name]: stored[name] for name in FORMER_NAMES if name in stored}


def _sweep_json(sweep: Sweep) -> Json:
    return {
        "started_at": sweep.started_at.isoformat(),
        "next_page": sweep.next_page,
        "pages": sweep.pages,
        "immediate": sweep.immediate,
        "reading_since": _text(sweep.reading_since),
        "is_whole": sweep.is_whole,
    }


def _sweep(stored: Mapping[str, Any]) -> Sweep:
    return Sweep(
        started_at=datetime.fromisoformat(stored["started_at"]),
        next_page=stored["next_page"],
        pages=stored["pages"],
        immediate=bool(_stored(stored, "immediate")),
        reading_since=_moment(stored.get("reading_since")),
        is_whole=bool(stored.get("is_whole", False)),
    )


def _whole(stored: Mapping[str, Any]) -> WholeSweep:
    return WholeSweep(datetime.fromisoformat(stored["since"]), _moment(stored.get("down_to")))


def _catch_up(stored: Mapping[str, Any]) -> CatchUp:
    return CatchUp(
        down_to=datetime.fromisoformat(stored["down_to"]),
        watermark=datetime.fromisoformat(_stored(stored, "watermark")),
    )


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _plan_json(plan: Plan) -> Json:
    return {
        "matching": plan.matching,
        "kept": plan.kept,
        "pages": plan.pages,
        "needed": plan.needed,
        "supply": plan.supply,
        "head_every_seconds": plan.head_every.total_seconds(),
        "page_every_seconds": plan.page_every.total_seconds(),
        "limit": plan.limit,
        "share": plan.share,
        "planned": plan.planned,
    }


def _plan(stored: Mapping[str, Any]) -> Plan:
    return Plan(
        matching=stored["matching"],
        kept=stored["kept"],
        pages=stored["pages"],
        needed=stored["needed"],
        supply=stored["supply"],
        head_every=timedelta(seconds=stored["head_every_seconds"]),
        page_every=timedelta(seconds=stored["page_every_seconds"]),
        limit=Limit(stored["limit"]) if stored["limit"] else None,
        share=float(stored.get("share", 1.0)),
        planned=int(stored.get("planned", stored["needed"])),
    )
