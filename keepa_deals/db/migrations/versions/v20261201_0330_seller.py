"""The connected seller, what Amazon said of products, and of each deal whether it may be sold."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261201_0330"
down_revision = "20261201_0300"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "seller_accounts",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("credentials", sa.Text, nullable=False),
        sa.Column("shown", sa.Text, nullable=False),
        sa.Column("domain_id", sa.Integer, nullable=False),
        sa.Column("connected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.Column("refusal", sa.Text),
        sa.Column("refused_at", sa.DateTime(timezone=True)),
        sa.Column("trouble", sa.Text),
        sa.Column("trouble_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_seller_accounts"),
    )
    op.create_table(
        "listing_checks",
        sa.Column("domain_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("asin", sa.String(16), nullable=False),
        sa.Column("condition", sa.String(32), nullable=False),
        sa.Column("wanted_at", sa.DateTime(timezone=True)),
        sa.Column("tried_at", sa.DateTime(timezone=True)),
        sa.Column("may_sell", sa.Integer),
        sa.Column("message", sa.Text),
        sa.Column("link", sa.Text),
        sa.Column("problem", sa.Text),
        sa.Column("fees_tried_at", sa.DateTime(timezone=True)),
        sa.Column("fee_price", sa.Integer),
        sa.Column("fee_by_amazon", sa.Boolean),
        sa.Column("fee_total", sa.Integer),
        sa.Column("fee_referral", sa.Integer),
        sa.Column("fee_closing", sa.Integer),
        sa.Column("fee_fulfilment", sa.Integer),
        sa.Column("fee_problem", sa.Text),
        sa.PrimaryKeyConstraint("domain_id", "asin", "condition", name="pk_listing_checks"),
    )
    wanted = sa.text("wanted_at IS NOT NULL")
    op.create_index(
        "ix_listing_checks_wanted_at",
        "listing_checks",
        ["wanted_at"],
        sqlite_where=wanted,
        postgresql_where=wanted,
    )
    op.create_index("ix_listing_checks_tried_at", "listing_checks", ["tried_at"])
    op.add_column("deals", sa.Column("may_sell", sa.Integer))


def downgrade() -> None:
    op.drop_column("deals", "may_sell")
    op.drop_table("listing_checks")
    op.drop_table("seller_accounts")
