"""What the fees of a deal depend on: the closing fee, its returns, and the size of its package."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261130_2010"
down_revision = "20261130_1220"
branch_labels = None
depends_on = None

COLUMNS = (
    *("closing_fee", "return_rate"),
    *("package_length", "package_width", "package_height", "package_weight"),
)


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("deals", sa.Column(name, sa.Integer))


def downgrade() -> None:
    for name in reversed(COLUMNS):
        op.drop_column("deals", name)
