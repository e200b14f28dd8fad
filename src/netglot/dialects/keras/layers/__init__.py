"""What Keras's built-in layers mean, by family. Importing this package fills the dialect's readers.

A reader is given a view of the layer (its attributes, with values of the graph for its variables) and the arguments
of the call that it declares. Layers whose own `call` uses nothing but `keras.ops` need no reader: they are entered.
"""

from netglot.dialects.keras.layers import (  # noqa: F401
    activation,
    attention,
    conv,
    core,
    norm,
    pool,
    preprocess,
    random,
    recurrent,
    recurrent_images,
    shape,
    spectral,
    wrap,
)

ENTERED = frozenset(
    "Add AdditiveAttention Attention Average Concatenate Dot GRUCell Lambda LSTMCell Masking Maximum Minimum Multiply "
    "STFTSpectrogram SimpleRNNCell StackedRNNCells Subtract".split()
)
"""Built-in layers without a reader: their own call uses `keras.ops` only, and is followed."""
