"""The backfiller: fills the table, then enriches its deals."""
