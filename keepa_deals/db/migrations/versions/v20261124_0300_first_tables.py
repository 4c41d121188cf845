"""The first tables: deals with their points and events, the jobs' memory and runs, the samples."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "20261124_0300"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_deals()
    _create_job_runs()
    _create_job_states()
    _create_samples()
    _create_deal_events()
    _create_deal_points()


def downgrade() -> None:
    for table in ("deal_points", "deal_events", "samples", "job_states", "job_runs", "deals"):
        op.drop_table(table)


def _create_deals() -> None:
    op.create_table(
        "deals",
        *_feed_columns(),
        *_life_columns(),
        *_detail_columns(),
        sa.PrimaryKeyConstraint("domain_id", "asin", name="pk_deals"),
    )
    op.create_index("ix_deals_enriched_at", "deals", ["enriched_at"])
    op.create_index("ix_deals_last_seen_at", "deals", ["last_seen_at"])


def _feed_columns() -> list[sa.Column[Any]]:
    """What the feed (/deal) says."""
    return [
        sa.Column("domain_id", sa.Integer, nullable=False),
        sa.Column("asin", sa.String(16), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("image", sa.String(128)),
        sa.Column("root_category", sa.BigInteger),
        sa.Column("category_name", sa.Text),
        sa.Column("price_type", sa.Integer, nullable=False),
        sa.Column("price", sa.Integer),
        sa.Column("price_avg_day", sa.Integer),
        sa.Column("price_avg_week", sa.Integer),
        sa.Column("price_avg_month", sa.Integer),
        sa.Column("price_avg_90", sa.Integer),
        sa.Column("delta_percent_day", sa.Integer),
        sa.Column("delta_percent_week", sa.Integer),
        sa.Column("delta_percent_month", sa.Integer),
        sa.Column("delta_percent", sa.Integer),
        sa.Column("amazon_price", sa.Integer),
        sa.Column("sales_rank", sa.Integer),
        sa.Column("rating", sa.Integer),
        sa.Column("review_count", sa.Integer),
        sa.Column("deal_created_at", MOMENT, nullable=False),
        sa.Column("keepa_updated_at", MOMENT, nullable=False),
    ]


def _life_columns() -> list[sa.Column[Any]]:
    """When it was found, seen, ended."""
    return [
        sa.Column("first_seen_at", MOMENT, nullable=False),
        sa.Column("last_seen_at", MOMENT, nullable=False),
        sa.Column("listed_at", MOMENT, nullable=False),
        sa.Column("verified_at", MOMENT),
        sa.Column("point_at", MOMENT),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("stale_noted_at", MOMENT),
        sa.Column("ended_at", MOMENT),
        sa.Column("ended_reason", sa.String(32)),
    ]


def _detail_columns() -> list[sa.Column[Any]]:
    """What the enrichment (/product) says, and the economics that follow."""
    return [
        sa.Column("enriched_at", MOMENT),
        sa.Column("brand", sa.Text),
        sa.Column("rank_drops_30", sa.Integer),
        sa.Column("rank_drops_90", sa.Integer),
        sa.Column("monthly_sold", sa.Integer),
        sa.Column("buy_box_price", sa.Integer),
        sa.Column("offer_count", sa.Integer),
        sa.Column("amazon_in_stock", sa.Boolean),
        sa.Column("is_lowest", sa.Boolean),
        sa.Column("is_lowest_90", sa.Boolean),
        sa.Column("fba_fee", sa.Integer),
        sa.Column("referral_fee_bp", sa.Integer),
        sa.Column("sell_price", sa.Integer),
        sa.Column("profit", sa.Integer),
        sa.Column("roi_bp", sa.Integer),
        sa.Column("margin_bp", sa.Integer),
    ]


def _create_job_runs() -> None:
    op.create_table(
        "job_runs",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("tokens_spent", sa.Integer, nullable=False),
        sa.Column("detail", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_job_runs"),
    )
    op.create_index("ix_job_runs_name_started_at", "job_runs", ["name", "started_at"])


def _create_job_states() -> None:
    op.create_table(
        "job_states",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("watermark", MOMENT),
        sa.Column("cursor", sa.JSON()),
        sa.Column("last_started_at", MOMENT),
        sa.Column("last_success_at", MOMENT),
        sa.Column("last_finished_at", MOMENT),
        sa.Column("last_outcome", sa.String(32)),
        sa.Column("last_error", sa.Text),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("tokens_spent", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_job_states"),
    )


def _create_samples() -> None:
    op.create_table(
        "samples",
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("live", sa.Integer, nullable=False),
        sa.Column("stale", sa.Integer, nullable=False),
        sa.Column("ended", sa.Integer, nullable=False),
        sa.Column("tokens", sa.Integer),
        sa.Column("small_wait_ms", sa.Integer),
        sa.Column("bulk_wait_ms", sa.Integer),
        sa.PrimaryKeyConstraint("at", name="pk_samples"),
    )


def _create_deal_events() -> None:
    op.create_table(
        "deal_events",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("domain_id", sa.Integer, nullable=False),
        sa.Column("asin", sa.String(16), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(32)),
        sa.ForeignKeyConstraint(
            ["domain_id", "asin"],
            ["deals.domain_id", "deals.asin"],
            name="fk_deal_events_domain_id_asin_deals",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_deal_events"),
    )
    op.create_index("ix_deal_events_at", "deal_events", ["at"])
    op.create_index("ix_deal_events_deal", "deal_events", ["domain_id", "asin", "at"])


def _create_deal_points() -> None:
    op.create_table(
        "deal_points",
        sa.Column("domain_id", sa.Integer, nullable=False),
        sa.Column("asin", sa.String(16), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("price", sa.Integer),
        sa.Column("price_avg_90", sa.Integer),
        sa.Column("sales_rank", sa.Integer),
        sa.ForeignKeyConstraint(
            ["domain_id", "asin"],
            ["deals.domain_id", "deals.asin"],
            name="fk_deal_points_domain_id_asin_deals",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("domain_id", "asin", "at", name="pk_deal_points"),
    )
