"""What Core ML's layers mean, by family. Importing this package fills the dialect. It imports no framework."""

from netglot.dialects.coreml.ops import exact, neural, program, program_more, program_shape, recurrent, shape  # noqa: F401
