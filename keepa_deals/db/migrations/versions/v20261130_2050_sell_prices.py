"""Candidates of the sale price, what was usual within a year, and what speaks against it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261130_2050"
down_revision = "20261130_2010"
branch_labels = None
depends_on = None

COLUMNS = (
    *("price_avg_180", "price_avg_365", "robust_price", "robust_sales"),
    *("price_low_year", "price_high_year", "sell_doubt"),
)


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("deals", sa.Column(name, sa.Integer))


def downgrade() -> None:
    for name in reversed(COLUMNS):
        op.drop_column("deals", name)
