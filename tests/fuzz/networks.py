"""Random networks: steps put one after the other, in blocks that repeat, with several inputs and outputs.

A network is its PyTorch source, which is also how a failure is told. Each step is run as soon as it is drawn; what
raises, grows too large or is not finite is dropped, so that every network is valid.

Hypothesis draws a list of genes, and each gene is the seed of one step. So steps are as varied as chance makes them,
and a failure shrinks by leaving genes out.
"""

from __future__ import annotations

import contextlib
import math
import random
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from hypothesis import strategies as st
from tests.fuzz.steps import BOOL, FLOAT, INT, STEPS, Value
from torch import nn
from torch.nn import functional as F

HEAD = "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n\n\n"
BATCH = 2
"""The batch while a network is drawn and traced."""

LARGEST = 600
"""Elements of a value beyond which a step is dropped."""

TRIES = 8
"""Steps that are tried for one gene."""

_NAMES = sorted(STEPS)
_DTYPES = {torch.float64: FLOAT, torch.int64: INT, torch.bool: BOOL}


@dataclass(frozen=True)
class Network:
    """The source of a class `Net`, its inputs, and which of their sizes are symbolic: "none", the "batch", or "all"
    but the channels."""

    source: str
    inputs: tuple[Value, ...]
    symbolic: str = "batch"

    def symbol(self, index: int, axis: int) -> str | None:
        """The name of a size of an input, or None where it is fixed."""
        if axis == 0:
            return None if self.symbolic == "none" else "B"
        rank = self.inputs[index].rank
        channels = 1 if rank > 3 else rank - 1
        return f"S{index}{axis}" if self.symbolic == "all" and axis != channels else None

    def build(self) -> nn.Module:
        """The module in double precision, in inference mode, with random weights and statistics."""
        space: dict[str, Any] = {}
        exec(compile(HEAD + self.source, "<network>", "exec"), space)
        network = space["Net"]().double().eval()
        return randomise(network)

    def example(self, shapes: Sequence[tuple[int, ...]] | None = None) -> list[torch.Tensor]:
        """Inputs of the given shapes, of those that the network was drawn with where none are."""
        generator = torch.Generator().manual_seed(7)
        shapes = shapes or [value.shape for value in self.inputs]
        return [draw_input(shape, v.dtype, generator) for shape, v in zip(shapes, self.inputs, strict=True)]

    def __repr__(self) -> str:
        shapes = ", ".join(f"{v.name}: {v.dtype}{list(v.shape)}" for v in self.inputs)
        return f"\n# {shapes}; symbolic: {self.symbolic}\n{HEAD}{self.source}"


def draw_input(shape: tuple[int, ...], dtype: str, generator: torch.Generator) -> torch.Tensor:
    """Normal floats, or integers from 0 to 5."""
    if dtype == INT:
        return torch.randint(0, 6, shape, generator=generator)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Gives a network weights and statistics that hide nothing: no zeros, no ones."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
            if not tensor.dtype.is_floating_point:
                continue
            drawn = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
            if name.endswith("running_var"):
                drawn = 0.5 + drawn.abs()
            elif tensor.dim() > 1:
                drawn = drawn / math.sqrt(max(tensor[0].numel(), 1))
            else:
                drawn = 0.5 * drawn + (1.0 if "weight" in name else 0.0)
            tensor.copy_(drawn)
    return network


@dataclass
class _Body:
    """One class under way: its lines, and the values that its forward has so far."""

    name: str
    values: list[Value]
    tensors: dict[str, torch.Tensor]
    space: dict[str, Any]
    held: nn.Module = field(default_factory=nn.Module)
    made: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    count: int = 0

    def text(self, returned: str) -> str:
        """The class."""
        inputs = ", ".join(v.name for v in self.values[: self.count])
        init = "".join(f"        {line}\n" for line in ["super().__init__()", *self.made])
        body = "".join(f"        {line}\n" for line in [*self.lines, f"return {returned}"])
        head = f"class {self.name}(nn.Module):\n    def __init__(self):\n{init}\n"
        return f"{head}    def forward(self, {inputs}):\n{body}\n\n"


class Hand:
    """Draws for one step; what the step makes is kept only when it runs."""

    def __init__(self, chance: random.Random, body: _Body):
        self.chance, self.body = chance, body
        self.made: dict[str, str] = {}

    def int(self, low: int, high: int) -> int:
        """A number from low to high, both included."""
        return self.chance.randint(low, high)

    def bool(self) -> bool:
        """Yes or no."""
        return self.chance.random() < 0.5

    def pick(self, choices) -> Any:
        """One of the choices."""
        return self.chance.choice(list(choices))

    def line(self, lines: str) -> str:
        """One of the lines."""
        return self.pick([line.strip() for line in lines.strip().splitlines()])

    def sizes(self, count: int, low: int, high: int) -> Any:
        """One number for all axes, or one for each."""
        return self.int(low, high) if self.bool() else tuple(self.int(low, high) for _ in range(count))

    def signed(self, axis: int, rank: int) -> int:
        """An axis counted from the front or from the end."""
        return axis if self.bool() else axis - rank

    def axis(self, x: Value) -> int:
        """An axis that is not the batch's."""
        return self.signed(self.int(1, x.rank - 1), x.rank) if x.rank > 1 else 0

    def axes(self, x: Value) -> Any:
        """One axis or several."""
        picked = self.chance.sample(range(1, x.rank), self.int(1, x.rank - 1))
        return tuple(picked) if len(picked) > 1 or self.bool() else picked[0]

    def order(self, rank: int) -> tuple[int, ...]:
        """A permutation of the axes that leaves the batch where it is."""
        return (0, *self.chance.sample(range(1, rank), rank - 1))

    def another(self, fits: Callable[[Value], bool]) -> Value | None:
        """Another value of the network."""
        found = [value for value in self.body.values if fits(value)]
        return self.pick(found) if found else None

    def module(self, text: str) -> str:
        """The expression of a module that is made for this step."""
        same = [line.split(" = ")[0] for line in self.body.made if line.endswith(f" = {text}")]
        return same[0] if same and self.int(0, 1) else self.hold(text)  # now and then one is called twice

    def parameter(self, shape: tuple[int, ...]) -> str:
        """The expression of a parameter that is made for this step."""
        return self.hold(
            f"nn.Parameter(torch.ones{tuple(shape)})" if len(shape) > 1 else f"nn.Parameter(torch.ones({shape[0]}))",
            "p",
        )

    def hold(self, text: str, letter: str = "m") -> str:
        """The expression of what the constructor makes of `text`."""
        name = f"{letter}{len(self.body.made) + len(self.made)}"
        self.made[name] = text
        return f"self.{name}"

    def statements(self, *lines: str) -> list[str]:
        """Statements instead of an expression; `{v}` is the result."""
        return list(lines)


def _apply(body: _Body, hand: Hand, made: Any) -> bool:
    """Runs a step and keeps it, or drops it."""
    name = f"v{len(body.values)}"
    lines = [line.format(v=name) for line in made] if isinstance(made, list) else [f"{name} = {made}"]
    space = {**body.space, **body.tensors, "self": body.held}
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for attribute, text in hand.made.items():
                held = eval(text, body.space)
                setattr(body.held, attribute, _ready(held))
            for line in lines:
                exec(line, space)
    except Exception:
        for attribute in hand.made:
            with contextlib.suppress(AttributeError):
                delattr(body.held, attribute)
        return False
    result = space[name]
    if not _fits(result):
        return False
    body.made += [f"self.{attribute} = {text}" for attribute, text in hand.made.items()]
    body.lines += lines
    body.tensors[name] = result
    body.values.append(Value(name, tuple(result.shape), _DTYPES[result.dtype]))
    return True


def _ready(held: Any) -> Any:
    return randomise(held.double().eval()) if isinstance(held, nn.Module) else nn.Parameter(held.data.double())


def _fits(result: Any) -> bool:
    if not isinstance(result, torch.Tensor) or result.dtype not in _DTYPES or not 1 <= result.dim() <= 5:
        return False
    if result.shape[0] != BATCH or not 0 < result.numel() <= LARGEST:
        return False
    return result.dtype != torch.float64 or bool(torch.isfinite(result).all() and result.abs().max() < 1e4)


def _grow(chance: random.Random, body: _Body, blocks: list[str] | None) -> None:
    """One more step or block; several are tried until one runs."""
    for _ in range(TRIES):
        x = chance.choice(body.values) if chance.random() < 0.3 else body.values[-1]
        hand = Hand(chance, body)
        if blocks is not None and x.dtype == FLOAT and chance.random() < 0.1:
            made = _block(hand, x, blocks)
        else:
            made = STEPS[chance.choice(_NAMES)](hand, x)
        if made and _apply(body, hand, made):
            return


def _block(hand: Hand, x: Value, blocks: list[str]) -> Any:
    """A class of its own: called once, called twice, or repeated with weights of its own each time."""
    name, body = f"Block{len(blocks)}", hand.body
    inner = _Body(name, [Value("v0", x.shape, x.dtype)], {"v0": body.tensors[x.name]}, body.space, count=1)
    for _ in range(hand.int(1, 4)):
        _grow(hand.chance, inner, None)
    last = inner.values[-1]
    same = last.shape == x.shape and last.dtype == x.dtype
    text = inner.text(f"{last.name} + v0" if same and hand.bool() else last.name)
    exec(text, body.space)
    blocks.append(text)
    form = hand.pick(("once", "twice", "loop", "sequence") if same else ("once", "twice"))
    if form == "loop":
        held = hand.hold(f"nn.ModuleList([{name}() for _ in range({hand.int(2, 3)})])")
        return hand.statements(f"{{v}} = {x.name}", f"for block in {held}: {{v}} = block({{v}})")
    called = hand.hold(f"nn.Sequential(*[{name}() for _ in range(3)])" if form == "sequence" else f"{name}()")
    if form == "twice" and last.dtype == FLOAT:
        return f"{called}({x.name}) - {called}({x.name} * 0.5)"
    return f"{called}({x.name})"


@st.composite
def networks(draw: Callable, most: int = 10) -> Network:
    """A valid network of up to two times `most` steps and blocks."""
    salt, whole = draw(st.integers(0, 2**32)), st.integers(0, 2**32)
    genes = [*draw(st.lists(whole, min_size=1, max_size=most)), *draw(st.lists(whole, max_size=most))]
    return network_of(salt, genes)


def network_of(salt: int, genes: list[int]) -> Network:
    """The network that grows from these seeds."""
    chance = random.Random(salt)
    inputs = [_input(chance, number) for number in range(chance.choice((1, 1, 2)))]
    generator = torch.Generator().manual_seed(1)
    tensors = {v.name: draw_input(v.shape, v.dtype, generator) for v in inputs}
    space = {"torch": torch, "nn": nn, "F": F}
    body, blocks = _Body("Net", list(inputs), tensors, space, count=len(inputs)), []
    for gene in genes:
        _grow(random.Random(f"{salt} {gene}"), body, blocks)
    used = [
        text for text in blocks if any(text.split("(")[0].removeprefix("class ") + "()" in made for made in body.made)
    ]
    source = "".join(used) + body.text(_returned(chance, body))
    return Network(source.rstrip() + "\n", tuple(inputs), chance.choice(("none", "batch", "batch", "all")))


def _input(chance: random.Random, number: int) -> Value:
    if number and chance.random() < 0.5:
        return Value(f"v{number}", (BATCH, *(chance.randint(2, 6) for _ in range(chance.randint(0, 1)))), INT)
    rank = chance.choice((2, 3, 3, 4, 4, 4, 5))
    highest = {2: 8, 3: 7, 4: 6, 5: 3}[rank]
    return Value(f"v{number}", (BATCH, *(chance.randint(2, highest) for _ in range(rank - 1))))


def _returned(chance: random.Random, body: _Body) -> str:
    """What the network returns: the last value, or several in a tuple or a dict."""
    last, *others = [value.name for value in body.values[body.count :][::-1]] or [body.values[-1].name]
    extra = chance.sample(others, min(chance.choice((0, 0, 1, 2)), len(others)))
    if not extra:
        return last
    if chance.random() < 0.5:
        return f"({', '.join([last, *extra])})"
    return "{" + ", ".join(f"'{name}': {name}" for name in [last, *extra]) + "}"
