"""What CNTK's operations mean, by family. Importing this package fills the dialect. It imports no framework."""

from netglot.dialects.cntk.ops import arithmetic, neural, sequence, shape  # noqa: F401
