"""Peak memory of one conversion above the source model in memory: `memory NETWORK WHAT [warm]`.

WHAT is `convert` or `export`. Warm, netglot, torch.export and h5py have been imported and used once on a network of
one layer before the base line is taken; cold, the base line holds only the imported torch and netglot.
"""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.measure import Peak, answer
from benchmarks.networks import IMAGE, network, weight_bytes


def measure(name: str, what: str, warm: bool) -> dict[str, Any]:
    """The peak above the base line, in bytes and in sizes of the weights."""
    import torch

    import netglot  # noqa: F401  (its import is no part of the peak)

    model = network(name)
    if warm:
        _run(what, torch.nn.Linear(3, 3), (3,))
    peak = Peak()
    kept = _run(what, model, IMAGE)
    above = peak.bytes
    del kept
    return {"bytes": above, "ratio": above / weight_bytes(model)}


def _run(what: str, model: Any, shape: tuple[int, ...]) -> Any:
    import torch

    import netglot

    if what == "convert":
        return netglot.convert(model, to="keras", inputs=[(1, *shape)], verify=False)
    return torch.export.export(model, (torch.zeros(2, *shape),), dynamic_shapes=({0: torch.export.Dim.AUTO},))


if __name__ == "__main__":
    answer(measure(sys.argv[1], sys.argv[2], sys.argv[3:] == ["warm"]))
