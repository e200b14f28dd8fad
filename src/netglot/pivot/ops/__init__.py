"""The ops of the pivot, one file a family. `from netglot.pivot import ops` and then `ops.Conv`."""

from netglot.pivot.op import REGISTRY
from netglot.pivot.ops.activation import *  # noqa: F403
from netglot.pivot.ops.arithmetic import *  # noqa: F403
from netglot.pivot.ops.attention import *  # noqa: F403
from netglot.pivot.ops.comparison import *  # noqa: F403
from netglot.pivot.ops.control import *  # noqa: F403
from netglot.pivot.ops.conv import *  # noqa: F403
from netglot.pivot.ops.creation import *  # noqa: F403
from netglot.pivot.ops.embedding import *  # noqa: F403
from netglot.pivot.ops.index import *  # noqa: F403
from netglot.pivot.ops.loss import *  # noqa: F403
from netglot.pivot.ops.matmul import *  # noqa: F403
from netglot.pivot.ops.norm import *  # noqa: F403
from netglot.pivot.ops.pool import *  # noqa: F403
from netglot.pivot.ops.random import *  # noqa: F403
from netglot.pivot.ops.recurrent import *  # noqa: F403
from netglot.pivot.ops.reduction import *  # noqa: F403
from netglot.pivot.ops.resize import *  # noqa: F403
from netglot.pivot.ops.shape import *  # noqa: F403
from netglot.pivot.ops.sort import *  # noqa: F403

globals().update(REGISTRY)  # an op's name is the op's, whatever else the files import under it (`Any`)
