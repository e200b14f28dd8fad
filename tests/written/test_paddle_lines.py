"""How each op is spelled in PaddlePaddle's source, line by line against what PaddlePaddle itself was seen to compute.

PaddlePaddle is seldom at hand, and what is written for it is source that nothing else runs. Where it is, `test_ops`
runs every one of these lines; here each is held against those that ran: a mapping that changes shows without it.
`python -m tests.written.test_paddle_lines` records them anew; `test_ops` must pass with PaddlePaddle then.
"""

from __future__ import annotations

import functools
import zlib
from pathlib import Path

import pytest
from tests.written import harness

from netglot.dialects.dialect import all_ops
from netglot.dialects.targets import TARGETS
from netglot.errors import Refusal, UnsupportedOps
from netglot.report.matrix import all_dialects

LINES = Path(__file__).parent / "expected" / "paddle_lines.txt"


def lines(name: str) -> dict[str, list[str]]:
    """The lines of each case of an op, by what the case is: layers as they are made, and the forward function."""
    found: dict[str, list[str]] = {}
    for case in all_ops()[name].cases:
        op = all_ops()[name](**{key: harness.single(held) for key, held in case.items()})
        graph, _ = harness.network(op)
        key = f"{name} {zlib.crc32(str(graph).encode()):08x}"
        try:
            source = TARGETS["paddle"].module().write(graph, keep_layout=True).source
        except (UnsupportedOps, Refusal):
            found[key] = ["refused"]
            continue
        body = source[source.index("class ") : source.rindex("def load")]
        told = [line.strip() for line in body.splitlines()[1:]]
        found[key] = [line for line in told if line and not line.startswith(("#", '"""', "def ", "super()"))]
    return found


def told() -> list[str]:
    """The ops that are written at all."""
    return [op for op, kind in all_ops().items() if all_dialects()["paddle"].status(kind)[0] != "refused"]


@functools.cache
def recorded() -> dict[str, list[str]]:
    """The recorded lines by their case."""
    found: dict[str, list[str]] = {}
    for line in LINES.read_text(encoding="utf-8").splitlines():
        key, _, text = line.partition(": ")
        found.setdefault(key, []).append(text)
    return found


@pytest.mark.parametrize("name", told())
def test_lines_are_those_that_ran(name):
    held = recorded()
    found = lines(name)
    assert found.keys() & held.keys(), f"no case of {name} is recorded"
    for key in found.keys() & held.keys():
        assert found[key] == held[key], key


if __name__ == "__main__":
    text = "".join(f"{key}: {line}\n" for name in told() for key, held in lines(name).items() for line in held)
    LINES.write_text(text, encoding="utf-8")
