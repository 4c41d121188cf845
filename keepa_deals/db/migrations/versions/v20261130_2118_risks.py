"""What may go wrong with the product of a deal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261130_2118"
down_revision = "20261130_2050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deals", sa.Column("risks", sa.Integer))


def downgrade() -> None:
    op.drop_column("deals", "risks")
