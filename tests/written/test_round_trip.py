"""From file to file: the recorded networks of each format, read, written again and read back, compute the same."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from tests.written import harness

from netglot.dialects.targets import TARGETS
from netglot.errors import Refusal, UnsupportedOps
from netglot.pivot.evaluate import evaluate

FORMATS = harness.ROOT / "tests" / "formats"


def module(name: str):
    """The tests of a format, which know its recorded networks."""
    spec = importlib.util.spec_from_file_location(f"recorded_{name}", FORMATS / name / f"test_{name}.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


MXNET, CAFFE, DARKNET = (module(name) for name in ("mxnet", "caffe", "darknet"))


def recorded(target: str, name: str, folder):
    """A recorded network as a graph, and its inputs."""
    if target == "mxnet":
        graph, arrays = MXNET.read(folder, name), MXNET.arrays_of(name)
        only = next(iter(arrays.values())) if len(arrays) == 1 else None
        return graph, {value.name: arrays[value.name] if only is None else only for value in graph.inputs}
    if target == "caffe":
        net = CAFFE.networks.NETWORKS[name]()
        graph, arrays = CAFFE.read_caffe(CAFFE.written(folder, net)), net.arrays()
        return graph, {value.name: arrays[value.name] for value in graph.inputs}
    net = DARKNET.networks.NETWORKS[name]
    return DARKNET.read_darknet(DARKNET.written(folder, net)), {"data": net.array()}


def values(graph, feeds) -> list[np.ndarray]:
    """The results of a graph, in order."""
    found = evaluate(graph, feeds, precision="float64")
    return list(found.values()) if isinstance(found, dict) else [found]


NAMES = {"mxnet": MXNET.NAMES, "caffe": CAFFE.RUN, "darknet": DARKNET.RUN}
REFUSED = {
    "mxnet": {"reductions", "arrays", "ends", "picked"},
    "caffe": {"mvn", "mvn_across", "prior_boxes", "ssd_norm", "ssd_norm_across"},
    "darknet": {"reorg", "yolo2", "yolo3", "yolo4", "yolo4_new", "yolov3"},
}
"""What is read and cannot be written again."""


@pytest.mark.parametrize(("target", "name"), [(target, name) for target, names in NAMES.items() for name in names])
def test_round_trip(target, name, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir(), second.mkdir()
    graph, feeds = recorded(target, name, first)
    expected = values(graph, feeds)
    try:
        written = TARGETS[target].module().write(graph, keep_layout=True)
    except (UnsupportedOps, Refusal) as refusal:
        assert name in REFUSED[target], refusal
        return
    assert name not in REFUSED[target]
    harness.save(target, written, second)
    given = {v.name: feeds[v.name] for v in graph.inputs}
    again = TARGETS[target].module().read_back(second, None)
    named = {v.name: given.get(v.hint or v.name, list(given.values())[i]) for i, v in enumerate(again.inputs)}
    for wanted, have in zip(expected, values(again, named), strict=True):
        assert have.shape == wanted.shape
        np.testing.assert_allclose(have, wanted, rtol=2e-5, atol=2e-5)
