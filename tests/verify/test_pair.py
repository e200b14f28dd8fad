"""A right conversion is found equivalent, and each of a dozen planted mistakes is found, with its place."""

from __future__ import annotations

import dataclasses
import sys
import types

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")

import torch
from network import FX_NAMES, MODEL, PERMUTATIONS, TRACE, Net, export, graph, spec, variables

from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.verify.plan import Loading, Options, Tracing, verify_pair
from netglot.verify.process import Worker
from netglot.verify.recipe import evaluate_recipe
from netglot.verify.ship import pickle_source


@pytest.fixture(scope="module")
def workers():
    with Worker("torch") as source, Worker("keras") as target:
        yield source, target


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The source: its graph, how it is loaded, and its exported program."""
    folder = tmp_path_factory.mktemp("source")
    torch.manual_seed(0)
    model = Net()
    export(model, folder / "program.pt2")
    return graph(model), pickle_source(model, folder / "model.pickle"), folder / "program.pt2"


@pytest.fixture
def verify(workers, source, tmp_path):
    """Writes the target, with mistakes in its text or its recipes, and verifies it."""

    def run(mistakes=(), recipes=None, of=None, gelu="ops.gelu(bn, approximate=False)", **options):
        network, loading, program = source
        text = MODEL
        for right, wrong in mistakes:
            assert right in text
            text = text.replace(right, wrong)
        made = variables(network.parameters)
        if recipes:
            made = [dataclasses.replace(v, recipe=recipes.get(v.path, v.recipe)) for v in made]
        arrays = {v.path: evaluate_recipe(v.recipe, network.parameters, {}).astype("float32") for v in made}
        (tmp_path / "model.py").write_text(text)
        (tmp_path / "trace.py").write_text(TRACE.replace("GELU", gelu))
        np.savez(tmp_path / "weights.npz", **arrays)
        tracing = Tracing(str(program), FX_NAMES, str(tmp_path), PERMUTATIONS)
        told = of(spec(network, made)) if of else spec(network, made)
        return verify_pair(*workers, told, Loading(loading, str(tmp_path), tracing), options=Options(**options))

    return run


def test_a_right_conversion_is_equivalent(verify):
    report = verify()
    assert report["verdict"] == "equivalent", report["differences"]
    assert report["stopped"] is None and report["first_difference"] is None
    assert report["float64"]["max_rel"] < 1e-7 and report["float64"]["compared"] >= 2 * 2 * 4
    assert report["float64"]["max_rel"] > 0, "two frameworks never agree to the last bit"
    assert 0 < report["float32"]["max_rel"] < 1e-4
    assert report["gradients"]["same"] and report["gradients"]["parameters"] == 12
    assert report["gradients"]["inputs"] == 2 and report["gradients"]["max_rel"] < 1e-12
    training = report["training"]
    assert training["steps"] == 10 and training["same"]
    losses = training["losses"]["source"]
    assert losses[-1] < losses[0] and training["losses"]["max_rel"] < 1e-12
    assert training["dropout"] == {"same": True, "places": 1, "rates": [0.3]}
    assert report["parameters"] == {
        "source": {"trainable": 2182, "frozen": 16},
        "target": {"trainable": 2162, "frozen": 16},
    }
    assert report["inputs"][0] == {
        "name": "image", "dtype": "float32", "shape": ["B", 3, 7, 5], "permutation": [0, 2, 3, 1],
    }  # fmt: skip
    assert {phase["name"] for phase in report["phases"]} == {"load", "float32", "float64", "gradients", "training"}
    assert all(phase["seconds"] > 0 and phase["peak_bytes"]["keras"] > 2**26 for phase in report["phases"])


def test_what_the_frameworks_do_differently_is_told_with_its_size(verify):
    report = verify()
    (known,) = report["known_imprecisions"]
    assert (known["framework"], known["op"], known["nodes"]) == ("keras", "Gelu", 1)
    assert any("unbiased" in sentence and "1.2e-03 of their" in sentence for sentence in report["differences"]), report
    assert any("lstm.cell.bias" in sentence for sentence in report["differences"])
    assert report["training"]["statistics"]["biased_variance"]["compared"] == 1


SILU = "ops.silu(1.702 * self.bn(self.conv(image))) / 1.702"
MISTAKES = {
    "epsilon": ([("epsilon=1e-5", "epsilon=1e-3")], "BatchNorm"),
    "tanh GELU": ([("approximate=False", "approximate=True")], "Gelu"),
    "sigmoid GELU": ([("ops.gelu(self.bn(self.conv(image)), approximate=False)", SILU)], "Gelu"),
    "padding": ([('padding="same"', 'padding="same", dilation_rate=2')], "Conv"),
    "gates": ([("layers.LSTM(5)", 'layers.LSTM(5, recurrent_activation="hard_sigmoid")')], "Lstm"),
    "backwards": ([("layers.LSTM(5)", "layers.LSTM(5, go_backwards=True)")], "Lstm"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_text_is_found_at_its_node(verify, name):
    mistakes, op = MISTAKES[name]
    gelu = {"tanh GELU": "ops.gelu(bn, approximate=True)", "sigmoid GELU": "ops.silu(1.702 * bn) / 1.702"}.get(name)
    report = verify(mistakes, **({"gelu": gelu} if gelu else {}))
    assert report["verdict"] == "different"
    first = report["first_difference"]
    assert first["op"] == op, report["differences"]
    assert first["site"].startswith("network.py:")
    assert first["source"] != first["target"]


TRAINING = {
    "momentum": ("momentum=0.9", "momentum=0.1", "running statistics differ"),
    "dropout rate": ("Dropout(0.3)", "Dropout(0.35)", "random dropping has rate 0.3"),
    "channel dropout": ("layers.Dropout(0.3)", "layers.SpatialDropout2D(0.3)", "draws"),
    "no dropout": ("self.drop(features)", "features", "no place in the target"),
    "no gradient": ("self.drop(features)", "ops.stop_gradient(self.drop(features))", "gradients differ"),
    "frozen": ("layers.Dense(6)]", "layers.Dense(6, trainable=False)]", "blocks[0].kernel is frozen"),
    "no batch statistics": ("self.bn(self.conv(image))", "self.bn(self.conv(image), training=False)", "training parts"),
}


@pytest.mark.parametrize("name", TRAINING)
def test_a_mistake_that_only_training_shows_is_found(verify, name):
    right, wrong, said = TRAINING[name]
    report = verify([(right, wrong)])
    assert report["verdict"] == "different"
    assert report["float64"]["same"]
    if name == "no dropout":
        said = "in the source and no place in the target"
    assert any(said in sentence for sentence in report["differences"]), report["differences"]


def test_a_dropped_permutation_of_a_weight_is_found(verify, source):
    weight = source[0].parameters["conv.weight"]
    turned = ops.Permute(weight, (3, 2, 1, 0))
    report = verify(recipes={"conv.kernel": turned})
    assert report["verdict"] == "different" and report["first_difference"]["op"] == "Conv"


def test_swapped_weights_are_found(verify, source):
    p = source[0].parameters
    report = verify(recipes={"bn.gamma": p["bn.running_var"], "bn.moving_variance": p["bn.weight"]})
    assert report["verdict"] == "different" and report["first_difference"]["op"] == "BatchNorm"


def test_swapped_gates_are_found(verify, source):
    weight = source[0].parameters["lstm.weight_ih_l0"]
    i, f, g, o = (Part(ops.Split(weight, (5, 5, 5, 5), 0), gate) for gate in range(4))
    report = verify(recipes={"lstm.cell.kernel": ops.Permute(ops.Concat((f, i, g, o), 0), (1, 0))})
    assert report["verdict"] == "different" and report["first_difference"]["op"] == "Lstm"


def test_a_dropped_permutation_of_an_output_is_found(verify):
    def plain_outputs(told):
        return dataclasses.replace(told, outputs=tuple(dataclasses.replace(o, permutation=None) for o in told.outputs))

    report = verify(of=plain_outputs)
    assert report["verdict"] == "different"
    assert any("shape [2, 8, 7, 5] became [2, 7, 5, 8]" in sentence for sentence in report["differences"])


def test_weights_that_load_does_not_load_are_found(verify):
    report = verify([("variable.assign(array)", "variable.assign(array * (1 + 1e-6))")])
    assert report["verdict"] == "different"
    assert any("load() gives" in sentence for sentence in report["differences"])


def test_a_target_that_raises_is_told(verify):
    report = verify([("ops.reshape(self.drop(features), (-1, 280))", "ops.reshape(features, (-1, 281))")])
    assert report["verdict"] == "different"
    assert any("the target fails" in sentence or "stopped" in sentence for sentence in report["differences"])


def test_a_class_from_a_loose_file_is_shipped_whole(workers, tmp_path):
    loose = types.ModuleType("a_file_that_no_worker_can_import")
    sys.modules[loose.__name__] = loose
    exec(
        "import torch\nSCALE = 3.0\n"
        "class Loose(torch.nn.Module):\n"
        "    def forward(self, x): return {'y': (x * SCALE, None), 'z': x}\n",
        vars(loose),
    )
    worker = workers[0]
    worker.request("load", call={"args": ["x"], "kwargs": {}}, **pickle_source(loose.Loose(), tmp_path / "loose"))
    outputs = worker.get(worker.request("run", inputs=worker.put({"x": np.ones((2, 2), "float32")})))
    assert {name: array.max() for name, array in outputs.items()} == {"y.0": 3.0, "z": 1.0}


def test_imprecisions_of_torch_are_repaired_below_autograd(workers, tmp_path):
    worker = workers[0]
    x = np.linspace(-2.9, 2.9, 50)
    exact = {"Hardsigmoid": np.full(50, 1 / 6), "CELU": np.where(x > 0, 1.0, np.exp(x / 1.3))}
    for layer in (torch.nn.Hardsigmoid(), torch.nn.CELU(1.3)):
        call = {"args": ["x"], "kwargs": {}}
        worker.request("load", call=call, **pickle_source(layer, tmp_path / "layer"))
        worker.request("set_dtype", dtype="float64")
        errors = []
        for repairs in ([], ["hardsigmoid", "celu"]):
            worker.request("repair", names=repairs)
            cotangents = worker.put({"output": np.ones(50)})
            found = worker.get(worker.request("gradients", inputs=worker.put({"x": x}), cotangents=cotangents))
            errors.append(np.abs(found["input:x"] - exact[type(layer).__name__]).max())
        assert errors[0] > 1e-9, "PyTorch has become exact: the imprecision need not be listed any more"
        assert errors[1] < 1e-15
