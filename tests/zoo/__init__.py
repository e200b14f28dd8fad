"""The zoos: every network that `make zoo` converts and verifies, and the runner that does it."""
