"""One file a migration, named by its date; each runs in both directions on SQLite and PostgreSQL."""
