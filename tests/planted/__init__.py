"""Mistakes planted in the Keras dialect, one at a time, and found by the verifier."""
