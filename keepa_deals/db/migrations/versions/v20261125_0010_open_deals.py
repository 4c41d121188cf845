"""What the jobs ask each minute, answered from the open deals alone; when the feed was read without a deal.

Most deals of an old table have ended. The indices of the jobs hold only those that have not, so that
their size follows the feed and not the past. ``unlisted_at`` is dropped with ALTER TABLE, not in Alembic's
batch mode: that would build ``deals`` anew, and dropping the old table deletes its points and events.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261125_0010"
down_revision = "20261124_2330"
branch_labels = None
depends_on = None

OPEN = "ended_at IS NULL"
PARTIAL = {
    "ix_deals_open_last_seen_at": ("last_seen_at", OPEN),
    "ix_deals_open_enriched_at": ("enriched_at", OPEN),
    "ix_deals_open_deal_created_at": ("deal_created_at", OPEN),
    "ix_deals_bare_deal_created_at": ("deal_created_at", f"{OPEN} AND enriched_at IS NULL"),
    "ix_deals_unlisted_last_seen_at": ("last_seen_at", f"{OPEN} AND unlisted_at IS NOT NULL"),
    "ix_deals_ended_at": ("ended_at", "ended_at IS NOT NULL"),
}
"""Index, column, and which deals are in it."""


def upgrade() -> None:
    op.add_column("deals", sa.Column("unlisted_at", sa.DateTime(timezone=True)))
    op.add_column("samples", sa.Column("matching", sa.Integer))
    op.drop_index("ix_deals_last_seen_at", "deals")
    op.drop_index("ix_deals_enriched_at", "deals")
    for name, (column, held) in PARTIAL.items():
        where = sa.text(held)
        op.create_index(name, "deals", [column], sqlite_where=where, postgresql_where=where)
    op.create_index("ix_deal_points_at", "deal_points", ["at"])


def downgrade() -> None:
    op.drop_index("ix_deal_points_at", "deal_points")
    for name in PARTIAL:
        op.drop_index(name, "deals")
    op.create_index("ix_deals_enriched_at", "deals", ["enriched_at"])
    op.create_index("ix_deals_last_seen_at", "deals", ["last_seen_at"])
    op.drop_column("samples", "matching")
    op.drop_column("deals", "unlisted_at")
