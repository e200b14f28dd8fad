"""A family of simple PyTorch networks, as users write them: made by number, each a piece of source of its own.

python -m tests.migrate.family_to_keras 300 keras     migrates the first 300, and tells the rate for each kind
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"
ACTIVATIONS = {
    "nn.ReLU()": "F.relu", "nn.Tanh()": "torch.tanh", "nn.GELU()": "F.gelu", "nn.ELU()": "F.elu", "nn.SiLU()": "F.silu",
    "nn.LeakyReLU(0.1)": "(lambda t: F.leaky_relu(t, 0.1))", "nn.Sigmoid()": "torch.sigmoid",
    "nn.Softplus()": "F.softplus",
}  # fmt: skip
SIZES = {1: "(20,)", 2: "(12, 12)", 3: "(6, 8, 8)"}


class Choice(random.Random):
    """Draws of one network."""

    def activation(self) -> tuple[str, str]:
        return self.choice(list(ACTIVATIONS.items()))

    def width(self) -> int:
        return self.choice([3, 4, 6, 8, 12, 16, 32])


def dense(c: Choice, name: str) -> tuple[str, str]:
    """A perceptron on a table: narrow or wide, shallow or deep; one output, several, or the input again."""
    features, depth, task = c.randint(3, 20), c.randint(1, 6), c.choice(["class", "number", "again", "two"])
    module, function = c.activation()
    widths = [c.width() for _ in range(depth)]
    norm = c.choice(["", "nn.BatchNorm1d({})", "nn.LayerNorm({})"])
    lines, width = [], features
    for one in widths:
        lines += [f"nn.Linear({width}, {one}{c.choice(['', ', bias=False'])})", norm.format(one), module]
        lines += [f"nn.Dropout({c.choice([0.1, 0.5])})"] if c.random() < 0.3 else []
        width = one
    ends = {"class": c.randint(2, 10), "number": 1, "again": features, "two": 3}[task]
    layers = ",\n            ".join(one for one in lines if one)
    if task == "two":
        return (
            f'''
class {name}(nn.Module):
    """Two heads on one trunk."""

    def __init__(self, hidden={width}):
        super().__init__()
        self.trunk = nn.Sequential(
            {layers},
        )
        self.mean, self.log_std = nn.Linear(hidden, {ends}), nn.Linear(hidden, {ends})

    def forward(self, x):
        h = self.trunk(x)
        return self.mean(h), torch.clamp(self.log_std(h), -5.0, 2.0)
''',
            f"torch.randn(4, {features})",
        )
    style = c.choice(["class", "function", "loop", "calls"])
    if style == "function":
        return (
            f'''
def {name}():
    """Layers one after the other."""
    return nn.Sequential(
            {layers},
            nn.Linear({width}, {ends}),
    )
''',
            "",
        )
    if style == "loop":
        return (
            f"""
class {name}(nn.Module):
    def __init__(self, sizes={(features, *widths)}, outputs={ends}):
        super({name}, self).__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.out = nn.Linear(sizes[-1], outputs)

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            x = {function}(layer(x)) if i % 2 == 0 else layer(x)
        return {c.choice(["self.out(x)", "F.log_softmax(self.out(x), dim=1)", "self.out(x).squeeze(-1)"])}
""",
            f"torch.randn(4, {features})",
        )
    if style == "calls":
        return (
            f"""
class {name}(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear({features}, {widths[0]})
        self.bn = nn.BatchNorm1d({widths[0]})
        self.fc2 = nn.Linear({widths[0]}, {ends})
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        x = self.drop({function}(self.bn(self.fc1(x))))
        return self.fc2(x)
""",
            f"torch.randn(4, {features})",
        )
    return (
        f"""
class {name}(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            {layers},
            nn.Linear({width}, {ends}),
        )

    def forward(self, x):
        return self.net(x)
""",
        f"torch.randn(4, {features})",
    )


def convolution(c: Choice, name: str, rank: int) -> tuple[str, str]:
    """A convolutional network of 1, 2 or 3 axes: classes or a number of an image, or the image again."""
    channels, depth = c.choice([1, 3]), c.randint(1, 3)
    module, function = c.activation()
    blocks, width = [], channels
    for _ in range(depth):
        one, kernel = c.choice([4, 6, 8]), c.choice([1, 3, 5])
        pad = c.choice([str(kernel // 2), "'same'"])
        stride = c.choice(["", "", ", stride=2"]) if pad != "'same'" else ""
        dilation = ", dilation=2" if kernel == 3 and pad == "'same'" and c.random() < 0.4 else ""
        groups = ", groups=2" if width % 2 == 0 and one % 2 == 0 and c.random() < 0.2 else ""
        blocks.append(f"nn.Conv{rank}d({width}, {one}, {kernel}{stride}, padding={pad}{dilation}{groups})")
        if c.random() < 0.6:
            blocks.append(c.choice([f"nn.BatchNorm{rank}d({one})", f"nn.GroupNorm(2, {one})"]))
        blocks.append(module)
        width = one
    pool = c.choice([f"nn.MaxPool{rank}d(2)", f"nn.AvgPool{rank}d(2)", f"nn.MaxPool{rank}d(3, stride=2, padding=1)"])
    layers = ",\n            ".join(blocks)
    example = f"torch.randn(2, {channels}, *{SIZES[rank]})"
    style = c.choice(["pooled", "mean", "flat", "again"])
    axes = tuple(range(2, 2 + rank))
    body = {
        "pooled": (f"nn.Linear({width}, 5)", f"self.head(torch.flatten(F.adaptive_avg_pool{rank}d(x, 1), 1))"),
        "mean": (f"nn.Linear({width}, 1)", f"self.head(x.mean(dim={axes}))"),
        "flat": ("nn.LazyLinear(4)", f"self.head({function}(x).view(x.size(0), -1))"),
        "again": (f"nn.ConvTranspose{rank}d({width}, {channels}, 2, stride=2)", "torch.sigmoid(self.head(x))"),
    }[style]
    return (
        f'''
class {name}(nn.Module):
    """{rank}-D convolutions."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            {layers},
            {pool},
        )
        self.head = {body[0]}

    def forward(self, x):
        x = self.features(x)
        return {body[1]}
''',
        example,
    )


def recurrent(c: Choice, name: str, kind: str) -> tuple[str, str]:
    """A recurrent network on text or a series: its last step, its last state, all steps, or their mean."""
    text, both, first = c.random() < 0.5, c.random() < 0.3, c.random() < 0.7
    layers, hidden, inputs = c.choice([1, 1, 2]), c.choice([4, 8, 12]), c.choice([1, 4, 6])
    options = "".join([
        f", num_layers={layers}" if layers > 1 else "", ", batch_first=True" if first else "",
        ", bidirectional=True" if both else "", ", dropout=0.2" if layers > 1 else "",
    ])  # fmt: skip
    ends = c.choice([1, 2, 5])
    last = "out[:, -1, :]" if first else "out[-1]"
    state = "h[0]" if kind == "LSTM" else "h"
    read = c.choice([last, f"{state}[-1]" if not both else last, f"out.mean(dim={1 if first else 0})", "out"])
    embed = f"\n        self.embed = nn.Embedding(30, {inputs}{c.choice(['', ', padding_idx=0'])})" if text else ""
    shape = "4, 7" if first else "7, 4"
    example = f"torch.randint(0, 30, ({shape}))" if text else f"torch.randn({shape}, {inputs})"
    fed = "self.embed(x)" if text else "x"
    return (
        f"""
class {name}(nn.Module):
    def __init__(self, hidden={hidden}):
        super().__init__(){embed}
        self.rnn = nn.{kind}({inputs}, hidden{options})
        self.fc = nn.Linear({"hidden * 2" if both else "hidden"}, {ends})

    def forward(self, x):
        out, h = self.rnn({fed})
        return self.fc({read})
""",
        example,
    )


KINDS = {
    "table": dense,
    **{f"convolution {n}-D": (lambda c, name, n=n: convolution(c, name, n)) for n in (1, 2, 3)},
    **{kind: (lambda c, name, kind=kind: recurrent(c, name, kind)) for kind in ("RNN", "LSTM", "GRU")},
}


def network(number: int) -> tuple[str, str, str, str]:
    """The kind, the name, the source and an example input of the network of a number."""
    kind = list(KINDS)[number % len(KINDS)]
    name = f"Net{number:03}"
    return (kind, name, *KINDS[kind](Choice(number), name))


def written(numbers: list[int], path: Path) -> Path:
    """A file with the networks of some numbers, and a call of each."""
    made = [network(number) for number in numbers]
    calls = "".join(f"    {name}()({example})\n" for _, name, _, example in made if example)
    path.write_text(HEAD + "\n".join(source for *_, source, _ in made) + f'\n\nif __name__ == "__main__":\n{calls}')
    return path


def rate(count: int, target: str, *, at_once: int = 20) -> dict[str, list[str]]:
    """Migrates the first `count` networks; the names of those that are not equivalent, by kind."""
    from netglot.migrate.migrating import migrate

    failed: dict[str, list[str]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        for start in range(0, count, at_once):
            numbers = list(range(start, min(start + at_once, count)))
            found = migrate(written(numbers, Path(folder) / "nets.py"), target, time_limit=1800)
            equivalent = {n["expression"] for n in found.report["networks"] if n["verdict"] == "equivalent"}
            for number in numbers:
                kind, name, *_ = network(number)
                if f"{name}()" not in equivalent:
                    failed[kind].append(name)
            for mark in found.report["files"][0]["marked"]:
                failed.setdefault(f"marked: {mark['what']}: {mark['reason']}", []).append(f"line {mark['line']}")
            print(f"{numbers[-1] + 1} of {count}: {sum(map(len, failed.values()))} not equivalent", flush=True)
    return failed


if __name__ == "__main__":
    wanted, where = int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "keras"
    left = rate(wanted, where)
    for kind, names in left.items():
        if kind not in KINDS:
            print(f"{kind}: {len(names)} places")
            continue
        total = len(range(list(KINDS).index(kind), wanted, len(KINDS)))
        print(
            f"{kind:>16}: {total - len(names)} of {total} equivalent" + (f"; not {', '.join(names)}" if names else "")
        )
    sys.exit(any(left.values()))
