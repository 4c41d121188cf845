"""Channels that are told what is wrong with the service itself, and what they were told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261201_0430"
down_revision = "20261201_0350"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    switch = sa.Column("tells_of_service", sa.Boolean, server_default=sa.false(), nullable=False)
    op.add_column("channels", switch)
    op.create_table(
        "service_problems",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("gone_since", MOMENT),
        sa.Column("told_at", MOMENT),
        sa.Column("is_told", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_service_problems"),
    )


def downgrade() -> None:
    op.drop_table("service_problems")
    op.drop_column("channels", "tells_of_service")
