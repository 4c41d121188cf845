"""One run of the upserter: new deals, the sweep, and what is asked about."""
