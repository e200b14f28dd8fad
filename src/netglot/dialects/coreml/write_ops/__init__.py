"""How the layers of Core ML's neural networks spell the ops of the pivot. Importing this package fills the dialect.

A step is a method of coremltools' builder of neural networks, without its `add_`. Tensors are pictures or vectors
there, and have no batch: it is the size of what goes in.
"""

from netglot.dialects.coreml.dialect import coreml
from netglot.dialects.coreml.write_ops import layers, refusals  # noqa: F401
from netglot.passes.channels_first import channels_first

channels_first(coreml)
