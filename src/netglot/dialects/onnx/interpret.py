"""Walking the nodes of a model: what is known is computed here, everything else is read by the dialect.

A tensor of the model is a value of the pivot, a `Stored` or `Sizes` that is known, a list (a sequence), or None (an
optional that holds nothing). Functions are opened, branches with a known condition chosen, loops of a known length
unrolled.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import netglot.dialects.onnx.ops  # noqa: F401  (fills the dialect)
from netglot.dialects.onnx import control
from netglot.dialects.onnx.attributes import attributes_of, defaults_of, function_of, schema_of, settled
from netglot.dialects.onnx.dialect import onnx, reader_of
from netglot.dialects.onnx.known import REARRANGING, SYMBOLIC, Sizes, Stored, depends, objects, sizes, stored
from netglot.dialects.onnx.ordering import in_order
from netglot.errors import InputError, NetglotError, Refusal, RefusedOp, never, notimpl
from netglot.pivot.dims import product
from netglot.pivot.evaluate import evaluate_op
from netglot.pivot.graph import Part, Value
from netglot.pivot.op import FLOATS, Op, numpy_dtype, type_of

_POISON = object()
"""What a refused node gives; what depends on it is neither read nor reported."""

_BROKEN = (
    AssertionError,
    ValueError,
    IndexError,
    TypeError,
    KeyError,
    ZeroDivisionError,
    OverflowError,
    AttributeError,
)
"""What readers raise on options and shapes that make no sense."""

_MOST_NODES = 200_000
"""The number of nodes at which unrolling stops: a loop that grows beyond is no network."""

Held = Any


class Poisoned(Exception):
    """An operand was refused."""


@dataclass
class Sink:
    """Where what is read goes.

    `build` adds ops, `operand` makes a parameter of a tensor of the file, `materialise` a computed tensor of sizes;
    `origins` are the inputs that a value is computed from.
    """

    build: Callable[[Any, Any, Frame], Any]
    operand: Callable[[Stored, bool], Value]
    materialise: Callable[[Sizes, Any, Frame], Value]
    refuse: Callable[[RefusedOp], None]
    origins: Callable[[Value], list[Value]]


@dataclass(frozen=True)
class Frame:
    """Where nodes stand: the versions of operators and the functions that they may call, the attributes of the
    function that they belong to, and the calls around them."""

    opsets: Mapping[str, int]
    functions: Mapping[tuple[str, str], Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    calls: tuple[Any, ...] = ()
    depth: int = 0
    turn: int = 0
    """Which turn of a loop this is, counted over all loops around."""
    loop: Any = None
    """The node of the innermost loop."""


class Interpreter:
    """Reads nodes, and the functions and sub-graphs that they hold."""

    def __init__(self, sink: Sink):
        self.sink = sink
        self.total = 0

    def run(self, nodes: Any, held: dict[str, Held], frame: Frame) -> None:
        """Reads nodes in order; `held` has the tensors by name, and gains their results."""
        if frame.depth > 64:
            raise InputError("the model's functions or sub-graphs are nested more than 64 deep")
        for node in in_order(nodes, held):
            self.total += 1
            if self.total > _MOST_NODES:
                raise InputError(f"the model has more than {_MOST_NODES} nodes once its loops are unrolled")
            results = self._results(node, held, frame)
            names = list(node.output)
            results = [*results, *([_POISON] * (len(names) - len(results)))]
            for name, result in zip(names, results, strict=False):
                if name:
                    if name in held and frame.depth == 0:
                        raise InputError(f"{_place(node)}: the tensor {name!r} is made twice")
                    held[name] = result

    def _results(self, node: Any, held: dict[str, Held], frame: Frame) -> list[Held]:
        try:
            return self._step(node, [self._input(name, held, node) for name in node.input], held, frame)
        except Poisoned:
            reason = _unknown(node, frame)
            if reason is not None:
                self._refuse(node, reason)
            return []
        except Refusal as refusal:
            self._refuse(node, refusal.reason)
            return []

    def _refuse(self, node: Any, reason: Any) -> None:
        what = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        self.sink.refuse(RefusedOp(_where(node), what, reason))

    def _input(self, name: str, held: dict[str, Held], node: Any) -> Held:
        if not name:
            return None
        if name not in held:
            raise InputError(f"{_place(node)}: nothing makes its input {name!r} before it")
        if held[name] is _POISON:
            raise Poisoned
        return held[name]

    def fetch(self, name: str, held: dict[str, Held], node: Any) -> Held:
        """A tensor that a sub-graph hands out."""
        return self._input(name, held, node)

    def _step(self, node: Any, inputs: list[Held], held: dict[str, Held], frame: Frame) -> list[Held]:
        domain = "" if node.domain == "ai.onnx" else node.domain
        function = frame.functions.get((domain, node.op_type))
        if function is not None:
            return self.call(function, inputs, attributes_of(node, frame.attributes), node, frame)
        structural = control.STRUCTURAL.get(node.op_type) if domain == "" else None
        if structural is not None:
            try:
                return structural(control.Call(self, node, inputs, held, frame))
            except NetglotError:
                raise
            except _BROKEN as error:
                raise InputError(f"{_place(node)} is not valid: {_words(node, frame, error)}") from error
        version = frame.opsets.get(domain)
        if version is None:
            raise InputError(f"{_place(node)}: the model imports no version of the domain {domain or 'ai.onnx'!r}")
        if node.op_type != "DequantizeLinear" and any(isinstance(one, Stored) and one.narrow for one in inputs):
            raise Refusal(never("no framework has integers of 2 or 4 bits, and only weights are made of them"))
        reader = reader_of(domain, node.op_type, version)
        if reader is not None and any(isinstance(one, list) for one in inputs):
            raise Refusal(notimpl("a sequence of tensors as an operand"))
        if reader is not None:
            made = self._read(reader, node, inputs, frame)
            if made is not NotImplemented:
                return made
        return self._expanded(domain, version, node, inputs, frame)

    def _expanded(self, domain: str, version: int, node: Any, inputs: list[Held], frame: Frame) -> list[Held]:
        """An operator that the standard defines by others."""
        reason = _unknown(node, frame)
        if reason is not None:
            raise Refusal(reason)
        try:
            types = [_type(one) for one in inputs]
            function = function_of(domain, settled(node, frame.attributes), version, types)
        except Refusal:
            raise
        except Exception as error:
            raise InputError(f"{_place(node)} is not valid: {error}") from error
        if function is None:
            raise Refusal(_no_reading(domain))
        given = defaults_of(domain, node.op_type, version) | attributes_of(node, frame.attributes)
        return self.call(function, inputs, given, node, frame, own=False)

    def call(
        self, function: Any, inputs: list[Held], given: dict, node: Any, frame: Frame, own: bool = True
    ) -> list[Held]:
        """The results of a function on tensors; `own` says that it is the model's and not the standard's."""
        if len(inputs) > len(function.input):
            raise InputError(f"{_place(node)}: the function {function.name} takes {len(function.input)} inputs")
        attributes = attributes_of(function, {}, function.attribute_proto)
        attributes |= given
        held = dict(zip(function.input, [*inputs, *([None] * (len(function.input) - len(inputs)))], strict=True))
        opsets = dict(frame.opsets) | {
            ("" if o.domain == "ai.onnx" else o.domain): o.version for o in function.opset_import
        }
        calls = (*frame.calls, node) if own else frame.calls
        self.run(function.node, held, Frame(opsets, frame.functions, attributes, calls, frame.depth + 1))
        return [held.get(name, _POISON) for name in function.output]

    # -- one operator

    def _read(self, reader: Callable, node: Any, inputs: list[Held], frame: Frame) -> Any:
        attributes = attributes_of(node, frame.attributes)
        if node.op_type == "CastLike" and len(inputs) == 2 and isinstance(inputs[1], Value):
            inputs = [inputs[0], stored(np.zeros((), numpy_dtype(inputs[1].dtype)))]  # only its dtype counts
        if any(isinstance(one, Sizes) for one in inputs):
            folded = self._symbolic(node, inputs, attributes, reader)
            if folded is not None:
                return folded
        known = all(one is None or isinstance(one, Stored) for one in inputs)
        folding = known and not self._keeps(node, inputs)
        try:
            arguments, options = self._bound(reader, node, inputs, attributes, folding)
            tree = reader(*arguments, **options)
            if tree is NotImplemented:
                return NotImplemented
            parts = list(tree) if isinstance(tree, list | tuple) else [tree]
            if folding:
                return [self._folded(part, node) for part in parts]
            return self.sink.build(parts, node, frame)
        except NetglotError:
            raise
        except _BROKEN as error:
            raise InputError(f"{_place(node)} is not valid: {_words(node, frame, error)}") from error

    def _keeps(self, node: Any, inputs: list[Held]) -> bool:
        """Whether a node on known tensors stays in the graph: what is done to weights is trained through."""
        if not inputs:
            return False
        weights = [one for one in inputs if isinstance(one, Stored) and one.weight]
        if not weights:
            return False
        return node.op_type not in ("DequantizeLinear", "Cast", "CastLike", "Shape")

    def _bound(self, reader: Callable, node: Any, inputs: list[Held], attributes: dict, folding: bool):
        """The arguments of a reader."""
        declared = _declared(reader)
        given = {name: value for name, value in attributes.items() if name in declared.options}
        unknown = [name for name in attributes if name not in declared.options]
        if unknown and not declared.open:
            raise ValueError(f"it has the unknown attribute {', '.join(unknown)}")
        if declared.open:
            given = dict(attributes)
        if "outputs" in declared.options:
            given["outputs"] = tuple(bool(name) for name in node.output)
        missing = [name for name, needed in declared.options.items() if needed and name not in given]
        if missing:
            raise ValueError(f"it lacks the attribute {', '.join(missing)}")
        while inputs and inputs[-1] is None:
            inputs = inputs[:-1]
        if len(inputs) > len(declared.inputs) and not declared.variadic:
            raise ValueError(f"it has {len(inputs)} inputs")
        kinds = [*declared.inputs, *([""] * (len(inputs) - len(declared.inputs)))]
        arguments = [
            self._operand(one, kind, folding, node, position)
            for position, (one, kind) in enumerate(zip(inputs, kinds, strict=False))
        ]
        if len(arguments) < declared.required or any(one is None for one in arguments[: declared.required]):
            raise ValueError(f"it has {len(arguments)} inputs")
        return arguments, given

    def _operand(self, one: Held, kind: str, folding: bool, node: Any, position: int) -> Any:
        if one is None:
            return None
        if kind == "Known":
            if isinstance(one, Value):
                raise Refusal(depends(one, position, self.sink.origins(one)))
            return one.array if isinstance(one, Sizes) else one.array()
        if isinstance(one, Stored):
            return _Lazy.of(one) if folding else self.sink.operand(one, kind == "Weight")
        if isinstance(one, Sizes):
            return (
                one.array.item()
                if one.array.ndim == 0 and "int" in one.dtype
                else self.sink.materialise(one, node, None)
            )
        return one

    def _folded(self, part: Any, node: Any) -> Held:
        """What a node computes from known tensors; done when it is needed."""
        if part is None or isinstance(part, _Lazy):
            return None if part is None else part.stored
        if isinstance(part, np.ndarray | np.generic):
            return stored(part, node.output[0])
        kind = part.type if isinstance(part, Part) else type_of(part)
        if any(not isinstance(size, int) for size in kind.shape):
            raise Refusal(notimpl("a constant whose shape is not known"))
        leaves = [one.stored for one in _leaves(part)]
        weight = any(one.weight for one in leaves) and kind.dtype in FLOATS
        weight = weight or (node.op_type == "DequantizeLinear" and kind.dtype in FLOATS and product(kind.shape) > 1)
        name = leaves[0].name if weight and leaves else node.output[0]

        def load() -> np.ndarray:
            with np.errstate(all="ignore"):
                made = evaluate_op(_loaded(part))
            made = made[0] if isinstance(made, tuple) else made
            return np.asarray(made).astype(numpy_dtype(kind.dtype), copy=False).reshape(kind.shape)

        return Stored(name, kind, load, weight)

    def _symbolic(self, node: Any, inputs: list[Held], attributes: dict, reader: Callable) -> list[Held] | None:
        """What a node computes from known tensors with symbolic sizes in them; None where a value is among them."""
        if any(isinstance(one, Value) for one in inputs):
            return None
        try:
            if node.op_type in SYMBOLIC:
                return [SYMBOLIC[node.op_type](*[one for one in inputs if one is not None], **attributes)]
            if node.op_type in REARRANGING:
                return self._moved(node, inputs, attributes, reader)
        except _BROKEN as error:
            raise InputError(f"{_place(node)} is not valid: {error}") from error
        return None

    def _moved(self, node: Any, inputs: list[Held], attributes: dict, reader: Callable) -> list[Held] | None:
        """The elements moved as their numbers are."""
        declared = _declared(reader)
        kinds = [*declared.inputs, *([""] * len(inputs))]
        if not any(isinstance(one, Sizes) and kind != "Known" for one, kind in zip(inputs, kinds, strict=False)):
            return None  # the sizes say only how elements move
        table: list[Any] = []
        numbered: list[Held] = []
        for one, kind in zip(inputs, kinds, strict=False):
            if one is None or kind == "Known" or (node.op_type.startswith("Gather") and numbered):
                numbered.append(one)
                continue
            flat = objects(one).reshape(-1)
            places = np.arange(len(table), len(table) + len(flat)).reshape(one.type.shape)
            table.extend(flat)
            numbered.append(stored(places))
        if any(isinstance(one, Sizes) and kind != "Known" for one, kind in zip(numbered, kinds, strict=False)):
            return None
        arguments, options = self._bound(reader, node, numbered, attributes, True)
        tree = reader(*arguments, **options)
        parts = list(tree) if isinstance(tree, list | tuple) else [tree]
        dtype = next(one.dtype for one in inputs if isinstance(one, Sizes))
        found = []
        for part in parts:
            places = self._folded(part, node).array()
            made = np.empty(places.shape, dtype=object)
            made.reshape(-1)[:] = [table[int(i)] for i in places.reshape(-1)]
            found.append(sizes(made, dtype))
        return found


class _Lazy:
    """A known tensor as an operand of ops that are evaluated later."""

    def __init__(self, one: Stored):
        self.stored = one
        self.type = one.type
        self.kind = "constant"
        self.load = one.array

    @staticmethod
    def of(one: Stored) -> Any:
        """The tensor itself where it is small: a reader may want to look at it."""
        return _Lazy(one)


def _leaves(tree: Any) -> list[_Lazy]:
    found: list[_Lazy] = []

    def visit(item: Any) -> None:
        if isinstance(item, Part):
            visit(item.op)
        elif isinstance(item, Op):
            for operand in item.operands():
                visit(operand)
        elif isinstance(item, _Lazy):
            found.append(item)

    visit(tree)
    return found


def _loaded(tree: Any, built: dict[int, Any] | None = None) -> Any:
    """The tree with its tensors loaded."""
    built = {} if built is None else built
    if isinstance(tree, _Lazy):
        return np.asarray(tree.stored._array[0] if tree.stored._array else tree.stored.load())
    if isinstance(tree, Part):
        return Part(_loaded(tree.op, built), tree.index)
    if isinstance(tree, Op):
        if id(tree) not in built:
            built[id(tree)] = tree.map_operands(lambda one: _loaded(one, built))
        return built[id(tree)]
    return tree


@dataclass(frozen=True)
class _Declared:
    """The signature of a reader: how each input is taken, and which attributes there are and must be."""

    inputs: tuple[str, ...]
    required: int
    variadic: bool
    options: dict[str, bool]
    open: bool


def _declared(reader: Callable) -> _Declared:
    if reader not in _DECLARED:
        parameters = inspect.signature(reader).parameters.values()
        plain = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        _DECLARED[reader] = _Declared(
            tuple("" if p.annotation is p.empty else str(p.annotation) for p in plain),
            sum(p.default is p.empty for p in plain),
            any(p.kind is p.VAR_POSITIONAL for p in parameters),
            {p.name: p.default is p.empty for p in parameters if p.kind is p.KEYWORD_ONLY},
            any(p.kind is p.VAR_KEYWORD for p in parameters),
        )
    return _DECLARED[reader]


_DECLARED: dict[Callable, _Declared] = {}


def _unknown(node: Any, frame: Frame) -> Any:
    """Why nothing is known of an operator, whatever its operands are; None where something is."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    spelled, version = f"{domain}.{node.op_type}" if domain else node.op_type, frame.opsets.get(domain)
    known = (domain, node.op_type) in frame.functions or (not domain and node.op_type in control.STRUCTURAL)
    if known or version is None or reader_of(domain, node.op_type, version) is not None:
        return None
    held = onnx.unread.get(spelled) or onnx.unread.get(f"{domain}.*")
    if held is not None:
        return held
    schema = schema_of(domain, node.op_type, version)
    defined = schema is not None and (schema.has_function or schema.has_context_dependent_function)
    return None if defined else _no_reading(domain)


def _no_reading(domain: str) -> Any:
    return notimpl("the operator has no reading yet" if not domain else f"an operator of {domain}")


def _where(node: Any) -> str:
    return node.name or (node.output[0] if node.output else "")


def _place(node: Any) -> str:
    return f"the node {_where(node)!r} ({node.op_type})"


def _type(one: Held) -> Any:
    """The type of a tensor, or those of a sequence."""
    if isinstance(one, list):
        return [_type(inner) for inner in one]
    return None if one is None else one.type


def _words(node: Any, frame: Frame, error: BaseException) -> str:
    """What is wrong with a node, in the words of ONNX's checker where it finds something."""
    import onnx as package

    context = package.checker.C.CheckerContext()
    context.ir_version = 10
    context.opset_imports = {**frame.opsets}
    try:
        package.checker.check_node(node, context)
    except Exception as found:
        return str(found).strip().splitlines()[0]
    return str(error) or type(error).__name__
