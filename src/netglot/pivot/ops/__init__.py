"""The ops of the pivot, one file a family. `from netglot.pivot import ops` and then `ops.Conv`."""

from netglot.pivot.op import REGISTRY
from netglot.pivot.ops.activation import *
from netglot.pivot.ops.arithmetic import *
from netglot.pivot.ops.attention import *
from netglot.pivot.ops.bits import *
from netglot.pivot.ops.comparison import *
from netglot.pivot.ops.control import *
from netglot.pivot.ops.conv import *
from netglot.pivot.ops.creation import *
from netglot.pivot.ops.elementary import *
from netglot.pivot.ops.embedding import *
from netglot.pivot.ops.index import *
from netglot.pivot.ops.loss import *
from netglot.pivot.ops.matmul import *
from netglot.pivot.ops.norm import *
from netglot.pivot.ops.pool import *
from netglot.pivot.ops.random import *
from netglot.pivot.ops.recurrent import *
from netglot.pivot.ops.reduction import *
from netglot.pivot.ops.resize import *
from netglot.pivot.ops.shape import *
from netglot.pivot.ops.sort import *

globals().update(REGISTRY)  # an op's name is the op's, whatever else the files import under it (`Any`)
