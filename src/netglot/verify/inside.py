"""The values inside both networks, from which the first that differs is found.

A source that cannot show its own values (Keras, a SavedModel) is stood for by what was read of it: the graph, computed
by the pivot's references. Where the graph's outputs are not the source's, the reading is at fault, and told so.
"""

from __future__ import annotations

import numpy as np

from netglot.verify.compare import compare_exact
from netglot.verify.pair import Arrays, Pair, Tracing
from netglot.verify.process import Worker

PATIENCE = 120.0
"""So many seconds the references may take: they are slow."""
READ_OTHERWISE = 1e-7
"""Outputs that differ by more, in float64, are those of another network."""


def values_inside(pair: Pair, inputs: Arrays, tracing: Tracing) -> tuple[Arrays, Arrays, str | None]:
    """The values of the source and of the target by name, in float64 with the random state, and what the graph
    computes otherwise than the source, where it stands for it.

    Raises:
        WorkerError: a side cannot show its values.
    """
    pair.load_target_double(folder=tracing.folder)
    pair.set_random()
    ours, theirs = pair.inputs(inputs)
    if tracing.meaning is None:
        told = {"inputs": ours, "program": tracing.program, "names": dict(tracing.names)}
        ours, theirs = pair.both(("intermediates", told), ("intermediates", {"inputs": theirs}))
        return pair.source.get(ours), pair.target.get(theirs), None
    ours, theirs = pair.both(("run", {"inputs": ours}), ("intermediates", {"inputs": theirs}))
    meant = _meant(pair, inputs, tracing.meaning)
    return meant, pair.target.get(theirs), _read_otherwise(pair, pair.source.get(ours), meant)


def _meant(pair: Pair, inputs: Arrays, folder: str) -> Arrays:
    """All values of the graph saved in `folder`, with the source's present state."""
    with Worker("pivot", time_limit=PATIENCE) as pivot:
        described = pivot.request("load", call=None, path=folder)
        pivot.request("set_dtype", dtype="float64")
        known = {name for name, *_ in described["state"]}
        state = {name: array for name, array in pair.own_state().items() if name in known}
        pivot.request("set_state", arrays=pivot.put(state))
        return pivot.get(pivot.request("intermediates", inputs=pivot.put(inputs)))


def _read_otherwise(pair: Pair, outputs: Arrays, meant: Arrays) -> str | None:
    assert pair.spec.graph is not None
    for name, value in pair.spec.graph.outputs:
        if name in outputs and value.name in meant:
            found = compare_exact(name, outputs[name], np.asarray(meant[value.name]))
            if found.max_rel > READ_OTHERWISE:
                return f"the source was read as another network: {name} is off by {found.max_abs:.1e} already there"
    return None
