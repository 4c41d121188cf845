"""Facts about one deployment on this host: its home, processes, locks and versions."""
