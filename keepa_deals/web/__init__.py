"""The dashboard: server-rendered pages, the JSON API, feeds and the probes, in one Flask application."""
