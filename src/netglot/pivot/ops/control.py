"""Control flow with sub-graphs."""

from __future__ import annotations

import functools

import numpy as np

from netglot.pivot.dims import Dim, substitute, symbols_of
from netglot.pivot.graph import Graph
from netglot.pivot.op import Op, Tensor, TensorType, rand, shape_of, type_of

__all__ = ["Recall", "Remember", "Scan", "body_graph"]


class Scan(Op):
    """A sub-graph that runs once for each step of sequences, and hands its states on from step to step.

    The sequences `xs` are (batch, time, ...). `body` is the text of the sub-graph (`pivot.text`): its inputs are one
    step of each sequence, the states, and what is `held` alike for all steps, weights among it; its outputs are the
    step's output, then the new states. Results: the outputs of all steps, (batch, time, ...), and the final states.
    """

    xs: tuple[Tensor, ...]
    states: tuple[Tensor, ...]
    held: tuple[Tensor, ...]
    body: str

    def infer(self):
        body = body_graph(self.body)
        sizes: dict[str, int | Dim] = {}
        kinds: dict[str, str] = {}
        for value, given in zip(body.inputs, self._given(), strict=True):
            kinds.setdefault(value.dtype, given.dtype)
            for mine, theirs in zip(value.shape, given.shape, strict=True):
                if isinstance(mine, Dim) and len(symbols_of(mine)) == 1 and mine == Dim.symbol(*symbols_of(mine)):
                    sizes.setdefault(str(mine), theirs)
        out, *states = (
            TensorType(kinds.get(one.dtype, one.dtype), tuple(substitute(size, sizes) for size in one.shape))
            for _, one in body.outputs
        )
        assert len(states) == len(self.states), "a body hands on as many states as it takes"
        batch, time = shape_of(self.xs[0])[:2]
        return (TensorType(out.dtype, (batch, time, *out.shape[1:])), *states)

    def _given(self) -> list[TensorType]:
        """The types of the body's inputs."""
        steps = [TensorType(one.dtype, (one.shape[0], *one.shape[2:])) for one in map(type_of, self.xs)]
        return [*steps, *map(type_of, self.states), *map(type_of, self.held)]

    def reference(self):
        from netglot.pivot.evaluate import evaluate

        body, outputs, states = body_graph(self.body), [], self.states
        wide = {str(one.dtype) for one in (*self.xs, *self.states, *self.held) if one.dtype.kind == "f"}
        precision = wide.pop() if len(wide) == 1 else None
        for time in range(self.xs[0].shape[1]):
            given = (*(one[:, time] for one in self.xs), *states, *self.held)
            named = {value.name: array for value, array in zip(body.inputs, given, strict=True)}
            out, *states = evaluate(body, named, precision=precision)
            outputs.append(out)
        return (np.stack(outputs, 1), *states)

    cases = [
        dict(xs=(rand(3, 4, 2),), states=(rand(3, 5),), held=(rand(2, 5, seed=2), rand(5, 5, seed=3)), body=body)
        for body in (
            """
graph("Cell", version=1)
input(x, float64[B, 2])
input(h, float64[B, 5])
input(kernel, float64[2, 5])
input(recurrent, float64[5, 5])
seen: float64[B, 5] = Matmul(x, kernel)
before: float64[B, 5] = Matmul(h, recurrent)
total: float64[B, 5] = Add(seen, before)
new: float64[B, 5] = Relu(total)
output((new, new))
""",
            """
graph("Cell", version=1)
input(x, float64[B, 2])
input(h, float64[B, 5])
input(kernel, float64[2, 5])
input(recurrent, float64[5, 5])
seen: float64[B, 5] = Matmul(x, kernel)
before: float64[B, 5] = Matmul(h, recurrent)
new: float64[B, 5] = Subtract(seen, before)
out: float64[B] = Sum(new, axes=(1,), keepdims=False)
output((out, h))
""",
        )
    ]  # fmt: skip


class Recall(Op):
    """What a buffer holds when the network is called: what the call before gave to `Remember`."""

    random = True  # it is not the same at each call, so it is not computed once
    memory: Tensor

    def infer(self):
        return type_of(self.memory)

    def reference(self):
        return self.memory

    cases = [dict(memory=rand(3, 4))]


class Remember(Op):
    """Hands `x` and the `states` on; at the next call the buffers `memory` hold the states."""

    random = True
    x: Tensor
    states: tuple[Tensor, ...]
    memory: tuple[Tensor, ...]

    def infer(self):
        return (type_of(self.x), *map(type_of, self.states))

    def reference(self):
        return (self.x, *self.states)

    cases = [dict(x=rand(3, 5), states=(rand(3, 2, seed=1),), memory=(rand(3, 2, seed=2),))]


@functools.lru_cache(maxsize=64)
def body_graph(text: str) -> Graph:
    """The graph of a body, which is not to be changed."""
    from netglot.pivot.text import parse

    return parse(text)
