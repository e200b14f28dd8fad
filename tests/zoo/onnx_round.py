"""Networks to ONNX and back: `python -m tests.zoo.onnx_round [--only PATTERN ...] [--again] [--table]`.

A network is written as ONNX and read again twice: with the names of its modules, and without any, so that its blocks
must be found. Both come out as PyTorch and are run beside the network itself; so is the model, in onnxruntime. It goes
on where it stopped, and writes docs/zoo-onnx.md.
"""

from __future__ import annotations

import argparse
import ast
import fnmatch
import gc
import json
import tempfile
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tests.zoo.network import Network, catalogue
from tests.zoo.results import FOLDER, ROOT, append, load
from tests.zoo.torchvision_networks import CLASSIFICATION, SEGMENTATION, VIDEO

RESULTS = FOLDER / "onnx.jsonl"
DOCUMENT = ROOT / "docs" / "zoo-onnx.md"

SIDES = {
    "AlexNet": 64, "VGG": 32, "Inception v3": 75, "GoogLeNet": 64, "DenseNet": 32, "SqueezeNet": 65, "ConvNeXt": 64,
    "Swin": 56, "Swin v2": 64, "MaxViT": 224,
}  # fmt: skip
"""The sides of the images of a family of torchvision, where 33 do not do."""
PLAIN = 33

SHAPES: dict[str, tuple[int, ...]] = {
    "vit_b_16": (224, 224), "vit_b_32": (96, 96), "vit_l_16": (64, 64), "vit_l_32": (96, 96),
    **dict.fromkeys((name for names in SEGMENTATION.values() for name in names), (33, 41)),
    **dict.fromkeys((name for names in VIDEO.values() for name in names), (4, 32, 32)),
    "s3d": (16, 224, 224), "mvit_v1_b": (16, 224, 224), "mvit_v2_s": (16, 224, 224),
    "swin3d_t": (4, 56, 56), "swin3d_s": (4, 56, 56), "swin3d_b": (4, 56, 56),
}  # fmt: skip
"""The sizes of the inputs of single networks."""

TOO_LARGE = ("vit_h_14", "regnet_y_128gf")
"""Networks of more than six hundred million parameters, which differ from their families only in that."""

DOUBLE, SINGLE = 1e-9, 5e-4
"""How far outputs may be apart, relative to the largest: in double precision, and where something runs in single."""

SPREADS, CALM = ((0.5, 1.5), (3.0, 5.0)), 1e-2
"""The variances that statistics of norms are drawn from, and how far single precision may be from double under them."""

NOISY = 10
"""How much farther from the network in double precision onnxruntime may be than the network itself is in single."""


def chosen() -> dict[str, Network]:
    """The networks by name: torchvision's that make classes, masks and labels of films, and keras.applications."""
    found = {}
    for name, network in catalogue().items():
        variants = {**CLASSIFICATION, **SEGMENTATION, **VIDEO}.get(network.family, ())
        if network.variant in TOO_LARGE:
            continue
        if network.library == "torchvision" and network.variant in variants:
            side = SIDES.get(network.family, PLAIN)
            shape = (1, 3, *SHAPES.get(network.variant, (side, side)))
            found[name] = replace(network, inputs=(shape,))
        elif network.library == "keras.applications":
            found[name] = network
    return found


# -- one network


def run(network: Network) -> dict[str, Any]:
    """The record of one network."""
    record: dict[str, Any] = {"name": network.name, "verdict": "failed"}
    start = time.process_time()
    try:
        with tempfile.TemporaryDirectory() as folder:
            _round(network, record, Path(folder))
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        record["error"] = f"{type(error).__name__}: {error}"[:600]
        record["trace"] = traceback.format_exc()[-4000:]
        record["verdict"] = "refused" if type(error).__name__ in ("UnsupportedOps", "Refusal") else "failed"
    record["seconds"] = time.process_time() - start
    return record


def _round(network: Network, record: dict[str, Any], folder: Path) -> None:
    from netglot.dialects.onnx.write import save_weights, write

    graph, wanted, inputs, noise = _from_torch(network) if network.library == "torchvision" else _from_keras(network)
    path = folder / "model.onnx"
    save_weights(write(graph, keep_layout=True), path)
    record["parameters"] = sum(int(np.prod(p.shape)) for p in graph.parameters.values() if p.trainable)
    record["onnxruntime"], record["noise"] = _apart(_in_onnxruntime(path, inputs), wanted), noise
    record |= _back(path, folder, inputs, wanted, "")
    bare = folder / "bare.onnx"
    _without_names(path, bare)
    record |= _back(bare, folder, inputs, wanted, "bare ")
    good = record["onnxruntime"] <= max(SINGLE, NOISY * noise) and max(record["back"], record["bare back"]) <= DOUBLE
    record["verdict"] = "equal" if good else "different"


def _from_torch(network: Network):
    import torch

    import netglot

    torch.manual_seed(0)
    module = network.build().eval()
    with torch.no_grad():
        for name, tensor in module.named_buffers():
            if "running" in name:
                tensor.uniform_(0.5, 1.5) if "var" in name else tensor.normal_(0, 0.1)
    (shape,) = network.inputs
    graph = netglot.read(module, inputs=[("B", *shape[1:])])
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(2, *shape[1:])).astype("float32"))
    with torch.no_grad():
        single = _arrays(module(x))
        wanted = _arrays(module.double()(x.double()))
    return graph, wanted, [x.numpy()], _apart(single, wanted)


def _from_keras(network: Network):
    """As `_from_torch`; one that parts from itself is tried with statistics under which its numbers are smaller."""
    import keras

    import netglot

    keras.utils.set_random_seed(0)
    model = network.build()
    shape = [2 if i == 0 else size for i, size in enumerate(model.inputs[0].shape)]
    x = np.random.default_rng(1).normal(size=shape).astype("float32")
    wanted, noise = [], np.inf
    for spread in SPREADS:
        if noise > CALM:
            _stir(model, spread)
            wanted, noise = _exactly(network, model, x)
    return netglot.read(model), wanted, [x], noise


def _stir(model: Any, spread: tuple[float, float]) -> None:
    generator = np.random.default_rng(0)
    for variable in model.weights:
        if "moving_variance" in variable.path:
            variable.assign(generator.uniform(*spread, variable.shape))
        elif "moving_mean" in variable.path:
            variable.assign(generator.normal(0, 0.1, variable.shape))


def _exactly(network: Network, model: Any, x: np.ndarray) -> tuple[list[np.ndarray], float]:
    """What a network of Keras computes in double precision, and how far it is from that in single."""
    import keras

    single = _arrays(keras.ops.convert_to_numpy(model(x, training=False)))
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        exact = network.build()
        exact.set_weights(model.get_weights())
        for one, other in zip(model.layers, exact.layers, strict=True):  # constants, and their roots, are in the file
            if isinstance(one, keras.layers.Normalization):
                mean, root = (keras.ops.cast(held, "float64") for held in (one.mean, keras.ops.sqrt(one.variance)))
                other.mean, other.variance = mean, keras.ops.square(root)
            if isinstance(one, keras.layers.Rescaling):  # Keras rounds a number of Python's to single precision first
                other.scale, other.offset = np.float64(one.scale), np.float64(one.offset)
        wanted = _arrays(keras.ops.convert_to_numpy(exact(x.astype("float64"), training=False)))
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
    return wanted, _apart(single, wanted)


def _in_onnxruntime(path: Path, inputs: list[np.ndarray]) -> list[np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {held.name: x for held, x in zip(session.get_inputs(), inputs, strict=True)})


def _back(path: Path, folder: Path, inputs, wanted, label: str) -> dict[str, Any]:
    """The model read again, as PyTorch: how far its outputs are apart, and how its source looks."""
    import importlib.util

    import torch

    from netglot.dialects.onnx.read import read_onnx
    from netglot.dialects.torch.write import save_weights, write

    written = write(read_onnx(path), keep_layout=True)
    place = folder / (label.strip() or "named")
    place.mkdir()
    (place / "model.py").write_text(written.source, encoding="utf-8")
    save_weights(written, place / "model.safetensors")
    spec = importlib.util.spec_from_file_location("emitted", place / "model.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.load()
    with torch.no_grad():
        made = model.double()(*[torch.from_numpy(x).double() for x in inputs])
    tree = ast.parse(written.source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {
        f"{label}back": _apart(_arrays(made), wanted),
        f"{label}lines": len(written.source.splitlines()),
        f"{label}classes": sum(isinstance(node, ast.ClassDef) for node in tree.body),
        f"{label}longest": max(sum(isinstance(n, ast.stmt) for n in ast.walk(f)) - 1 for f in functions),
    }


def _without_names(path: Path, bare: Path) -> None:
    """The model without names of nodes, modules and tensors."""
    import onnx

    proto = onnx.load(path)
    graph = proto.graph
    outside = {info.name for info in (*graph.input, *graph.output)}
    table = {tensor.name: f"w{i}" for i, tensor in enumerate(graph.initializer) if tensor.name not in outside}
    for node in graph.node:
        node.name = ""
        del node.metadata_props[:]
        for name in node.output:
            if name not in outside:
                table.setdefault(name, f"t{len(table)}")
    for tensor in graph.initializer:
        tensor.name = table.get(tensor.name, tensor.name)
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [table.get(name, name) for name in names]
    del graph.value_info[:], proto.metadata_props[:]
    onnx.save(proto, bare)


def _arrays(made: Any) -> list[np.ndarray]:
    if isinstance(made, dict):
        made = list(made.values())
    return [np.asarray(one) for one in (made if isinstance(made, list | tuple) else [made])]


def _apart(made: list[np.ndarray], wanted: list[np.ndarray]) -> float:
    """The largest difference, relative to the largest number."""
    assert [one.shape for one in made] == [one.shape for one in wanted], "the outputs have other shapes"
    return max(float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30)) for a, b in zip(made, wanted, strict=True))


# -- the page

HEAD = """# Networks to ONNX and back

Generated by `python -m tests.zoo.onnx_round`. Do not edit.

Each network, with random weights and statistics and a small image, is written as ONNX and read again: as it is, and
without the names of nodes, modules and tensors, so that blocks must be found by what repeats. Both come out as PyTorch.
Numbers are the largest difference of an output from the network itself in double precision, relative to its largest
number: of the model in onnxruntime, in single precision; and of the PyTorch network, in double. Where the network in
single precision is far from itself in double, as deep ones with random weights are, so may onnxruntime be. *Lines*,
*classes* and *longest* (the statements of the longest function) are of the source, in parentheses without names.
Left out, for their size alone: vit_h_14 and regnet_y_128gf.

"""


def page(known: dict[str, Any], networks: dict[str, Network]) -> str:
    """The document."""
    rows = [known[name] for name in networks if name in known]
    good = sum(row["verdict"] == "equal" for row in rows)
    text = HEAD + f"{good} of {len(rows)} are equal.\n\n"
    text += "| network | verdict | onnxruntime | back | without names | lines | classes | longest |\n"
    text += "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    for row in rows:
        numbers = [f"{row[key]:.1e}" if key in row else "" for key in ("onnxruntime", "back", "bare back")]
        sizes = [f"{row.get(key, '')} ({row.get(f'bare {key}', '')})" for key in ("lines", "classes", "longest")]
        cells = [row["name"], row["verdict"], *numbers, *(sizes if "back" in row else [""] * 3)]
        text += f"| {' | '.join(cells)} |\n"
    reasons = [f"* {row['name']}: {row['error'].splitlines()[0]}" for row in rows if "error" in row]
    return text + ("\n" + "\n".join(reasons) + "\n" if reasons else "")


def main() -> None:
    """Runs, tells, and writes the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.zoo.onnx_round", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="names or patterns: resnet18, 'keras*'")
    parser.add_argument(
        "--again", nargs="*", metavar="VERDICT", help="run again (only these verdicts: failed different)"
    )
    parser.add_argument("--table", action="store_true", help="write the page from what is there and stop")
    options = parser.parse_args()
    from tests.conftest import register_torchvision_operators

    networks, known = chosen(), load(RESULTS)
    for name, network in networks.items() if not options.table else ():
        names = (name, network.variant)
        if options.only and not any(fnmatch.fnmatch(n, pattern) for n in names for pattern in options.only):
            continue
        again = options.again == [] or (options.again and known.get(name, {}).get("verdict") in options.again)
        if name in known and not again:
            continue
        register_torchvision_operators()
        known[name] = run(network)
        append(known[name], RESULTS)
        shown = {k: v for k, v in known[name].items() if k not in ("trace", "name")}
        print(name, json.dumps(shown, default=str), flush=True)
        gc.collect()
    DOCUMENT.write_text(page(known, networks), encoding="utf-8")


if __name__ == "__main__":
    main()
