"""What Darknet's sections mean, by family. Importing this package fills the dialect. It imports no framework."""

from netglot.dialects.darknet.ops import conv, detection, recurrent, shape  # noqa: F401
