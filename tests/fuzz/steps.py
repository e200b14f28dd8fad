"""The steps of which random networks are made: calls and modules of PyTorch with all their options drawn.

A step is a function of a `Hand` (what draws) and the `Value` that it is applied to. It returns the text of an
expression, in which `{m}` stands for a module that it makes with `hand.module(text)`, or None where it does not apply.
What is drawn may still be invalid (a kernel larger than its input): the generator runs each step and drops what
raises. No step makes NaN out of finite numbers, and none depends on the size of the batch, which is axis 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

FLOAT, INT, BOOL = "float64", "int64", "bool"


@dataclass(frozen=True)
class Value:
    """A tensor in a network under way; `shape[0]` is the batch's, whatever it is in the example."""

    name: str
    shape: tuple[int, ...]
    dtype: str = FLOAT

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)


Step = Callable[[Any, Value], str | None]
STEPS: dict[str, Step] = {}


def step(kind: str = FLOAT, ranks: range | tuple[int, ...] = range(1, 6), weight: int = 1):
    """Declares a step for values of one kind of dtype and of these ranks."""

    def register(function: Step) -> Step:
        def guarded(hand, x: Value) -> str | None:
            return function(hand, x) if x.dtype == kind and x.rank in ranks else None

        for copy in range(weight):
            STEPS[function.__name__ + ("" if copy == 0 else f"_{copy}")] = guarded
        return function

    return register


# Elementwise.

_PLAIN = (
    "torch.relu", "torch.sigmoid", "torch.tanh", "F.silu", "F.mish", "F.selu", "F.softsign", "F.hardswish", "F.relu6",
    "F.hardsigmoid", "F.logsigmoid", "F.tanhshrink", "torch.sin", "torch.cos", "torch.atan", "torch.asinh", "torch.erf",
    "torch.abs", "torch.square", "torch.neg", "torch.sign", "torch.floor", "torch.ceil", "torch.round", "torch.trunc",
    "torch.positive", "torch.deg2rad", "torch.sinc", "torch.erfc", "torch.frac", "torch.nan_to_num", "torch.clone",
)  # fmt: skip
_MODULES = (
    "nn.ReLU()", "nn.ReLU(inplace=True)", "nn.ReLU6()", "nn.Sigmoid()", "nn.Tanh()", "nn.SiLU()", "nn.Mish()",
    "nn.SELU()", "nn.Softsign()", "nn.Hardswish()", "nn.Hardsigmoid()", "nn.LogSigmoid()", "nn.Tanhshrink()",
    "nn.GELU()", "nn.GELU(approximate='tanh')", "nn.Softplus()", "nn.Identity()", "nn.Dropout(0.3)",
)  # fmt: skip


@step(weight=2)
def plain(hand, x):
    return f"{hand.pick(_PLAIN)}({x.name})"


@step(weight=2)
def plain_module(hand, x):
    return hand.module(hand.pick(_MODULES)) + f"({x.name})"


@step()
def with_option(hand, x):
    a = hand.pick((0.125, 0.5, 1.0, 2.5))
    form = hand.line("""
        F.leaky_relu({x}, {a})
        F.elu({x}, {a})
        F.celu({x}, {a})
        F.softplus({x}, beta={a})
        F.softplus({x}, threshold={a})
        F.hardshrink({x}, {a})
        F.softshrink({x}, {a})
        F.threshold({x}, {a}, -1.0)
        F.hardtanh({x}, -{a}, 2.0)
        torch.clamp({x}, min=-{a})
        torch.clamp({x}, max={a})
        torch.clamp({x}, -{a}, {a})
        F.gelu({x}, approximate='tanh')
        F.gelu({x})
        torch.logit(torch.sigmoid({x}), eps=1e-3)
    """)
    return form.format(x=x.name, a=a)


@step()
def module_with_option(hand, x):
    a = hand.pick((0.125, 0.5, 1.0, 2.5))
    form = hand.line("""
        nn.LeakyReLU({a})
        nn.ELU({a})
        nn.CELU({a})
        nn.Softplus({a})
        nn.Hardshrink({a})
        nn.Softshrink({a})
        nn.Threshold({a}, -1.0)
        nn.Hardtanh(-{a}, 2.0)
        nn.PReLU()
        nn.PReLU(init={a})
    """)
    return hand.module(form.format(a=a)) + f"({x.name})"


@step(ranks=range(2, 6))
def prelu(hand, x):
    return hand.module(f"nn.PReLU({x.shape[1]})") + f"({x.name})"


@step()
def kept_finite(hand, x):
    form = hand.line("""
        torch.exp({x}.clamp(-3, 3))
        torch.expm1({x}.clamp(-3, 3))
        torch.log1p({x}.abs())
        torch.log({x}.abs() + 0.3)
        torch.sqrt({x}.abs() + 0.1)
        torch.rsqrt({x}.abs() + 0.1)
        torch.reciprocal({x}.abs() + 0.5)
        torch.log2({x}.abs() + 0.3)
        torch.sinh({x}.clamp(-3, 3))
        torch.asin({x}.clamp(-0.9, 0.9))
        torch.atanh({x}.clamp(-0.9, 0.9))
        torch.tan({x}.clamp(-1, 1))
        torch.pow({x}.abs() + 0.1, 1.5)
        {x} ** 2
        {x}.clamp(-4, 4) ** 3
        ({x}.abs() + 0.5) ** -0.5
        2.0 ** {x}.clamp(-4, 4)
    """)
    return form.format(x=x.name)


@step()
def with_number(hand, x):
    a = hand.pick((2, 0.5, -1.5, 3))
    form = hand.line("""
        {x} + {a}
        {x} * {a}
        {a} - {x}
        {x} / {a}
        {a} / ({x}.abs() + 1)
        torch.remainder({x}, {a})
        {x} % {a}
        torch.fmod({x}, {a})
        torch.floor_divide({x}, {a})
        {x} // {a}
        torch.add({x}, {x}, alpha={a})
        torch.rsub({x}, {a})
        torch.where({x} > {a}, {x}, {a})
        {x}.masked_fill({x} < {a}, 0.25)
        torch.maximum({x}, torch.full_like({x}, {a}))
        {x} * ({x} > 0)
        torch.div({x}, {a}, rounding_mode='trunc')
        torch.lerp({x}, {x} * {x}, 0.3)
    """)
    return form.format(x=x.name, a=a)


@step()
def in_place(hand, x):
    form = hand.line("""
        {x}.clone().mul_(2.0)
        {x}.clone().add_(1.0).relu_()
        torch.zeros_like({x}).copy_({x})
        {x}.clone().clamp_(min=0.1)
        {x}.clone().fill_(0.5) + {x}
        {x}.clone().sub_({x} * 0.5)
        F.relu({x} + 0.0, inplace=True)
    """)
    return form.format(x=x.name)


# Two values.


@step(weight=2)
def two(hand, x):
    y = hand.another(lambda y: y.dtype == FLOAT and y.rank == x.rank and _broadcast(x.shape, y.shape))
    form = hand.line("""
        {x} + {y}
        {x} - {y}
        {x} * {y}
        {x} / ({y}.abs() + 1)
        torch.maximum({x}, {y})
        torch.minimum({x}, {y})
        torch.where({x} > {y}, {x}, {y} * 0.5)
        torch.atan2({x}, {y}.abs() + 1)
        torch.logaddexp({x}, {y})
        torch.addcmul({x}, {y}, {y}, value=0.5)
        torch.hypot({x}, {y})
        torch.fmod({x}, {y}.abs() + 1)
        {x}.add({y}, alpha=2)
        torch.lerp({x}, {y} + 0 * {x}, 0.25)
        ({x} > {y}).to({x}.dtype)
        torch.remainder({x}, {y}.abs() + 1)
        torch.copysign({x}, {y})
    """)
    return y and form.format(x=x.name, y=y.name)


def _broadcast(a, b) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(a, b, strict=True))


@step(weight=2)
def cat(hand, x):
    y = hand.another(lambda y: y.dtype == FLOAT and y.rank == x.rank)
    axis = hand.int(1, x.rank - 1) if x.rank > 1 else 0
    if y is None or any(a != b for i, (a, b) in enumerate(zip(x.shape, y.shape, strict=True)) if i != axis):
        y = x
    order = (x.name, y.name) if hand.bool() else (y.name, x.name)
    return f"torch.cat([{', '.join(order)}], dim={hand.signed(axis, x.rank)})"


@step()
def stack(hand, x):
    if x.rank > 4:
        return None
    y = hand.another(lambda y: y.dtype == FLOAT and y.shape == x.shape) or x
    return f"torch.stack([{x.name}, {y.name} * 0.5], dim={hand.int(1, x.rank)})"


@step(ranks=range(2, 5))
def matmul(hand, x):
    y = hand.another(
        lambda y: y.dtype == FLOAT and y.rank == x.rank and y.shape[:-2] == x.shape[:-2] and y.shape[-2] == x.shape[-1]
    )
    if y is not None and x.rank > 2:
        return f"torch.matmul({x.name}, {y.name})"
    return f"{x.name} @ {x.name}.transpose(-2, -1)" if x.rank > 2 else None


@step(ranks=(3, 4))
def einsum(hand, x):
    letters = "bchw"[: x.rank]
    out = hand.pick((f"{letters[0]}{letters[2:]}", letters[:2], f"{letters[0]}{letters[:0:-1]}"))
    return f"torch.einsum('{letters}->{out}', {x.name})"


# Along an axis.


@step()
def along(hand, x):
    axis = hand.axis(x)
    form = hand.line("""
        F.softmax({x}, dim={a})
        F.log_softmax({x}, dim={a})
        torch.cumsum({x}, dim={a})
        torch.cumprod({x}.clamp(-2, 2), dim={a})
        torch.flip({x}, [{a}])
        torch.roll({x}, {n}, dims={a})
        torch.sort({x}, dim={a})[0]
        torch.logcumsumexp({x}, dim={a})
        torch.cummax({x}, dim={a})[0]
        F.normalize({x}, p={p}, dim={a})
        torch.repeat_interleave({x}, 2, dim={a})
        F.softmin({x}, dim={a})
        torch.diff(torch.cat([{x}, {x}], dim={a}), dim={a})
    """)
    return form.format(x=x.name, a=axis, n=hand.pick((1, -1, 2)), p=hand.pick((1, 2, 3)))


@step()
def along_module(hand, x):
    form = hand.pick(("nn.Softmax(dim={a})", "nn.LogSoftmax(dim={a})", "nn.Softmin(dim={a})"))
    return hand.module(form.format(a=hand.axis(x))) + f"({x.name})"


@step()
def gated(hand, x):
    even = [axis for axis in range(1, x.rank) if x.shape[axis] % 2 == 0]
    if not even:
        return None
    axis = hand.signed(hand.pick(even), x.rank)
    return f"F.glu({x.name}, dim={axis})" if hand.bool() else hand.module(f"nn.GLU({axis})") + f"({x.name})"


@step(ranks=range(2, 6), weight=2)
def reduce(hand, x):
    axes = hand.axes(x)
    form = hand.line("""
        torch.sum({x}, dim={a}, keepdim={k})
        torch.mean({x}, dim={a}, keepdim={k})
        torch.amax({x}, dim={a}, keepdim={k})
        torch.amin({x}, dim={a}, keepdim={k})
        torch.logsumexp({x}, dim={a}, keepdim={k})
        torch.linalg.vector_norm({x}, {p}, dim={a}, keepdim={k})
        {x}.mean({a}, {k})
        torch.var({x}, dim={a}, correction=0, keepdim={k})
        torch.std({x}, dim={a}, correction=0, keepdim={k})
        torch.var_mean({x}, dim={a}, correction=0, keepdim={k})[1]
        torch.count_nonzero({x} > 0, dim={a}).to({x}.dtype)
    """)
    return form.format(x=x.name, a=axes, k=hand.bool(), p=hand.pick((1, 2, 3)))


@step(ranks=range(2, 6))
def reduce_one(hand, x):
    form = hand.line("""
        torch.max({x}, dim={a}, keepdim={k})[0]
        torch.min({x}, dim={a})[0]
        torch.prod({x}.clamp(-2, 2), dim={a}, keepdim={k})
        torch.median({x}, dim={a})[0]
        torch.topk({x}, 1, dim={a})[0]
        torch.topk({x}, 2, dim={a}, largest=False)[0]
        torch.kthvalue({x}, 1, dim={a})[0]
        torch.norm({x}, dim={a})
        {x}.any(dim={a}).to({x}.dtype)
        ({x} > 0).all(dim={a}).to({x}.dtype)
        torch.var({x}, dim={a}, unbiased=True)
        torch.std({x}, dim={a})
    """)
    return form.format(x=x.name, a=hand.axis(x), k=hand.bool())


@step(ranks=range(2, 5))
def to_integers(hand, x):
    form = hand.pick(
        (
            "torch.argmax({x}, dim={a})",
            "torch.argmin({x}, dim={a}, keepdim=True)",
            "torch.argsort({x}, dim={a})",
            "{x}.clamp(-3, 3).mul(2).long()",
        )
    )
    return form.format(x=x.name, a=hand.axis(x))


@step(ranks=range(1, 5))
def to_truth(hand, x):
    form = hand.pick(
        (
            "{x} > 0",
            "{x} <= 0.5",
            "{x}.abs() < 1",
            "torch.isfinite({x})",
            "torch.logical_not({x} > 0)",
            "({x} > 0) & ({x} < 1)",
        )
    )
    return form.format(x=x.name)


@step(kind=BOOL, ranks=range(1, 5), weight=3)
def from_truth(hand, x):
    form = hand.pick(
        (
            "{x}.to(torch.float64)",
            "torch.where({x}, 1.5, -0.5).to(torch.float64)",
            "(~{x}).double()",
            "torch.cumsum({x}, 0).double() * 0 + {x}",
        )
    )
    return form.format(x=x.name)


@step(kind=INT, ranks=range(1, 5), weight=4)
def from_integers(hand, x):
    n = hand.int(4, 9)
    form = hand.line("""
        {x}.double()
        ({x} * 2 + 1).to(torch.float64)
        ({x} % 3).double()
        ({x} // 2).double()
        {x} / 2.0
        {x}.clamp(0, 2) * 0.5
        F.one_hot({x}.clamp(0, {m}), {n}).double()
        ({x} == 1).double()
        ({x} - 3).abs().double()
    """)
    return form.format(x=x.name, n=n, m=n - 1)


@step(kind=INT, ranks=(1, 2, 3), weight=4)
def embedding(hand, x):
    n, width = hand.int(4, 9), hand.int(1, 5)
    padding = hand.pick(("", f", padding_idx={hand.int(0, n - 1)}"))
    return hand.module(f"nn.Embedding({n}, {width}{padding})") + f"({x.name}.clamp(0, {n - 1}))"


@step(kind=INT, ranks=(2,))
def embedding_bag(hand, x):
    mode = hand.pick(("sum", "mean", "max"))
    return hand.module(f"nn.EmbeddingBag(6, 3, mode='{mode}')") + f"({x.name}.clamp(0, 5))"


# Axes and elements.


@step(ranks=range(2, 6), weight=2)
def permuted(hand, x):
    order = hand.order(x.rank)
    form = hand.pick(
        ("{x}.permute({o})", "{x}.transpose({a}, {b})", "torch.movedim({x}, {a}, {b})", "{x}.permute({o}).contiguous()")
    )
    a, b = hand.axis(x), hand.axis(x)
    return form.format(x=x.name, o=", ".join(map(str, order)), a=a, b=b)


@step(ranks=range(2, 6), weight=2)
def reshaped(hand, x):
    size = math.prod(x.shape[1:])
    a = hand.pick([n for n in range(1, size + 1) if size % n == 0])
    b = hand.pick([n for n in range(1, size // a + 1) if (size // a) % n == 0])
    form = hand.line("""
        {x}.reshape(-1, {a}, {r})
        {x}.reshape({x}.shape[0], -1)
        {x}.reshape({x}.size(0), {a}, {b}, -1)
        torch.flatten({x}, 1)
        {x}.contiguous().view(-1, {n})
        {x}.reshape({x}.shape[0], {r}, {a})
        {x}.reshape(-1, {b}, {c}, {a})
    """)
    return form.format(x=x.name, a=a, b=b, r=size // a, c=size // a // b, n=size)


@step(ranks=range(2, 6))
def flattened(hand, x):
    start = hand.int(0, x.rank - 2)
    end = hand.int(start + 1, x.rank - 1)
    return f"{x.name}.flatten({start}, {end})" if start else None


@step(ranks=range(2, 5))
def unflattened(hand, x):
    axis = hand.int(1, x.rank - 1)
    n = x.shape[axis]
    a = hand.pick([k for k in range(1, n + 1) if n % k == 0])
    return f"{x.name}.unflatten({axis}, ({a}, {n // a}))"


@step(ranks=range(2, 5))
def flattened_module(hand, x):
    return hand.module("nn.Flatten()") + f"({x.name})"


@step(ranks=range(1, 5))
def axis_of_one(hand, x):
    ones = [axis for axis in range(1, x.rank) if x.shape[axis] == 1]
    if ones and hand.bool():
        return f"{x.name}.squeeze({hand.pick(ones)})"
    axis = hand.int(1, x.rank)
    form = hand.pick(("{x}.unsqueeze({a})", "{x}.unsqueeze({a}).expand({e})", "{x}[:, None]"))
    sizes = [-1] * (x.rank + 1)
    sizes[axis] = hand.int(1, 3)
    return form.format(x=x.name, a=axis, e=", ".join(map(str, sizes)))


@step(ranks=range(2, 5))
def repeated(hand, x):
    times = [1] + [hand.int(1, 2) for _ in range(x.rank - 1)]
    return f"{x.name}.repeat({', '.join(map(str, times))})" if hand.bool() else f"torch.tile({x.name}, {tuple(times)})"


@step(ranks=range(2, 6), weight=2)
def sliced(hand, x):
    axis = hand.int(1, x.rank - 1)
    n = x.shape[axis]
    start, stop, stride = hand.int(-n, n - 1), hand.pick(("", str(hand.int(1, n)), "-1")), hand.pick(("", ":2", ":1"))
    lead = ":, " * axis
    form = hand.line("""
        {x}[{l}{s}:{e}{t}]
        {x}[{l}{i}]
        {x}[{l}{i}:{i}1]
        {x}.narrow({a}, 0, {k})
        {x}.select({a}, {i})
        {x}[..., ::2]
        {x}[..., -1:]
        {x}[..., 0]
        {x}[:, torch.tensor([0, -1])]
        {x}.index_select({a}, torch.tensor([{z}, 0]))
        {x}[..., [0, 0]]
        torch.take_along_dim({x}, {x}.argmax({a}, keepdim=True), {a})
        torch.gather({x}, {a}, {x}.argsort({a}))
    """)
    if "{i}1" in form:
        return f"{x.name}[{lead}{n - 1}:{n}]"
    return form.format(
        x=x.name, l=lead, s=start, e=stop, t=stride, i=hand.int(-n, n - 1), a=axis, k=hand.int(1, n), z=n - 1
    )


@step(ranks=range(2, 6))
def parts(hand, x):
    axis = hand.int(1, x.rank - 1)
    n = x.shape[axis]
    if n < 2:
        return None
    a = hand.int(1, n - 1)
    form = hand.line("""
        torch.chunk({x}, 2, dim={d})[{j}]
        torch.split({x}, [{a}, {b}], dim={d})[1]
        torch.unbind({x}, dim={d})[{i}]
        torch.split({x}, {a}, dim={d})[0]
        torch.cat(torch.split({x}, [{a}, {b}], dim={d})[::-1], dim={d})
        torch.tensor_split({x}, 2, dim={d})[1]
    """)
    return form.format(x=x.name, d=hand.signed(axis, x.rank), a=a, b=n - a, i=hand.int(0, n - 1), j=hand.int(0, 1))


@step(ranks=range(2, 6))
def assigned(hand, x):
    axis = hand.int(1, x.rank - 1)
    lead = ":, " * axis
    what = hand.line("""
        1:
        :1
        0
        ::2
        -1
    """)
    how = hand.pick(("= 0.5", "+= 1.0", "*= 2.0"))
    return hand.statements(f"{{v}} = {x.name}.clone()", f"{{v}}[{lead}{what}] {how}")


@step(ranks=range(2, 5))
def triangle(hand, x):
    return f"torch.{hand.pick(('tril', 'triu'))}({x.name}, diagonal={hand.int(-1, 1)})" if x.rank > 2 else None


@step(ranks=range(3, 5))
def padded(hand, x):
    spatial = x.rank - 2
    amounts = [hand.int(0, 1) for _ in range(2 * spatial)]
    mode = hand.line("""
        constant
        reflect
        replicate
        circular
    """)
    if mode == "constant":
        amounts = [hand.int(-1, 2) for _ in amounts]
        return f"F.pad({x.name}, {tuple(amounts)}, value={hand.pick((0.0, -1.5))})"
    return f"F.pad({x.name}, {tuple(amounts)}, mode='{mode}')"


@step(ranks=(3, 4, 5))
def padded_module(hand, x):
    n = x.rank - 2
    kind = hand.line("""
        ZeroPad
        ReflectionPad
        ReplicationPad
        ConstantPad
        CircularPad
    """)
    amount = hand.pick((1, tuple(hand.int(0, 1) for _ in range(2 * n))))
    value = ", 0.7" if kind == "ConstantPad" else ""
    return hand.module(f"nn.{kind}{n}d({amount}{value})") + f"({x.name})"


@step(ranks=range(2, 5))
def windows(hand, x):
    axis = hand.int(1, x.rank - 1)
    return f"{x.name}.unfold({axis}, {hand.int(1, min(3, x.shape[axis]))}, {hand.int(1, 2)})"


@step(ranks=(4,))
def pixels(hand, x):
    c, h, w = x.shape[1:]
    if c % 4 == 0 and hand.bool():
        return f"F.pixel_shuffle({x.name}, 2)" if hand.bool() else hand.module("nn.PixelShuffle(2)") + f"({x.name})"
    if h % 2 == 0 and w % 2 == 0 and hand.bool():
        return f"F.pixel_unshuffle({x.name}, 2)"
    if c % 2 == 0:
        return f"F.channel_shuffle({x.name}, 2)"
    return f"F.unfold({x.name}, 2, stride={hand.int(1, 2)})"


# Layers with weights.


@step(ranks=range(2, 6), weight=3)
def linear(hand, x):
    return hand.module(f"nn.Linear({x.shape[-1]}, {hand.int(1, 6)}{hand.pick(('', ', bias=False'))})") + f"({x.name})"


@step(ranks=(3, 4, 5), weight=4)
def conv(hand, x):
    n, c = x.rank - 2, x.shape[1]
    groups = hand.pick([*[g for g in range(1, c + 1) if c % g == 0][:3], c])
    kernel = hand.sizes(n, 1, 3)
    padding, stride = hand.pick(("0", "1", "'same'", "2", str(hand.sizes(n, 0, 2)))), hand.sizes(n, 1, 2)
    if padding == "'same'":
        stride = 1
    mode = hand.line("""
        zeros
        zeros
        zeros
        reflect
        circular
        replicate
    """)
    text = (
        f"nn.Conv{n}d({c}, {groups * hand.int(1, 3)}, {kernel}, stride={stride}, padding={padding}, "
        f"dilation={hand.sizes(n, 1, 2)}, groups={groups}, bias={hand.bool()}, padding_mode='{mode}')"
    )
    return hand.module(text) + f"({x.name})"


@step(ranks=(3, 4, 5), weight=2)
def transposed(hand, x):
    n, c = x.rank - 2, x.shape[1]
    if math.prod(x.shape[2:]) > 60:
        return None
    groups = hand.pick([g for g in range(1, c + 1) if c % g == 0][:2])
    stride = hand.int(1, 3)
    text = (
        f"nn.ConvTranspose{n}d({c}, {groups * hand.int(1, 3)}, {hand.sizes(n, 1, 3)}, stride={stride}, "
        f"padding={hand.int(0, 2)}, output_padding={hand.int(0, max(stride - 1, 0))}, groups={groups}, "
        f"dilation={hand.int(1, 2)}, bias={hand.bool()})"
    )
    return hand.module(text) + f"({x.name})"


@step(ranks=(3, 4), weight=3)
def pooled(hand, x):
    n = x.rank - 2
    kernel = hand.sizes(n, 1, 3)
    stride, padding, ceil = hand.pick(("None", str(hand.sizes(n, 1, 3)))), hand.int(0, 1), hand.bool()
    kind = hand.line("""
        Max
        Avg
        AdaptiveAvg
        AdaptiveMax
        LP
    """)
    if kind == "Max":
        text = f"nn.MaxPool{n}d({kernel}, {stride}, {padding}, dilation={hand.int(1, 2)}, ceil_mode={ceil})"
    elif kind == "Avg":
        divisor = hand.pick(("", f", divisor_override={hand.int(1, 5)}")) if n == 2 else ""
        text = (
            f"nn.AvgPool{n}d({kernel}, {stride}, {padding}, ceil_mode={ceil}, count_include_pad={hand.bool()}{divisor})"
        )
    elif kind == "LP":
        text = f"nn.LPPool{n}d(2, {kernel}, {stride}, ceil_mode={ceil})"
        return hand.module(text) + f"({x.name}.abs() + 0.1)"
    else:
        text = f"nn.{kind}Pool{n}d({hand.sizes(n, 1, 4)})"
    return hand.module(text) + f"({x.name})"


@step(ranks=(2, 3, 4, 5), weight=3)
def batch_norm(hand, x):
    n = max(x.rank - 2, 1)
    eps, momentum = hand.pick((1e-5, 1e-3, 0.1)), hand.pick((0.1, 0.01))
    text = f"nn.BatchNorm{n}d({x.shape[1]}, eps={eps}, momentum={momentum}, affine={hand.bool()})"
    return hand.module(text) + f"({x.name})"


@step(ranks=(2, 3, 4, 5), weight=2)
def other_norm(hand, x):
    c, n, eps = x.shape[1], x.rank - 2, hand.pick((1e-5, 1e-3, 0.1))
    last = x.shape[-hand.int(1, x.rank - 1) :]
    groups = hand.pick([g for g in range(1, c + 1) if c % g == 0])
    kinds = [
        f"nn.LayerNorm({last}, eps={eps}, elementwise_affine={hand.bool()})",
        f"nn.LayerNorm({last}, eps={eps}, bias=False)",
        f"nn.RMSNorm({last}, eps={eps}, elementwise_affine={hand.bool()})",
        f"nn.GroupNorm({groups}, {c}, eps={eps}, affine={hand.bool()})",
    ]
    if n in (1, 2, 3):
        kinds.append(f"nn.InstanceNorm{n}d({c}, eps={eps}, affine={hand.bool()}, track_running_stats={hand.bool()})")
    if x.rank > 2:
        kinds.append(f"nn.LocalResponseNorm({hand.int(1, 3)}, alpha={hand.pick((0.1, 1e-4))})")
    return hand.module(hand.pick(kinds)) + f"({x.name})"


@step(ranks=(3,), weight=4)
def recurrent(hand, x):
    kind = hand.pick(("LSTM", "GRU", "RNN"))
    nonlinearity = ", nonlinearity='relu'" if kind == "RNN" and hand.bool() else ""
    first, layers, both = hand.bool(), hand.int(1, 2), hand.bool()
    text = (
        f"nn.{kind}({x.shape[2]}, {hand.int(1, 4)}, num_layers={layers}, bias={hand.bool()}, batch_first={first}, "
        f"bidirectional={both}{nonlinearity})"
    )
    value = x.name if first else f"{x.name}.transpose(0, 1)"
    called = f"{hand.module(text)}({value})"
    state = f"{called}[1][0]" if kind == "LSTM" else f"{called}[1]"
    back = "" if first else ".transpose(0, 1)"
    return hand.pick((f"{called}[0]{back}", f"{state}[-1]", f"{state}.transpose(0, 1)", f"{called}[0]{back}[:, -1]"))


@step(ranks=(3,), weight=3)
def attention(hand, x):
    width = x.shape[2]
    heads = hand.pick([h for h in (1, 2, 3, 4) if width % h == 0])
    kind = hand.pick(("multi", "scaled", "encoder"))
    if kind == "encoder":
        text = (
            f"nn.TransformerEncoderLayer({width}, {heads}, {hand.int(2, 6)}, "
            f"activation='{hand.pick(('relu', 'gelu'))}', norm_first={hand.bool()}, batch_first={hand.bool()})"
        )
        return hand.module(text) + f"({x.name})"
    if kind == "multi":
        module = hand.module(f"nn.MultiheadAttention({width}, {heads}, bias={hand.bool()}, batch_first={hand.bool()})")
        return f"{module}({x.name}, {x.name} * 0.5, {x.name}, need_weights={hand.bool()})[0]"
    split = f"{x.name}.unflatten(2, ({heads}, {width // heads})).transpose(1, 2)"
    options = hand.pick(("", ", is_causal=True", ", scale=0.3"))
    return f"F.scaled_dot_product_attention({split}, {split} * 0.5, {split}{options}).transpose(1, 2).flatten(2)"


@step(ranks=(3, 4), weight=2)
def resized(hand, x):
    n = x.rank - 2
    mode = hand.line("""
        nearest
        nearest-exact
        linear
        cubic
        area
    """)
    named = {1: {"linear": "linear"}, 2: {"linear": "bilinear", "cubic": "bicubic"}}[n].get(mode, mode)
    corners = f", align_corners={hand.bool()}" if named in ("linear", "bilinear", "bicubic") else ""
    how = hand.pick((f"scale_factor={hand.pick((2, 3, 1.5, 0.5))}", f"size={hand.sizes(n, 1, 7)}"))
    form = f"F.interpolate({x.name}, {how}, mode='{named}'{corners})"
    return form if hand.bool() else hand.module(f"nn.Upsample({how}, mode='{named}'{corners})") + f"({x.name})"


@step(ranks=range(1, 5))
def parameter(hand, x):
    shape = hand.pick((x.shape[-1:], (1,), (*(1,) * (x.rank - 1), x.shape[-1])))
    held = hand.parameter(shape if x.rank > 1 else (1,))
    return f"{x.name} {hand.pick('+*-')} {held}"
