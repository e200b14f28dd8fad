"""What MXNet's operators mean, by family. Importing this package fills the dialect. It imports no framework."""

from netglot.dialects.mxnet.ops import (  # noqa: F401
    arithmetic,
    arrays,
    attention,
    detection,
    neural,
    rare,
    recurrent,
    sampling,
    shape,
)
