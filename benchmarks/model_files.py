"""What opening half a gigabyte of a model file costs: `python -m benchmarks.model_files [MEGABYTES]`.

A `.caffemodel` and what protobuf itself needs to parse it, a `.weights` of Darknet, a `.params` of MXNet: time and
memory, each opened in a process of its own. Opening reads the structure; weights are mapped, and read when used.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

LAYERS, ROWS = 8, 4096


def _caffe(folder: Path, columns: int) -> Path:
    from netglot.formats.caffe import network_text, write_weights

    layers = []
    for place in range(LAYERS):
        options = {"inner_product_param": {"num_output": ROWS, "bias_term": False}}
        layers.append(("InnerProduct", f"fc{place}", ["data"], [f"fc{place}"], options))
    shape = {"input_param": {"shape": {"dim": [1, columns]}}}
    text = network_text("big", [("Input", "data", [], ["data"], shape), *layers])
    (folder / "net.prototxt").write_text(text)
    block = np.ones((ROWS, columns), "float32")
    blobs = [(f"fc{place}", "InnerProduct", [((ROWS, columns), lambda: block)]) for place in range(LAYERS)]
    write_weights(folder / "net.caffemodel", "big", blobs)
    return folder / "net.caffemodel"


def _darknet(folder: Path, columns: int) -> Path:
    from netglot.formats.darknet import write_weights

    sections = "".join(f"[connected]\noutput={ROWS}\nactivation=linear\n[route]\nlayers=-1\n" for _ in range(1))
    (folder / "net.cfg").write_text(f"[net]\ninputs={columns * LAYERS}\n{sections}")
    block = np.ones((ROWS, columns * LAYERS), "float32")
    write_weights(folder / "net.weights", [np.zeros(ROWS, "float32"), block])
    return folder / "net.weights"


def _mxnet(folder: Path, columns: int) -> Path:
    from netglot.formats.mxnet import write_params

    block = np.ones((ROWS, columns), "float32")
    write_params(folder / "net-0000.params", ((f"arg:w{place}", block) for place in range(LAYERS)), LAYERS)
    return folder / "net-0000.params"


def open_caffe(path: Path) -> None:
    """The graph of a network with its weights, none of them read."""
    from netglot.dialects.caffe.read import read_caffe

    read_caffe(path.with_suffix(".prototxt"))


def open_darknet(path: Path) -> None:
    """The graph of a network with its weights, none of them read."""
    from netglot.dialects.darknet.read import read_darknet

    read_darknet(path.with_suffix(".cfg"))


def open_mxnet(path: Path) -> None:
    """The arrays of a file by name."""
    from netglot.formats.mxnet import read_params

    read_params(path)


def open_protobuf(path: Path) -> None:
    """A `.caffemodel` parsed by protobuf's own library, with the fields that hold weights declared."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe")
    tables = {
        "BlobShape": [("dim", 1, 3, 3, "", True)],
        "BlobProto": [("shape", 7, 1, 11, ".caffe.BlobShape", False), ("data", 5, 3, 2, "", True)],
        "LayerParameter": [("name", 1, 1, 9, "", False), ("type", 2, 1, 9, "", False)],
        "NetParameter": [("name", 1, 1, 9, "", False), ("layer", 100, 3, 11, ".caffe.LayerParameter", False)],
    }
    tables["LayerParameter"].append(("blobs", 7, 3, 11, ".caffe.BlobProto", False))
    for title, fields in tables.items():
        message = file.message_type.add(name=title)
        for name, number, label, kind, of, packed in fields:
            field = message.field.add(name=name, number=number, label=label, type=kind, type_name=of or None)
            if packed:
                field.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made = message_factory.GetMessageClass(pool.FindMessageTypeByName("caffe.NetParameter"))()
    made.ParseFromString(path.read_bytes())
    assert len(made.layer) == LAYERS


def _measure(run: Callable[[Path], None], path: Path, told: multiprocessing.Queue) -> None:
    import importlib

    for name in ("netglot.dialects.caffe.read", "netglot.dialects.darknet.read", "google.protobuf.message_factory"):
        importlib.import_module(name)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    run(path)
    seconds = time.perf_counter() - start
    told.put((seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024))


CASES = {
    "Caffe, netglot": (_caffe, open_caffe),
    "Caffe, protobuf": (_caffe, open_protobuf),
    "Darknet, netglot": (_darknet, open_darknet),
    "MXNet, netglot": (_mxnet, open_mxnet),
}


def main(megabytes: int = 512) -> None:
    """Prints a row for each case."""
    columns = megabytes * 2**20 // (4 * ROWS * LAYERS)
    context = multiprocessing.get_context("spawn")
    for name, (make, run) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = make(Path(folder), columns)
            told = context.Queue()
            process = context.Process(target=_measure, args=(run, path, told))
            process.start()
            seconds, memory = told.get()
            process.join()
            size = path.stat().st_size / 2**20
        print(f"| {name} | {size:.0f} MB | {seconds:.2f} s | {memory:.0f} MB |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
