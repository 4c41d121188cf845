"""The deals table and its companions: SQLAlchemy models, sessions, queries, migrations."""
