"""Numbers as addresses have them, and as they are stored: integers of a unit."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum

from keepa_deals.deals.money import from_minor, to_minor
from keepa_deals.query.parameters import ParameterError

_NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,2})?")


class Unit(StrEnum):
    """How a number is typed by people; it is stored as an integer."""

    MONEY = "money"
    PERCENT = "percent"
    BASIS_POINTS = "basis_points"
    STARS = "stars"
    COUNT = "count"

    @property
    def pattern(self) -> str:
        """What a typed number of this unit looks like, as a regular expression of JSON Schema."""
        decimals = "0" if self in (Unit.COUNT, Unit.PERCENT) else "0-9"
        return rf"^-?[0-9]{{1,9}}(\.[{decimals}]{{1,2}})?$"


def typed_amount(unit: Unit, value: int, domain_id: int) -> str:
    """A stored number as people type it: ``1250`` cents are ``12.50``."""
    match unit:
        case Unit.MONEY:
            return from_minor(value, domain_id)
        case Unit.BASIS_POINTS:
            return f"{Decimal(value) / 100:f}"
        case Unit.STARS:
            return f"{Decimal(value) / 10:f}"
        case _:
            return str(value)


def read_amount(name: str, unit: Unit, value: str, domain_id: int) -> int:
    """A number in the parameter ``name``, in stored units; ``ParameterError`` when it is none.

    As programs and addresses write it; what people type is read by ``typed_numbers``.
    """
    if not _NUMBER.fullmatch(value) or not value.isascii():
        raise ParameterError(name, "must be a number with at most 9 digits and 2 decimals, like 12.50")
    number = Decimal(value)
    if unit in (Unit.COUNT, Unit.PERCENT) and number != number.to_integral_value():
        raise ParameterError(name, "must be a whole number")
    return in_stored_units(unit, number, domain_id)


def in_stored_units(unit: Unit, number: Decimal, domain_id: int) -> int:
    """``12.5`` dollars are 1250 cents; what is finer than the unit is rounded (money) or cut."""
    match unit:
        case Unit.MONEY:
            return to_minor(number, domain_id)
        case Unit.BASIS_POINTS:
            return int(number * 100)
        case Unit.STARS:
            return int(number * 10)
    return int(number)
