"""The mistakes: what a mapping of the Keras dialect might get wrong, and what the verifier must say of each."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

from netglot.dialects.keras.dialect import keras
from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.pivot.op import Op, shape_of
from netglot.source.spell import Infix, Layer, call


@dataclass(frozen=True)
class Mistake:
    """One mistake in one network. `first` is the op at which outputs must be found to part; `said` is a part of a
    sentence of the report, for what only gradients or training show."""

    name: str
    network: str
    plant: Callable[[], contextlib.AbstractContextManager]
    first: str = ""
    said: str = ""


@contextlib.contextmanager
def _misread(kind: type[Op], mistake: Callable[[Any], Op]) -> Iterator[None]:
    """While it lasts, the dialect writes and lowers ops of one kind as if they were what `mistake` makes of them."""
    changes = [mock.patch.dict(keras.writers, {kind: [_writer(w, before=mistake) for w in keras.writers[kind]]})]
    if kind in keras.lowerings:
        right = keras.lowerings[kind]
        changes.append(mock.patch.dict(keras.lowerings, {kind: lambda op: right(mistake(op))}))
    with contextlib.ExitStack() as stack:
        for change in changes:
            stack.enter_context(change)
        yield


def _miswritten(kind: type[Op], mistake: Callable[[Any], Any]) -> contextlib.AbstractContextManager:
    """While it lasts, the dialect spells ops of one kind as `mistake` changes the right spelling."""
    return mock.patch.dict(keras.writers, {kind: [_writer(w, after=mistake) for w in keras.writers[kind]]})


def _writer(right, before=lambda op: op, after=lambda spelling: spelling):
    takes_used = len(inspect.signature(right).parameters) == 2

    def writer(op, used):
        op = before(op)
        spelling = right(op, used) if takes_used else right(op)
        return None if spelling is None else after(spelling)

    return writer


def _attributes(name: str, network: str, kind: type[Op], first: str = "", said: str = "", **changes: Any) -> Mistake:
    """An attribute that is taken for another value."""

    def wrong(op):
        return op.replace(**{key: value(op) if callable(value) else value for key, value in changes.items()})

    return Mistake(name, network, lambda: _misread(kind, wrong), first or ("" if said else kind.__name__), said)


def _option(name: str, network: str, kind: type[Op], first: str = "", said: str = "", **changes: Any) -> Mistake:
    """An option of a layer that is written with another value."""

    def wrong(layer):
        return dataclasses.replace(layer, options={**layer.options, **changes}, function=None)

    return Mistake(name, network, lambda: _miswritten(kind, wrong), first or ("" if said else kind.__name__), said)


def _weight(name: str, network: str, kind: type[Op], key: str, change: Callable[[Any], Any]) -> Mistake:
    """A weight of a layer that is made wrongly."""

    def wrong(layer):
        if not isinstance(layer, Layer) or key not in layer.weights:
            return layer
        return dataclasses.replace(layer, weights={**layer.weights, key: change(layer.weights[key])})

    return Mistake(name, network, lambda: _miswritten(kind, wrong), kind.__name__)


def _patched(name: str, network: str, target: str, wrong: Any, first: str) -> Mistake:
    """A function of the writer that decides wrongly."""
    return Mistake(name, network, lambda: mock.patch(target, wrong), first)


# The single mistakes.


def _gates(*order: int) -> Callable[[Any], Any]:
    """The gates of a recurrent layer's rows in another order."""

    def swap(tree):
        size = shape_of(tree)[-1] // len(order)
        parts = ops.Split(tree, (size,) * len(order), len(shape_of(tree)) - 1)
        return ops.Concat(tuple(Part(parts, gate) for gate in order), len(shape_of(tree)) - 1)

    return swap


def _interleaved(tree):
    """The outputs of a convolution in two groups, dealt out in turn."""
    *window, inner, outputs = shape_of(tree)
    if (inner, outputs) != (2, 8):  # the one with groups
        return tree
    axes = (*range(len(window) + 1), len(window) + 2, len(window) + 1)
    apart = ops.Permute(ops.Reshape(tree, (*window, inner, 2, outputs // 2)), axes)
    return ops.Reshape(apart, (*window, inner, outputs))


def _swap_results(first: int, second: int) -> Callable[[Any], Any]:
    """A layer whose results are taken for one another."""

    def wrong(layer):
        table = {first: second, second: first}
        return dataclasses.replace(layer, produces=tuple(table.get(i, i) for i in layer.produces))

    return wrong


def _in_row_order(self, parameter, axis, scrambled):
    """A weight behind a flattening that is left in the source's order."""
    return parameter


def _same_always(op):
    """Padding that is called "same" whatever the stride."""
    return "same" if any(sum(pair) for pair in op.padding) else "valid"


def _written_as(kind: type[Op], spelled: Callable[[Any], Any]) -> Callable[[], contextlib.AbstractContextManager]:
    return lambda: mock.patch.dict(keras.writers, {kind: [spelled]})


CONV = "netglot.dialects.keras.ops.conv"
MISTAKES = [
    _option("default epsilon", "image", ops.BatchNorm, epsilon=1e-3),
    _weight("permutation of a kernel", "image", ops.Conv, "kernel", lambda tree: ops.Permute(tree, (1, 0, 2, 3))),
    _weight("statistics for affine", "image", ops.BatchNorm, "gamma", lambda tree: ops.Square(tree)),
    _attributes("tanh for erf", "image", ops.Gelu, approximate=True),
    _attributes("default slope", "image", ops.LeakyRelu, slope=0.3),
    _weight("one slope for all", "image", ops.Prelu, "alpha", lambda tree: ops.Flip(tree, (2,))),
    _attributes("groups of a norm", "image", ops.GroupNorm, groups=2),
    _option("momentum of the new", "image", ops.BatchNorm, said="running statistics differ", momentum=0.1),
    _weight("order of groups", "image", ops.Conv, "kernel", _interleaved),
    _patched("same for a stride", "windows", f"{CONV}.padding_name", _same_always, "Conv"),
    _attributes("zeros for minus infinity", "windows", ops.Pad, first="MaxPool", value=0.0),
    _attributes("padding in a mean", "windows", ops.AvgPool, count_include_pad=False),
    _weight("unflipped kernel", "windows", ops.ConvTranspose, "kernel", lambda tree: ops.Flip(tree, (0, 1))),
    _attributes("corners", "windows", ops.Resize, align_corners=False),
    _patched(
        "flattened in another order", "windows", "netglot.passes.layout._Arranger._reordered", _in_row_order, "Linear"
    ),
    _weight("gates of an LSTM", "sequence", ops.Lstm, "cell.kernel", _gates(0, 1, 3, 2)),
    _weight("gates of a GRU", "sequence", ops.Gru, "backward_layer.cell.kernel", _gates(1, 0, 2)),
    Mistake("states of an LSTM", "sequence", lambda: _miswritten(ops.Lstm, _swap_results(1, 2)), "Stack"),
    Mistake("states of both directions", "sequence", lambda: _miswritten(ops.Gru, _swap_results(1, 2)), "Stack"),
    _attributes("queries for keys", "attending", ops.MultiHeadAttention, query=lambda op: op.key),
    _attributes("scale of attention", "attending", ops.Attention, scale=0.25),
    _attributes("later keys", "attending", ops.Attention, causal=False),
    _attributes("axis of a softmax", "attending", ops.Softmax, axis=2),
    _attributes(
        "kept for dropped", "attending", ops.Dropout, said="random dropping has rate 0.2", rate=lambda op: 1 - op.rate
    ),
    _option("no epsilon", "attending", ops.LayerNorm, epsilon=1e-12),
    _attributes("no bias", "arithmetic", ops.Linear, bias=None),
    _attributes("biased variance", "arithmetic", ops.Variance, correction=0),
    _attributes("joined backwards", "arithmetic", ops.Concat, xs=lambda op: op.xs[::-1]),
    Mistake(
        "sign of a remainder",
        "arithmetic",
        _written_as(ops.Remainder, lambda op: call("ops.fmod", op.x, op.y)),
        "Remainder",
    ),
    Mistake(
        "gradient through a detached value",
        "arithmetic",
        _written_as(ops.StopGradient, lambda op: Infix("+", op.x, 0.0)),
        said="gradients differ",
    ),
]
