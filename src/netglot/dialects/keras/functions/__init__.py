"""What the functions of `keras.ops` mean, by family. Importing this package fills the dialect's readers.

Each reader has the function's own signature. It imports no framework.
"""

from netglot.dialects.keras.functions import (  # noqa: F401
    activation,
    arithmetic,
    comparison,
    creation,
    image,
    index,
    matmul,
    neural,
    reduction,
    shape,
    sort,
    spectral,
    statistics,
)
