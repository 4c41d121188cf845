"""Alembic's entry point: runs the migrations on the connection that ``db.migrate`` hands over."""

from __future__ import annotations

from alembic import context

from keepa_deals.db.models import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    transactional_ddl=True,
)
# The transaction belongs to the caller, who also holds the lock against a second migration.
context.run_migrations()
