"""PyTorch to PyTorch: the same numbers to the last bits, and the same text from the second time on."""

import numpy as np
import pytest
import torch
from tests.golden.networks import SMALL
from tests.torch_write.emitted import emit, outputs

import netglot
from netglot.frontend.inputs import draw
from netglot.frontend.request import understand


def arguments_for(inputs) -> list:
    """Random arguments, three examples of each."""
    specs = understand(torch.nn.Identity(), inputs=None).inputs.specs if inputs is None else parsed(inputs)
    symbols = sorted({str(size) for spec in specs for size in spec.shape if not isinstance(size, int)})
    sizes = {symbol: 3 if place == 0 else 12 + place for place, symbol in enumerate(symbols)}
    arrays = [np.asarray(draw(spec, sizes, np.random.default_rng(1))) for spec in specs]
    return [torch.from_numpy(a.astype("float64") if a.dtype.kind == "f" else a) for a in arrays]


def parsed(inputs):
    from netglot.frontend.inputs import parse_inputs

    return parse_inputs(inputs).specs


@pytest.mark.parametrize("name", SMALL)
def test_second_module_is_the_first(name, tmp_path):
    make, inputs = SMALL[name]
    network = make().eval()
    written, load = emit(netglot.read(lambda: network, inputs), tmp_path)
    theirs, ours = load().double(), network.double()
    arguments = arguments_for(inputs)
    expected, found = outputs(ours, arguments), outputs(theirs, arguments)
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        assert np.abs(found[key] - array).max() <= 1e-14 * np.abs(array).max()
    counts = [sum(p.numel() for p in m.parameters() if p.requires_grad) for m in (ours, theirs)]
    assert counts[0] == counts[1]
    assert written.class_name == type(network).__name__


@pytest.mark.parametrize("name", SMALL)
def test_text_is_a_fixed_point(name, tmp_path):
    make, inputs = SMALL[name]
    first, load = emit(netglot.read(make, inputs), tmp_path)
    second, _ = emit(netglot.read(load, inputs), tmp_path)
    assert second.source == first.source
