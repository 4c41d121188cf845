"""Views that a person keeps to themselves, and who shared the others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261130_2330"
down_revision = "20261130_2320"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("saved_views", sa.Column("person_id", sa.Integer))
    op.create_table(
        "own_views",
        sa.Column("person_id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("query", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "name", name="pk_own_views"),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name="fk_own_views_person_id_people", ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    op.drop_table("own_views")
    op.drop_column("saved_views", "person_id")
