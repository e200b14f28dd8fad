"""Which block an operator stands in, and what its layer is called.

Version 3 says the classes of the layers around an operator, each with a number where there are several in one place:
`/Sequential_1/BasicBlock/Conv2D_1/`. Version 2 says nothing, and the names of the weights tell the layers.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from netglot.dialects.assembly import block_paths, identifier
from netglot.formats.paddle import Operator, Tensor
from netglot.pivot.graph import Module

_LAYERS = re.compile(
    r"(Conv[123]D|Conv[123]DTranspose|(Sync)?BatchNorm([123]D)?|LayerNorm|GroupNorm|InstanceNorm[123]D|RMSNorm|Linear|"
    r"Embedding|PReLU|Bilinear|SpectralNorm|LocalResponseNorm|LSTM|GRU|SimpleRNN|Flatten|Identity|Upsample|"
    r"UpsamplingBilinear2D|UpsamplingNearest2D|PixelShuffle|PixelUnshuffle|ChannelShuffle|ZeroPad[123]D|Pad[123]D|Fold|"
    r"Unfold|(Alpha)?Dropout([23]D)?|(Adaptive)?(Avg|Max|LP)Pool[123]D|MaxUnPool[123]D|ReLU6?|LeakyReLU|ELU|SELU|CELU|"
    r"GELU|Sigmoid|Silu|Swish|Mish|Tanh|Softmax2?D?|LogSoftmax|LogSigmoid|Softplus|Softsign|Softshrink|Hardshrink|"
    r"Hardswish|Hardsigmoid|Hardtanh|Tanhshrink|ThresholdedReLU|RReLU|Maxout|GLU|Unflatten|CosineSimilarity)(_\d+)?$"
)
"""The layers that paddle.nn has itself, and which hold no other layers."""

_WEIGHT = re.compile(r"^(?P<layer>.+?)(\.|_)(?P<role>[wb]_\d+|weights?|bias|scale|offset|mean|variance|w_attr|b_attr)$")


def role_of(tensor: Tensor) -> str:
    """What a weight does in its layer, as far as its name tells."""
    return "bias" if re.search(r"[._](b_\d+|bias|b_attr|offset)$", tensor.name) else "weight"


def snake(word: str) -> str:
    """The name of a class as one of a member: `BasicBlock_1` becomes `basic_block_1`."""
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[A-Z])(?=[A-Z][a-z]{2})", "_", word)
    return identifier(re.sub(r"__+", "_", plain).lower())


@dataclass(frozen=True)
class Place:
    """Where an operator stands: the paths of the layers around it, outermost first, and where its weights are kept."""

    frames: tuple[str, ...]
    weights: str


class Places:
    """Where the operators of a program stand."""

    def __init__(self, operators: list[Operator], parameters: Iterable[Tensor]):
        self.modules: dict[str, Module] = {}
        self._several, self._children = _counted(operators)
        self._named = _by_weights(operators, {one.reference: one.name for one in parameters})
        self._blocks = self._filled(operators)

    def of(self, operator: Operator) -> Place:
        """The place of an operator."""
        parts = [part for part in operator.scope.split("/") if part]
        if not parts:
            block, layer = self._weighted(operator)
            block = self._blocks.get(id(operator), block)
            return Place((block,), f"{block}.{layer}") if block else Place((), layer)
        frames: list[str] = []
        around = ""
        for part in parts:
            word, _ = _numbered(part)
            path = f"{frames[-1]}." if frames else ""
            frames.append(path + self._step(around, part))
            self.modules.setdefault(frames[-1], _module(frames[-1], word))
            around = f"{around}/{part}"
        layer = "" if _LAYERS.match(parts[-1]) else self._weighted(operator)[1]
        return Place(tuple(frames), f"{frames[-1]}.{layer}" if layer else frames[-1])

    def _step(self, around: str, part: str) -> str:
        """The name of a layer within the one around it: its place in a sequence, or that among those of its class."""
        word, number = _numbered(part)
        if _numbered(around.rpartition("/")[2])[0] == "Sequential":
            return str(self._children[around].index(part))
        several = self._several[around, word]
        if len(several) > 1 and not _LAYERS.match(part) and word != "Sequential":
            return f"{snake(word)}.{several.index(number)}"
        index = several.index(number)
        return snake(word) + (f"_{index}" if index else "")

    def _weighted(self, operator: Operator) -> tuple[str, str]:
        """The place that an operator's weights tell."""
        for name in references(operator):
            if name in self._named:
                return self._named[name]
        return "", _role(operator.type)

    def _filled(self, operators: list[Operator]) -> dict[int, str]:
        """The block of each operator that stands between the first and the last of a block's with weights."""
        found: dict[int, str] = {}
        ends: dict[str, list[int]] = defaultdict(list)
        for number, operator in enumerate(operators):
            if not operator.scope.strip("/") and (block := self._weighted(operator)[0]):
                ends[block].append(number)
        for block, (first, *_, last) in ((b, p) for b, p in ends.items() if len(p) > 1):
            found |= {id(one): block for one in operators[first : last + 1] if not one.scope.strip("/")}
        return found


def references(operator: Operator) -> Iterator[str]:
    """The tensors that an operator reads."""
    for one in operator.inputs:
        yield from (name for name in (one if isinstance(one, list) else [one]) if name is not None)


def _counted(operators: list[Operator]) -> tuple[dict[tuple[str, str], list[int]], dict[str, list[str]]]:
    """Which numbers the layers of one class have that stand in one place, and all layers that stand there."""
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    children: dict[str, list[str]] = defaultdict(list)
    for operator in operators:
        before = ""
        for part in [part for part in operator.scope.split("/") if part]:
            word, number = _numbered(part)
            if number not in found[before, word]:
                found[before, word].append(number)
                children[before].append(part)
            before = f"{before}/{part}"
    return found, children


def _module(path: str, word: str) -> Module:
    """What is known of a layer by its class."""
    if word == "Sequential":
        return Module(path, word, "paddle.nn.layer.container.Sequential", container="sequential")
    return Module(path, word, f"paddle.nn.layer.{word}" if _LAYERS.match(word) else "")


def _by_weights(operators: list[Operator], named: dict[str, str]) -> dict[str, tuple[str, str]]:
    """The place of each weight, from the names of all."""
    used = dict.fromkeys(name for one in operators for name in references(one) if name in named)
    layers = {}
    for reference in used:
        match = _WEIGHT.match(named[reference])
        layers[reference] = match["layer"] if match else named[reference]
    layers |= _recurrent(operators, layers)
    names = list(dict.fromkeys(layers.values()))
    if all(
        re.search(r"_\d+$|^(lstm|gru|simple_rnn)$", name) for name in names
    ):  # the framework counted its layers: these are no blocks
        paths = {name: ("", short) for name, short in _recounted(names).items()}
    else:
        paths = block_paths(names, set(names))
    return {reference: paths[layer] for reference, layer in layers.items()}


def _recurrent(operators: list[Operator], layers: dict[str, str]) -> dict[str, str]:
    """The layer of the weights of recurrent operators, which are named after the cells that they were made of."""
    own = [
        [name for name in references(one) if re.search(r"_cell_\d+$", layers.get(name, ""))]
        for one in operators
        if one.type == "rnn"
    ]
    counts: dict[str, int] = defaultdict(int)
    found: dict[str, str] = {}
    for names in filter(None, own):
        kind = re.sub(r"_cell_\d+$", "", layers[names[0]])
        found |= dict.fromkeys(names, f"{kind}_{counts[kind]}" if len(own) > 1 else kind)
        counts[kind] += 1
    return found


def _recounted(names: list[str]) -> dict[str, str]:
    """Names that end in a number of their own for each beginning, from 0; the framework counts in the whole process."""
    counts: dict[str, int] = defaultdict(int)
    found = {}
    for name in names:
        kind = identifier(name.rpartition("_")[0] or name)
        found[name] = f"{kind}_{counts[kind]}" if name[-1].isdigit() else kind
        counts[kind] += 1
    return found


def _numbered(part: str) -> tuple[str, int]:
    match = re.match(r"^(.*?)(?:_(\d+))?$", part)
    assert match is not None
    return match[1], int(match[2] or 0)


_ROLES = {"matmul": "linear", "batch_norm_": "batch_norm", "embedding": "embedding"}


def _role(kind: str) -> str:
    """What a layer is called of which only the operator is known."""
    return _ROLES.get(kind, identifier(kind.rstrip("_")))
