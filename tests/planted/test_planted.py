"""Each mistake is found: the verdict is "different", at the right node or with the right sentence."""

from __future__ import annotations

import contextlib
import functools

import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")

import torch
from tests.planted.mistakes import MISTAKES
from tests.planted.networks import NETWORKS

import netglot
from netglot.verify import process


@pytest.fixture(scope="module")
def convert():
    """`netglot.convert` of a network by name, with one pair of workers for all."""
    with process.Worker("torch") as source, process.Worker("keras") as target:
        workers = {"torch": source, "keras": target}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(process, "Worker", lambda framework, **_: contextlib.nullcontext(workers[framework]))
            yield _convert


def _convert(name):
    _, inputs = NETWORKS[name]
    return netglot.convert(_network(name), to="keras", inputs=inputs)


@functools.cache
def _network(name):
    torch.manual_seed(0)
    return NETWORKS[name][0]().eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_without_a_mistake_the_network_is_equivalent(convert, name):
    report = convert(name).report
    assert report["verdict"] == "equivalent", report["differences"]


@pytest.mark.parametrize("mistake", MISTAKES, ids=[m.name for m in MISTAKES])
def test_mistake_is_found(convert, mistake):
    with mistake.plant():
        report = convert(mistake.network).report
    assert report["verdict"] == "different"
    told = report["differences"]
    if mistake.first:
        assert report["first_difference"], told
        assert report["first_difference"]["op"] == mistake.first, told
        assert "networks.py:" in report["first_difference"]["site"]
    else:
        assert report["float64"]["same"], told
        assert any(mistake.said in sentence for sentence in told), told
