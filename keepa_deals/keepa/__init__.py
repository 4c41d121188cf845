"""The Keepa API: types, time, costs and a client. Knows nothing of Redis, databases or Celery."""
