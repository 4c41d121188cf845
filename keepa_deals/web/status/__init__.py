"""How the service does, for people and for machines."""
