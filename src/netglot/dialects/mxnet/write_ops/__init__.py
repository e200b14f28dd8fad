"""How MXNet's operators spell the ops of the pivot, by family. Importing this package fills the dialect.

MXNet has no truth values to speak of: they are numbers, 0 or 1, inside the network. A tensor without axes has one
element.
"""

from netglot.dialects.mxnet.dialect import mxnet
from netglot.dialects.mxnet.write_ops import arithmetic, neural, shape  # noqa: F401
from netglot.passes.channels_first import channels_first
from netglot.passes.composed import compose

channels_first(mxnet)
compose(mxnet)
