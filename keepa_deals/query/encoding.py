"""How the column cache holds values as numbers.

Unknown numbers are ``NULL``, unknown moments ``NO_TIME``, unknown answers ``UNKNOWN``: the least value of
their type. Moments are microseconds since 1970, in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.sql.elements import BinaryExpression

from keepa_deals.deals.kinds import EndedReason

Array = NDArray[Any]

NULL = int(np.iinfo(np.int32).min)
NO_TIME = int(np.iinfo(np.int64).min)
UNKNOWN = -1
REASONS = tuple(str(reason) for reason in EndedReason)
"""Why deals ended, each by its number in this order."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_number(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def to_moment(number: int) -> datetime:
    return _EPOCH + number * _MICROSECOND


def name_of(column: Any) -> str:
    """The cache's name for what deals are sorted or filtered by: a column, or a difference of two."""
    if isinstance(column, BinaryExpression):
        return f"{name_of(column.left)} - {name_of(column.right)}"
    return str(column.name)
