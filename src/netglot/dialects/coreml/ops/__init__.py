"""What Core ML's layers mean, by family. Importing this package fills the dialect. It imports no framework."""

from netglot.dialects.coreml.ops import neural, program, program_shape, shape  # noqa: F401
