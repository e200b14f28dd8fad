"""TorchScript archives, walked by netglot, against what PyTorch's own interpreter computes of them."""

import pickle
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import netglot  # noqa: E402
from netglot.dialects.torch.script.module import open_script  # noqa: E402
from netglot.errors import InputError, Refusal, RequestError  # noqa: E402
from netglot.formats.torchscript import is_archive, read_archive  # noqa: E402
from netglot.pivot.evaluate import evaluate  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # PyTorch itself calls TorchScript deprecated, and warns of traces


class Block(nn.Module):
    def __init__(self, inside, outside):
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, 3, padding=1)
        self.norm = nn.BatchNorm2d(outside)
        self.down = nn.Sequential(nn.Conv2d(inside, outside, 1)) if inside != outside else None

    def forward(self, x):
        y = torch.relu(self.norm(self.conv(x)))
        return y + (x if self.down is None else self.down(x))


class Images(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(3, 4), Block(4, 4)])
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        x = nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)
        return nn.functional.gelu(self.head(self.drop(x)))


class Words(nn.Module):
    def __init__(self, kind=nn.LSTM):
        super().__init__()
        self.embed = nn.Embedding(11, 6)
        self.rnn = kind(6, 4, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(8, 3)

    def forward(self, ids):
        out, _ = self.rnn(self.embed(ids))
        return torch.log_softmax(self.head(out), -1)


class Attends(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x):
        return self.encoder(x)


class Shapes(nn.Module):
    """Sizes that are computed with, and slices."""

    def forward(self, x):
        b, c, h, w = x.shape
        x = x.view(b, c // 2, 2, h * w)
        y = x.permute(0, 2, 1, 3)[:, :, 0, ::2]
        return torch.cat([y, y.flip(1)], 1) * (h // 2), x.mean(-1, keepdim=True)


class Chooses(nn.Module):
    """Choices by constants, by sizes and by what is given, loops, lists, dictionaries and functions of its own."""

    def __init__(self):
        super().__init__()
        self.depth = 3
        self.mode = "sum"
        self.linear = nn.Linear(4, 4)

    def forward(self, x, mask: torch.Tensor | None = None):
        parts: list[torch.Tensor] = []
        named: dict[str, torch.Tensor] = {}
        for i in range(self.depth):
            x = self.linear(x) if i % 2 == 0 else torch.tanh(x)
            parts.append(x)
            named[str(i)] = x
        if mask is not None:
            x = x * mask
        if x.shape[1] > 2 and self.mode == "sum":
            x = torch.stack(parts).sum(0)
        i = 0
        while i < 2:
            x = x + named[str(i)]
            i += 1
        return x if not self.training else x * 0


class Shared(nn.Module):
    """One layer in two places, a tied weight, a buffer and a constant tensor."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = self.first
        self.other = nn.Linear(4, 4)
        self.other.weight = self.first.weight
        self.register_buffer("scale", torch.tensor([1.0, 2.0, 3.0, 4.0]))

    def forward(self, x):
        return self.second(torch.relu(self.first(x))) * self.scale + self.other(x) + torch.tensor(0.5)


class Keeps(nn.Module):
    """A network that remembers, around one that does not."""

    def __init__(self):
        super().__init__()
        self.cell = nn.Linear(4, 4)
        self.state = torch.zeros(1, 4)

    def forward(self, x):
        self.state = self.cell(x) + self.state
        return self.state


NETWORKS = {
    "images": (Images, (2, 3, 8, 8)),
    "lstm": (Words, (2, 5)),
    "gru": (lambda: Words(nn.GRU), (2, 5)),
    "attention": (Attends, (2, 5, 8)),
    "shapes": (Shapes, (2, 4, 6, 8)),
    "shared": (Shared, (3, 4)),
    "chooses": (Chooses, (2, 3, 4)),
}
CASES = [(name, how) for name in NETWORKS for how in ("traced", "scripted") if (name, how) != ("chooses", "traced")]


def example(shape, like="float"):
    generator = torch.Generator().manual_seed(1)
    if len(shape) == 2 and shape[1] == 5:
        return torch.randint(0, 11, shape, generator=generator)
    return torch.randn(shape, generator=generator)


def written(folder, name, how, file="net.pt"):
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    network = make().eval()
    with torch.no_grad():
        for one in network.buffers():
            if one.is_floating_point():
                one.uniform_(0.5, 1.5)
    scripted = torch.jit.script(network)
    if how == "traced":
        scripted = torch.jit.trace(network, example(shape), check_trace=False)
    scripted.save(folder / file)
    return folder / file


def listed(held):
    return list(held) if isinstance(held, tuple) else [held]


@pytest.mark.parametrize(("name", "how"), CASES)
def test_computes_what_pytorch_computes(name, how, tmp_path):
    path = written(tmp_path, name, how)
    shape = NETWORKS[name][1]
    for size in (shape, (3, *shape[1:])):
        x = example(size)
        with torch.no_grad():
            found, expected = listed(open_script(str(path))(x)), listed(torch.jit.load(path)(x))
        for got, want in zip(found, expected, strict=True):
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "how"), CASES)
def test_is_read_as_a_graph_with_an_open_batch(name, how, tmp_path):
    path = written(tmp_path, name, how)
    shape = NETWORKS[name][1]
    kind = "int64 " if name in ("lstm", "gru") else ""
    graph = netglot.read(str(path), [f"{kind}B,{','.join(map(str, shape[1:]))}"])
    assert str(graph.inputs[0].type).partition("[")[2].startswith("B,")
    x = example((3, *shape[1:]))
    with torch.no_grad():
        expected = listed(torch.jit.load(path)(x))
    found = evaluate(graph, {graph.inputs[0].name: x.numpy()}, precision="float64")
    found = list(found) if isinstance(found, tuple | list) else [found]
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, want.numpy(), rtol=2e-5, atol=2e-5)


def test_names_and_classes_are_the_authors(tmp_path):
    graph = netglot.read(str(written(tmp_path, "images", "traced")), ["B,3,8,8"])
    assert {"blocks.0.conv.weight", "blocks.1.norm.running_var", "head.bias"} <= graph.parameters.keys()
    assert graph.modules["blocks.0"].class_name == "Block" and graph.name == "Images"


def test_a_file_is_converted_and_proven(tmp_path):
    conversion = netglot.convert(
        str(written(tmp_path, "images", "scripted", "net.jit")), to="torch", inputs=["1,3,8,8"]
    )
    assert conversion.verdict == "equivalent"
    assert "class Block(nn.Module)" in conversion.source and "nn.Dropout(0.3)" in conversion.source
    assert any("TorchScript" in one for one in conversion.report["differences"])


def test_a_part_is_named_behind_a_colon(tmp_path):
    path = written(tmp_path, "images", "scripted")
    assert netglot.read(f"{path}:blocks.1", ["B,4,8,8"]).name == "Block"
    with pytest.raises(RequestError, match="no part 'blokcs'"):
        open_script(str(path), "blokcs")


def test_a_network_that_remembers_is_refused_with_the_way_out(tmp_path):
    path = tmp_path / "net.pt"
    torch.jit.script(Keeps().eval()).save(path)
    with pytest.raises(Refusal, match="keeps 'state' from one call to the next") as refused:
        netglot.read(str(path), ["B,4"])
    assert "FILE:cell" in refused.value.reason.advice
    assert netglot.read(f"{path}:cell", ["B,4"])


class Branches(nn.Module):
    def forward(self, x):
        if bool(x.sum() > 0):
            return x
        return -x


class Reads(nn.Module):
    def forward(self, x):
        return x + torch.from_file("/etc/hostname", size=1)


@pytest.mark.parametrize(("make", "reason"), [(Branches, "depends on data"), (Reads, "aten::from_file")])
def test_what_cannot_be_walked_is_refused(make, reason, tmp_path):
    path = tmp_path / "net.pt"
    torch.jit.script(make().eval()).save(path)
    with pytest.raises(Refusal, match=reason):
        netglot.read(str(path), ["B,4"])


def test_pickles_call_nothing(tmp_path):
    """A global that is none of the program's classes is an error, whatever the pickle would do with it."""

    class Bad:
        def __reduce__(self):
            return (open, (str(tmp_path / "made"), "w"))

    path = written(tmp_path, "images", "scripted")
    other = tmp_path / "bad.pt"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
        for name in source.namelist():
            data = pickle.dumps(Bad()) if name.endswith("data.pkl") else source.read(name)
            target.writestr(name, data)
    with pytest.raises(InputError, match="none of its classes"):
        read_archive(other)
    assert not (tmp_path / "made").exists()


def test_what_its_own_code_would_unpack_is_refused(tmp_path):
    """Quantised layers keep packed weights, which only a `__setstate__` of the file restores."""
    path = written(tmp_path, "images", "scripted")
    held = read_archive(path)
    held.root.attributes["head"].attributes = {"": (1, 2)}
    from netglot.dialects.torch.script.module import Program

    with pytest.raises(InputError, match="only its own code could unpack"):
        Program(held).build(held.root)


def test_other_files_are_no_archives(tmp_path):
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "weights.pt")
    assert not is_archive(tmp_path / "weights.pt")
    with pytest.raises(RequestError, match="holds weights"):
        netglot.read(str(tmp_path / "weights.pt"))
    torch.save(Images(), tmp_path / "whole.pt")
    with pytest.raises(InputError, match="would run code"):
        netglot.read("torch.nn:Linear(2, 2)", ["B,2"], weights=str(tmp_path / "whole.pt"))


def test_damaged_files_are_errors(damage, tmp_path):
    path = written(tmp_path, "shared", "scripted")

    def read():
        assert open_script(str(path)).state_dict()
        return _Read()

    damage(path, read, any_bytes=True)


class _Read:
    """What is asked of a graph that was read."""

    parameters: dict = {}


class Steps(nn.Module):
    """A recurrence of one's own, which collects its outputs with `+=`."""

    def __init__(self):
        super().__init__()
        self.cell = nn.Linear(7, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h, outputs = torch.zeros(x.size(0), 3), torch.jit.annotate(list[torch.Tensor], [])
        for one in x.unbind(1):
            h = torch.tanh(self.cell(torch.cat([one, h], 1)))
            outputs += [h]
        return torch.stack(outputs, 1)


def test_lists_that_grow(tmp_path):
    torch.manual_seed(0)
    scripted, x = torch.jit.script(Steps()), torch.randn(2, 5, 4)
    scripted.save(str(tmp_path / "net.pt"))
    graph = netglot.read(str(tmp_path / "net.pt"), inputs=[(2, 5, 4)])
    np.testing.assert_allclose(evaluate(graph, {graph.inputs[0].name: x.numpy()}), scripted(x).detach(), atol=1e-6)


def test_quantised_weights_are_refused(tmp_path):
    net = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 3)), {nn.Linear})
    torch.jit.script(net).save(str(tmp_path / "net.pt"))
    with pytest.raises(InputError, match="quantised weights"):
        netglot.read(str(tmp_path / "net.pt"), inputs=[(2, 4)])
