"""What people mark on deals. ``deal_marks`` refers to no deal: a note outlives the row that it is about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261201_0350"
down_revision = "20261201_0330"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "mark_books",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("person_id", sa.Integer),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("before", sa.JSON),
        sa.PrimaryKeyConstraint("id", name="pk_mark_books"),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name="fk_mark_books_person_id_people", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "deal_marks",
        _book(),
        sa.Column("domain_id", sa.Integer, nullable=False),
        sa.Column("asin", sa.String(16), nullable=False),
        sa.Column("starred_at", MOMENT),
        sa.Column("hidden_at", MOMENT),
        sa.Column("hidden_percent", sa.Integer),
        sa.Column("hidden_price", sa.Integer),
        sa.Column("note", sa.Text),
        sa.Column("bought_at", MOMENT),
        sa.Column("bought_price", sa.Integer),
        sa.Column("bought_quantity", sa.Integer),
        sa.PrimaryKeyConstraint("book_id", "domain_id", "asin", name="pk_deal_marks"),
        _of_book("deal_marks"),
    )
    op.create_table(
        "hidden_brands",
        _book(),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("hidden_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("book_id", "brand", name="pk_hidden_brands"),
        _of_book("hidden_brands"),
    )
    op.create_table(
        "hidden_categories",
        _book(),
        sa.Column("domain_id", sa.Integer, nullable=False),
        sa.Column("category", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("hidden_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("book_id", "domain_id", "category", name="pk_hidden_categories"),
        _of_book("hidden_categories"),
    )


def _book() -> sa.Column[int]:
    return sa.Column("book_id", sa.Integer, nullable=False)


def _of_book(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_book_id_mark_books"
    return sa.ForeignKeyConstraint(["book_id"], ["mark_books.id"], name=name, ondelete="CASCADE")


def downgrade() -> None:
    for table in ("hidden_categories", "hidden_brands", "deal_marks", "mark_books"):
        op.drop_table(table)
