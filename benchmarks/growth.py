"""Time per node of networks 1, 4 and 16 times as deep: `growth FAMILY`."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.measure import answer, in_turns
from benchmarks.networks import GROWING

ROUNDS = {1: 5, 4: 3, 16: 2}


def measure(family: str) -> list[dict[str, Any]]:
    """For each depth the nodes of the graph, and the seconds of conversion and of export alone."""
    import torch

    import netglot

    netglot.convert(torch.nn.Linear(3, 3), to="keras", inputs=[(1, 3)], verify=False)
    return [_row(family, times, rounds) for times, rounds in ROUNDS.items()]


def _row(family: str, times: int, rounds: int) -> dict[str, Any]:
    import torch

    import netglot

    model, shape = GROWING[family](times)
    example, any_batch = torch.zeros(2, *shape), ({0: torch.export.Dim.AUTO},)
    samples = in_turns(
        {
            "export": lambda: torch.export.export(model, (example,), dynamic_shapes=any_batch),
            "convert": lambda: netglot.convert(model, to="keras", inputs=[(1, *shape)], verify=False),
        },
        rounds,
        warm=0,
    )
    nodes = len(netglot.read(model, [(1, *shape)]).nodes)
    return {"times": times, "nodes": nodes, **{name: one.medians for name, one in samples.items()}}


if __name__ == "__main__":
    answer(measure(sys.argv[1]))
