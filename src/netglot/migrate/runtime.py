"""What both workers of a migration can do, whatever their framework: load files, make networks, hold randomness.

A network is named by an expression in a module, `ResNet(BasicBlock, [2, 2])` in `resnet`, and means the same on both
sides.
"""

from __future__ import annotations

import importlib
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from netglot.migrate.loading import Files, doubled
from netglot.migrate.project import FAILED
from netglot.verify.arrays import read_arrays, write_arrays


class Enough(BaseException):
    """Ends a script that has trained for as many steps as are compared."""


class Draws:
    """Random numbers that are the same on both sides: the n-th draw after a reset depends on n alone."""

    def __init__(self) -> None:
        self.count = 0

    def reset(self) -> None:
        """The next draw is the first again, Python's and NumPy's own too."""
        self.count = 0
        random.seed(0)
        np.random.seed(0)

    @contextmanager
    def held(self) -> Iterator[None]:
        """What is drawn inside was not drawn."""
        count, plain, numbers = self.count, random.getstate(), np.random.get_state()
        try:
            yield
        finally:
            self.count = count
            random.setstate(plain)
            np.random.set_state(numbers)

    def take(self, kind: str, shape: Any, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """The next numbers: "normal", "uniform" or "integers"."""
        rng = np.random.default_rng(9000 + self.count)
        self.count += 1
        shape = tuple(int(s) for s in shape)
        if kind == "normal":
            return rng.standard_normal(shape)
        if kind == "integers":
            return rng.integers(int(low), int(high), shape)
        return rng.uniform(low, high, shape)


class Side:
    """One framework's side of the proof; the subclasses know tensors and weights."""

    OPERATIONS = (
        "load",
        "make",
        "weights",
        "set_weights",
        "warm",
        "run",
        "gradients",
        "train",
        "replay",
        "save_weights",
    )

    entry = "forward"

    def __init__(self, folder: str):
        self.folder = folder
        self.files: Files | None = None
        self.model: Any = None
        self.draws = Draws()
        if aside := os.environ.get("NETGLOT_FOLDER"):
            os.chdir(aside)

    def load(self, root: str, files: dict[str, list[str]], argv: list[str] | None = None) -> None:
        """Takes the files of a project: module name to [file name, text]."""
        sys.path.insert(0, root)
        sys.argv = [os.path.join(root, "script.py"), *(argv or [])]
        self.files = Files({name: (one[0], one[1]) for name, one in files.items()}, doubled)
        self.files.install()
        self.prepare()

    def make(self, module: str, expression: str, setup: str = "") -> None:
        """Makes a network by an expression in a module of the project."""
        place = importlib.import_module(module.removesuffix(".__init__"))
        names = dict(vars(place))
        if setup:
            exec(setup, names)
        self.draws.reset()
        try:
            self.model = self.made(eval(expression, names))
        except NameError as error:
            raise names.get(FAILED, [error])[0] from error  # the statement that should have made it raised

    def replay(self, module: str, argv: list[str], steps: int, weights: list | None = None) -> dict[str, Any]:
        """Runs a script for some steps of training; tells the loss of each, and the weights before and after.

        `weights` are what its networks start from, in the order in which they are first called: for each the entries
        `[path, attribute]` and their arrays.
        """
        assert self.files is not None
        self.losses: list[float] = []
        self.histories: list[dict[str, list[float]]] = []
        self.met: list[dict[str, Any]] = []
        self.starts, self.steps = list(weights or []), steps
        self.sizes: dict[int, int] = {}
        """How many weights each network had when it was last called."""
        self.draws.reset()
        self.draws.count = 100000
        self.unshuffled = bool(weights) is (self.entry == "forward")  # `fit` shuffles by means of its own
        sys.argv = ["script.py", *argv]
        np.random.permutation = lambda n: self._permuted(n)
        random.seed(0)  # a script that does not say where its random numbers begin begins alike on both sides
        np.random.seed(0)
        own = np.random.default_rng
        np.random.default_rng = lambda seed=0: own(0 if seed is None else seed)
        self.watch_training()
        error = None
        try:
            self.files.script(module)
        except Enough:
            pass
        except SystemExit as stopped:
            error = None if stopped.code in (None, 0) else str(stopped.code)
        except Exception as raised:
            import traceback

            error = "".join(traceback.format_exception(raised)[-3:])
        histories = [{name: [float(v) for v in values] for name, values in one.items()} for one in self.histories]
        return {
            "losses": self.losses, "error": error, "networks": [self.told(one) for one in self.met],
            "histories": histories,
        }  # fmt: skip

    def _permuted(self, n: Any) -> np.ndarray:
        """The one known order of so many samples: who draws ahead draws the same."""
        count = n if isinstance(n, (int, np.integer)) else len(n)
        places = np.arange(count) if self.unshuffled else np.random.default_rng(77).permutation(count)
        return places if isinstance(n, (int, np.integer)) else np.asarray(n)[places]

    def saw_loss(self, value: Any) -> None:
        """One step of training; enough of them end the script."""
        if len(self.losses) >= self.steps:
            raise Enough
        self.losses.append(float(value))

    def watch_training(self) -> None:
        """Takes note of losses and of the networks that are called."""

    def told(self, met: dict[str, Any]) -> dict[str, Any]:
        """A network that was met, its weights before and after."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Double precision, no dropping, draws that are known."""

    def made(self, model: Any) -> Any:
        return model

    def tensors(self, inputs: list) -> list:
        """Inputs of a call: [[name or None, array table]] in order."""
        raise NotImplementedError

    def arrays(self, table: list) -> list[np.ndarray]:
        found = read_arrays(table)
        return [found[name] for name in sorted(found, key=lambda n: int(n.rpartition(":")[2]))]

    def written(self, values: dict[str, np.ndarray]) -> list:
        return write_arrays(self.folder, values)


def flat(value: Any, is_tensor: Any) -> list[Any]:
    """The tensors in nested outputs, in order."""
    if is_tensor(value):
        return [value]
    if isinstance(value, dict):
        return [leaf for one in value.values() for leaf in flat(one, is_tensor)]
    if isinstance(value, (list, tuple)):
        return [leaf for one in value for leaf in flat(one, is_tensor)]
    return []
