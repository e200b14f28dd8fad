"""Resizing, sampling and pixel shuffles."""
