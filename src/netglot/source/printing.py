"""Spellings as Python expressions.

Expressions are built as `ast` nodes, so precedence and brackets are Python's own business; the finished file is laid
out by ruff.
"""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

from netglot.pivot.dims import Call as SizeCall
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Value
from netglot.source import spell

_OPERATORS = {
    "+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div, "//": ast.FloorDiv, "%": ast.Mod, "**": ast.Pow,
    "@": ast.MatMult, "&": ast.BitAnd, "|": ast.BitOr, "^": ast.BitXor, "<<": ast.LShift, ">>": ast.RShift,
}  # fmt: skip
_COMPARISONS = {"<": ast.Lt, "<=": ast.LtE, ">": ast.Gt, ">=": ast.GtE, "==": ast.Eq, "!=": ast.NotEq}
_PREFIXES = {"-": ast.USub, "~": ast.Invert, "not": ast.Not, "+": ast.UAdd}


def numbered(wanted: str, separator: str = "_") -> Iterator[str]:
    """`wanted`, and without end `wanted_2`, `wanted_3`."""
    yield wanted
    yield from (f"{wanted}{separator}{number}" for number in itertools.count(2))


def name(dotted: str) -> ast.expr:
    """A dotted name, with subscripts allowed: `self.layer1[0].conv`."""
    return ast.parse(dotted, mode="eval").body


class Printer:
    """Renders spellings.

    Args:
        resolve: the expression for a graph value.
        size: the expression for a symbolic size.
        layer: the expression for the object of a layer spelling (`self.conv1`).
        device: the expression for the device of the tensors at hand; without it, None is printed.
    """

    def __init__(
        self,
        resolve: Callable[[Value], ast.expr],
        size: Callable[[Dim], ast.expr],
        layer: Callable[[spell.Layer], ast.expr],
        device: Callable[[], ast.expr] = lambda: ast.Constant(None),
    ):
        self.resolve = resolve
        self.size = size
        self.layer = layer
        self.device = device

    def __call__(self, item: Any) -> ast.expr:
        """The expression for a spelling, a value, a size or a Python literal."""
        match item:
            case Value():
                return self.resolve(item)
            case Dim():
                return self.size(item)
            case spell.Spelling():
                return self._spelling(item)
            case tuple():
                return ast.Tuple([self(one) for one in item], ast.Load())
            case list():
                return ast.List([self(one) for one in item], ast.Load())
            case dict():
                return ast.Dict([self(k) for k in item], [self(v) for v in item.values()])
            case ast.expr():
                return item
            case _:
                return literal(item)

    def _spelling(self, item: spell.Spelling) -> ast.expr:
        match item:
            case spell.Call():
                return self._call(name(item.function), item.arguments, item.options)
            case spell.Layer():
                return self._call(self.layer(item), item.inputs, item.call_options)
            case spell.Method():
                target = ast.Attribute(self(item.target), item.name, ast.Load())
                return self._call(target, item.arguments, item.options)
            case spell.Attribute():
                return ast.Attribute(self(item.target), item.name, ast.Load())
            case spell.Infix(operator=operator) if operator in _COMPARISONS:
                return ast.Compare(self(item.left), [_COMPARISONS[operator]()], [self(item.right)])
            case spell.Infix():
                return ast.BinOp(self(item.left), _OPERATORS[item.operator](), self(item.right))
            case spell.Prefix():
                return ast.UnaryOp(_PREFIXES[item.operator](), self(item.operand))
            case spell.Subscript():
                return self._subscript(item)
            case spell.Name():
                return name(item.name)
            case spell.Choice():
                return ast.IfExp(self(item.condition), self(item.yes), self(item.no))
            case spell.Device():
                return self.device()
        raise TypeError(f"no printed form for {type(item).__name__}")

    def _call(self, function: ast.expr, arguments, options) -> ast.expr:
        keywords = [ast.keyword(key, self(value)) for key, value in options.items() if value is not spell.OMIT]
        return _once_transposed(ast.Call(function, [self(argument) for argument in arguments], keywords))

    def _subscript(self, item: spell.Subscript) -> ast.expr:
        """`x[:, 0][1:]` is printed as one subscript where the parts do not interfere."""
        indices = [self._index(index) for index in item.indices]
        index = indices[0] if len(indices) == 1 else ast.Tuple(indices, ast.Load())
        return ast.Subscript(self(item.target), index, ast.Load())

    def _index(self, index: Any) -> ast.expr:
        if isinstance(index, slice):
            start, stop, step = (None if part is None else self(part) for part in (index.start, index.stop, index.step))
            return ast.Slice(start, stop, step)
        return self(index)


def _once_transposed(call: ast.Call) -> ast.expr:
    """A transpose of a transpose as one, or as what is transposed: a layer's variable is brought back and forth."""
    outer = _axes_of(call)
    inner = _axes_of(call.args[0]) if outer is not None and isinstance(call.args[0], ast.Call) else None
    if outer is None or inner is None:
        return call
    within = call.args[0]
    assert isinstance(within, ast.Call)
    rank = len(outer or inner)
    first, second = (axes or tuple(reversed(range(rank))) for axes in (inner, outer))
    axes = tuple(first[axis] for axis in second)
    if axes == tuple(range(rank)):
        return within.args[0]
    return ast.Call(call.func, [within.args[0], literal(axes)], [])


def _axes_of(call: ast.Call) -> tuple[int, ...] | None:
    """The axes of a call of `ops.transpose`, () where it reverses them; None for other calls."""
    of_ops = (
        isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id == "ops"
    )
    if not of_ops or call.func.attr != "transpose" or call.keywords:
        return None
    try:
        return tuple(ast.literal_eval(call.args[1])) if len(call.args) > 1 else ()
    except ValueError:
        return None


def literal(value: Any) -> ast.expr:
    """A Python literal; infinities and NaN by their names in `math`."""
    if isinstance(value, float) and not math.isfinite(value):
        text = "math.nan" if math.isnan(value) else "math.inf" if value > 0 else "-math.inf"
        return ast.parse(text, mode="eval").body
    if isinstance(value, int | float) and not isinstance(value, bool) and value < 0:
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    if value is Ellipsis or value is None or isinstance(value, bool | int | float | str | complex):
        return ast.Constant(value)
    return ast.parse(repr(value), mode="eval").body


def size_expression(dim: Dim, symbol: Callable[[str], ast.expr], extreme: str = "{}") -> ast.expr:
    """Arithmetic on sizes as Python, with `symbol` giving the expression of each symbol, and `extreme` the spelling of
    the `max` and the `min` of two sizes."""
    total: ast.expr | None = None
    for monomial, coefficient in sorted(dim.terms, key=lambda term: (term[1] < 0, term[0] == ())):
        factors = [part for atom, power in monomial for part in [_atom(atom, symbol, extreme)] * power]
        if abs(coefficient) != 1 or not factors:
            factors.append(ast.Constant(abs(coefficient)))
        product = factors[0]
        for factor in factors[1:]:
            product = ast.BinOp(product, ast.Mult(), factor)
        if total is None:
            total = ast.UnaryOp(ast.USub(), product) if coefficient < 0 else product
        else:
            total = ast.BinOp(total, ast.Sub() if coefficient < 0 else ast.Add(), product)
    assert total is not None
    return total


def _atom(atom: str | SizeCall, symbol, extreme: str) -> ast.expr:
    if isinstance(atom, str):
        return symbol(atom)
    left, right = (
        size_expression(side, symbol, extreme) if isinstance(side, Dim) else ast.Constant(side)
        for side in (atom.left, atom.right)
    )
    if atom.function in ("floor", "mod"):
        return ast.BinOp(left, ast.FloorDiv() if atom.function == "floor" else ast.Mod(), right)
    return ast.Call(ast.parse(extreme.format(atom.function), mode="eval").body, [left, right], [])
