"""The emitted networks run on the other backends of Keras as they are, with the same weights file."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")

import torch
from tests.golden.networks import SMALL
from torch.utils import _pytree as pytree

import netglot

SIZES = {"B": 3, "T": 9}
RUN = """
import importlib.util, json, sys
from pathlib import Path
import numpy as np
import keras
assert keras.backend.backend() == sys.argv[1]
for folder in map(Path, sys.argv[2:]):
    spec = importlib.util.spec_from_file_location(f"emitted_{folder.name}", folder / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    told = json.loads((folder / "report.json").read_text())
    given = np.load(folder / "given.npz")
    inputs = {one["name"]: given[one["name"]].transpose(one["permutation"]) for one in told["inputs"]}
    model = module.load()
    found = model(inputs if len(inputs) > 1 else next(iter(inputs.values())), training=False)
    found = list(found.values()) if isinstance(found, dict) else keras.tree.flatten(found)
    worst = 0.0
    for number, (one, result) in enumerate(zip(told["outputs"], found, strict=True)):
        result, wanted = keras.ops.convert_to_numpy(result), given[f"wanted {number}"].transpose(one["permutation"])
        assert result.shape == wanted.shape
        worst = max(worst, abs(result - wanted).max() / abs(wanted).max())
    print(folder.name, worst)
"""


def _given(told: list[dict], generator: np.random.Generator) -> dict[str, np.ndarray]:
    found = {}
    for one in told:
        shape = [SIZES.get(size, size) for size in one["shape"]]
        whole = one["dtype"].startswith("int")
        drawn = generator.integers(0, 50, shape) if whole else generator.normal(size=shape)
        found[one["name"]] = drawn.astype(one["dtype"])
    return found


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The networks, written, each with inputs and with what PyTorch makes of them."""
    generator, made = np.random.default_rng(0), []
    for name, (make, inputs) in SMALL.items():
        torch.manual_seed(0)
        model = make().eval()
        folder = tmp_path_factory.mktemp("emitted") / name
        netglot.convert(model, to="keras", inputs=inputs, verify=False).save(folder)
        given = _given(json.loads((folder / "report.json").read_text())["inputs"], generator)
        with torch.no_grad():
            wanted = model(*map(torch.from_numpy, given.values()))
        wanted = pytree.tree_leaves(wanted)
        np.savez(folder / "given.npz", **{f"wanted {i}": one.numpy() for i, one in enumerate(wanted)}, **given)
        made.append(folder)
    return made


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_emitted_networks_run_on_another_backend(backend, folders):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = {**os.environ, "KERAS_BACKEND": backend}
    command = [sys.executable, "-c", RUN, backend, *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    found = dict(line.split() for line in done.stdout.splitlines())
    assert found.keys() == SMALL.keys()
    assert all(float(difference) < 2e-6 for difference in found.values()), found
