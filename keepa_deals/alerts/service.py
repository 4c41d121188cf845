"""What is wrong with the service, told to its operators: a problem that lasts once, and its end once.

One that was there at a single look is no news, and one that comes and goes is told once an hour at most.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, exists, or_, select
from sqlalchemy.orm import Session

from keepa_deals.alerts import outbox
from keepa_deals.db.models import Channel, JobState, MessageKind, PersonRow, ServiceProblem
from keepa_deals.db.upsert import ensure_job
from keepa_deals.humanize import duration_text
from keepa_deals.jobs import MAINTENANCE_JOB
from keepa_deals.roles import Role

LASTS = timedelta(seconds=30)
"""What two looks saw with so much time between them lasts: a run that was tried again is no second look."""
AGAIN_AFTER = timedelta(hours=1)
"""A problem that ended and came back is not told before."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong: ``title`` in a few words, ``text`` what is seen, ``fix`` what to do."""

    name: str
    title: str
    text: str
    fix: str


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of a problem: see ``ServiceProblem``."""

    since: datetime
    gone_since: datetime | None = None
    told_at: datetime | None = None
    is_told: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is to be told after a look, and what to remember for the next one."""

    begun: Sequence[str]
    ended: Sequence[str]
    memory: Mapping[str, Memory]


def compare(
    memory: Mapping[str, Memory], present: Collection[str], unknown: Collection[str], now: datetime
) -> Comparison:
    """Compare the problems of a look with what was told. Of ``unknown`` ones the look could not tell."""
    begun: list[str] = []
    ended: list[str] = []
    after: dict[str, Memory] = {}
    for name in dict.fromkeys((*memory, *present)):
        before = memory.get(name)
        if before is not None and name in unknown and name not in present:
            after[name] = before
            continue
        known = _seen(before, now) if name in present else _missed(before, now)
        if known is None:
            continue
        if before is not None and known.is_told != before.is_told:
            (begun if known.is_told else ended).append(name)
        after[name] = known
    return Comparison(begun, ended, after)


def _seen(before: Memory | None, now: datetime) -> Memory:
    if before is None:
        return Memory(now)
    if before.is_told:
        return replace(before, gone_since=None)
    known = replace(before, gone_since=None, since=before.since if before.gone_since is None else now)
    if known.since > now:  # the clock was set back
        known = replace(known, since=now)
    if now - known.since < LASTS or not _is_over(before.told_at, AGAIN_AFTER, now):
        return known
    return replace(known, told_at=now, is_told=True)


def _missed(before: Memory | None, now: datetime) -> Memory | None:
    """``None``: there is nothing left to remember."""
    if before is None:
        return None
    if before.is_told:
        if before.gone_since is None or before.gone_since > now:
            return replace(before, gone_since=now)
        return replace(before, is_told=now - before.gone_since < LASTS)
    return None if _is_over(before.told_at, AGAIN_AFTER, now) else replace(before, gone_since=now)


def _is_over(at: datetime | None, wait: timedelta, now: datetime) -> bool:
    """Whether so much time went by since; a moment ahead of the clock is of a clock that was set back."""
    return at is None or not at <= now < at + wait


def note(
    session: Session,
    troubles: Sequence[Trouble],
    titles: Mapping[str, str],
    unknown: Collection[str],
    now: datetime,
) -> bool:
    """Compare, and leave in the outbox what is to be told, in one transaction; whether there is anything.

    ``titles`` are those of all problems by name. Runs that overlap wait for each other at the job's row.
    """
    ensure_job(session, MAINTENANCE_JOB.name)
    session.execute(select(JobState.name).where(JobState.name == MAINTENANCE_JOB.name).with_for_update())
    channels = listeners(session)
    if not channels:  # nobody was told, and nobody waits for an end
        session.execute(delete(ServiceProblem))
        return False
    rows = {row.name: row for row in session.scalars(select(ServiceProblem))}
    memory = {name: Memory(row.since, row.gone_since, row.told_at, row.is_told) for name, row in rows.items()}
    compared = compare(memory, [one.name for one in troubles], unknown, now)
    _keep(session, rows, compared.memory)
    messages = [
        *(_begun(one, compared.memory[one.name]) for one in troubles if one.name in compared.begun),
        *(_ended(titles.get(name, name), compared.memory[name]) for name in compared.ended),
    ]
    for body in messages:
        outbox.put_words(session, MessageKind.SERVICE, channels, body, now)
    return bool(messages)


def is_heard(session: Session) -> bool:
    """Whether a look is worth while: somebody listens, or there is something to forget."""
    return bool(listeners(session)) or session.scalar(select(exists(select(ServiceProblem.name)))) is True


def listeners(session: Session) -> Sequence[int]:
    """The channels that are told: of operators, or of the unnamed reader while there are no people."""
    operators = select(PersonRow.id).where(PersonRow.role.in_(list(_operating())))
    unnamed = and_(Channel.person_id.is_(None), ~exists(select(PersonRow.id)))
    query = select(Channel.id).where(Channel.tells_of_service, or_(Channel.person_id.in_(operators), unnamed))
    return session.scalars(query.order_by(Channel.id)).all()


def _operating() -> Iterator[Role]:
    return (role for role in Role if role.may(Role.OPERATOR))


def _keep(session: Session, rows: Mapping[str, ServiceProblem], memory: Mapping[str, Memory]) -> None:
    for name, row in rows.items():
        if name not in memory:
            session.delete(row)
    for name, one in memory.items():
        row = rows.get(name) or ServiceProblem(name=name)
        row.since, row.gone_since = one.since, one.gone_since
        row.told_at, row.is_told = one.told_at, one.is_told
        session.add(row)


def _begun(trouble: Trouble, memory: Memory) -> str:
    """The first line is the title."""
    lines = [
        f"{trouble.title} ({trouble.name})",
        f"Since {memory.since:%Y-%m-%d %H:%M} UTC: {trouble.text}.",
        f"What to do: {trouble.fix}.",
    ]
    return "\n".join(lines)


def _ended(title: str, memory: Memory) -> str:
    end = memory.gone_since or memory.since
    lasted = duration_text(max(0.0, (end - memory.since).total_seconds()))
    return f"Well again: {title}\nIt lasted {lasted}, until {end:%Y-%m-%d %H:%M} UTC."
