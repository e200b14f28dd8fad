"""How Caffe's layers spell the ops of the pivot, by family. Importing this package fills the dialect.

What is written keeps to layers that the last Caffe and OpenCV's dnn module both run. Pictures have four axes there, and
everything is in single precision.
"""

from netglot.dialects.caffe.dialect import caffe
from netglot.dialects.caffe.write_ops import arithmetic, layers, refusals, shape  # noqa: F401
from netglot.passes.channels_first import channels_first

channels_first(caffe)
