"""How Keras spells each family of ops. Importing this package fills the dialect; it imports no framework."""

from netglot.dialects.keras.ops import (  # noqa: F401
    activation,
    arithmetic,
    attention,
    comparison,
    control,
    conv,
    creation,
    embedding,
    index,
    loss,
    matmul,
    norm,
    pool,
    random,
    recurrent,
    recurrent_images,
    reduction,
    resize,
    shape,
    sort,
)
