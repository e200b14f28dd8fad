"""Tables of rows, with the options that only training sees."""

import numpy as np

from netglot.pivot.op import rand
from samples import call

TABLE = rand(6, 4)
IDS, OFFSETS = np.array([1, 5, 2, 2, 0]), np.array([0, 2, 2])

SAMPLES = [
    call("aten.embedding.default", TABLE, IDS),
    call("aten.embedding.default", TABLE, IDS.reshape(1, 5), 2),
] + [call("aten.embedding_bag.default", TABLE, IDS, OFFSETS, False, mode) for mode in (0, 1, 2)]
