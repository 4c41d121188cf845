"""The searches. The first run makes the first of them out of the deal query; ``job_states`` keeps its state,
so that versions before this one, which know no other, go on with it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261201_0300"
down_revision = "20261201_0010"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "searches",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("is_first", sa.Boolean, nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("domain_id", sa.Integer, nullable=False),
        sa.Column("price_type", sa.Integer, nullable=False),
        sa.Column("query", sa.JSON, nullable=False),
        sa.Column("weight", sa.Integer, nullable=False),
        sa.Column("fresh_minutes", sa.Integer),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("watermark", MOMENT),
        sa.Column("cursor", sa.JSON),
        sa.Column("crawl", sa.JSON),
        sa.Column("file_problem", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("error_at", MOMENT),
        sa.Column("tokens_spent", sa.BigInteger, nullable=False),
        sa.Column("hour_at", MOMENT),
        sa.Column("tokens_this_hour", sa.Integer, nullable=False),
        sa.Column("tokens_last_hour", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_searches"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("searches")
