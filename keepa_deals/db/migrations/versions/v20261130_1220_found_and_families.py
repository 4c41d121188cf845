"""When a deal was found or came back, and which variations of a product stand for each other.

``found_at`` has a constant default, so that the last version's workers can go on writing during a deploy;
the next sight of a deal corrects it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261130_1220"
down_revision = "20261129_1020"
branch_labels = None
depends_on = None

BEFORE_ALL = "2011-01-01 00:00:00.000000"
OPEN = "ended_at IS NULL"
FOUND = (
    "UPDATE deals SET found_at = COALESCE((SELECT MAX(at) FROM deal_events AS e WHERE e.kind = 'returned'"
    " AND e.domain_id = deals.domain_id AND e.asin = deals.asin), first_seen_at)"
)


def upgrade() -> None:
    zone = "+00:00" if op.get_bind().dialect.name == "postgresql" else ""
    moment = sa.DateTime(timezone=True)
    op.add_column("deals", sa.Column("found_at", moment, nullable=False, server_default=BEFORE_ALL + zone))
    op.execute(FOUND)
    op.add_column("deals", sa.Column("shown_asin", sa.String(16)))
    op.add_column("deals", sa.Column("sibling_since", moment))
    op.add_column("deals", sa.Column("suspected_reason", sa.String(32)))
    op.add_column("deals", sa.Column("has_siblings", sa.Boolean, nullable=False, server_default=sa.false()))
    where = sa.text(OPEN)
    op.create_index(
        "ix_deals_open_found_at", "deals", ["found_at"], sqlite_where=where, postgresql_where=where
    )
    op.create_table(
        "deal_variations",
        sa.Column("domain_id", sa.Integer, nullable=False),
        sa.Column("asin", sa.String(16), nullable=False),
        sa.Column("family", sa.String(16), nullable=False),
        sa.Column("noted_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("domain_id", "asin", name="pk_deal_variations"),
    )
    op.create_index("ix_deal_variations_family", "deal_variations", ["domain_id", "family"])
    op.create_index("ix_deal_variations_noted_at", "deal_variations", ["noted_at"])


def downgrade() -> None:
    op.drop_table("deal_variations")
    op.drop_index("ix_deals_open_found_at", "deals")
    for name in ("has_siblings", "suspected_reason", "sibling_since", "shown_asin", "found_at"):
        op.drop_column("deals", name)
