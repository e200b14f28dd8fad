"""Sizes of axes: integers, and exact arithmetic on symbols such as a batch size or a sequence length.

A `Dim` is a polynomial with integer coefficients over atoms. An atom is a symbol, or a call `floor(a, b)`,
`mod(a, b)`, `max(a, b)`, `min(a, b)` that does not simplify. Equal polynomials are equal objects by value, so two
sizes that were computed along different paths compare equal whenever polynomial arithmetic can show it.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # which of both a size is follows from the network: arithmetic takes either
    Size = Any
else:
    Size = "int | Dim"
    """The size of an axis."""


@dataclass(frozen=True)
class Call:
    """An operation on two sizes that has no polynomial form."""

    function: str
    left: int | Dim
    right: int | Dim

    def __str__(self) -> str:
        if self.function == "floor":
            return f"({self.left})//({self.right})"
        if self.function == "mod":
            return f"({self.left})%({self.right})"
        return f"{self.function}({self.left}, {self.right})"


_FOLD = {
    "floor": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "max": max,
    "min": min,
}


class Dim:
    """A size that is not a plain integer. Build it from `Dim.symbol` with `+ - * // %`."""

    __slots__ = ("_hash", "terms")

    terms: tuple[tuple[tuple[tuple[str | Call, int], ...], int], ...]

    def __init__(self, terms):
        self.terms = terms
        self._hash = hash(terms)

    @staticmethod
    def symbol(name: str) -> Dim:
        """The size called `name`."""
        return Dim(((((name, 1),), 1),))

    @property
    def symbols(self) -> set[str]:
        """The names of all symbols in this size."""
        found: set[str] = set()
        for monomial, _ in self.terms:
            for atom, _ in monomial:
                if isinstance(atom, Call):
                    found |= symbols_of(atom.left) | symbols_of(atom.right)
                else:
                    found.add(atom)
        return found

    def evaluate(self, sizes: Mapping[str, int | Dim]) -> int | Dim:
        """This size with symbols replaced by `sizes`; symbols that are not given stay."""
        total: int | Dim = 0
        for monomial, coefficient in self.terms:
            product: int | Dim = coefficient
            for atom, power in monomial:
                for _ in range(power):
                    product = product * _atom_value(atom, sizes)
            total = total + product
        return total

    def __eq__(self, other):
        return isinstance(other, Dim) and self.terms == other.terms

    def __hash__(self):
        return self._hash

    def __add__(self, other):
        table = dict(self.terms)
        for monomial, coefficient in _terms(other):
            table[monomial] = table.get(monomial, 0) + coefficient
        return _make(table)

    __radd__ = __add__

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + (-1 * other)

    def __rsub__(self, other):
        return -self + other

    def __mul__(self, other):
        table: dict = {}
        for left, a in self.terms:
            for right, b in _terms(other):
                powers = dict(left)
                for atom, power in right:
                    powers[atom] = powers.get(atom, 0) + power
                monomial = tuple(sorted(powers.items(), key=lambda item: str(item[0])))
                table[monomial] = table.get(monomial, 0) + a * b
        return _make(table)

    __rmul__ = __mul__

    def __floordiv__(self, other):
        return floordiv(self, other)

    def __rfloordiv__(self, other):
        return floordiv(other, self)

    def __mod__(self, other):
        return mod(self, other)

    def __str__(self):
        parts = []
        for monomial, coefficient in self.terms:
            factors = [str(atom) if power == 1 else f"{atom}**{power}" for atom, power in monomial]
            factors = [f"({f})" if "//" in f or "%" in f else f for f in factors]
            if coefficient != 1 or not factors:
                factors.insert(0, str(coefficient))
            parts.append("*".join(factors))
        return " + ".join(parts).replace("+ -", "- ")

    def __repr__(self):
        return f"Dim({self})"


def _terms(size: int | Dim):
    if isinstance(size, Dim):
        return size.terms
    return (((), int(size)),) if size else ()


def _make(table: dict) -> int | Dim:
    terms = tuple(sorted(((m, c) for m, c in table.items() if c), key=lambda t: (-len(t[0]), str(t[0]))))
    if not terms:
        return 0
    if len(terms) == 1 and terms[0][0] == ():
        return terms[0][1]
    return Dim(terms)


def _atom_value(atom: str | Call, sizes: Mapping[str, int | Dim]) -> int | Dim:
    if isinstance(atom, Call):
        return call(atom.function, substitute(atom.left, sizes), substitute(atom.right, sizes))
    return sizes[atom] if atom in sizes else Dim.symbol(atom)


def symbols_of(size: int | Dim) -> set[str]:
    """The symbols in a size; none for an integer."""
    return size.symbols if isinstance(size, Dim) else set()


def substitute(size: int | Dim, sizes: Mapping[str, int | Dim]) -> Size:
    """`size` with symbols replaced; an integer is itself."""
    return size.evaluate(sizes) if isinstance(size, Dim) else size


def call(function: str, left: int | Dim, right: int | Dim) -> Size:
    """`function` of two sizes, folded where both are integers or where polynomials show the result."""
    if function == "floor":
        return floordiv(left, right)
    if function == "mod":
        return mod(left, right)
    if isinstance(left, int) and isinstance(right, int):
        return _FOLD[function](left, right)
    if left == right:
        return left
    for one, other in ((left, right), (right, left)):
        least = _least(other) if isinstance(one, int) else None
        if least is not None and least >= one:
            return other if function == "max" else one
    difference = left - right
    if isinstance(difference, int):  # the same symbols, so the order does not depend on them
        larger, smaller = (left, right) if difference > 0 else (right, left)
        return larger if function == "max" else smaller
    return Dim((((((Call(function, left, right)), 1),), 1),))


def _least(size: int | Dim) -> int | None:
    """The least number that a size may be, where that shows: symbols are lengths of axes that have elements."""
    total = 0
    for powers, coefficient in _terms(size):
        least = [_least_of_atom(atom) for atom, _ in powers]
        if any(one is None or one < 0 for one in least) or (coefficient < 0 and powers):
            return None
        total += coefficient * math.prod(
            one**power for one, (_, power) in zip(least, powers, strict=True) if one is not None
        )
    return total


def _least_of_atom(atom: str | Call) -> int | None:
    if isinstance(atom, str):
        return 1
    left, right = _least(atom.left), _least(atom.right)
    if atom.function == "max":
        return max((one for one in (left, right) if one is not None), default=None)
    if left is None or right is None:
        return None
    if atom.function == "min":
        return min(left, right)
    if atom.function == "mod":
        return 0 if left >= 0 and right > 0 else None
    return (
        left // atom.right if isinstance(atom.right, int) and atom.right > 0 else 0 if left >= 0 and right > 0 else None
    )


def maximum(left: int | Dim, right: int | Dim) -> Size:
    """The larger of two sizes."""
    return call("max", left, right)


def minimum(left: int | Dim, right: int | Dim) -> Size:
    """The smaller of two sizes."""
    return call("min", left, right)


def capped(size: int | Dim, cap: int | Dim) -> int | None:
    """`n` where `size` is the smaller of `cap` and a number `n`, else None."""
    atoms = [atom for monomial, _ in _terms(size) for atom, _ in monomial]
    if len(atoms) != 1 or not isinstance(atoms[0], Call) or size != Dim(((((atoms[0], 1),), 1),)):
        return None
    others = [one for one in (atoms[0].left, atoms[0].right) if one != cap]
    if atoms[0].function != "min" or len(others) != 1:
        return None
    return others[0] if isinstance(others[0], int) else None


def _exact_quotient(left: Dim, right: int | Dim) -> int | Dim | None:
    """`left / right` where the division leaves nothing, else None. `right` has one term."""
    divisor = _terms(right)
    if len(divisor) != 1:
        ratio = None
        if len(divisor) == len(left.terms):
            ratios = {(c // d if c % d == 0 else None) for (_, c), (_, d) in zip(left.terms, divisor, strict=True)}
            same = all(m == n for (m, _), (n, _) in zip(left.terms, divisor, strict=True))
            ratio = ratios.pop() if same and len(ratios) == 1 else None
        return ratio
    (monomial, coefficient) = divisor[0]
    table = {}
    for powers, c in left.terms:
        remaining = dict(powers)
        for atom, power in monomial:
            remaining[atom] = remaining.get(atom, 0) - power
        if c % coefficient or any(p < 0 for p in remaining.values()):
            return None
        key = tuple((a, p) for a, p in sorted(remaining.items(), key=lambda item: str(item[0])) if p)
        table[key] = c // coefficient
    return _make(table)


def floordiv(left: int | Dim, right: int | Dim) -> Size:
    """The floor of `left / right`; what divides exactly is taken out first."""
    if isinstance(left, int) and isinstance(right, int):
        return left // right
    if left == 0 or right == 1:
        return left
    if isinstance(left, Dim):
        exact = _exact_quotient(left, right)
        if exact is not None:
            return exact
        if isinstance(right, int):
            whole, rest = _split_multiples(left, right)
            if whole != 0:
                return whole + floordiv(rest, right)
            nested = _nested_floor(left, right)
            if nested is not None:
                return nested
    return Dim((((((Call("floor", left, right)), 1),), 1),))


def _nested_floor(left: Dim, right: int) -> int | Dim | None:
    """`((a // b) + c) // d = (a + b*c) // (b*d)` for positive integers."""
    floors = [m[0][0] for m, c in left.terms if c == 1 and len(m) == 1 and m[0][1] == 1 and isinstance(m[0][0], Call)]
    for inner in floors:
        rest = left - Dim(((((inner, 1),), 1),))
        if inner.function == "floor" and isinstance(inner.right, int) and isinstance(rest, int):
            return floordiv(inner.left + rest * inner.right, inner.right * right)
    return None


def _split_multiples(left: Dim, right: int) -> tuple[int | Dim, int | Dim]:
    """`left` as `right * whole + rest`, with every coefficient of `rest` in `[0, right)`."""
    whole = {m: c // right for m, c in left.terms}
    rest = {m: c % right for m, c in left.terms}
    return _make(whole), _make(rest)


def mod(left: int | Dim, right: int | Dim) -> Size:
    """The remainder of the floored division."""
    if isinstance(left, int) and isinstance(right, int):
        return left % right
    if left == 0 or right == 1:
        return 0
    if isinstance(left, Dim):
        if _exact_quotient(left, right) is not None:
            return 0
        if isinstance(right, int):
            left = _split_multiples(left, right)[1]
            if isinstance(left, int):
                return left % right
    return Dim((((((Call("mod", left, right)), 1),), 1),))


def product(sizes) -> Size:
    """The product of sizes."""
    return math.prod(sizes, start=1)


def parse(text: str) -> Size:
    """The size that `str` of a size printed.

    Raises:
        ValueError: the text is not such an expression.
    """
    return from_ast(ast.parse(text.strip(), mode="eval").body)


def from_ast(node: ast.expr) -> int | Dim:
    """The size that a Python expression of names, integers and `+ - * // %`, `max`, `min` denotes.

    Raises:
        ValueError: the expression holds anything else.
    """
    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.Name(id=name):
            return Dim.symbol(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -from_ast(operand)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return from_ast(left) + from_ast(right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return from_ast(left) - from_ast(right)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return from_ast(left) * from_ast(right)
        case ast.BinOp(left=left, op=ast.FloorDiv(), right=right):
            return floordiv(from_ast(left), from_ast(right))
        case ast.BinOp(left=left, op=ast.Mod(), right=right):
            return mod(from_ast(left), from_ast(right))
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(power))):
            return product([from_ast(left)] * power)
        case ast.Call(func=ast.Name(id=("max" | "min") as name), args=[left, right]):
            return call(name, from_ast(left), from_ast(right))
    raise ValueError(f"not a size: {ast.unparse(node)}")
