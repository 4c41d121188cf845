"""Celery's extensions: sending the jobs, the scheduler's lock, and a transport that nonsense cannot crash."""
