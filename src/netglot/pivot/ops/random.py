"""Dropout and other noise."""
