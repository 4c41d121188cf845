"""Alembic's environment and the migrations, inside the package."""
