"""Conversion without verification against export alone and writing the weight file: `conversion NETWORK ROUNDS`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import answer, in_turns, ratio
from benchmarks.networks import IMAGE, network


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Medians of each candidate, and the ratios to export plus the weight file."""
    import h5py
    import torch

    import netglot

    model, example = network(name), torch.zeros(2, *IMAGE)
    any_batch = ({0: torch.export.Dim.AUTO},)
    with tempfile.TemporaryDirectory() as folder:
        arrays = _emitted_arrays(netglot.convert(model, to="keras", inputs=[(1, *IMAGE)], verify=False))

        def write_file() -> None:
            with h5py.File(Path(folder) / "weights.h5", "w") as file:
                for place, array in arrays.items():
                    file.create_dataset(place, data=array)

        samples = in_turns(
            {
                "export": lambda: torch.export.export(model, (example,), dynamic_shapes=any_batch),
                "export, fixed sizes": lambda: torch.export.export(model, (example,)),
                "weight file": write_file,
                "convert": lambda: netglot.convert(model, to="keras", inputs=[(1, *IMAGE)], verify=False),
            },
            rounds,
        )
    return {
        "seconds": {candidate: one.medians for candidate, one in samples.items()},
        "ratio": ratio(samples, "convert", "export", "weight file"),
        "ratio, fixed sizes": ratio(samples, "convert", "export, fixed sizes", "weight file"),
    }


def _emitted_arrays(conversion: Any) -> dict[str, Any]:
    """What the weight file holds, in memory: the file costs only its writing."""
    import h5py

    arrays: dict[str, Any] = {}
    with h5py.File(conversion.folder / "model.weights.h5") as file:
        file.visititems(lambda place, item: arrays.update({place: item[()]}) if hasattr(item, "dtype") else None)
    return arrays


if __name__ == "__main__":
    answer(measure(sys.argv[1], int(sys.argv[2])))
