"""The invariants of a graph. Each pass leaves them as it found them; what breaks one is a defect of netglot.

Every value is defined once and before it is used, every parameter is listed under its own name, axes are counted from
the front and within their tensor, and the types of results are those that the op infers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netglot.errors import Bug
from netglot.pivot.dims import Dim, substitute, symbols_of
from netglot.pivot.graph import Graph, Node, Parameter, Value
from netglot.pivot.op import DTYPES, Field, Op, TensorType, is_scalar, shape_of


def check(graph: Graph) -> None:
    """Does nothing where all invariants hold.

    Raises:
        Bug: the first few that do not, each with its node.
    """
    found = []
    for problem in problems(graph):
        found.append(problem)
        if len(found) == 5:
            break
    if found:
        raise Bug(f"the graph {graph.name!r} is broken:\n  " + "\n  ".join(found))


def problems(graph: Graph) -> Iterator[str]:
    """Every broken invariant as a sentence."""
    defined: set[Value] = set()
    names: set[str] = set()
    for value in (*graph.inputs, *graph.parameters.values()):
        yield from _define(value, defined, names, "the graph")
    for name, parameter in graph.parameters.items():
        if parameter.name != name:
            yield f"the parameter {parameter.name!r} is listed as {name!r}"
        if any(not isinstance(size, int) for size in parameter.shape):
            yield f"the parameter {name!r} has the symbolic shape {parameter.type}"
    for node in graph.nodes:
        yield from _operand_problems(node, defined)
        for value in node.results:
            yield from _define(value, defined, names, str(node))
        broken = False
        for problem in _attribute_problems(node.op):
            broken = True
            yield f"{node}: {problem}"
        if not broken:
            yield from _type_problems(node)
    for name, value in graph.outputs:
        if value not in defined:
            yield f"the output {name!r} is {value!r}, which nothing defines"


def _define(value: Value, defined: set[Value], names: set[str], where: str) -> Iterator[str]:
    if value in defined:
        yield f"{where}: {value!r} is defined twice"
    if value.name in names:
        yield f"{where}: two values are called {value.name!r}"
    defined.add(value)
    names.add(value.name)


def _operand_problems(node: Node, defined: set[Value]) -> Iterator[str]:
    for field in node.op.operand_fields():
        held = getattr(node.op, field.name)
        if field.operand == "many" and not isinstance(held, tuple):
            yield f"{node}: the list of operands {field.name} is not a tuple"
            continue
        if field.operand == "one" and held is None:
            yield f"{node}: the operand {field.name} is absent"
        for one in held if field.operand == "many" else (held,):
            if isinstance(one, Value):
                if one not in defined:
                    kind = "listed" if isinstance(one, Parameter) else "defined before"
                    yield f"{node}: {field.name} is {one!r}, which is not {kind}"
            elif one is not None and not is_scalar(one):
                yield f"{node}: {field.name} holds {type(one).__name__}, not a value or a number"


def _attribute_problems(op: Op) -> Iterator[str]:
    for field in op.attribute_fields():
        held = getattr(op, field.name)
        if field.name == "dtype" and held not in DTYPES:
            yield f"{field.name} {held!r} is no dtype"
        if field.axis and held is not None:
            yield from _axis_problems(op, field, held)


def _axis_problems(op: Op, field: Field, held: Any) -> Iterator[str]:
    kind = field.axis.kind
    if kind == "shape":
        if any(isinstance(size, int) and size < 0 for size in held):
            yield f"{field.name} {held} has a negative size"
        return
    rank = _rank(op, field)
    if rank is None:
        return
    if kind == "per_axis":
        if len(held) != rank:
            yield f"{field.name} has {len(held)} entries for {rank} axes"
        return
    axes = (held,) if kind == "axis" else held
    if any(not 0 <= axis < rank for axis in axes):
        yield f"{field.name} {held} is not within the {rank} axes"
    if len(set(axes)) != len(axes):
        yield f"{field.name} {held} names an axis twice"


def _rank(op: Op, field: Field) -> int | None:
    """The rank of the tensor whose axes an attribute speaks of."""
    if field.axis.of == "result":
        return op.result_types()[0].rank
    tensors = op.operands() if field.axis.of is None else [getattr(op, field.axis.of)]
    first = next(iter(tensors), None)
    return None if first is None or is_scalar(first) else len(shape_of(first))


def _type_problems(node: Node) -> Iterator[str]:
    try:
        inferred = node.op.result_types()
    except (AssertionError, ValueError, IndexError, TypeError) as error:
        yield f"{node}: {error or type(error).__name__}"
        return
    if len(inferred) != len(node.results):
        yield f"{node}: {len(node.results)} results, and the op has {len(inferred)}"
        return
    for value, wanted in zip(node.results, inferred, strict=True):
        if not agree(value.type, wanted):
            yield f"{node}: {value.name} is {value.type}, and the op infers {wanted}"


def agree(one: TensorType, other: TensorType) -> bool:
    """Whether two types can be the same: equal dtypes and ranks, and sizes that are equal for some sizes of symbols.

    Capture knows more of a symbol than the pivot does (that a sequence has at least three steps, say), so `T - 3` and
    `max(T - 3, 0)` agree.
    """
    if one.dtype != other.dtype or one.rank != other.rank:
        return False
    return all(_sizes_agree(a, b) for a, b in zip(one.shape, other.shape, strict=True))


def _sizes_agree(one: int | Dim, other: int | Dim) -> bool:
    if one == other:
        return True
    names = sorted(symbols_of(one) | symbols_of(other))
    for start, step in ((5040, 5040), (64, 1), (6, 1)) if names else ():
        sizes = {name: start + step * place for place, name in enumerate(names)}
        try:
            if substitute(one, sizes) == substitute(other, sizes):
                return True
        except ZeroDivisionError:
            return True
    return False
