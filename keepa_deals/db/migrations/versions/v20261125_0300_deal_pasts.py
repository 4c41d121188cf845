"""What Keepa itself told of a deal's past: one packed row a deal, for its chart."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261125_0300"
down_revision = "20261125_0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deal_pasts",
        sa.Column("domain_id", sa.Integer, nullable=False),
        sa.Column("asin", sa.String(16), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("price_type", sa.Integer, nullable=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("domain_id", "asin", name="pk_deal_pasts"),
        sa.ForeignKeyConstraint(
            ["domain_id", "asin"],
            ["deals.domain_id", "deals.asin"],
            name="fk_deal_pasts_domain_id_asin_deals",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_deal_pasts_read_at", "deal_pasts", ["read_at"])


def downgrade() -> None:
    op.drop_index("ix_deal_pasts_read_at", "deal_pasts")
    op.drop_table("deal_pasts")
