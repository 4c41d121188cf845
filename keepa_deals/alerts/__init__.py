"""Alerts: which deals somebody is told of, when, and through which channel."""
