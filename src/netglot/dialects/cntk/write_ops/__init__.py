"""How CNTK's functions spell the ops of the pivot, by family. Importing this package fills the dialect.

CNTK knows no batch: its functions take samples, and the emitter says which axis of a tensor is none of theirs.
"""

from netglot.dialects.cntk.dialect import cntk
from netglot.dialects.cntk.write_ops import arithmetic, neural, recurrent, shape  # noqa: F401
from netglot.passes.channels_first import channels_first
from netglot.passes.composed import compose

channels_first(cntk)
compose(cntk)
