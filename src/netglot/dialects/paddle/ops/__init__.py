"""What PaddlePaddle's operators mean, by family. Importing this package fills the dialect. It imports no framework."""

from netglot.dialects.paddle.ops import (  # noqa: F401
    activation,
    arithmetic,
    conv,
    creation,
    index,
    matmul,
    norm,
    pool,
    recurrent,
    reduction,
    resize,
    shape,
)
