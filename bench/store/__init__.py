"""Store: placeholder."""
