"""From PaddlePaddle's files to the pivot."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import netglot.dialects.paddle.ops  # noqa: F401  (fills the dialect)
from netglot.dialects.assembly import Assembly, class_name, identifier, with_open_batch
from netglot.dialects.biases import with_biases
from netglot.dialects.fitting import fitted
from netglot.dialects.paddle.chains import with_sequences
from netglot.dialects.paddle.dialect import paddle
from netglot.dialects.paddle.known import folded, known
from netglot.dialects.paddle.legacy import translated
from netglot.dialects.paddle.node import Node
from netglot.dialects.paddle.scopes import Place, Places, role_of
from netglot.errors import InputError, Refusal, notimpl
from netglot.formats.paddle import Operator, Program, Tensor, read_program, read_weights
from netglot.formats.record import short
from netglot.passes.blocks import with_blocks
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Frame, Graph, Module, Parameter, Value
from netglot.pivot.op import DTYPES

_BROADCAST = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "elementwise_pow", "remainder",
              "floor_divide", "fmax", "fmin")  # fmt: skip
_MISFITS = (
    AttributeError,
    TypeError,
    ValueError,
    IndexError,
    KeyError,
    ZeroDivisionError,
    AssertionError,
    OverflowError,
)
_NUMBERS = (*_BROADCAST, "scale", "clip", "pow", "masked_fill", "where", "lerp", "equal", "not_equal", "less_than",
            "less_equal", "greater_than", "greater_equal", "pad", "dropout")  # fmt: skip
"""What takes a known vector with one element as a number."""
_SHAPES = ("shape", "shape64", "numel", "full", "full_like", "full_with_tensor", "arange", "range_v2", "linspace",
           "eye", "empty")  # fmt: skip
"""What asks a known tensor for its shape alone, and what makes tensors of sizes."""


def read_paddle(path: Path, *, weights: Path | None = None, inputs: Any = None) -> Graph:
    """Reads a `.pdmodel`, a `__model__` or a `.json` of PIR, with the weights beside it.

    Raises:
        InputError: a file is missing or damaged.
        WeightsError: the weights belong to another network.
        UnsupportedOps: operators without a pivot form.
    """
    path = Path(path)
    if path.name.lower().endswith(".pdiparams"):
        weights = weights or path
        found = [path.with_suffix(suffix) for suffix in (".json", ".pdmodel")]
        path = next((one for one in found if one.is_file()), path)
        if path == weights:
            raise InputError(f"{path} holds weights", advice=f"NET.pdmodel --weights {path}")
    program = read_program(path)
    if not program.inputs or not program.outputs:
        raise InputError(f"{path} has no {'output' if program.inputs else 'input'}", advice="save it for inference")
    place = Path(weights) if weights is not None else _beside(path)
    arrays = read_weights(place, _stored(program)) if place is not None and program.parameters else {}
    if any(-1 in one.shape for one in program.inputs):  # the file says itself what is open
        return _Reading(program, arrays, inputs, path, bool(inputs)).graph()
    return with_open_batch(lambda free: _Reading(program, arrays, inputs, path, free).graph(), asked=inputs)


def _beside(path: Path) -> Path | None:
    """The weights that lie beside a program."""
    if path.name == "__model__":
        together = next((path.with_name(n) for n in ("__params__", "params") if path.with_name(n).is_file()), None)
        return together or path.parent
    beside = path.with_suffix(".pdiparams")
    return beside if beside.is_file() else None


def _stored(program: Program) -> dict[str, Tensor]:
    """The weights that a file holds, which are those that belong to the network."""
    return {name: one for name, one in program.parameters.items() if not name.endswith("non_persistable")}


class _Reading:
    """One network under construction."""

    def __init__(self, program: Program, arrays: dict[str, np.ndarray], given: Any, path: Path, free: bool):
        self.program, self.arrays, self.given, self.free, self.path = program, arrays, given, free, path
        stem = path.parent.name if path.stem in ("__model__", "inference", "model") else path.stem
        self.assembly = Assembly(paddle, class_name(stem) or "Network")
        self.operators = [self._translated(one) for one in program.operators]
        self.places = Places([one for one, _ in self.operators], program.parameters.values())
        self._weights: dict[str, Parameter] = {}
        self._constants: dict[int, Parameter] = {}
        self._kept: list[Any] = []
        self._folding = False
        self._around: tuple[Frame, ...] = ()
        self._calls: dict[str, int] = {}

    def _translated(self, operator: Operator) -> tuple[Operator, dict[int, Any]]:
        return translated(operator) if self.program.version == 2 else (operator, {})

    def graph(self) -> Graph:
        """The network as a graph."""
        for name, one in self.program.parameters.items():
            self.assembly.tensors[one.reference or name] = one  # a `Tensor` until it is used
        self._inputs()
        for operator, given in self.operators:
            self._step(operator, given)
        if not self.arrays and self.program.parameters:
            self.assembly.notes.append("no weights were given: they are random")
        self.assembly.within("")
        outputs: dict[str, Any] = {}
        for number, (name, reference) in enumerate(self.program.outputs):
            if self.assembly.refused:
                break
            held = self.operand(None, self.assembly.tensor(reference), "constant")
            if not isinstance(held, Value):
                held = self.assembly.constant(np.asarray(held))
            outputs[self._output_name(name, held, number)] = held
        found = list(outputs.values())
        self.assembly.nodes = with_biases(self.assembly.nodes, found)
        graph = self.assembly.finish(found[0] if len(found) == 1 else outputs)
        graph.modules |= {path: one for path, one in self.places.modules.items() if path in graph.modules}
        for path in [path for path in graph.modules if path.rpartition(".")[2].isdigit()]:
            around = path.rpartition(".")[0]
            graph.modules.setdefault(around, Module(around, "LayerList", container="list"))
        return with_blocks(with_sequences(graph), frozenset(graph.parameters.values()))

    def _output_name(self, name: str, held: Value, number: int) -> str:
        """The name of an output; those that exporters make up say nothing."""
        made_up = name.startswith(("fetch_name", "save_infer_model"))
        return f"output_{number}" if made_up or not name else identifier(name)

    def _inputs(self) -> None:
        for one in self.program.inputs:
            if one.dtype not in DTYPES:
                raise InputError(f"the input {one.name!r} is {one.dtype or 'no tensor'}")
        wanted = [(one.name, one.shape) for one in self.program.inputs]
        dtypes = [one.dtype for one in self.program.inputs]
        shapes = fitted(wanted, self.given, self.free, dtypes, scalars=True)
        for one, (shape, _) in zip(self.program.inputs, shapes, strict=True):
            self.assembly.tensors[one.reference] = self.assembly.input(one.name, shape, one.dtype)

    def note(self, text: str) -> None:
        """Something that the report says."""
        if text not in self.assembly.notes:
            self.assembly.notes.append(text)

    # -- operands

    def operand(self, node: Node | None, held: Any, role: str) -> Any:
        """A known tensor as a number or a constant, a weight as a parameter; anything else as it is."""
        if isinstance(held, Tensor):
            return self.weight(node, held, role, "parameter")
        if not known(held) or self._folding:
            return held
        array = np.asarray(held)
        alone = array.ndim == 0 or (array.shape == (1,) and node is not None and node.type in _NUMBERS)
        if alone and array.dtype.kind in "iufbO":
            return short(array.item()) if array.dtype == np.float32 else array.item()
        if array.dtype == object:
            items = [one if isinstance(one, Value) else ops.Full((1,), one, "int64") for one in array.ravel()]
            return self.assembly.build(ops.Reshape(ops.Concat(tuple(items), 0), array.shape))
        if id(held) not in self._constants:
            self._kept.append(held)
            path = f"{node.path}." if node is not None and node.path else ""
            self._constants[id(held)] = self.assembly.constant(array, f"{path}{role}")
        return self._constants[id(held)]

    def weight(self, node: Node | None, held: Any, role: str, kind: str) -> Any:
        """A weight of the file as a parameter, made when it is used first; anything else as an operand."""
        if not isinstance(held, Tensor):
            return self.operand(node, held, role)
        if held.name not in self._weights:
            name = f"{node.path}.{role}" if node is not None and node.path else f"{identifier(held.name)}"
            array = self.arrays.get(held.name)
            if array is not None:
                trainable = kind == "parameter" and held.trainable and array.dtype.kind not in "iub"
                self._weights[held.name] = self.assembly.parameter(name, array, kind=kind, trainable=trainable)
            else:
                if any(size < 0 for size in held.shape):
                    raise InputError(f"the weight {held.name!r} has the shape {list(held.shape)}")
                self._weights[held.name] = self.assembly.made_up(name, held.shape, kind=kind)
        return self._weights[held.name]

    def is_zero_row(self, weight: Any, row: int) -> bool:
        """Whether a row of a weight holds zeros alone."""
        return isinstance(weight, Parameter) and not np.any(weight.load()[row])

    # -- operators

    def _step(self, operator: Operator, given: dict[int, Any]) -> None:
        place = self.places.of(operator)
        before = len(self.assembly.nodes)
        self.assembly.scope = self._frames(place)
        node = Node(operator, self)
        node.path = place.weights
        flat = [name for slot in operator.outputs for name in (slot if isinstance(slot, list) else [slot])]
        keys = [name if name is not None else f"nothing {id(operator)} {n}" for n, name in enumerate(flat)]
        named = place.weights if place.frames else next((n for n in flat if n), operator.type)

        def run():
            inputs = [self._input(one) for one in operator.inputs]
            for place, held in given.items():
                inputs[place] = None if held is None else np.asarray(held)
            try:
                made = self._results(node, inputs)
            except _MISFITS as error:
                detail = str(error).partition("\n")[0] or type(error).__name__
                raise Refusal(notimpl(f"its options do not fit its operands: {detail}")) from error
            results = list(made) if isinstance(made, list | tuple) else [made]
            found: list[Any] = []
            for slot, one in zip(operator.outputs, results, strict=False):
                if not isinstance(slot, list):
                    found.append(one)
                    continue
                many = one if isinstance(one, list) else [one]
                if len(many) < len(slot):
                    raise InputError(f"{operator.type}: {len(slot)} results where there are {len(many)}")
                found += many[: len(slot)]
            return found

        self.assembly.step(named, operator.type, keys, run)
        if len(self.assembly.nodes) > before:
            self._around = self.assembly.scope
            self._calls |= {frame.path: frame.call for frame in self._around}
        for key in keys:
            held = self.assembly.tensors.get(key)
            if isinstance(held, Value) and held not in self.assembly.inputs:
                held.hint = None

    def _frames(self, place: Place) -> tuple[Frame, ...]:
        """The calls of layers around an operator. A layer that is entered again after it was left is called again."""
        found: list[Frame] = []
        for depth, path in enumerate(place.frames):
            around = self._around[depth] if depth < len(self._around) else None
            same = around is not None and around.path == path and list(self._around[:depth]) == found
            again = self._calls.get(path, -1) + 1
            found.append(around if same and around is not None else Frame(path, again))
        return tuple(found)

    def _input(self, reference: Any) -> Any:
        if reference is None:
            return None
        if isinstance(reference, list):
            return [self._input(one) for one in reference]
        return self.assembly.tensor(reference)

    def _results(self, node: Node, inputs: list[Any]) -> Any:
        if node.type == "combine":
            return [inputs]
        if node.type in ("builtin_split", "split") and inputs and isinstance(inputs[0], list):
            return inputs[0]
        if node.type == "slice" and inputs and isinstance(inputs[0], list):
            return inputs[0][node.integer("index")]
        if node.type == "constant":
            return self._constant(node)
        if node.type == "if":
            raise Refusal(notimpl("a choice that depends on data", "export the network without it"))
        reader = self._reader(node)
        try:
            bound = inspect.signature(reader).bind(node, *inputs)
        except TypeError as error:
            raise InputError(f"{node.type} has {len(inputs)} operands: {error}") from error
        given = [one for one in inputs if one is not None]
        if given and all(_all_known(one) for one in given) and node.type not in _SHAPES:
            self._folding = True
            try:
                return folded(node, reader, inputs)
            finally:
                self._folding = False
        held = {name: one for name, one in bound.arguments.items() if name != "node"}
        parameters = inspect.signature(reader).parameters
        operands = []
        for name, one in held.items():
            many = parameters[name].kind is inspect.Parameter.VAR_POSITIONAL
            values = list(one) if many else [one]
            as_is = parameters[name].annotation in ("Known",)
            operands += [v if as_is else self._operand(node, v) for v in values]
        return self._built(reader(node, *self._aligned(node, operands)))

    def _reader(self, node: Node) -> Callable:
        """What reads an operator; for one that a user defined it comes from the user."""
        name = node.type.removeprefix("custom.")
        if name != node.type and name not in paddle.readers:
            advice = f'--extend my_ops.py, with a reader of "{name}" in it'
            raise Refusal(notimpl(f"the custom operator {name}, which a user defined", advice))
        return self.assembly.reader(name)

    def _operand(self, node: Node, held: Any) -> Any:
        """An operand as readers take it. Of some a reader says what weight it is, of others only their name does."""
        if isinstance(held, list):
            return held
        if isinstance(held, Tensor):
            return held if node.type in _ROLES_SAID else self.weight(node, held, role_of(held), "parameter")
        return self.operand(node, held, "constant")

    def _aligned(self, node: Node, operands: list[Any]) -> list[Any]:
        """In version 2 the second operand may stand at an axis of the first."""
        axis = node.get("axis", -1)
        if self.program.version != 2 or node.type not in _BROADCAST or axis == -1 or len(operands) != 2:
            return operands
        x, y = operands
        if not isinstance(y, Value) or not isinstance(x, Value):
            return operands
        rank, own = len(x.shape), len(y.shape)
        behind = rank - axis - own
        if not 0 <= axis <= rank or behind <= 0:
            return operands
        return [x, ops.Reshape(y, (*y.shape, *(1,) * behind))]

    def _constant(self, node: Node) -> Any:
        raise Refusal(notimpl(f"the constant {node.text('value')!r} that lies outside of the program"))

    def _built(self, made: Any) -> Any:
        """What a reader made, added at once: its results may be parts of one op."""
        return _as_held(self.assembly.build(made))


def _as_held(made: Any) -> Any:
    """Results as they are kept: numbers become known tensors."""
    if isinstance(made, list | tuple):
        return [_as_held(one) for one in made]
    if isinstance(made, int | float | bool | Dim):
        return np.asarray(made, dtype=object if isinstance(made, Dim) else None)
    return made


_ROLES_SAID = frozenset(
    "conv2d depthwise_conv2d conv3d conv2d_transpose depthwise_conv2d_transpose conv2d_transpose_bias conv3d_transpose "
    "batch_norm batch_norm_ sync_batch_norm sync_batch_norm_ layer_norm group_norm instance_norm rms_norm fc addmm "
    "fused_rms_norm_ext affine_channel prelu matmul matmul_with_flatten embedding bilinear rnn shape shape64 "
    "numel".split()
)
"""Operators whose readers say what the role of a weight is."""


def _all_known(held: Any) -> bool:
    return all(_all_known(one) for one in held) if isinstance(held, list) else known(held)
