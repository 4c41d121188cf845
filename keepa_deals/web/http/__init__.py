"""What holds for every request: errors, headers, static files, kept answers, limits."""
