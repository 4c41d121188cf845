"""The web server: gunicorn's master, which reloads without dropping a request; waitress's connections."""
