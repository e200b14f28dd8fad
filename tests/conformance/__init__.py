"""PyTorch's own test databases, carried to Keras: `python -m tests.conformance`."""
