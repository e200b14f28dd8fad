"""What TensorFlow's raw ops mean, by family. Importing this package fills the dialect's readers.

A reader has the names of the op's inputs and attributes as its definition gives them. An input annotated `Known` is
an array that is known while the graph is read. It imports no framework.
"""

from netglot.dialects.tensorflow.ops import arithmetic, cells, neural, older, resizing, shape  # noqa: F401
