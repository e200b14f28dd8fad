"""What Caffe's layers mean, by family. Importing this package fills the dialect.

A reader takes the layer and then its bottoms. It imports no framework.
"""

from netglot.dialects.caffe.ops import arithmetic, conv, detection, norm, pool, recurrent, shape  # noqa: F401
