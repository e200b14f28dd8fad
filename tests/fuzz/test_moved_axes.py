"""Every function of an axis, on what a convolution leaves with its channels last: the axis is followed."""

from __future__ import annotations

import textwrap

import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")

from tests.fuzz.networks import Network
from tests.fuzz.prove import prove
from tests.fuzz.steps import Value

FUNCTIONS = """
F.softmax(x, {d}) | F.log_softmax(x, {d}) | F.glu(x, {d}) | x.cumsum({d}) | x.cumprod({d}) | x.cummax({d})[0]
torch.logcumsumexp(x, {d}) | x.sort({d})[0] | x.sort({d}, descending=True)[1] | x.argsort({d}) | x.topk(2, {d})[0]
x.topk(2, {d}, largest=False)[1] | x.kthvalue(2, {d})[0] | x.median({d})[0] | x.roll(1, {d}) | x.flip({d})
x.repeat_interleave(2, {d}) | torch.cat(x.split(2, {d})[::-1], {d}) | F.normalize(x, dim={d}) | x.unbind({d})[1]
torch.stack([x, x * 2], {d}) | x.narrow({d}, 1, 2) | x.index_select({d}, torch.tensor([1, 0, 1])) | x.diff(dim={d})
x.gather({d}, x.argsort({d})) | x.scatter({d}, x.argsort({d}), x * 2) | x.argmax({d}) | x.logsumexp({d}) | x.std({d})
x.norm(dim={d}) | x.unfold({d}, 2, 1) | torch.quantile(x, 0.3, dim={d}) | torch.fft.rfft(x, dim={d}).real
x.movedim({d}, 1)
"""


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_axes_are_followed(axis):
    functions = [one.strip() for line in FUNCTIONS.split("\n") for one in line.split("|") if one]
    source = f"""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 4, 3, padding=1)

            def forward(self, v0):
                x = self.conv(v0)
                return {", ".join(one.format(d=axis) for one in functions)}
        """
    outcome = prove(Network(textwrap.dedent(source), (Value("v0", (2, 3, 4, 4)),)))
    assert outcome.verdict == "right", f"{outcome.detail}\n{outcome.emitted}"
