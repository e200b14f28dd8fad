"""What a PyTorch worker can do as the target: load an emitted folder and do what `runtime_keras` does with its own.

Variables are named by their paths from the model, `layer1[0].conv1.weight`.
"""

from __future__ import annotations

import os

import torch

from netglot.verify import runtime_torch
from netglot.verify.arrays import each_array, read_arrays
from netglot.verify.emitted import import_emitted
from netglot.verify.paths import resolve
from netglot.verify.runtime_torch import OPTIMISERS, _loss, _tensor

_COUNTER = "num_batches_tracked"
"""What PyTorch's batch norm counts by itself; no variable of the source fills it."""


class Runtime(runtime_torch.Runtime):
    """The operations of the worker; each takes and returns JSON, arrays by way of `arrays`."""

    OPERATIONS = (
        "load", "describe", "set_state", "state", "run", "gradients", "train", "dropout", "intermediates",
    )  # fmt: skip

    def load(self, call, path, dtype="float32", entry="load", exact=()):
        """Imports `model.py` from the folder `path` and calls its `load()`, computing in `dtype`.

        `exact` names known imprecisions that are computed exactly, see `runtime_torch.REPAIRS`.
        """
        torch.set_default_dtype(torch.float32)
        self.module = None  # type: ignore[assignment]  (the memory of the last one)
        self.call, self.emitted = call, str(path)
        self.module = getattr(import_emitted(os.path.join(path, "model.py")), entry)()
        self.stored = runtime_torch.stored_in(self.module)
        self.set_dtype(dtype)
        self.exact = tuple(exact)
        return self.describe([])

    def describe(self, paths):  # type: ignore[override]
        """The variables at `paths`: `[[path, shape, dtype, trainable], ...]`, and those of the model that `paths`
        leaves out, by the names that PyTorch gives them."""
        found = [(path, resolve(self.module, path)) for path in paths]
        listed = {id(tensor) for _, tensor in found}
        counted = [(name, tensor) for name, tensor in self._tensors() if not name.endswith(_COUNTER)]
        left = [(name, tensor) for name, tensor in counted if id(tensor) not in listed]
        sizes = {trained: sum(t.numel() for _, t in counted if t.requires_grad == trained) for trained in (True, False)}
        return {
            "state": [[p, list(t.shape), str(t.dtype).split(".")[1], t.requires_grad] for p, t in found],
            "left_out": [[name, list(t.shape), t.requires_grad] for name, t in left],
            "parameters": {"trainable": sizes[True], "frozen": sizes[False]},
            "framework": f"torch {torch.__version__}",
        }

    def set_state(self, arrays):
        """Overwrites variables by path."""
        with torch.no_grad():
            for path, array in each_array(arrays):
                tensor = resolve(self.module, path)
                if tuple(tensor.shape) != array.shape:
                    raise ValueError(f"{path} has shape {tuple(tensor.shape)} and is given {array.shape}")
                tensor.copy_(_tensor(array))

    def state(self, paths):  # type: ignore[override]
        """The variables at `paths`."""
        return self._write({path: resolve(self.module, path) for path in paths})

    def gradients(self, inputs, cotangents, paths):  # type: ignore[override]
        """Gradients of `sum(output * cotangent)` to the variables at `paths` and to every input of floats, in
        inference mode. Inputs are named `input:NAME`."""
        self._mode(False)
        weights = {name: _tensor(array, self.dtype) for name, array in each_array(cotangents)}
        given = self._inputs(inputs)
        watched = {f"input:{name}": t.requires_grad_() for name, t in given.items() if t.is_floating_point()}
        watched.update({path: resolve(self.module, path) for path in paths})
        with self._watch(steady=True), self._kept_buffers():
            outputs = self._outputs(given)
            total = sum((outputs[name] * weight).sum() for name, weight in weights.items())
            found = torch.autograd.grad(total, list(watched.values()), allow_unused=True)
        return self._write(
            {name: torch.zeros_like(t) if g is None else g for (name, t), g in zip(watched.items(), found, strict=True)}
        )

    def train(self, inputs, targets, steps, rate, paths, statistics, optimiser="sgd"):  # type: ignore[override]
        """Trains the variables at `paths` on one batch, nothing dropped, as `runtime_torch` does.

        Returns:
            `losses`; `first`, the `statistics` after the first step; `last`, the state of `paths` and `statistics`
            after the last; and `biased_first`, `biased_last`: the running variances as they would be with the biased
            estimate.
        """
        self._mode(True)
        given, wanted = self._inputs(inputs), list(read_arrays(targets).items())
        stepper = OPTIMISERS[optimiser]([resolve(self.module, path) for path in paths], lr=rate)
        losses, watch, result = [], self._watch(steady=True), {}
        outputs: dict = {}
        for step in range(steps):
            with watch:
                outputs = self._outputs(given)
                loss = _loss(outputs, wanted)
                stepper.zero_grad()
                loss.backward()
            stepper.step()
            losses.append(loss.item())
            if step == 0:
                result["first"] = self.state(statistics)
                result["biased_first"] = self._biased(watch, statistics)
        stepper.zero_grad()
        result["biased_last"] = self._biased(watch, statistics)
        return {"losses": losses, "outputs": list(outputs), **result, "last": self.state([*paths, *statistics])}

    def _biased(self, watch, statistics):
        return self._write(watch.biased_by_name([(path, resolve(self.module, path)) for path in statistics]))

    def dropout(self, inputs, runs, statistics=()):
        """How random dropping behaves in training, see `runtime_torch`; buffers are put back afterwards."""
        return super().dropout(inputs, runs)

    def intermediates(self, inputs):  # type: ignore[override]
        """What the folder's `trace.py` records: `trace(model, *arguments)` calls `record(name, value)` as it goes."""
        seen: dict = {}
        path = os.path.join(self.emitted, "trace.py")
        module = import_emitted(path, record=lambda name, value: seen.update({name: value}))
        self._mode(False)
        args, kwargs = self._arguments(self._inputs(inputs))
        with torch.no_grad(), self._watch(steady=True):
            module.trace(self.module, *args, **kwargs)
        return self._write(seen)
