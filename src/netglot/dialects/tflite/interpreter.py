"""Walking the graph of a `.tflite`: what is known is computed, quantised numbers are followed as real ones.

A quantised tensor is followed as the real numbers that it stands for, each result rounded to those that its tensor can
store. So the network computes what TensorFlow Lite computes, to the last step of its own rounding.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

import netglot.dialects.tflite.ops  # noqa: F401  (fills the dialect)
from netglot.dialects.assembly import Assembly, fitting, identifier
from netglot.dialects.tensorflow.known import FOLDED, known
from netglot.dialects.tflite.node import LEFT_OUT, Node
from netglot.errors import InputError, Refusal, notimpl
from netglot.formats.tflite import Model, Operator, Quantisation, Subgraph, Tensor
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.evaluate import evaluate_op
from netglot.pivot.graph import Part, Value
from netglot.pivot.op import Op, TensorType, shape_of

_MOVING = frozenset(
    "RESHAPE TRANSPOSE EXPAND_DIMS SQUEEZE PACK UNPACK SPLIT SPLIT_V STRIDED_SLICE SLICE GATHER GATHER_ND TILE PAD "
    "BROADCAST_TO MIRROR_PAD REVERSE_V2 DEPTH_TO_SPACE SPACE_TO_DEPTH SPACE_TO_BATCH_ND BATCH_TO_SPACE_ND MAX_POOL_2D "
    "MAXIMUM MINIMUM CONCATENATION RESIZE_NEAREST_NEIGHBOR SELECT SELECT_V2 REDUCE_MAX REDUCE_MIN".split()
)
"""Operators that only move numbers: nothing is rounded where input and output store them alike."""

_SYMBOLIC = {
    "STRIDED_SLICE": "StridedSlice", "ADD": "AddV2", "SUB": "Sub", "MUL": "Mul", "FLOOR_DIV": "FloorDiv",
    "FLOOR_MOD": "FloorMod", "MAXIMUM": "Maximum", "MINIMUM": "Minimum", "REDUCE_PROD": "Prod", "PACK": "Pack",
    "CONCATENATION": "ConcatV2", "GATHER": "GatherV2", "UNPACK": "Unpack", "CAST": "Cast", "RESHAPE": "Reshape",
    "EXPAND_DIMS": "ExpandDims", "SQUEEZE": "Squeeze", "NEG": "Neg", "SUM": "Sum", "EQUAL": "Equal", "LESS": "Less",
    "GREATER": "Greater", "DIV": "RealDiv", "SQRT": "Sqrt",
}  # fmt: skip
"""Operators on sizes that are not all known, by the raw op that says how."""

RANGES = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767), "int4": (-8, 7)}


class Interpreter:
    """Reads the subgraphs of a model into an assembly."""

    def __init__(self, model: Model, assembly: Assembly):
        self.model, self.assembly = model, assembly
        self._weights: dict[int, Any] = {}
        self._path = ""
        self._kept: list[Any] = []
        self._depth = 0

    # -- operands

    def operand(self, held: Any, role: str = "constant") -> Any:
        """A known array as a number or a constant; anything else as it is."""
        if not isinstance(held, np.ndarray | np.generic):
            return held
        array = np.asarray(held)
        if array.ndim == 0 and array.dtype.kind in "iufb":
            return array.item()
        if array.dtype == object:
            raise Refusal(notimpl("a tensor of sizes that are not known is computed with"))
        return self.weight(array, role, kind="constant")

    def weight(self, held: Any, role: str, kind: str = "parameter") -> Any:
        """A known array as a parameter, the same one for the same array."""
        if not isinstance(held, np.ndarray):
            return held
        if id(held) not in self._weights:
            self._kept.append(held)
            name = f"{self._path}.{role}" if self._path else role
            trainable = kind == "parameter" and held.dtype.kind == "f"
            load = held.load if isinstance(held, Stored) else held
            type = TensorType(held.dtype.name, held.shape) if isinstance(held, Stored) else None
            self._weights[id(held)] = self.assembly.parameter(name, load, type, kind=kind, trainable=trainable)
        return self._weights[id(held)]

    # -- graphs

    def run(self, graph: Subgraph, feeds: dict[int, Any], top: bool = False) -> dict[int, Any]:
        """All tensors of a graph by their numbers, those of its inputs given."""
        held: dict[int, Any] = dict(feeds)
        for number, operator in enumerate(graph.operators):
            self._step(graph, number, operator, held, top)
        return held

    def call(self, number: int, inputs: list[Any]) -> list[Any]:
        """The results of another graph of the model.

        Raises:
            InputError: there is none, or it calls itself.
        """
        if not 0 < number < len(self.model.subgraphs) or self._depth > 8:
            raise InputError(f"graph {number} of {len(self.model.subgraphs)} is called")
        graph = self.model.subgraphs[number]
        if len(graph.inputs) != len(inputs):
            raise InputError(f"graph {number} is called with {len(inputs)} tensors")
        self._depth += 1
        try:
            held = self.run(graph, dict(zip(graph.inputs, inputs, strict=True)))
            return [self._tensor(graph, one, held) for one in graph.outputs]
        finally:
            self._depth -= 1

    def _tensor(self, graph: Subgraph, number: int, held: dict[int, Any]) -> Any:
        if number == -1:
            return None
        if number not in held:
            tensor = graph.tensors[number]
            if tensor.data is None:
                if tensor.variable:
                    return None
                raise InputError(f"the tensor {tensor.name!r} is used and nothing makes it")
            held[number] = _stored(tensor)
        return held[number]

    def _step(self, graph: Subgraph, number: int, operator: Operator, held: dict[int, Any], top: bool) -> None:
        if not top:
            results = self._results(graph, operator, held)
            held.update(zip(operator.outputs, results, strict=False))
            return
        where = graph.tensors[operator.outputs[0]].name if operator.outputs else operator.type
        scope, name = _place(where, operator.type, number)
        self.assembly.within(scope)
        self._path = f"{scope}.{name}" if scope else name

        def run():
            return self._results(graph, operator, held)

        keys = [f"#{one}" for one in operator.outputs]
        self.assembly.step(where.partition(";")[0], operator.type, keys, run)
        for one in operator.outputs:
            held[one] = self.assembly.tensors[f"#{one}"]
            if isinstance(held[one], Value):
                held[one].hint = None

    def _results(self, graph: Subgraph, operator: Operator, held: dict[int, Any]) -> list[Any]:
        inputs = [self._tensor(graph, one, held) for one in operator.inputs]
        for one in inputs:
            self.assembly.sound(one)
        if operator.type in ("QUANTIZE", "DEQUANTIZE"):
            if len(inputs) != 1:
                raise InputError(f"{operator.type} has {len(inputs)} inputs")
            made: Any = _widened(inputs[0])
        else:
            made = self._made(operator, inputs)
        results = list(made) if isinstance(made, list | tuple) else [made]
        if len(results) < len(operator.outputs):
            raise Refusal(notimpl(f"{len(operator.outputs)} results where {len(results)} are known"))
        given = [graph.tensors[i].quantisation for i in operator.inputs if i >= 0]
        finished = []
        for place, result in zip(operator.outputs, results, strict=False):
            tensor = graph.tensors[place]
            quantised = quantisation_of(tensor)
            moved = (
                operator.type in _MOVING and all(quantised.same(one) for one in given if one is not None)
                if quantised
                else False
            )
            if result is LEFT_OUT:
                finished.append(result)
            elif known(result):
                finished.append(_typed(result, tensor))
            elif quantised is None or moved:
                finished.append(self.assembly.build(result))
            else:
                finished.append(self._rounded(operator, result, inputs, tensor, quantised))
        return finished

    def _made(self, operator: Operator, inputs: list[Any]) -> Any:
        kind, _, name = operator.type.partition(":")
        if kind == "CUSTOM":
            reader = self.assembly.custom(kind, "the custom operator", name)
        else:
            reader = self.assembly.reader(operator.type)
        node = Node(operator, self)
        try:
            inspect.signature(reader).bind(node, *inputs)
        except TypeError as error:
            raise InputError(f"{operator.type} has {len(inputs)} inputs: {error}") from error
        given = [one for one in inputs if one is not None]
        if given and all(known(one) for one in given) and operator.type not in ("SHAPE", "RANK", "IF", "WHILE"):
            with fitting(), np.errstate(all="ignore"):
                return self._folded(operator, reader, node, inputs)
        with fitting():
            made = reader(node, *inputs)
        return self._built(made)

    def _built(self, made: Any) -> Any:
        if isinstance(made, list | tuple):
            return [self._built(one) for one in made]
        return made if made is LEFT_OUT or known(made) else self.assembly.build(made)

    def _folded(self, operator: Operator, reader: Any, node: Node, inputs: list[Any]) -> Any:
        """What an operator makes of known tensors."""
        arrays = [None if one is None else np.asarray(one) for one in inputs]
        if any(one is not None and one.dtype == object for one in arrays):
            return _symbolic(operator, node, arrays)
        if sum(one.size for one in arrays if one is not None) > 2**26:
            raise Refusal(notimpl("a computation on large constants"))
        self_operand, node.operand = node.operand, lambda held, role="constant": _number(held)  # type: ignore
        node.weight = lambda held, role: held  # type: ignore
        try:
            made = reader(node, *[None if one is None else _known(one) for one in arrays])
        finally:
            node.operand = self_operand  # type: ignore
        made = list(made) if isinstance(made, list | tuple) else [made]
        for one in made:
            op = one.op if isinstance(one, Part) else one
            if isinstance(op, Op) and any(product(type.shape) > 2**26 for type in op.result_types()):
                raise Refusal(notimpl("a computation of large constants"))
        return [np.asarray(evaluate_op(one)) if isinstance(one, Op | Part) else np.asarray(one) for one in made]

    def _rounded(self, operator: Operator, x: Any, inputs: list[Any], tensor: Tensor, quantised: Quantisation) -> Any:
        """`x` rounded to what the tensor can store. Means of stored numbers are rounded as those, halves outwards."""
        low, high = RANGES[tensor.dtype]
        if quantised.scale.size != 1:
            raise Refusal(notimpl("a result that is quantised along an axis"))
        scale, zero = float(quantised.scale[0]), int(quantised.zero[0])
        if not scale > 0:
            raise InputError(f"the tensor {tensor.name!r} has the scale {scale}")
        if operator.type == "AVERAGE_POOL_2D":
            return self._pooled(operator, inputs[0], scale, zero, low, high)
        stored = ops.Clip(ops.Round(ops.Divide(x, scale)), float(low - zero), float(high - zero))
        return self.assembly.build(ops.Multiply(stored, scale))

    def _pooled(self, operator: Operator, x: Any, scale: float, zero: int, low: int, high: int) -> Any:
        """A mean of stored numbers, which are whole; halves go away from zero."""
        whole = ops.Round(ops.Divide(x, scale))
        node = Node(operator, self)
        mean = ops.Add(
            self.assembly.build(self.assembly.reader("AVERAGE_POOL_2D")(node, self.assembly.build(whole))), zero
        )
        rounded = ops.Multiply(ops.Sign(mean), ops.Floor(ops.Add(ops.Abs(mean), 0.5)))
        stored = ops.Subtract(ops.Clip(rounded, float(low), float(high)), zero)
        return self.assembly.build(ops.Multiply(stored, scale))


class Stored(np.ndarray):
    """A quantised constant as real numbers that are computed when they are used; until then only its shape is there."""

    load: Any = None


def quantisation_of(tensor: Tensor) -> Quantisation | None:
    """How a tensor of small whole numbers stands for real ones; None where it does not."""
    return tensor.quantisation if tensor.dtype in RANGES else None


def _stored(tensor: Tensor) -> np.ndarray:
    """A constant, in real numbers."""
    quantised = tensor.quantisation
    if quantised is None or tensor.dtype not in (*RANGES, "int32", "int64"):
        return tensor.data  # type: ignore[return-value]
    if tensor.data.size < 1024:  # type: ignore[union-attr]
        return quantised.real(tensor.data)  # type: ignore[arg-type]
    data = tensor.data
    shown = np.broadcast_to(np.float32(0), data.shape).view(Stored)  # type: ignore[union-attr]
    shown.load = lambda: quantised.real(data)  # type: ignore[arg-type]
    return shown


def _widened(held: Any) -> Any:
    """Half precision as single precision, which is what follows such a constant."""
    if not isinstance(held, np.ndarray):
        return ops.Cast(held, "float32") if held.dtype == "float16" else held
    if held.dtype != np.float16:
        return held
    shown = np.broadcast_to(np.float32(0), held.shape).view(Stored)
    shown.load = lambda: np.asarray(held, "float32")
    return shown


def _typed(result: Any, tensor: Tensor) -> Any:
    """A known result in the dtype of its tensor; sizes that are not known stay what they are."""
    array = np.asarray(result) if not isinstance(result, np.ndarray) else result
    plain = array.dtype == object or tensor.dtype in ("", "string", "resource", "variant", "int4")
    return array if plain or quantisation_of(tensor) or array.dtype == tensor.dtype else array.astype(tensor.dtype)


def _known(array: np.ndarray) -> np.ndarray:
    """A known array in full."""
    return array.load() if isinstance(array, Stored) else array


def _number(held: Any) -> Any:
    if isinstance(held, np.ndarray | np.generic):
        array = _known(np.asarray(held))
        return array.item() if array.ndim == 0 else array
    return held


def _symbolic(operator: Operator, node: Node, arrays: list[Any]) -> Any:
    """What an operator makes of sizes that are not all known.

    Raises:
        Refusal: it is none that is followed by hand.
    """
    raw = _SYMBOLIC.get(operator.type)
    function = FOLDED.get(raw or "")
    if function is None:
        raise Refusal(notimpl(f"{operator.type} of sizes that are not known"))
    if raw == "StridedSlice":
        return function(*arrays, *(node.number(i) for i in range(5)))
    if raw in ("Pack", "ConcatV2"):
        return function(arrays, node.number(0 if raw == "ConcatV2" else 1))
    if raw == "GatherV2":
        return function(arrays[0], arrays[1], node.number(0))
    return function(*arrays)


def _place(name: str, kind: str, number: int) -> tuple[str, str]:
    """The block and the name of the layer that an operator comes from, from the name of its result."""
    whole = next(
        (
            one
            for one in name.split(";")
            if one.rpartition("/")[2].lower() in ("conv2d", "matmul", "depthwise", "biasadd")
        ),
        name.partition(";")[0],
    )
    parts = [identifier(part) for part in whole.split("/") if part and not part.startswith("StatefulPartitionedCall")]
    if len(parts) < 2:
        return "", f"{kind.lower().replace(' ', '_')}_{number}"
    parts = parts[1:-1] if len(parts) > 2 else parts[:1]
    return ".".join(parts[:-1]), parts[-1]


def shape_known(x: Any) -> tuple:
    """The shape of a tensor, known or not."""
    return np.shape(x) if known(x) else shape_of(x)
