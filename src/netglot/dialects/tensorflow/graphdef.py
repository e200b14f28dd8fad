"""Walking a TensorFlow graph definition: nodes in order, functions inlined, sizes followed by hand.

A tensor of the graph is a value of the pivot, an array that is known (a NumPy array; of objects where symbolic sizes
are among its elements), or a `Resource`, which stands for a variable. What is computed from known arrays alone is
computed here; everything else is read by the dialect.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_def_registry

import netglot.dialects.tensorflow.ops  # noqa: F401  (fills the dialect)
from netglot.dialects.cells import Unknown
from netglot.dialects.keras.capture import Poisoned
from netglot.dialects.tensorflow.dialect import tensorflow as dialect
from netglot.dialects.tensorflow.known import FOLDED, known
from netglot.dialects.tensorflow.nodes import attribute_of, folded, settled_sizes, tensors_of
from netglot.dialects.tensorflow.spectra import is_complex, spectral
from netglot.dialects.tensorflow.stand_ins import Reads, Symbolic, Whole, symbolic
from netglot.dialects.tensorflow.unrolled import ARRAYS, Several, settled, steps
from netglot.errors import Refusal, RefusedOp, never, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Value
from netglot.pivot.op import Op, shape_of

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_WHILE = ("While", "StatelessWhile")
_SKIPPED = {"NoOp", "Assert", "CheckNumerics"}
_STATELESS_IDENTITY = {"Identity", "PreventGradient", "Snapshot", "EnsureShape", "ReadVariableOp"}

_LOOKS_INTO = {"ResourceGather"}
"""Ops that take a variable itself, and only read it."""


@dataclass(frozen=True)
class Resource:
    """A variable: what `ReadVariableOp` on it gives."""

    value: Any


@dataclass(frozen=True)
class Counted:
    """Sizes as floats: a tensor where they are computed with, and sizes where they say how much there is."""

    sizes: np.ndarray
    dtype: str


@dataclass(frozen=True)
class Bits:
    """The bits of floats, of which Keras looks at the sign."""

    value: Any


_POISON = object()


@dataclass
class Sink:
    """Where what is read goes: `build(tree, scope)` adds it, `constant(array)` makes a parameter of an array."""

    build: Callable[[Any, str], Any]
    constant: Callable[[np.ndarray], Value]
    refuse: Callable[[RefusedOp], None]
    call: Callable[[str, list[Any]], list[Any]] | None = None


class Interpreter:
    """Reads the nodes of one graph definition and of the functions that they call."""

    def __init__(self, library: Iterable[Any], sink: Sink):
        self.library = {function.signature.name: function for function in library}
        self.sink = sink
        self.total = 0
        self.reads: Reads | None = None
        """What the step of a loop has read of sequences, while one is walked with stand-ins."""
        self._function = ""
        self._arrays: dict[tuple[str, str], np.ndarray] = {}

    def run(self, nodes: Iterable[Any], feeds: dict[str, Any], prefix: str = "") -> dict[str, list[Any]]:
        """The results of all nodes by name. `feeds` holds those of placeholders."""
        results: dict[str, list[Any]] = {
            name: held if isinstance(held, Several) else [held] for name, held in feeds.items()
        }
        for node in _ordered(list(nodes), set(feeds)):
            if node.name in results:
                continue
            try:
                inputs = [self._input(reference, results) for reference in node.input if not reference.startswith("^")]
                results[node.name] = self._step(node, inputs, prefix)
            except Poisoned:
                results[node.name] = [_POISON] * 64
            except Refusal as refusal:
                self.sink.refuse(RefusedOp(_scope(node.name, prefix), f"tf.{node.op}", refusal.reason))
                results[node.name] = [_POISON] * 64
        return results

    def output(self, reference: str, results: dict[str, list[Any]]) -> Any:
        """The tensor that a reference names."""
        return self._input(reference, results)

    def _input(self, reference: str, results: dict[str, list[Any]]) -> Any:
        name, *rest = reference.split(":")
        if name not in results:
            raise Refusal(notimpl(f"the tensor {reference} comes from a loop or from outside of the graph"))
        index = int(rest[-1]) if rest else 0
        if len(rest) == 2:
            index += self._offset(name, rest[0])
        held = results[name][index]
        if held is _POISON:
            raise Poisoned
        return held

    def _offset(self, name: str, output: str) -> int:
        """The position of the first tensor of a named output of a node in a function."""
        node = self._nodes.get(name)
        if node is None or node.op in _CALLS:
            return 0
        offset = 0
        for argument in op_def_registry.get(node.op).output_arg:
            if argument.name == output:
                return offset
            offset += node.attr[argument.number_attr].i if argument.number_attr else 1
        return 0

    _nodes: dict[str, Any] = {}

    def _step(self, node: Any, inputs: list[Any], prefix: str) -> list[Any]:
        if any(isinstance(one, Symbolic) for one in inputs) and node.op not in (*_CALLS, *_WHILE):
            return self._of_stand_ins(node, inputs, prefix)
        if node.op in _CALLS:
            return self._call(node.attr["f"].func.name, inputs, prefix)
        if node.op in _SKIPPED:
            return []
        if node.op == "PyFunc" and self.sink.call is not None:
            held = [self._tensor_of(one, prefix) if isinstance(one, Counted) else one for one in inputs]
            return self.sink.call(node.attr["token"].s.decode(), held)
        if node.op == "Const":
            return [self._array(node)]
        if node.op in _WHILE:
            return self._while(node, inputs, prefix)
        if node.op in ARRAYS:
            return ARRAYS[node.op](lambda tree: self._built(tree, node, prefix), node, *inputs)
        if node.op == "IdentityN":
            return inputs
        if node.op in _STATELESS_IDENTITY:
            return [inputs[0].value if isinstance(inputs[0], Resource) and node.op == "ReadVariableOp" else inputs[0]]
        if node.op in ("Shape", "Size", "Rank", "ShapeN"):
            return _sizes(node, inputs)
        if node.op in ("If", "StatelessIf"):
            return self._branch(node, inputs, prefix)
        if node.op == "Cast" and isinstance(inputs[0], Counted) and not _makes_floats(node):
            return [inputs[0].sizes]
        if node.op == "Bitcast" and _is_signed(node):
            return [Bits(inputs[0])]
        if any(isinstance(one, Bits) for one in inputs):
            return [self._of_bits(node, inputs, prefix)]
        if is_complex(node, inputs):
            scope = _scope(node.name, prefix)
            return spectral(node, inputs, lambda tree: self.sink.build(tree, scope), partial(self._read, prefix=prefix))
        if inputs and node.op in FOLDED and all(known(one) for one in inputs):
            inputs = settled_sizes(inputs)
            symbolic = any(np.asarray(one).dtype == object for one in inputs)
            if symbolic and node.op == "Cast" and _makes_floats(node):
                return [Counted(inputs[0], tf.dtypes.as_dtype(node.attr["DstT"].type).name)]
            if not symbolic or FOLDED[node.op] is not None:
                return folded(node, inputs, symbolic)
        return self._read(node, inputs, prefix)

    def _of_stand_ins(self, node: Any, inputs: list[Any], prefix: str) -> list[Any]:
        """What an op makes of stand-ins for what the steps of a loop read and write."""
        if node.op in ("Less", "GreaterEqual") and known(inputs[1]) and np.ndim(inputs[1]) == 1:
            inputs = [inputs[0], as_operand(inputs[1], self.sink.constant)]
        try:
            return symbolic(node.op, inputs, self.reads)
        except Unknown:
            if self.reads is not None:
                raise
            if node.op == "TensorArrayReadV3" and isinstance(inputs[2], Whole) and known(inputs[1]):
                return [self._built(ops.Select(inputs[2].value, 0, int(np.asarray(inputs[1]))), node, prefix)]
            advice = "fix the sizes: --input 1,20,8"
            raise Refusal(notimpl("a sequence whose length is not known", advice)) from None

    def _array(self, node: Any) -> np.ndarray:
        """The array of a constant, the same one in each step of a loop."""
        key = self._function, node.name
        if key not in self._arrays:
            self._arrays[key] = tf.make_ndarray(node.attr["value"].tensor)
        return self._arrays[key]

    def _built(self, tree: Any, node: Any, prefix: str) -> Any:
        """Adds what an operation on an array of tensors came to; known tensors in it become constants."""
        fields = [getattr(tree, one.name) for one in tree.operand_fields()]
        held = [
            tuple(as_operand(one, self.sink.constant) if isinstance(one, np.ndarray) else one for one in field)
            if isinstance(field, tuple)
            else field
            for field in fields
        ]
        names = [one.name for one in tree.operand_fields()]
        return self.sink.build(tree.replace(**dict(zip(names, held, strict=True))), _scope(node.name, prefix))

    def _while(self, node: Any, inputs: list[Any], prefix: str) -> list[Any]:
        """A loop whose condition and body are functions, step by step."""
        goes_on, step = self._functions(node, prefix)
        size = len(self.library[node.attr["body"].func.name].node_def)
        inputs = [settled(lambda tree: self._built(tree, node, prefix), one) for one in inputs]
        return steps(inputs, goes_on, step, size)

    def _functions(self, node: Any, prefix: str) -> tuple[Callable, Callable]:
        """Whether a loop goes on with some states, and what becomes of these in one step."""
        decide, body = node.attr["cond"].func.name, node.attr["body"].func.name

        def goes_on(states: list[Any]) -> Any:
            held = self._call(decide, states, prefix)[0]
            if held is _POISON:
                raise Poisoned
            return held

        return goes_on, lambda states: self._call(body, states, prefix)

    def _tensor_of(self, held: Counted, scope: str) -> Any:
        """A tensor of floats that holds sizes."""
        filled = [ops.Full((), size, held.dtype) for size in np.ravel(np.asarray(held.sizes, dtype=object))]
        return self.sink.build(ops.Stack(tuple(filled), 0) if np.ndim(held.sizes) else filled[0], scope)

    def _of_bits(self, node: Any, inputs: list[Any], prefix: str) -> Any:
        """What Keras asks of the bits of floats: which of them have the sign of a negative one."""
        bits, other = inputs if len(inputs) == 2 else (inputs[0], None)
        if isinstance(bits, Bits) and known(other):
            if node.op == "BitwiseAnd" and int(np.asarray(other)) == np.iinfo(np.asarray(other).dtype).min:
                return bits
            if node.op == "Less" and int(np.asarray(other)) == 0:
                return self.sink.build(ops.SignBit(bits.value), _scope(node.name, prefix))
        raise Refusal(notimpl("it computes with the bits of floats"))

    def _branch(self, node: Any, inputs: list[Any], prefix: str) -> list[Any]:
        """A condition that is known chooses its branch here."""
        if not known(inputs[0]) or np.asarray(inputs[0]).dtype == object:
            raise Refusal(notimpl("a condition on data", "use tf.where, or keras.ops.where"))
        taken = "then_branch" if bool(np.asarray(inputs[0])) else "else_branch"
        return self._call(node.attr[taken].func.name, inputs[1:], prefix)

    def _call(self, name: str, inputs: list[Any], prefix: str) -> list[Any]:
        function = self.library[name]
        feeds = {argument.name: held for argument, held in zip(function.signature.input_arg, inputs, strict=True)}
        before, around = self._nodes, self._function
        self._nodes, self._function = {node.name: node for node in function.node_def}, name
        results = self.run(function.node_def, feeds, prefix)
        found = []
        for argument in function.signature.output_arg:
            try:
                found.append(self._input(function.ret[argument.name], results))
            except Poisoned:
                found.append(_POISON)
        self._nodes, self._function = before, around
        return found

    def _read(self, node: Any, inputs: list[Any], prefix: str) -> list[Any]:
        self.total += 1
        reader = dialect.readers.get(node.op)
        definition = op_def_registry.get(node.op)
        if reader is None:
            advice = None if definition else f'--extend my_ops.py, with a reader of "{node.op}" in it'
            what = "has no reading yet" if definition else "is an op that a user defined"
            raise Refusal(dialect.unread.get(node.op, notimpl(f"tf.{node.op} {what}", advice)))
        if node.op in _LOOKS_INTO:
            inputs = [one.value if isinstance(one, Resource) else one for one in inputs]
        if any(isinstance(one, Resource) for one in inputs):
            raise Refusal(never(f"tf.{node.op} changes or hands on a variable while the network runs"))
        parameters = inspect.signature(reader).parameters
        tensors = tensors_of(definition, node, inputs) if definition else dict(zip(parameters, inputs, strict=False))
        arguments = tensors | {name: attribute_of(node.attr[name]) for name in node.attr if not name.startswith("_")}
        given = {name: held for name, held in arguments.items() if name in parameters}
        scope = _scope(node.name, prefix)
        given = {name: self._operand(held, parameters[name], scope) for name, held in given.items()}
        try:
            built = self.sink.build(self._with_constants(reader(**given)), scope)
        except (TypeError, ValueError, AttributeError):
            open_ones = [
                n for n, one in given.items() if parameters[n].annotation == "Known" and isinstance(one, Value)
            ]
            if not open_ones:
                raise
            raise Refusal(notimpl(f"the argument {open_ones[0]} of tf.{node.op} is computed from the data")) from None
        return list(built) if isinstance(built, list | tuple) else [built]

    def _with_constants(self, tree: Any) -> Any:
        """What a reader returned, the arrays that it made as constants."""
        if isinstance(tree, list | tuple):
            return type(tree)(self._with_constants(one) for one in tree)
        if isinstance(tree, np.ndarray):
            return self.sink.constant(tree)
        if not isinstance(tree, Op) or not any(_holds_arrays(getattr(tree, f.name)) for f in tree.operand_fields()):
            return tree
        return tree.replace(**{f.name: self._with_constants(getattr(tree, f.name)) for f in tree.operand_fields()})

    def _operand(self, held: Any, parameter: inspect.Parameter, scope: str) -> Any:
        """An argument as readers take it: known arrays stay known where the reader says so."""
        if isinstance(held, list):
            return [self._operand(one, parameter, scope) for one in held]
        asked = parameter.annotation in ("Known", "list[Known]")
        if isinstance(held, Counted):
            return held.sizes if asked else self._tensor_of(held, scope)
        if not isinstance(held, np.ndarray | np.generic) or asked:
            return held
        return as_operand(held, self.sink.constant)


def _holds_arrays(tree: Any) -> bool:
    """Whether there are arrays among the operands that ops are nested in."""
    if isinstance(tree, Op):
        return any(_holds_arrays(getattr(tree, field.name)) for field in tree.operand_fields())
    return isinstance(tree, np.ndarray) or (isinstance(tree, tuple) and any(map(_holds_arrays, tree)))


def _makes_floats(node: Any) -> bool:
    """Whether a `Cast` makes floats."""
    return tf.dtypes.as_dtype(node.attr["DstT"].type).is_floating


def _is_signed(node: Any) -> bool:
    """Whether a `Bitcast` makes integers of floats."""
    return tf.dtypes.as_dtype(node.attr["T"].type).is_floating and tf.dtypes.as_dtype(node.attr["type"].type).is_integer


def as_operand(held: Any, constant: Callable[[np.ndarray], Value]) -> Any:
    """A known array as an operand of an op: a number, or a constant."""
    array = np.asarray(held)
    if array.ndim == 0:
        return array.item()
    if array.dtype == object:
        raise Refusal(notimpl("a tensor of sizes that are not known is computed with"))
    return constant(array)


def _sizes(node: Any, inputs: list[Any]) -> list[Any]:
    """The sizes of tensors, symbolic ones included."""

    def shape(one: Any) -> tuple:
        return np.shape(one) if known(one) else shape_of(one)

    if node.op == "Rank":
        return [np.asarray(len(shape(inputs[0])), dtype="int32")]
    if node.op == "Size":
        from netglot.pivot.dims import product

        return [_array([product(shape(inputs[0]))])[0]]
    return [_array(list(shape(one))) for one in inputs]


def _array(sizes: list[Any]) -> np.ndarray:
    symbolic = any(isinstance(size, Dim) for size in sizes)
    made = np.empty(len(sizes), dtype=object if symbolic else "int32")
    made[:] = sizes
    return made


def _ordered(nodes: list[Any], fed: set[str]) -> list[Any]:
    """The nodes, each behind those that it uses."""
    table = {node.name: node for node in nodes}
    done: dict[str, None] = dict.fromkeys(fed)
    entered_once: set[str] = set()
    order: list[Any] = []
    for first in nodes:
        stack = [(first, False)]
        while stack:
            node, entered = stack.pop()
            if node.name in done:
                continue
            if entered:
                done[node.name] = None
                order.append(node)
                continue
            if node.name in entered_once:  # a circle
                continue
            entered_once.add(node.name)
            stack.append((node, True))
            for reference in node.input:
                name = reference.lstrip("^").split(":")[0]
                if name in table and name not in done:
                    stack.append((table[name], False))
    return order


def _scope(name: str, prefix: str) -> str:
    """The path of the name scope around a node."""
    parts = [part for part in name.split("/")[:-1] if not re.match(r"(Stateful)?PartitionedCall|cond|while", part)]
    parts = [re.sub(r"\W+", "_", part) for part in parts]
    return ".".join(([prefix] if prefix else []) + parts)
