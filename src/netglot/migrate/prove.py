"""The proof: both networks with the same weights in double precision, their gradients, and twenty steps of training."""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.migrate.known import start_of, unlike
from netglot.migrate.networks import Network
from netglot.verify.arrays import read_arrays
from netglot.verify.process import Worker

STEPS = 20
RATE = 1e-3
STEEP = 10.0
"""Gradients above it make the steps smaller: descent that runs away magnifies the rounding of both sides."""
OUTPUT = 1e-9
LOSS = 1e-6
"""The largest relative distances that count as equal: of outputs and gradients, and of losses and weights."""


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference, relative to the largest value."""
    if a.shape != b.shape:
        return float("inf")
    if not a.size:
        return 0.0
    if not (np.isfinite(a) == np.isfinite(b)).all():
        return float("inf")
    a, b = np.nan_to_num(a.astype("float64")), np.nan_to_num(b.astype("float64"))
    return float(np.abs(a - b).max() / max(1.0, np.abs(a).max()))


def prove(source: Worker, target: Worker, network: Network, place: Any, renamed: dict[str, str]) -> dict[str, Any]:
    """Compares one network on both sides.

    Args:
        place: where a weight of the source lies in the target: (kind, name, rank) to attribute and permutation.
    """
    where = {"module": network.module, "expression": network.expression, "setup": network.setup}
    source.request("make", **where)
    target.request("make", **where)
    source.request("warm", inputs=network.inputs)
    described = source.request("weights", randomised=True)
    values = list(read_arrays(described["arrays"]).values())
    rows = [
        (renamed_path(p, renamed), *place(k, n, v.ndim), trained)
        for (p, k, n, trained), v in zip(described["entries"], values, strict=True)
    ]
    matched = target.request(
        "match", entries=[[p, a] for p, a, _, _ in rows], inputs=network.inputs, trained=[t for *_, t in rows]
    )
    if matched["missing"] or matched["left"]:
        return _failed("weights", [*matched["missing"], *(f"{n} has no counterpart" for n in matched["left"])])
    arranged = [v if how is None else np.transpose(v, how) for v, (_, _, how, _) in zip(values, rows, strict=True)]
    wrong = [
        f"{p}.{a}: {list(v.shape)} beside {shape}"
        for i, ((p, a, _, _), v, shape) in enumerate(zip(rows, arranged, matched["shapes"], strict=True))
        if i not in matched.get("unused", ()) and list(v.shape) != shape
    ]  # fmt: skip
    if wrong:
        return _failed("weights", wrong)
    starts = zip(rows, described.get("starts", ()), matched.get("starts", ()), strict=False)
    begun = [
        f"{path}.{name}: {_told(y)} instead of {_told(x)}"
        for (path, name, _, trained), x, y in starts if trained and unlike(x, y)
    ]  # fmt: skip
    target.request("set_weights", arrays=target.put({f"w:{i}": v for i, v in enumerate(arranged)}))
    found: dict[str, Any] = {"differences": []}
    mine, other = (
        _arrays(source.request("run", inputs=network.inputs)),
        _arrays(target.request("run", inputs=network.inputs)),
    )
    found["shapes"] = [list(v.shape) for v in mine.values()]
    found["outputs_distance"] = largest(mine, other)
    a = _arrays(source.request("gradients", inputs=network.inputs)["arrays"])
    b = _arrays(target.request("gradients", inputs=network.inputs)["arrays"])
    unused = set(matched.get("unused", ()))
    for i in unused & {int(n[2:]) for n in a if n.startswith("g:")}:
        b[f"g:{i}"] = np.zeros_like(_moved({f"g:{i}": a[f"g:{i}"]}, rows)[f"g:{i}"])  # it must play no part here either
    found["gradients"] = largest(_moved(a, rows), b)
    batches = [[one | {"seed": step % 4} for one in network.inputs] for step in range(STEPS)]
    steepest = max((float(np.abs(one).max()) for one in a.values() if one.size), default=0.0)
    rate = RATE * min(1.0, STEEP / max(steepest, 1e-12))
    first = source.request("train", batches=batches, rate=rate)["losses"]
    second = target.request("train", batches=batches, rate=rate)["losses"]
    gaps = [abs(x - y) / max(abs(x), 1e-12) for x, y in zip(first, second, strict=True)]
    found["losses"] = {"source": first, "target": second, "distance": max(gaps)}
    end = _without(list(_arrays(source.request("weights")["arrays"]).values()), unused)
    kept = _without(rows, unused)
    reached = list(_arrays(target.request("weights")["arrays"]).values())
    end = [v if how is None else np.transpose(v, how) for v, (_, _, how, _) in zip(end, kept, strict=True)]
    found["weights_distance"] = max((distance(x, y) for x, y in zip(end, reached, strict=True)), default=0.0)
    limits = {"outputs_distance": OUTPUT, "gradients": OUTPUT, "weights_distance": LOSS}
    over = [f"{key.partition('_')[0]}: {found[key]:.2g}" for key, limit in limits.items() if not found[key] <= limit]
    if not found["losses"]["distance"] <= LOSS:
        over.append(f"losses: {found['losses']['distance']:.2g}")
    over += [f"start: {one}" for one in begun[:20]]
    found["verdict"] = "different" if over else "equivalent"
    found["differences"] += over
    return found


def _told(start: list[float] | None) -> str:
    return "nothing" if start is None else f"mean {start[0]:.3g}, spread {start[1]:.3g}, at most {start[2]:.3g}"


def replay(
    source: Worker, target: Worker, module: str, argv: list[str], place: Any, renamed: dict[str, str]
) -> dict[str, Any]:
    """Runs a training script on both sides, from the same weights and with the same batches; compares every step."""
    mine = source.request("replay", module=module, argv=argv, steps=STEPS)
    if mine["error"] and not mine["losses"]:
        return {
            "verdict": "unverified",
            "differences": [f"the script does not run in double precision: {mine['error']}"],
        }
    if not mine["losses"]:
        return {"verdict": "unverified", "differences": ["the script takes no step of training by `backward`"]}
    starts, befores, afters = [], [], []
    for one in mine["networks"]:
        values = list(read_arrays(one["before"]).values())
        rows = [
            (renamed_path(p, renamed), *place(k, n, v.ndim))
            for (p, k, n, _), v in zip(one["entries"], values, strict=True)
        ]
        moved = [v if how is None else np.transpose(v, how) for v, (_, _, how) in zip(values, rows, strict=True)]
        arrays = target.put({f"w:{i}": v for i, v in enumerate(moved)})
        name = one.get("class", "")
        starts.append({"entries": [[p, a] for p, a, _ in rows], "arrays": arrays, "class": renamed.get(name, name)})
        after = read_arrays(one["after"]).values()
        afters.append([v if how is None else np.transpose(v, how) for v, (_, _, how) in zip(after, rows, strict=True)])
        befores.append(moved)
    other = target.request("replay", module=module, argv=argv, steps=STEPS, weights=starts)
    a, b = mine["losses"], other["losses"]
    found: dict[str, Any] = {"losses": {"source": a, "target": b}, "differences": []}
    if mine["error"] and not other["error"]:
        found["differences"].append(f"the script itself raised, in double precision: {mine['error']}")
    if other["error"]:
        found["differences"].append(f"the migrated script raised: {other['error']}")
    if len(a) != len(b):
        found["differences"].append(f"{len(a)} steps of training became {len(b)}")
    gaps = [abs(x - y) / max(abs(x), 1e-12) for x, y in zip(a, b, strict=False)]
    found["losses"]["distance"] = max(gaps, default=float("inf"))
    reached = [read_arrays(one["after"]) for one in other["networks"]]
    pairs = [
        (x, two[f"w:{i}"]) for one, two in zip(afters, reached, strict=False)
        for i, x in enumerate(one) if f"w:{i}" in two
    ]  # fmt: skip
    unknown = float("inf") if afters else 0.0  # a script of plain variables has no network to look into
    found["weights_distance"] = max((distance(x, y) for x, y in pairs), default=unknown)
    if not found["losses"]["distance"] <= LOSS:
        found["differences"].append(f"losses: {found['losses']['distance']:.2g}")
    if not found["weights_distance"] <= LOSS:
        found["differences"].append(f"weights: {found['weights_distance']:.2g}")
    found["differences"] += _starts(mine["networks"], befores, other["networks"])[:20]
    found["differences"] += _histories(mine["histories"], other["histories"])
    found["verdict"] = "different" if found["differences"] else "equivalent"
    return found


def _starts(mine: list[dict[str, Any]], befores: list[list[np.ndarray]], other: list[dict[str, Any]]) -> list[str]:
    """Where networks of a script start from other distributions: what was done to their weights before."""
    found = []
    for one, before, two in zip(mine, befores, other, strict=False):
        for (path, _, name, trained), array, begun in zip(one["entries"], before, two.get("begun", ()), strict=False):
            if trained and unlike(start := start_of(array), begun):
                found.append(f"start: {path}.{name}: {_told(begun)} instead of {_told(start)}")
    return found


def _histories(mine: list[dict[str, list[float]]], other: list[dict[str, list[float]]]) -> list[str]:
    """Where what `fit` told of its epochs differs; PyTorch's own scripts have no such history."""
    found = []
    for number, (a, b) in enumerate(zip(mine, other, strict=False), start=1):
        if set(a) != set(b):
            found.append(f"history {number}: {', '.join(sorted(a))} became {', '.join(sorted(b))}")
        for name in set(a) & set(b):
            gaps = [abs(x - y) / max(abs(x), 1e-3) for x, y in zip(a[name], b[name], strict=False)]
            if not max(gaps, default=0.0) <= LOSS:
                found.append(f"history {number}, {name}: {max(gaps):.2g}")
    return found


def _without(values: list, unused: set[int]) -> list:
    """The rows of weights that both sides have: a layer that is never called has none in Keras."""
    return [one for i, one in enumerate(values) if i not in unused]


def renamed_path(path: str, renamed: dict[str, str]) -> str:
    return ".".join(renamed.get(part, part) for part in path.split("."))


def _moved(arrays: dict[str, np.ndarray], rows: list) -> dict[str, np.ndarray]:
    """Gradients of the source in the order of axes of the target."""
    moved = {}
    for name, array in arrays.items():
        kind, _, number = name.partition(":")
        how = rows[int(number)][2] if kind == "g" else None
        moved[name] = array if how is None else np.transpose(array, how)
    return moved


def _arrays(table: list) -> dict[str, np.ndarray]:
    return read_arrays(table)


def largest(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> float:
    if set(a) != set(b):
        return float("inf")
    return max((distance(a[name], b[name]) for name in a), default=0.0)


def _failed(what: str, reasons: list[str]) -> dict[str, Any]:
    return {"verdict": "different", "differences": [f"{what}: {one}" for one in reasons[:20]]}
