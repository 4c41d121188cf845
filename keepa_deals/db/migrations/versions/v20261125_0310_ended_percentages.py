"""The percentages of ended deals, at the price that ended them: the feed's were of the price before."""

from __future__ import annotations

from alembic import op

revision = "20261125_0310"
down_revision = "20261125_0300"
branch_labels = None
depends_on = None

_AVERAGES = {
    "delta_percent_day": "price_avg_day",
    "delta_percent_week": "price_avg_week",
    "delta_percent_month": "price_avg_month",
    "delta_percent": "price_avg_90",
}


def upgrade() -> None:
    changes = ", ".join(
        f"{percent} = CASE WHEN {average} > 0"
        f" THEN CAST(ROUND(100.0 * ({average} - price) / {average}) AS INTEGER) END"
        for percent, average in _AVERAGES.items()
    )
    op.execute(f"UPDATE deals SET {changes} WHERE ended_at IS NOT NULL AND price IS NOT NULL")  # noqa: S608


def downgrade() -> None:
    """Nothing: the feed's percentages are not known any more, and these are true."""
