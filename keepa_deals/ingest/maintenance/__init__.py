"""What keeps the table small and its figures current; spends no token."""
