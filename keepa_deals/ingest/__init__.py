"""What the jobs do: read Keepa's feed, keep deals fresh, enrich them, record what became of them.

Plain functions; everything they need is passed in as an ``IngestContext``.
"""
