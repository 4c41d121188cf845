"""Alerts on the dashboard: their page, and the same for programs."""
