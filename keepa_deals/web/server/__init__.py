"""The web server: gunicorn's master, which reloads without dropping a request; waitress's connections."""

WORKER_CLASS = "keepa_deals.web.server.worker.WaitressWorker"
"""As gunicorn is told. The supervisor's command names it too: a reload keeps the master's own class, but a
command that has changed is replaced by a deploy."""
