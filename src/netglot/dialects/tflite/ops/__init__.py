"""What TensorFlow Lite's operators mean, by family. Importing this package fills the dialect.

Many are TensorFlow's raw ops under other names, and are read as those. It imports no framework.
"""

from netglot.dialects.tflite.ops import control, detection, neural, plain, recurrent  # noqa: F401
