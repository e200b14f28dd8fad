"""Trained weights, from a file of the source's framework to one that the target's own call loads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from netglot.errors import InputError
from netglot.migrate.families import Family
from netglot.migrate.networks import Network
from netglot.migrate.prove import OUTPUT, largest, renamed_path
from netglot.verify.arrays import read_arrays
from netglot.verify.process import OperationError, Worker


def carry(
    source: Worker,
    target: Worker,
    family: Family,
    found: list[Network],
    given: Path,
    path: Path,
    renamed: dict[str, str],
) -> tuple[int, list[str]]:
    """Writes the weights of the network that a file is of; tells which one it is, and where its outputs differ.

    Raises:
        InputError: there is no such file, or it fits none of the networks.
    """
    if not given.is_file():
        raise InputError(f"there is no file {given}")
    if not found:
        raise InputError("no network was found for the weights", advice="name it: --network 'file.py:Class(arguments)'")
    reasons = []
    for place, one in enumerate(found):
        where = {"module": one.module, "expression": one.expression, "setup": one.setup}
        source.request("make", **where)
        source.request("warm", inputs=one.inputs)
        try:
            source.request("load_weights", path=str(given.absolute()))
        except OperationError as error:
            first = str(error).partition(": ")[2].strip()
            reasons.append(f"{one.expression}: {' '.join(first.split())[:300]}")
            continue
        target.request("make", **where)
        return place, _moved(source, target, family, one, path, renamed)
    raise InputError(
        f"{given} does not fit: {'; '.join(reasons)}",
        advice="name the network with the arguments that it was trained with: --network 'file.py:Class(arguments)'",
    )


def _moved(
    source: Worker, target: Worker, family: Family, one: Network, path: Path, renamed: dict[str, str]
) -> list[str]:
    """Gives the target's network the weights of the source's, saves them, and compares what both compute."""
    described = source.request("weights")
    values = list(read_arrays(described["arrays"]).values())
    rows = [family.place(k, n, v.ndim) for (_, k, n, _), v in zip(described["entries"], values, strict=True)]
    paths = [renamed_path(p, renamed) for p, *_ in described["entries"]]
    entries = [[p, attribute] for p, (attribute, _) in zip(paths, rows, strict=True)]
    trained = [t for *_, t in described["entries"]]
    matched = target.request("match", entries=entries, inputs=one.inputs, trained=trained)
    if matched["missing"] or matched["left"]:
        return [f"weights: {name}" for name in (*matched["missing"], *matched["left"])]
    arranged = [v if how is None else np.transpose(v, how) for v, (_, how) in zip(values, rows, strict=True)]
    target.request("set_weights", arrays=target.put({f"w:{i}": v for i, v in enumerate(arranged)}))
    mine = read_arrays(source.request("run", inputs=one.inputs))
    other = read_arrays(target.request("run", inputs=one.inputs))
    target.request("save_weights", path=str(path))
    gap = largest(mine, other)
    return [] if gap <= OUTPUT else [f"outputs with these weights: {gap:.2g}"]
