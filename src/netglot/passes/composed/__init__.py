"""Ops written with smaller ops, for the dialects of files: what a format lacks is put together from what it has.

A dialect asks for them after it has declared its own: `compose(dialect)` lowers every op that other ops make up and
that the dialect neither writes, lowers nor refuses. Where a composition ends in an op that the dialect refuses,
that refusal is told.
"""

from __future__ import annotations

from netglot.dialects.dialect import Dialect
from netglot.errors import never
from netglot.passes.composed import arithmetic, control, neural, recurrent, shape
from netglot.pivot import ops
from netglot.pivot.op import Op

TABLE = {**arithmetic.TABLE, **control.TABLE, **neural.TABLE, **recurrent.TABLE, **shape.TABLE}
"""How each op is put together: a function from the op to other ops, to several where it has several results."""


LASTING = never("what it writes holds no state that a call changes", "return the states and give them to the next call")


def compose(dialect: Dialect, *kinds: type[Op]) -> None:
    """Lowers these ops, all that can be composed where none are named, unless the dialect declares them itself."""
    for kind in (ops.Recall, ops.Remember):
        if dialect.status(kind)[0] == "blank":
            dialect.refuses(kind, LASTING)
    for kind in kinds or TABLE:
        if dialect.status(kind)[0] == "blank":
            dialect.lowers(kind)(TABLE[kind])


__all__ = ["TABLE", "compose"]
