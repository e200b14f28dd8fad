"""What MXNet's operators mean, by family. Importing this package fills the dialect. It imports no framework."""

from netglot.dialects.mxnet.ops import arithmetic, arrays, attention, detection, neural, recurrent, shape  # noqa: F401
