"""The two workers of a verification as one: loading both, giving both the same state, running both on the same inputs.

They work at the same time, one beside the other. Arrays go through one at a time where they are a network's state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netglot.errors import WorkerError
from netglot.verify.arrays import each_array
from netglot.verify.findings import Findings, listed
from netglot.verify.inputs import to_target
from netglot.verify.process import OperationError, Worker
from netglot.verify.recipe import evaluate_recipe
from netglot.verify.spec import Spec

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Tracing:
    """What finds the first difference: the source's exported program with the pivot's name for each of its nodes, and
    a copy of the emitted folder that has a `trace.py`. `permutations` is the target's order of axes by value. `meaning`
    is the folder of a saved graph that stands for a source that shows no values of its own."""

    program: str
    names: Mapping[str, str | list[str]]
    folder: str
    permutations: Mapping[str, tuple[int, ...] | None] = field(default_factory=dict)
    meaning: str | None = None


@dataclass(frozen=True)
class Loading:
    """How both sides are loaded: the arguments of the source worker's `load`, and the emitted folder."""

    source: Mapping[str, Any]
    folder: str
    tracing: Tracing | None = None


class Refused(WorkerError):
    """What one or both sides raised; both workers live."""

    def __init__(self, source: OperationError | None, target: OperationError | None):
        error = source or target
        super().__init__(str(error))
        self.source, self.target = source, target
        self.trace = getattr(error, "trace", "")


@dataclass
class Pair:
    """Both workers, and what they are told. `random` is the state that proves more than the network's own."""

    source: Worker
    target: Worker
    spec: Spec
    loading: Loading
    random: Mapping[str, np.ndarray]
    paths: dict[str, str] = field(default_factory=dict)
    """The graph's path of each name in the source's state: a tied weight may go by another of its names there."""

    def both(self, ours: tuple[str, dict], theirs: tuple[str, dict]) -> tuple[Any, Any]:
        """One operation on each side at the same time.

        Raises:
            Refused: an operation raised on one side or on both.
        """
        self.source.send(ours[0], **ours[1])
        self.target.send(theirs[0], **theirs[1])
        results: list[Any] = []
        errors: list[OperationError | None] = []
        for worker, (op, _) in ((self.source, ours), (self.target, theirs)):
            try:
                results.append(worker.receive(op))
                errors.append(None)
            except OperationError as error:
                results.append(None)
                errors.append(error)
        if any(errors):
            raise Refused(errors[0], errors[1])
        return results[0], results[1]

    def load(self) -> tuple[Any, Any]:
        """Loads both sides in float32 and returns what they say of themselves."""
        described, found = self.both(
            ("load", {**self.loading.source, "call": self.spec.source_call}),
            ("load", {"path": self.loading.folder, "call": self.spec.target_call, "dtype": "float32"}),
        )
        if any("float" in dtype and dtype != "float32" for _, _, dtype, _ in described["state"]):
            self.source.request("set_dtype", dtype="float32")
        names = {name for name, *_ in described["state"]}
        for path, parameter in self.spec.parameters.items():
            same = next((name for name in (path, *parameter.aliases) if name in names), None)
            if same is not None:
                self.paths[same] = path
        return described, found

    def load_target_double(self, exact: Iterable[str] = (), folder: str | None = None) -> None:
        """Loads the target anew in float64, with the named imprecisions repaired."""
        self.target.request(
            "load",
            path=folder or self.loading.folder,
            call=self.spec.target_call,
            dtype="float64",
            exact=list(exact),
        )

    def renamed(self, arrays: Arrays) -> Arrays:
        """The source's arrays under the paths of the graph."""
        return {self.paths.get(name, name): array for name, array in arrays.items()}

    def names(self, paths: Iterable[str]) -> list[str]:
        """The source's own names of these paths."""
        names = {path: name for name, path in self.paths.items()}
        return [names.get(path, path) for path in paths]

    def own_state(self) -> Arrays:
        """The source's present state, by the paths of the graph."""
        return self.renamed(self.source.get(self.source.request("state")))

    def recipes(self, state: Arrays) -> Iterator[tuple[str, np.ndarray]]:
        """The target's state made from the source's, one variable at a time."""
        for variable in self.spec.variables:
            yield variable.path, evaluate_recipe(variable.recipe, self.spec.parameters, state)

    def set_random(self) -> None:
        """Gives both sides the random state; what is not drawn stays as the source has it."""
        kept = [name for name, path in self.paths.items() if path not in self.random]
        state = {**self.renamed(self.source.get(self.source.request("state", names=kept))), **self.random}
        own = dict(zip(self.names(self.random), self.random.values(), strict=True))
        self.both(
            ("set_state", {"arrays": self.source.put(own)}),
            ("set_state", {"arrays": self.target.put(self.recipes(state))}),
        )

    def copy_state(self) -> None:
        """Gives the target the source's present state."""
        self.target.request("set_state", arrays=self.target.put(self.recipes(self.own_state())))

    def check_loaded(self, findings: Findings) -> None:
        """Whether `load()` filled each variable with what its recipe says, to the last digit of float32.

        What was rounded when it was stored, such as the sum of two biases, is then set to all its digits.
        """
        table = self.target.request("state", paths=[v.path for v in self.spec.variables])
        wrong, rounded = [], {}
        for (path, wanted), (_, held) in zip(self.recipes(self.own_state()), each_array(table), strict=True):
            if wanted.shape != held.shape or not _float32_equal(wanted, held):
                wrong.append(path)
            elif (wanted != held).any():
                rounded[path] = wanted
        if wrong:
            findings.differs.append(f"load() gives {len(wrong)} variables other values: {listed(wrong)}")
        if rounded:
            self.target.request("set_state", arrays=self.target.put(rounded))

    def inputs(self, arrays: Arrays) -> tuple[list, list]:
        """Inputs for both sides, each in its own order of axes."""
        return self.source.put(arrays), self.target.put(to_target(self.spec.inputs, arrays))

    def run(self, arrays: Arrays) -> tuple[Arrays, Arrays]:
        """Both sides' outputs in inference, each in its own order of axes."""
        ours, theirs = self.inputs(arrays)
        ours, theirs = self.both(("run", {"inputs": ours}), ("run", {"inputs": theirs}))
        return self.source.get(ours), self.target.get(theirs)


def _float32_equal(wanted: np.ndarray, held: np.ndarray) -> bool:
    """Equal but for the last digit of float32; integers and truth values are equal or not."""
    if wanted.dtype.kind not in "fcV":
        return np.array_equal(wanted, held)
    wanted, held = wanted.astype("float64"), held.astype("float64")
    with np.errstate(invalid="ignore"):  # infinities are the same where they are equal
        near = np.abs(wanted - held) <= 2.0**-23 * np.abs(wanted)
    return bool(np.all(near | (wanted == held)))
