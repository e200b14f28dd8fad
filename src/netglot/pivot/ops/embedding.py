"""Table look-ups."""
