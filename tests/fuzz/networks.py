"""Random networks: steps put one after the other, in blocks that repeat, with several inputs and outputs.

A network is its PyTorch source, which is also how a failure is told. Each step is run as soon as it is drawn; what
raises, grows too large or is not finite is dropped, so that every network is valid.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable
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

_NAMES = sorted(STEPS)
_DTYPES = {torch.float64: FLOAT, torch.int64: INT, torch.bool: BOOL}


@dataclass(frozen=True)
class Network:
    """The source of a class `Net`, its inputs, and whether the batch is symbolic."""

    source: str
    inputs: tuple[Value, ...]
    symbolic: bool

    def build(self) -> nn.Module:
        """The module in double precision, in inference mode, with random weights and statistics."""
        space: dict[str, Any] = {}
        exec(compile(HEAD + self.source, "<network>", "exec"), space)
        network = space["Net"]().double().eval()
        return randomise(network)

    def example(self, batch: int, seed: int = 0) -> list[torch.Tensor]:
        """Inputs for a batch of this size."""
        generator = torch.Generator().manual_seed(seed + batch)
        return [draw_input((batch, *value.shape[1:]), value.dtype, generator) for value in self.inputs]

    def __repr__(self) -> str:
        shapes = ", ".join(f"{v.name}: {v.dtype}{list(v.shape)}" for v in self.inputs)
        return f"\n# {shapes}; {'symbolic' if self.symbolic else 'fixed'} batch\n{HEAD}{self.source}"


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

    def __init__(self, draw: Callable, body: _Body):
        self.draw, self.body = draw, body
        self.made: dict[str, str] = {}

    def int(self, low: int, high: int) -> int:
        """A number from low to high, both included."""
        return self.draw(st.integers(low, high))

    def bool(self) -> bool:
        """Yes or no."""
        return self.draw(st.booleans())

    def pick(self, choices) -> Any:
        """One of the choices."""
        return self.draw(st.sampled_from(list(choices)))

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
        picked = self.draw(st.lists(st.integers(1, x.rank - 1), min_size=1, max_size=x.rank, unique=True))
        return tuple(picked) if len(picked) > 1 or self.bool() else picked[0]

    def order(self, rank: int) -> tuple[int, ...]:
        """A permutation of the axes that leaves the batch where it is."""
        return (0, *self.draw(st.permutations(range(1, rank))))

    def another(self, fits: Callable[[Value], bool]) -> Value | None:
        """Another value of the network."""
        found = [value for value in self.body.values if fits(value)]
        return self.pick(found) if found else None

    def module(self, text: str) -> str:
        """The expression of a module that is made for this step."""
        return self._hold(text, "m")

    def parameter(self, shape: tuple[int, ...]) -> str:
        """The expression of a parameter that is made for this step."""
        return self._hold(
            f"nn.Parameter(torch.ones{tuple(shape)})" if len(shape) > 1 else f"nn.Parameter(torch.ones({shape[0]}))",
            "p",
        )

    def _hold(self, text: str, letter: str) -> str:
        same = [line for line in self.body.made if line.endswith(f" = {text}")]
        if same and letter == "m" and self.int(0, 3) == 0:  # a module that is called twice
            return same[0].split(" = ")[0]
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


def _grow(draw: Callable, body: _Body, steps: int, blocks: list[str] | None) -> None:
    for _ in range(steps):
        back = draw(st.integers(0, len(body.values) - 1))
        x = body.values[-1 - back if draw(st.integers(0, 2)) == 0 else -1]
        if blocks is not None and x.dtype == FLOAT and draw(st.integers(0, 7)) == 7:
            _block(draw, body, x, blocks)
            continue
        hand = Hand(draw, body)
        made = STEPS[draw(st.sampled_from(_NAMES))](hand, x)
        if made:
            _apply(body, hand, made)


def _block(draw: Callable, body: _Body, x: Value, blocks: list[str]) -> None:
    """A class of its own: called once, called twice, or repeated with weights of its own each time."""
    name = f"Block{len(blocks)}"
    inner = _Body(name, [Value("v0", x.shape, x.dtype)], {"v0": body.tensors[x.name]}, body.space, count=1)
    _grow(draw, inner, draw(st.integers(1, 4)), None)
    if not inner.lines:
        return
    last = inner.values[-1]
    same = last.shape == x.shape and last.dtype == x.dtype
    residual = same and draw(st.booleans())
    text = inner.text(f"{last.name} + v0" if residual else last.name)
    exec(text, body.space)
    blocks.append(text)
    hand = Hand(draw, body)
    target, attribute = f"v{len(body.values)}", f"m{len(body.made)}"
    form = draw(st.sampled_from(("once", "twice", "loop", "sequence") if same else ("once", "twice")))
    if form == "once":
        made: Any = hand.module(f"{name}()") + f"({x.name})"
    elif form == "twice":
        called = hand.module(f"{name}()")
        made = f"{called}({x.name}) - {called}({x.name} * 0.5)" if last.dtype == FLOAT else f"{called}({x.name})"
    elif form == "sequence":
        made = hand.module(f"nn.Sequential(*[{name}() for _ in range(3)])") + f"({x.name})"
    else:
        hand.made[attribute] = f"nn.ModuleList([{name}() for _ in range(2)])"
        made = [f"{target} = {x.name}", f"for block in self.{attribute}: {target} = block({target})"]
    _apply(body, hand, made)


@st.composite
def networks(draw: Callable, most: int = 9) -> Network:
    """A valid network of up to `most` steps and blocks."""
    generator = torch.Generator().manual_seed(1)
    inputs = []
    for number in range(draw(st.integers(1, 2))):
        whole = number > 0 and draw(st.booleans())
        rank = draw(st.sampled_from((2, 3, 4, 4) if not whole else (1, 2)))
        highest = {1: 1, 2: 8, 3: 7, 4: 6}[rank]
        shape = (BATCH, *(draw(st.integers(2, highest)) for _ in range(rank - 1)))
        inputs.append(Value(f"v{number}", shape, INT if whole else FLOAT))
    tensors = {v.name: draw_input(v.shape, v.dtype, generator) for v in inputs}
    space = {"torch": torch, "nn": nn, "F": F}
    body, blocks = _Body("Net", list(inputs), tensors, space, count=len(inputs)), []
    _grow(draw, body, draw(st.integers(1, most)), blocks)
    for _ in range(20):
        if len(body.values) > len(inputs):
            break
        _grow(draw, body, 1, blocks)
    returned = _returned(draw, body)
    source = "".join(blocks) + body.text(returned)
    return Network(source.rstrip() + "\n", tuple(inputs), draw(st.booleans()))


def _returned(draw: Callable, body: _Body) -> str:
    """What the network returns: the last value, or several in a tuple or a dict."""
    last, *others = [value.name for value in body.values[body.count :][::-1]] or [body.values[-1].name]
    extra = draw(st.lists(st.sampled_from(others), max_size=2, unique=True)) if others else []
    if not extra:
        return last
    if draw(st.booleans()):
        return f"({', '.join([last, *extra])})"
    return "{" + ", ".join(f"'{name}': {name}" for name in [last, *extra]) + "}"
