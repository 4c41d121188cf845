"""An index of what changed last: the dashboard's copy in memory follows the table by it."""

from __future__ import annotations

from alembic import op

revision = "20261125_0020"
down_revision = "20261125_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_deals_changed_at", "deals", ["changed_at"])


def downgrade() -> None:
    op.drop_index("ix_deals_changed_at", "deals")
