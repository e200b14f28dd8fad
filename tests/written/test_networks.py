"""Whole networks in the formats that are written: the verdict, how it came about, and what is refused."""

from __future__ import annotations

import importlib.util
import json

import pytest

pytest.importorskip("torch")

from tests.written import harness
from tests.written.networks import Block, Lookup, Pictures, Words, drawn
from torch import nn

import netglot
from netglot import api
from netglot.cli import run
from netglot.errors import RequestError

NETWORKS = {
    "pictures": (lambda: Pictures(), "1,3,33,33"),
    "block": (lambda: Block(4), "1,4,9,9"),
    "stem": (lambda: nn.Sequential(nn.Conv2d(4, 4, 1), Block(4)), "1,4,9,9"),
    "lstm": (lambda: Words(), "int64 B,7@0:20"),
    "both": (lambda: Words(num_layers=2, bidirectional=True), "int64 B,T@0:20"),
    "gru": (lambda: Words("GRU"), "int64 B,T@0:20"),
    "rnn": (lambda: Words("RNN"), "int64 B,T@0:20"),
}
WRITTEN = {
    "mxnet": list(NETWORKS),
    "caffe": ["pictures", "block"],
    "darknet": ["stem"],  # no section can refer to the input of the network
    "paddle": list(NETWORKS),
    "cntk": list(NETWORKS),
}
"""What each format can say of these."""

CASES = [(target, name) for target, names in WRITTEN.items() for name in names]


def converted(target: str, name: str, runtimes=()):
    make, shape = NETWORKS[name]
    return netglot.convert(drawn(make()), target, inputs=[shape], runtimes=runtimes)


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("mxnet", "lstm"),
        ("mxnet", "pictures"),
        ("cntk", "gru"),
        ("cntk", "pictures"),
        ("caffe", "pictures"),
        ("darknet", "stem"),
    ],
)
def test_read_back(target, name):
    report = converted(target, name).report
    assert report["verdict"] == "equivalent", report["differences"]
    assert any("reading it back" in said for said in report["differences"])


@pytest.mark.parametrize(("target", "name"), CASES)
def test_run(target, name):
    python = harness.interpreter(target)
    if python is None:
        pytest.skip(f"no environment of {target}: make oracles")
    report = converted(target, name, [f"{target}={python}"]).report
    assert report["verdict"] == "equivalent", report["differences"]
    assert not any("reading it back" in said for said in report["differences"])
    assert "read back" not in report["frameworks"]["target"]


@pytest.mark.parametrize("target", ["mxnet", "caffe"])
def test_all_that_is_refused_is_told_at_once(target):
    report = netglot.convert(drawn(Lookup()), target, inputs=["2,5"]).report
    assert report["verdict"] == "refused"
    assert {"BesselI0", "ScatterAlongAxis"} <= {one["what"] for one in report["refused"]}


@pytest.mark.parametrize(("target", "what"), [("darknet", "an input"), ("paddle", "ScatterAlongAxis")])
def test_what_a_format_lacks_is_refused(target, what):
    report = netglot.convert(drawn(Lookup()), target, inputs=["2,5"]).report
    assert report["verdict"] == "refused"
    assert what in {one["what"] for one in report["refused"]}


def test_where_nothing_computes_in_double_precision_a_known_imprecision_is_measured_in_single():
    network = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Hardswish())
    assert netglot.convert(drawn(network), "cntk", inputs=["1,4,5,5"]).report["verdict"] == "equivalent"


def test_what_is_used_twice_in_one_op_keeps_its_section():
    """A hard-swish is its input times what is computed of it: the input is not put into the section of that."""
    network = nn.Sequential(nn.Conv2d(4, 8, 1), nn.Hardswish(), nn.Conv2d(8, 4, 3))
    assert netglot.convert(drawn(network), "darknet", inputs=["1,4,9,9"]).report["verdict"] == "equivalent"


def test_what_follows_a_refused_op_is_not_taken_for_a_reader_of_the_input():
    network = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ConvTranspose2d(4, 4, 2, 2), nn.BatchNorm2d(4), nn.Dropout())
    report = netglot.convert(drawn(network), "darknet", inputs=["1,4,9,9"]).report
    assert [one["what"] for one in report["refused"]] == ["ConvTranspose"]


def test_folded_norms_are_rounded_once():
    """A weight that is computed when it is written has all its digits, however many steps it takes."""
    network = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 300, 3, bias=False), nn.BatchNorm2d(300))
    assert netglot.convert(drawn(network), "darknet", inputs=["1,4,9,9"]).report["verdict"] == "equivalent"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_symbol_in_one_precision(dtype):
    """Floats that MXNet's operators make are as wide as the weights, which are exchanged in either precision."""
    text = converted("mxnet", "rnn").written.source
    script = harness.ROOT / "src/netglot/verify/runtimes/run_mxnet.py"
    spec = importlib.util.spec_from_file_location("run_mxnet", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    wide, found = (module.in_precision(text, one) for one in ("float64", dtype))
    assert module.in_precision(wide, dtype) == found
    made = [node.get("attrs", {}).get("dtype") for node in json.loads(found)["nodes"]]
    assert set(made) - {None} == {dtype}


def test_a_refused_network_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(harness.ROOT)
    argv = ["convert", "tests/written/networks.py:Lookup", "--to", "mxnet", "--input", "2,5", "-o", str(tmp_path / "o")]
    assert run(argv) == 3
    assert not (tmp_path / "o").exists()


def test_source_that_nothing_ran_is_not_proven():
    report = converted("paddle", "block").report
    assert report["verdict"] == "unverified"
    assert any("nothing ran it" in said for said in report["differences"])


def test_names_are_those_of_the_source():
    written = converted("mxnet", "pictures").written
    assert {"layer1_0_conv1_weight", "layer1_0_bn1_moving_mean", "head_1_bias"} <= set(written.weights)


@pytest.mark.parametrize("wrong", ["mxnet", "mxnet=", "mxnet=/nowhere/python"])
def test_a_runtime_that_is_not_there(wrong):
    with pytest.raises(RequestError):
        netglot.convert(Block(4), "mxnet", inputs=["1,4,9,9"], runtimes=[wrong])


def test_a_wrong_weight_is_found(tmp_path):
    """The verdict comes from the file: one number in it that is wrong makes it different."""
    folder = converted("mxnet", "block").save(tmp_path / "out")
    held = (folder / "model-0000.params").read_bytes()
    (folder / "model-0000.params").write_bytes(held[:200] + b"\0\0\0\x41" + held[204:])
    report = api.verify(drawn(Block(4)), folder, inputs=["1,4,9,9"])
    assert report["verdict"] == "different"
