"""PyTorch's symbolic integers as sizes of the pivot."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import sympy
import torch

from netglot.errors import Refusal, never
from netglot.pivot import dims
from netglot.pivot.dims import Dim, Size


def size(value: int | torch.SymInt, symbol: Callable[[sympy.Symbol], Dim]) -> Size:
    """An int or `SymInt` as a size. `symbol` names the symbols.

    Raises:
        Refusal: the size depends on data, or uses arithmetic that sizes do not have.
    """
    if isinstance(value, int):
        return value
    return _convert(value.node.expr, symbol)


def _convert(expression: sympy.Expr, symbol) -> Size:
    if expression.is_Integer:
        return int(expression)
    if expression.is_Symbol:
        if str(expression).startswith("u"):
            raise Refusal(never("a size depends on the values of a tensor"))
        return symbol(expression)
    if type(expression).__name__ == "TruncToInt":
        return dims.floordiv(*_ratio(expression.args[0], symbol))
    parts = [_convert(argument, symbol) for argument in expression.args]
    convert = _FUNCTIONS.get(type(expression).__name__)
    if convert is None:
        raise Refusal(never(f"the size {expression} has no form in the pivot"))
    return convert(parts)


def _ratio(expression: sympy.Expr, symbol) -> tuple[Size, int]:
    """A size that is scaled, before it is rounded: over a number."""
    if expression.is_Float:
        whole = Fraction(float(expression)).limit_denominator(1 << 12)
        if float(whole) != float(expression):
            raise Refusal(never(f"a size is scaled by {float(expression)}, which no ratio of small numbers is"))
        return whole.numerator, whole.denominator
    if expression.is_Mul:
        parts = [_ratio(argument, symbol) for argument in expression.args]
        return dims.product([top for top, _ in parts]), math.prod(bottom for _, bottom in parts)
    inner = expression.args[0] if type(expression).__name__ == "ToFloat" else expression
    return _convert(inner, symbol), 1


_FUNCTIONS = {
    "Add": sum,
    "Mul": dims.product,
    "Pow": lambda p: dims.product([p[0]] * p[1]),
    "FloorDiv": lambda p: dims.floordiv(*p),
    "CleanDiv": lambda p: dims.floordiv(*p),
    "Mod": lambda p: dims.mod(*p),
    "PythonMod": lambda p: dims.mod(*p),
    "CeilDiv": lambda p: -dims.floordiv(-p[0], p[1]),
    "CeilToInt": lambda p: p[0],
    "Max": lambda p: _fold(dims.maximum, p),
    "Min": lambda p: _fold(dims.minimum, p),
}


def _fold(function, parts):
    result = parts[0]
    for part in parts[1:]:
        result = function(result, part)
    return result
