"""What people change of the seller's terms on the dashboard."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261201_0010"
down_revision = "20261130_2330"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "term_changes",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_term_changes"),
    )


def downgrade() -> None:
    op.drop_table("term_changes")
