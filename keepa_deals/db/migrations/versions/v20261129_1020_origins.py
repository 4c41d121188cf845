"""Who told the deals of a database: Keepa, or a sandbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261129_1020"
down_revision = "20261125_0310"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "origins",
        sa.Column("told_by", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("told_by", name="pk_origins"),
    )


def downgrade() -> None:
    op.drop_table("origins")
