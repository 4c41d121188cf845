"""Replaces the version in service, and goes back when the new one does not work."""
