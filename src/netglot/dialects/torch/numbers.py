"""What PyTorch's readers need to know of dtypes: which numbers become floats, truth values or wider integers."""

from __future__ import annotations

from netglot.pivot import ops
from netglot.pivot.op import FLOATS, is_scalar, type_of

DEFAULT_FLOAT = "float32"
"""PyTorch's default dtype, to which integers turn where a function needs floats."""


def is_bool(x) -> bool:
    """Whether an operand holds truth values."""
    return type_of(x).dtype == "bool"


def is_float(x) -> bool:
    """Whether an operand holds floats."""
    return type_of(x).dtype in FLOATS


def is_whole(x) -> bool:
    """Whether an operand holds integers or truth values."""
    return not is_float(x) and not type_of(x).dtype.startswith("complex")


def as_float(x):
    """`x`, with integers and truth values turned into floats of the default dtype."""
    if is_scalar(x):
        return float(x) if isinstance(x, int) else x
    return ops.Cast(x, dtype=DEFAULT_FLOAT) if is_whole(x) else x


def as_bool(x):
    """Whether each element differs from 0."""
    if is_scalar(x):
        return bool(x)
    return x if is_bool(x) else ops.NotEqual(x, 0)


def as_sum(x):
    """`x` in the dtype in which PyTorch sums it: integers and truth values are summed in int64."""
    return ops.Cast(x, dtype="int64") if is_whole(x) and type_of(x).dtype != "int64" else x


def as_dtype(x, dtype: str | None):
    """`x` in `dtype`, where one is given."""
    return x if dtype is None or type_of(x).dtype == dtype else ops.Cast(x, dtype=dtype)


def largest(dtype: str) -> float:
    """The largest finite number of a dtype of floats."""
    import ml_dtypes

    return float(ml_dtypes.finfo(dtype).max)
