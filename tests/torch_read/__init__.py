"""What the reader makes of live PyTorch networks."""
