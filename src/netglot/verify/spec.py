"""What a verification is given: both sides' inputs, outputs and state, and how one is made from the other.

Nothing here knows how the target was written. A `Spec` is made once, by whoever converted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netglot.pivot.dims import Dim, Size, symbols_of
from netglot.pivot.graph import Graph, Parameter

Permutation = tuple[int, ...]
"""The target's axis `i` is the source's axis `permutation[i]`."""


@dataclass(frozen=True)
class Input:
    """One input. `low` and `high` bound its values (`high` excluded for integers); `permutation` None is identity."""

    name: str
    dtype: str
    shape: tuple[Size, ...]
    low: float | None = None
    high: float | None = None
    permutation: Permutation | None = None


@dataclass(frozen=True)
class Output:
    """One output, named as `Graph.outputs` names it."""

    name: str
    dtype: str
    shape: tuple[Size, ...]
    permutation: Permutation | None = None


@dataclass(frozen=True)
class Variable:
    """One variable of the target: where it stands, and the expression over the source's parameters that fills it."""

    path: str
    recipe: Any
    trainable: bool


@dataclass(frozen=True)
class Spec:
    """Everything that `verify_pair` needs.

    `sizes` are the symbols' sizes in the traced example. `parameters` are the source's, by the path under which its
    framework knows them; constants (kind "constant") are no state of the source and stay as they are. `graph`, where
    given, names the first node that differs; it, and `written`, the target's form of it, count the known
    imprecisions of the two sides. `source_call` and `target_call` are JSON trees, see `arrays.build_call`.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    variables: tuple[Variable, ...]
    parameters: Mapping[str, Parameter]
    source_call: Mapping[str, Any]
    target_call: Mapping[str, Any]
    sizes: Mapping[str, int] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    graph: Graph | None = None
    written: Graph | None = None

    @property
    def batch_symbols(self) -> set[str]:
        """The symbols that stand alone as the first size of an input."""
        first = [i.shape[0] for i in self.inputs if i.shape]
        return {str(size) for size in first if isinstance(size, Dim) and symbols_of(size) == {str(size)}}

    @property
    def symbols(self) -> list[str]:
        """All symbols of the inputs, in order of first appearance."""
        return list(dict.fromkeys(s for i in self.inputs for size in i.shape for s in sorted(symbols_of(size))))


def positional_call(names: list[str]) -> dict[str, Any]:
    """The call that passes the named inputs one after the other."""
    return {"args": list(names), "kwargs": {}}


def spec_from_graph(
    graph: Graph,
    variables: list[Variable],
    *,
    source_call: Mapping[str, Any] | None = None,
    target_call: Mapping[str, Any] | None = None,
    sizes: Mapping[str, int] | None = None,
    input_permutations: Mapping[str, Permutation] | None = None,
    output_permutations: Mapping[str, Permutation] | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    written: Graph | None = None,
) -> Spec:
    """A `Spec` for the source's graph, as it was read and before any pass changed it.

    Args:
        sizes: the symbols' sizes in the example; 2 for a batch and 16 for any other where not given.
        ranges: `(low, high)` by input name; those of indices into embeddings are found in the graph.
    """
    from netglot.verify.inputs import index_ranges
    from netglot.verify.state import roles

    ranges = {**index_ranges(graph), **(ranges or {})}
    names = [value.name for value in graph.inputs]
    inputs = tuple(
        Input(v.name, v.dtype, v.shape, *ranges.get(v.name, (None, None)), (input_permutations or {}).get(v.name))
        for v in graph.inputs
    )
    spec = Spec(
        inputs=inputs,
        outputs=tuple(Output(n, v.dtype, v.shape, (output_permutations or {}).get(n)) for n, v in graph.outputs),
        variables=tuple(variables),
        parameters=graph.parameters,
        source_call=source_call or positional_call(names),
        target_call=target_call or positional_call(names),
        roles=roles(graph),
        graph=graph,
        written=written,
    )
    usual = {symbol: 2 if symbol in spec.batch_symbols else 16 for symbol in spec.symbols}
    return Spec(**{**vars(spec), "sizes": {**usual, **(sizes or {})}})
