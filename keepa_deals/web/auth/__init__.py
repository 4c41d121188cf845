"""Who may read the dashboard: the password, read-only tokens, sessions, and the guard before every view."""
