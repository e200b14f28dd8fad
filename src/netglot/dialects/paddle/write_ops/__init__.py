"""How PaddlePaddle's functions and layers spell the ops of the pivot. Importing this package fills the dialect.

A step is a call. Its kind is the function as it stands in the source, or an operator between two operands, or
"[]" for a part of a tensor; with `weights` it is a layer, which the network makes once and calls.
"""

from netglot.dialects.paddle.dialect import paddle
from netglot.dialects.paddle.write_ops import functions, layers, shape  # noqa: F401
from netglot.passes.channels_first import channels_first
from netglot.passes.composed import compose

channels_first(paddle)
compose(paddle)
