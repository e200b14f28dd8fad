"""Time and memory of conversion, and the speed of what is emitted: `python -m benchmarks` writes docs/benchmarks.md."""
