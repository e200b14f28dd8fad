"""Operators that are about the graph and not about numbers: constants, sizes, branches, loops, sequences, optionals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netglot.dialects.onnx.attributes import attributes_of
from netglot.dialects.onnx.common import axis_in, dtype_called
from netglot.dialects.onnx.known import Sizes, Stored, depends, objects, sizes, stored
from netglot.errors import InputError, Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.graph import Value
from netglot.pivot.op import shape_of, type_of

_MOST_STEPS = 4096
"""The length of the longest loop that is unrolled."""

STRUCTURAL: dict[str, Callable[[Call], list]] = {}


@dataclass(frozen=True)
class Call:
    """One node with its operands, and whoever reads it."""

    reader: Any
    node: Any
    inputs: list[Any]
    held: dict[str, Any]
    frame: Any

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the node."""
        return attributes_of(self.node, self.frame.attributes)

    def input(self, index: int) -> Any:
        """An operand, or None."""
        return self.inputs[index] if index < len(self.inputs) else None

    def build(self, tree: Any) -> list:
        """Adds ops to the graph."""
        return self.reader.sink.build(tree if isinstance(tree, list) else [tree], self.node, self.frame)

    def depends(self, one: Value, position: int, what: str) -> Refusal:
        """The refusal of a tensor that must be known."""
        return Refusal(depends(one, position, self.reader.sink.origins(one), what))

    def operand(self, held: Any) -> Any:
        """A tensor as an operand of an op."""
        if isinstance(held, Stored):
            return self.reader.sink.operand(held, False)
        if isinstance(held, Sizes):
            return self.reader.sink.materialise(held, self.node, self.frame)
        return held

    def body(self, graph: Any, given: dict[str, Any], turn: int | None = None) -> list:
        """The results of a sub-graph, which sees the tensors around it; in a loop, of one turn."""
        held = {**self.held, **given}
        for tensor in graph.initializer:
            from netglot.formats.onnx_tensors import array_of

            held[tensor.name] = stored(array_of(tensor), tensor.name)
        for one in graph.node:
            for name in one.output:
                held.pop(name, None)
        inner = replace(self.frame, depth=self.frame.depth + 1)
        if turn is not None:
            inner = replace(inner, turn=self.frame.turn * _MOST_STEPS + turn, loop=self.node)
        self.reader.run(graph.node, held, inner)
        return [self.reader.fetch(value.name, held, self.node) for value in graph.output]


def structural(*names: str) -> Callable:
    """Declares how operators are read that need to see the graph."""

    def register(function: Callable[[Call], list]) -> Callable[[Call], list]:
        for name in names:
            STRUCTURAL[name] = function
        return function

    return register


def flat_type(one: Any) -> Any:
    """The type of a tensor that is read or known."""
    return one.type


# -- constants and sizes


@structural("Identity")
def identity(call: Call) -> list:
    """The operand itself. A weight of one number throughout gets a name of its own: exporters keep equal ones once."""
    one = call.inputs[0]
    if isinstance(one, Stored) and one.weight and one.count <= 1 << 20 and _uniform(one.array()):
        return [Stored(call.node.output[0], one.type, one.array, True)]
    return [one]


def _uniform(array: np.ndarray) -> bool:
    return bool((array == array.reshape(-1)[0]).all())


@structural("Constant")
def constant(call: Call) -> list:
    """A tensor that stands in the node."""
    given = call.attributes
    kinds = {
        "value": lambda held: held,
        "value_float": lambda held: np.asarray(held, "float32"),
        "value_floats": lambda held: np.asarray(held, "float32"),
        "value_int": lambda held: np.asarray(held, "int64"),
        "value_ints": lambda held: np.asarray(held, "int64"),
        "value_string": lambda held: np.asarray(held, object),
        "value_strings": lambda held: np.asarray(held, object),
    }
    for name, make in kinds.items():
        if name in given:
            array = make(given[name])
            if array.dtype == object:
                raise Refusal(never("no framework's layers work on text"))
            return [stored(array, call.node.output[0])]
    if "sparse_value" in given:
        from netglot.formats.onnx_tensors import dense_array

        return [stored(dense_array(given["sparse_value"]), call.node.output[0])]
    raise InputError(f"the constant {call.node.name!r} has no value")


@structural("Shape")
def shape(call: Call) -> list:
    """The sizes of a tensor, from one axis to another."""
    given, x = call.attributes, call.inputs[0]
    whole = tuple(x.type.shape)
    first, last = given.get("start", 0), given.get("end", len(whole))
    return [sizes(list(whole[slice(first, last)]))]


@structural("Size")
def size(call: Call) -> list:
    """The number of elements of a tensor."""
    return [sizes(product(call.inputs[0].type.shape))]


# -- branches and loops


def known_truth(held: Any) -> bool | None:
    """A truth value that is known, or None."""
    if isinstance(held, Stored) and held.count == 1:
        return bool(held.array().reshape(-1)[0])
    return None


@structural("If")
def branch(call: Call) -> list:
    """The branch that a known condition takes; of a condition on data, both, and a choice between their results."""
    given, truth = call.attributes, known_truth(call.inputs[0])
    if truth is not None:
        return call.body(given["then_branch" if truth else "else_branch"], {})
    if not isinstance(call.inputs[0], Value):
        raise Refusal(notimpl("a branch on a size that is not known"))
    both = [call.body(given[name], {}) for name in ("then_branch", "else_branch")]
    condition = call.inputs[0]
    found = []
    for one, other in zip(*both, strict=True):
        if isinstance(one, list) or isinstance(other, list) or one is None or other is None:
            raise call.depends(condition, 0, "the length of a sequence")
        one, other = call.operand(one), call.operand(other)
        if type_of(one) != type_of(other):
            raise Refusal(notimpl("a branch on data whose results have different shapes"))
        if call.node.output and type_of(condition).rank:
            condition = call.build(ops.Reshape(condition, ()))[0]
        found += call.build(ops.Where(condition, one, other))
    return found


@structural("Loop")
def loop(call: Call) -> list:
    """A loop, unrolled: how often it runs must be known while the file is read."""
    body, trips = call.attributes["body"], call.input(0)
    if isinstance(trips, Value):
        raise call.depends(trips, 0, "the number of steps")
    if isinstance(trips, Sizes):
        raise Refusal(notimpl("a loop of as many steps as a size that is not known", "fix the sizes of the inputs"))
    count = _MOST_STEPS if trips is None else int(trips.array().reshape(-1)[0])
    going = call.input(1)
    carried = list(call.inputs[2:])
    if len(body.input) != 2 + len(carried) or len(body.output) < 1 + len(carried):
        raise InputError(f"the loop {call.node.name!r} and its body disagree on the number of tensors")
    collected: list[list] = [[] for _ in body.output[1 + len(carried) :]]
    step = 0
    while step < count:
        truth = True if going is None else known_truth(going)
        if truth is None and isinstance(going, Value):
            raise call.depends(going, 1, "the end of the loop")
        if truth is None:
            raise Refusal(notimpl("a loop that ends when the data say so"))
        if not truth:
            break
        if step >= _MOST_STEPS:
            raise Refusal(notimpl(f"a loop of more than {_MOST_STEPS} steps"))
        names = [one.name for one in body.input]
        now = stored(np.asarray(True)) if going is None else going
        given = dict(zip(names, [stored(np.asarray(step, "int64")), now, *carried], strict=True))
        going, *results = call.body(body, given, step)
        carried = results[: len(carried)]
        for held, one in zip(collected, results[len(carried) :], strict=True):
            held.append(one)
        step += 1
    return [*carried, *(_stacked(call, held, 0) for held in collected)]


def _stacked(call: Call, held: list, axis: int) -> Any:
    """Tensors of one shape side by side along a new axis."""
    if not held:
        raise Refusal(notimpl("a loop of no steps that collects results"))
    if any(one is None or isinstance(one, list) for one in held):
        raise Refusal(notimpl("a loop that collects sequences"))
    if all(isinstance(one, Stored | Sizes) for one in held):
        if any(isinstance(one, Sizes) for one in held):
            return sizes(np.stack([objects(one) for one in held], axis), held[0].type.dtype)
        return stored(np.stack([one.array() for one in held], axis))
    return call.build(ops.Stack(tuple(call.operand(one) for one in held), axis))[0]


@structural("Scan")
def scan(call: Call) -> list:
    """A loop over the elements of an axis, unrolled."""
    given = call.attributes
    body, count = given["body"], given["num_scan_inputs"]
    if call.frame.opsets.get("", 0) < 9:
        raise Refusal(notimpl("a scan over batches, which the standard has dropped"))
    states, inputs = list(call.inputs[: len(call.inputs) - count]), call.inputs[len(call.inputs) - count :]
    axes = given.get("scan_input_axes", [0] * count)
    turned = given.get("scan_input_directions", [0] * count)
    whole = [call.operand(one) for one in inputs]
    places = [axis_in(axis, len(shape_of(x))) for axis, x in zip(axes, whole, strict=True)]
    length = shape_of(whole[0])[places[0]]
    if not isinstance(length, int) or length > _MOST_STEPS:
        raise Refusal(notimpl("a scan along an axis whose size is not known", "fix the sizes of the inputs"))
    collected: list[list] = [[] for _ in body.output[len(states) :]]
    for step in range(length):
        parts = [
            call.build(ops.Select(x, place, length - 1 - step if back else step))[0]
            for x, place, back in zip(whole, places, turned, strict=True)
        ]
        results = call.body(body, dict(zip([one.name for one in body.input], [*states, *parts], strict=True)), step)
        states = results[: len(states)]
        for held, one in zip(collected, results[len(states) :], strict=True):
            held.append(one)
    out_axes = given.get("scan_output_axes", [0] * len(collected))
    backward = given.get("scan_output_directions", [0] * len(collected))
    made = []
    for held, axis, back in zip(collected, out_axes, backward, strict=True):
        rank = len(held[0].type.shape) + 1
        made.append(_stacked(call, held[::-1] if back else held, axis_in(axis, rank)))
    return [*states, *made]


# -- sequences


@structural("SequenceConstruct")
def sequence(call: Call) -> list:
    """A sequence of the operands."""
    return [list(call.inputs)]


@structural("SequenceEmpty")
def empty_sequence(call: Call) -> list:
    """A sequence of nothing."""
    return [[]]


def _listed(call: Call) -> list:
    held = call.inputs[0]
    if not isinstance(held, list):
        raise Refusal(notimpl("a sequence whose length is not known"))
    return held


def _position(call: Call, index: int, count: int, end: int) -> int:
    held = call.input(index)
    if held is None:
        return end
    if isinstance(held, Value):
        raise call.depends(held, index, "the position in a sequence")
    if not isinstance(held, Stored):
        raise Refusal(notimpl("a position in a sequence that depends on a size"))
    at = int(held.array().reshape(-1)[0])
    if not -count <= at <= count:
        raise InputError(f"the node {call.node.name!r} ({call.node.op_type}): there is no position {at} among {count}")
    return at + count if at < 0 else at


@structural("SequenceAt")
def sequence_at(call: Call) -> list:
    """One tensor of a sequence."""
    held = _listed(call)
    at = _position(call, 1, len(held), 0)
    if at >= len(held):
        raise InputError(f"the node {call.node.name!r} (SequenceAt): there is no position {at} among {len(held)}")
    return [held[at]]


@structural("SequenceInsert")
def sequence_insert(call: Call) -> list:
    """A sequence with one more tensor."""
    held = list(_listed(call))
    held.insert(_position(call, 2, len(held), len(held)), call.inputs[1])
    return [held]


@structural("SequenceErase")
def sequence_erase(call: Call) -> list:
    """A sequence without one of its tensors."""
    held = list(_listed(call))
    del held[_position(call, 1, len(held), len(held) - 1)]
    return [held]


@structural("SequenceLength")
def sequence_length(call: Call) -> list:
    """The number of tensors of a sequence."""
    return [stored(np.asarray(len(_listed(call)), "int64"))]


@structural("ConcatFromSequence")
def concat_from_sequence(call: Call) -> list:
    """The tensors of a sequence joined along an axis, or along a new one."""
    held, given = _listed(call), call.attributes
    if not held:
        raise Refusal(notimpl("a sequence of nothing that is joined"))
    rank = len(held[0].type.shape)
    if given.get("new_axis", 0):
        return [_stacked(call, held, axis_in(given["axis"], rank + 1))]
    xs = tuple(call.operand(one) for one in held)
    return call.build(ops.Concat(xs, axis_in(given["axis"], rank))) if len(xs) > 1 else [held[0]]


@structural("SplitToSequence")
def split_to_sequence(call: Call) -> list:
    """A sequence of the pieces of a tensor."""
    from netglot.dialects.onnx.ops.shape import split_sizes

    given, x = call.attributes, call.operand(call.inputs[0])
    axis = axis_in(given.get("axis", 0), len(shape_of(x)))
    total, pieces = shape_of(x)[axis], call.input(1)
    if isinstance(pieces, Value):
        raise call.depends(pieces, 1, "the length of the sequence")
    if isinstance(pieces, Sizes) or not isinstance(total, int):
        raise Refusal(notimpl("a sequence whose length is not known"))
    if pieces is None:
        parts = [ops.Slice(x, axis, i, i + 1, 1) for i in range(total)]
        if not given.get("keepdims", 1):
            parts = [ops.Select(x, axis, i) for i in range(total)]
        return [call.build(parts)]
    array = pieces.array()
    if array.ndim == 0:
        each = int(array)
        if each < 1:
            raise InputError(f"the node {call.node.name!r} (SplitToSequence) asks for pieces of {each}")
        array = np.asarray([min(each, total - i) for i in range(0, total, each)])
    return [call.build(split_sizes(x, axis, [int(n) for n in array]))]


# -- optionals


@structural("Optional")
def optional(call: Call) -> list:
    """A tensor or a sequence that may be absent."""
    return [call.input(0)]


@structural("OptionalHasElement")
def optional_has(call: Call) -> list:
    """Whether an optional holds something."""
    return [stored(np.asarray(call.input(0) is not None))]


@structural("OptionalGetElement")
def optional_get(call: Call) -> list:
    """What an optional holds."""
    if call.input(0) is None:
        raise Refusal(never("an optional that holds nothing is opened"))
    return [call.inputs[0]]


def sequence_dtype(code: int) -> str:
    """The dtype of the tensors of a sequence."""
    return dtype_called(code)
