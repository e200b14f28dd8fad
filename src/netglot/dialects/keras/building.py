"""The emitted `load()`: how the network is built, and which sizes Keras must know while it builds."""

from __future__ import annotations

from collections.abc import Sequence

from netglot.pivot import ops
from netglot.pivot.dims import Dim, Size, substitute
from netglot.pivot.graph import Graph, Node, Parameter, Value
from netglot.pivot.op import Reduction
from netglot.source.module_file import TargetVariable, frozen_parts

Known = tuple[bool, ...]
"""For each axis of a value whether Keras knows its size before the network runs."""

WEIGHTED = {
    ops.Conv: "axis",
    ops.ConvTranspose: "axis",
    ops.BatchNorm: "axis",
    ops.GroupNorm: "axis",
    ops.InstanceNorm: "axis",
    ops.LayerNorm: "axes",
    ops.RmsNorm: "axes",
    ops.Linear: "",
    ops.Lstm: "",
    ops.Gru: "",
    ops.Rnn: "",
}
"""Where the input's axes stand whose sizes the weights of a layer follow; without a name it is the last one."""

STATED = (ops.Reshape, ops.Matmul, ops.Einsum, ops.Attention, ops.Broadcast)
"""What tells each known size of its result by itself, whatever was known of its operands."""

INDEXING = (ops.Take, ops.AdvancedIndex)
"""What makes new axes of those of its indices."""


def load_function(graph: Graph, class_name: str, found: list[TargetVariable], sizes: dict[str, int]) -> str:
    """The text of `load()`; `sizes` are some for which the network runs, where its axes are open."""
    fixed = sizes if _needs_sizes(graph) else {}
    inputs = [_input(value, fixed) for value in graph.inputs]
    given = (
        inputs[0]
        if len(inputs) == 1
        else "{" + ", ".join(f'"{v.name}": {text}' for v, text in zip(graph.inputs, inputs, strict=True)) + "}"
    )
    comment = "  # sizes for which it runs: others do too" if fixed else ""
    return f'''def load(weights=WEIGHTS):
    """The network with its trained weights; `weights=None` leaves it freshly initialised."""
    model = {class_name}()
    model({given}){comment}
    if weights is not None:
        model.load_weights(weights)
{_constants(found)}{_freezing(found)}    return model'''


def _constants(found: list[TargetVariable]) -> str:
    """The lines that read what is neither trained nor told by the code, where nothing else is read."""
    lines = "".join(f'            model.{v.path}.assign(file["{v.stored}"][()])\n' for v in found if v.given)
    opened = "    else:\n        with h5py.File(WEIGHTS) as file:  # constants, which are not trained\n"
    return opened + lines if lines else ""


def _freezing(found: list[TargetVariable]) -> str:
    """The lines that freeze what the source has frozen: variables, so that batch norm stays as it is in training."""
    variables, lines = {v.path for v in found}, ""
    for part in frozen_parts(found):
        if part in variables:
            lines += f"    model.{part}.trainable = False\n"
        else:
            lines += f"    for variable in model.{part}.trainable_variables:\n        variable.trainable = False\n"
    return lines


def _input(value: Value, sizes: dict[str, int]) -> str:
    shape = tuple(_size(size, {} if axis == 0 else sizes) for axis, size in enumerate(value.shape))
    text = f"keras.Input({shape[1:]!r}" if shape and shape[0] is None else f"keras.Input(batch_shape={shape!r}"
    if not value.dtype.startswith("float"):
        text += f', dtype="{value.dtype}"'
    return text + ")"


def _size(size: Size, sizes: dict[str, int]) -> int | None:
    found = substitute(size, sizes)
    return None if isinstance(found, Dim) else found


def _needs_sizes(graph: Graph) -> bool:
    """Whether a layer's weights follow the size of an axis that Keras cannot tell from open inputs.

    A slice of one step from an axis of any length has one step; to Keras it may have none.
    """
    known: dict[Value, Known] = {value: _whole(value) for value in (*graph.inputs, *graph.parameters.values())}
    for node in graph.nodes:
        if any(not known[node.op.x][axis] for axis in _followed(node)):
            return True
        known.update({result: _told(node, result, known) for result in node.results})
    return False


def _followed(node: Node) -> Sequence[int]:
    """The axes of the first operand to which the weights of the node's layer belong."""
    name = WEIGHTED.get(type(node.op))
    if name is None or not any(isinstance(one, Parameter) for one in node.operand_values()):
        return ()
    axes = getattr(node.op, name) if name else -1
    return axes if isinstance(axes, tuple) else (axes,)


def _whole(value: Value) -> Known:
    return tuple(not isinstance(size, Dim) for size in value.shape)


def _told(node: Node, result: Value, known: dict[Value, Known]) -> Known:
    """What Keras knows of a result: less than the pivot where an axis lost its open size on the way."""
    op, whole = node.op, _whole(result)
    if isinstance(op, STATED) or all(all(known[one][1:]) for one in node.operand_values()):
        return whole
    if isinstance(op, Reduction):
        each = [True if axis in op.axes else one for axis, one in enumerate(known[op.x])]
        return tuple(one for axis, one in enumerate(each) if op.keepdims or axis not in op.axes)
    if isinstance(op, ops.Permute):
        return tuple(known[op.x][axis] for axis in op.axes)
    moving = [op.x] if type(op) in WEIGHTED else list(node.operand_values())
    alike = [one for one in moving if len(one.shape) == len(result.shape)]
    if not alike:
        return (whole[0], *(False for _ in whole[1:])) if isinstance(op, INDEXING) else whole
    if isinstance(op, ops.Repeat):  # TensorFlow counts while it runs
        whole = (*whole[: op.axis], False, *whole[op.axis + 1 :])
    if isinstance(
        op, (ops.Conv, ops.ConvTranspose)
    ):  # compiled by XLA where TensorFlow has no kernel: it tells no size
        whole = tuple(one and axis in (0, op.axis) for axis, one in enumerate(whole))
    counted = op.axis if isinstance(op, ops.Concat) else None  # this axis adds its operands up
    made = set(_followed(node))  # the size of these axes is that of the weights
    return tuple(
        one and (axis in made or (all if axis == counted else any)(known[v][axis] for v in alike))
        for axis, one in enumerate(whole)
    )
