"""The layers and functions that emitted files define, beside PyTorch's own."""

import collections
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")

from netglot.migrate.to_keras.helpers import HELPERS, needs, packed  # noqa: E402


@pytest.fixture(scope="module")
def emitted():
    """What an emitted file holds when it asks for all of these."""
    place = {
        "keras": keras,
        "ops": keras.ops,
        "layers": keras.layers,
        "np": np,
        "math": math,
        "collections": collections,
    }
    wanted = ["Dense", "Embedding", "LSTM", "pack_padded_sequence", "pad_packed_sequence", "pad_sequence", "scatter"]
    wanted += ["clone", "each_weight", "freeze", "named_parameters"]
    held = set(wanted)
    while wanted:
        more = [one for one in needs(wanted.pop()) if one not in held]
        wanted, held = wanted + more, held | set(more)
    for name in [one for one in HELPERS if one in held]:
        exec(packed(HELPERS[name]) if name == "Recurrent" else HELPERS[name], place)
    return place


def test_a_recurrent_layer_stops_at_the_end_of_each_sequence(emitted):
    mine = torch.nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)
    layer = emitted["LSTM"](3, 4, num_layers=2, bidirectional=True, batch_first=True)
    for name, value in mine.named_parameters():
        getattr(layer, name).assign(value.detach().numpy())
    x, lengths = torch.randn(3, 5, 3), torch.tensor([2, 5, 3])
    pack, unpack = torch.nn.utils.rnn.pack_padded_sequence, torch.nn.utils.rnn.pad_packed_sequence
    out, (h, c) = mine(pack(x, lengths, batch_first=True, enforce_sorted=False))
    y, last = layer(emitted["pack_padded_sequence"](x.numpy(), lengths.numpy(), batch_first=True))
    whole, sizes = emitted["pad_packed_sequence"](y, batch_first=True, padding_value=7.0)
    expected = unpack(out, batch_first=True, padding_value=7.0)[0].detach().numpy()
    np.testing.assert_allclose(np.asarray(whole), expected, atol=1e-6)
    assert np.asarray(sizes).tolist() == [2, 5, 3]
    for one, other in zip((h, c), last, strict=True):
        np.testing.assert_allclose(np.asarray(other), one.detach().numpy(), atol=1e-6)


def test_sequences_become_one_tensor(emitted):
    rows = [torch.arange(n * 2.0).reshape(n, 2) for n in (1, 3)]
    for first in (True, False):
        mine = torch.nn.utils.rnn.pad_sequence(rows, batch_first=first, padding_value=9.0).numpy()
        made = emitted["pad_sequence"]([one.numpy() for one in rows], batch_first=first, padding_value=9.0)
        np.testing.assert_array_equal(np.asarray(made), mine)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("add", [False, True])
def test_values_go_to_places_of_an_index(emitted, axis, add):
    x, index = torch.zeros(3, 4), torch.tensor([[0, 2], [1, 0], [2, 1]])
    values = torch.arange(1.0, 13.0).reshape(3, 4)
    mine = x.scatter_add(axis, index, values) if add else x.scatter(axis, index, values)
    made = emitted["scatter"](x.numpy(), axis, index.numpy(), values.numpy(), add=add)
    np.testing.assert_array_equal(np.asarray(made), mine.numpy())


def network(emitted):
    """A network of layers in a list, whose weights are made while it is built as a whole."""

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.embed = emitted["Embedding"](5, 4, padding_idx=1)
            self.parts = [keras.Sequential([emitted["Dense"](6), emitted["Dense"](2)])]

        def call(self, ids):
            return self.parts[0](self.embed(ids))

    return Net()


def test_each_weight_is_begun_and_held_when_it_is_made(emitted):
    model, seen = network(emitted), []

    @emitted["each_weight"](model)
    def begin(name, weight):
        seen.append(name)
        if "bias" in name:
            weight.assign(keras.ops.full(weight.shape, 3.0))
        elif "embed" in name:
            weight.trainable = False

    model(np.array([[0, 1, 2]]))
    first = model.parts[0].layers[0]
    assert np.asarray(first.bias).tolist() == [3.0] * 6
    assert not model.embed.embeddings.trainable
    assert first.kernel.trainable
    assert set(seen) == {"embed.weight", *(f"parts.0.{i}.{name}" for i in "01" for name in ("weight", "bias"))}
    assert {name for name, _ in emitted["named_parameters"](model)} == set(seen) - {"embed.weight"}
    assert np.asarray(model.embed.embeddings)[1].tolist() == [0.0] * 4  # the padding


def test_a_frozen_network_stays_so_when_its_weights_are_made(emitted):
    model = network(emitted)
    emitted["freeze"](model)
    model(np.array([[0, 1, 2]]))
    assert len(model.weights) == 5
    assert not model.trainable_variables


def test_copies_share_nothing_with_what_they_copy(emitted):
    model = network(emitted)
    model(np.array([[0, 1, 2]]))
    layer = emitted["Dense"](3)
    pair = emitted["clone"]([layer, layer, model.parts[0].layers[0]])
    assert pair[0] is pair[1] is not layer
    assert pair[0](np.ones((1, 2), "float32")).shape == (1, 3)
    assert not layer.built
    np.testing.assert_array_equal(np.asarray(pair[2].kernel), np.asarray(model.parts[0].layers[0].kernel))
    pair[2].kernel.assign(np.zeros((4, 6)))
    assert np.abs(np.asarray(model.parts[0].layers[0].kernel)).max() > 0
