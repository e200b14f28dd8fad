"""Reshaping, reordering, joining, splitting and padding."""
