"""Who uses the dashboard: people with names, roles and passwords, and the tokens of their programs."""
