"""Every op in every format that is written: read back by our own reader, and run by the real framework."""

from __future__ import annotations

import importlib.util

import pytest
from tests.written import harness

from netglot.dialects.dialect import all_ops
from netglot.dialects.targets import TARGETS
from netglot.errors import Refusal, UnsupportedOps
from netglot.report.matrix import all_dialects

MOST = 4
"""Cases of an op that are tried: the last ones, and one of each word among the options (modes, directions)."""
FILES = ("mxnet", "caffe", "darknet", "paddle", "coreml", "cntk")
"""The targets whose files are checked op by op."""


def told(name: str):
    """The ops that a dialect does not refuse outright."""
    return [op for op, kind in all_ops().items() if all_dialects()[name].status(kind)[0] != "refused"]


def chosen(found: list[dict]) -> list[dict]:
    """The cases that are tried."""
    last = found[-MOST:]
    words = {(key, held) for case in last for key, held in case.items() if isinstance(held, str)}
    for case in found[:-MOST]:
        new = {(key, held) for key, held in case.items() if isinstance(held, str)} - words
        if new:
            words |= new
            last.append(case)
    return last


def cases(target: str, name: str, folder):
    """The cases of an op that the target writes: what each must give, and the inputs."""
    for number, case in enumerate(chosen(all_ops()[name].cases)):
        op = all_ops()[name](**{key: harness.single(held) for key, held in case.items()})
        graph, feeds = harness.network(op)
        try:
            written = TARGETS[target].module().write(graph, keep_layout=True)
        except (UnsupportedOps, Refusal):
            continue
        place = folder / str(number)
        place.mkdir()
        harness.save(target, written, place)
        yield op.reference(), feeds, place


if importlib.util.find_spec("coremltools") is None:
    FILES = tuple(one for one in FILES if one != "coreml")
PAIRS = [(target, name) for target in FILES for name in told(target)]


@pytest.mark.parametrize(("target", "name"), [pair for pair in PAIRS if TARGETS[pair[0]].reads_back])
def test_read_back(target, name, tmp_path):
    for expected, feeds, place in cases(target, name, tmp_path):
        harness.same(expected, harness.read_back(target, place, feeds))


@pytest.mark.parametrize(("target", "name"), [pair for pair in PAIRS if pair[0] in harness.INTERPRETERS])
def test_run(target, name, tmp_path):
    if harness.interpreter(target) is None:
        pytest.skip(f"no environment of {target}: make oracles")
    for expected, feeds, place in cases(target, name, tmp_path):
        harness.same(expected, harness.run(target, place, feeds))
