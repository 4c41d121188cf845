"""Alerts, their channels and messages, and the changes of deals that they have yet to look at."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261130_2320"
down_revision = "20261130_2300"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
OPEN = sa.text("finished_at IS NULL")


def _owned(table: str, *columns: sa.Column[object]) -> None:
    """A table of things that belong to a person, or to the unnamed reader."""
    op.create_table(
        table,
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("person_id", sa.Integer),
        sa.Column("name", sa.String(60), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        _belongs(table, "person_id", "people"),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{table}_person_id", table, ["person_id"])


def upgrade() -> None:
    _owned(
        "channels",
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("shown", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("resting_until", MOMENT),
        sa.Column("last_sent_at", MOMENT),
        sa.Column("last_failed_at", MOMENT),
        sa.Column("last_error", sa.Text),
    )
    _owned(
        "alerts",
        sa.Column("query", sa.Text, nullable=False),
        sa.Column("rule", sa.JSON, nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("problem", sa.Text),
        sa.Column("muted_until", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("active_since", MOMENT, nullable=False),
        sa.Column("last_told_at", MOMENT),
        sa.Column("told_count", sa.Integer, nullable=False),
    )
    op.create_index("ix_alerts_state", "alerts", ["state"])
    op.create_table(
        "alert_channels",
        _of("alerts", "alert_id"),
        _of("channels", "channel_id"),
        sa.PrimaryKeyConstraint("alert_id", "channel_id", name="pk_alert_channels"),
        _belongs("alert_channels", "alert_id", "alerts"),
        _belongs("alert_channels", "channel_id", "channels"),
    )
    op.create_index("ix_alert_channels_channel_id", "alert_channels", ["channel_id"])
    op.create_table(
        "alert_changes",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("domain_id", sa.Integer, nullable=False),
        sa.Column("asin", sa.String(16), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert_changes"),
    )
    op.create_table(
        "alert_memories",
        _of("alerts", "alert_id"),
        sa.Column("domain_id", sa.Integer, nullable=False),
        sa.Column("asin", sa.String(16), nullable=False),
        sa.Column("occasion", MOMENT, nullable=False),
        sa.Column("told_at", MOMENT, nullable=False),
        sa.Column("price", sa.Integer),
        sa.PrimaryKeyConstraint("alert_id", "domain_id", "asin", name="pk_alert_memories"),
        _belongs("alert_memories", "alert_id", "alerts"),
    )
    op.create_index("ix_alert_memories_told_at", "alert_memories", ["told_at"])
    _deliveries()


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("alert_id", sa.Integer),
        _of("channels", "channel_id"),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("deals", sa.JSON, nullable=False),
        sa.Column("deal_count", sa.Integer, nullable=False),
        sa.Column("body", sa.Text),
        sa.Column("caused_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("retry_at", MOMENT),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("claimed_until", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint("key", name="uq_deliveries_key"),
        _belongs("deliveries", "alert_id", "alerts"),
        _belongs("deliveries", "channel_id", "channels"),
    )
    op.create_index("ix_deliveries_alert_id", "deliveries", ["alert_id"])
    op.create_index("ix_deliveries_alert_state", "deliveries", ["alert_id", "state"])
    op.create_index("ix_deliveries_finished_at", "deliveries", ["finished_at"])
    op.create_index(
        "ix_deliveries_open", "deliveries", ["channel_id", "due_at"], sqlite_where=OPEN, postgresql_where=OPEN
    )


def _of(_table: str, column: str) -> sa.Column[int]:
    return sa.Column(column, sa.Integer, nullable=False)


def _belongs(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{to}.id"], name=f"fk_{table}_{column}_{to}", ondelete="CASCADE"
    )


def downgrade() -> None:
    for table in ("deliveries", "alert_memories", "alert_changes", "alert_channels", "alerts", "channels"):
        op.drop_table(table)
