"""What is computed from constants and a size that is open is no constant."""

from netglot.passes.fold import constants
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import is_open
from netglot.pivot.text import parse
from netglot.source.spelled import _static

BATCH = Dim.symbol("B")


def test_open_sizes_are_found_wherever_they_stand():
    assert is_open(ops.Full((), BATCH, "int64")) and is_open(ops.Full((BATCH, 2), 0.0, "float32"))
    assert not is_open(ops.Full((3, 2), 0.0, "float32"))


def test_what_an_open_size_is_in_is_computed_while_the_network_runs():
    graph = parse(
        'graph("Net", version=1)\ninput(x, float32[B, 4])\n'
        'parameter("places", int64[2], kind="constant", trainable=False)\n'
        "last: int64[2] = Add(places, size(B))\nfirst: int64[2] = Add(places, 1)\n"
        "y: float32[2, 4] = Take(x, last, axis=0)\nz: float32[2, 4] = Take(x, first, axis=0)\noutput((y, z))\n"
    )
    held = {node.results[0].name: node for node in graph.nodes}
    found = {value.name for value in constants(graph)}
    assert "first" in found and "last" not in found
    assert _static(held["first"]) and not _static(held["last"])
