"""What the upserter remembers from run to run: ``job_states.cursor`` of its job, as JSON."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from keepa_deals.ingest.upsert.budget import Limit, Plan, Sweep

log = logging.getLogger(__name__)
Json = dict[str, Any]
MOMENTS = (
    "head_at",
    "overlapped_at",
    "looked_at",
    "doubted_at",
    "disordered_at",
    "floor",
    "swept_since",
    "horizon",
)
WHOLE_SWEEPS_KEPT = 4
NEVER = datetime(2011, 1, 1, tzinfo=UTC)
"""Before anything that Keepa knows."""


@dataclass(frozen=True, slots=True)
class CatchUp:
    """New deals lie deeper than a run reads: the sweep goes ``down_to``, then ``mark`` is the watermark.

    Until then the watermark stays where it was; the runs in between read down to ``mark``.
    """

    down_to: datetime
    mark: datetime


@dataclass(frozen=True, slots=True)
class WholeSweep:
    """A sweep of which every page showed all that stood on it: it began at ``since``.

    It went ``down_to`` that creation date; ``None``: to the end of the feed.
    """

    since: datetime
    down_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """The selection that the rest is about and since when, and how far the reading has come."""

    selection: str
    selected_at: datetime
    head_at: datetime | None = None
    """When the newest page was last read."""
    overlapped_at: datetime | None = None
    """When a look for what is new last read the overlap below the watermark, as deep as a look goes."""
    looked_at: datetime | None = None
    """When the last look began that went down to the watermark: what changed before is seen by now."""
    disordered_at: datetime | None = None
    """When the feed last was not newest first: until a sweep in order, its order proves nothing."""
    doubted_at: datetime | None = None
    """Since when the feed has had less than half of the deals of ``reference``."""
    sweep: Sweep | None = None
    plan: Plan | None = None
    matching: int = 0
    """How many deals the feed had when a page last told."""
    reference: int = 0
    """How many deals the feed had when the sweep began: one less than half as long is doubted."""
    floor: datetime | None = None
    """The oldest ``creationDate`` that the sweep under way has passed."""
    swept_since: datetime | None = None
    """When the last complete sweep began: what it did not show is not in the feed, or slipped through."""
    whole: tuple[WholeSweep, ...] = ()
    """The last whole sweeps, the oldest first: what several did not show is no longer in the feed."""
    horizon: datetime | None = None
    """The oldest ``creationDate`` that is kept fresh, when not all can be."""
    catch_up: CatchUp | None = None

    @property
    def is_newest_first(self) -> bool:
        """Whether anything may be concluded from the order of the feed."""
        return self.disordered_at is None

    def to_json(self) -> Json:
        found: Json = {"selection": self.selection, "selected_at": self.selected_at.isoformat()}
        found["matching"], found["reference"] = self.matching, self.reference
        for name in MOMENTS:
            moment = getattr(self, name)
            if moment is not None:
                found[name] = moment.isoformat()
        if self.sweep:
            found["sweep"] = {
                "started_at": self.sweep.started_at.isoformat(),
                "next_page": self.sweep.next_page,
                "pages": self.sweep.pages,
                "hurry": self.sweep.hurry,
                "reading_since": _text(self.sweep.reading_since),
                "is_whole": self.sweep.is_whole,
            }
        if self.whole:
            found["whole"] = [{"since": _text(w.since), "down_to": _text(w.down_to)} for w in self.whole]
        if self.plan:
            found["plan"] = _plan_json(self.plan)
        if self.catch_up:
            pair = {"down_to": self.catch_up.down_to, "mark": self.catch_up.mark}
            found["catch_up"] = {name: moment.isoformat() for name, moment in pair.items()}
        return found


def recall(cursor: Mapping[str, Any], selection: Mapping[str, Any], now: datetime) -> Memory:
    """The memory in a job's cursor; a new one for a selection that is not the one it is about."""
    mark = fingerprint(selection)
    before = cursor.get("selection")
    if before is None:
        return Memory(mark, NEVER)
    if before != mark:
        log.warning("the selection has changed: the feed is read anew, and what no longer matches ends")
        return Memory(mark, now)
    try:
        return _parse(cursor)
    except (KeyError, TypeError, ValueError, AttributeError):
        log.warning("what the job remembered cannot be read, so it begins anew: %.200s", dict(cursor))
        return Memory(mark, NEVER)


def fingerprint(selection: Mapping[str, Any]) -> str:
    """Short, and another one for another selection."""
    return hashlib.sha256(json.dumps(selection, sort_keys=True).encode()).hexdigest()[:12]


def _parse(cursor: Mapping[str, Any]) -> Memory:
    sweep, plan, catch_up = cursor.get("sweep"), cursor.get("plan"), cursor.get("catch_up")
    return Memory(
        selection=str(cursor["selection"]),
        selected_at=datetime.fromisoformat(cursor["selected_at"]),
        sweep=_sweep(sweep) if sweep else None,
        plan=_plan(plan) if plan else None,
        matching=int(cursor.get("matching", (plan or {}).get("matching", 0))),
        reference=int(cursor.get("reference", 0)),
        **{name: _moment(cursor.get(name)) for name in MOMENTS},
        whole=tuple(_whole(w) for w in cursor.get("whole", ())),
        catch_up=CatchUp(**{k: datetime.fromisoformat(v) for k, v in catch_up.items()}) if catch_up else None,
    )


def _sweep(found: Mapping[str, Any]) -> Sweep:
    return Sweep(
        started_at=datetime.fromisoformat(found["started_at"]),
        next_page=found["next_page"],
        pages=found["pages"],
        hurry=found["hurry"],
        reading_since=_moment(found.get("reading_since")),
        is_whole=bool(found.get("is_whole", False)),
    )


def _whole(found: Mapping[str, Any]) -> WholeSweep:
    return WholeSweep(datetime.fromisoformat(found["since"]), _moment(found.get("down_to")))


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
    }


def _plan(found: Mapping[str, Any]) -> Plan:
    return Plan(
        matching=found["matching"],
        kept=found["kept"],
        pages=found["pages"],
        needed=found["needed"],
        supply=found["supply"],
        head_every=timedelta(seconds=found["head_every_seconds"]),
        page_every=timedelta(seconds=found["page_every_seconds"]),
        limit=Limit(found["limit"]) if found["limit"] else None,
    )


def pages_kept(cursor: Mapping[str, Any] | None) -> int | None:
    """How many pages of the feed the upserter can keep fresh; ``None``: all that there are."""
    plan = (cursor or {}).get("plan") or {}
    return int(plan["pages"]) if plan.get("limit") == Limit.PLAN else None
