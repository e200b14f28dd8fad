"""Darknet's networks against what OpenCV computes of them, and each semantic that converters get wrong."""

import importlib.util
import pathlib
import struct

import numpy as np
import pytest

from netglot.dialects.darknet.activations import ACTIVATIONS
from netglot.dialects.darknet.read import read_darknet
from netglot.errors import InputError, UnsupportedOps, WeightsError
from netglot.pivot import ops
from netglot.pivot.evaluate import evaluate, evaluate_op

HERE = pathlib.Path(__file__).parent
_spec = importlib.util.spec_from_file_location("darknet_networks", HERE / "networks.py")
networks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(networks)
RECORDED = np.load(HERE / "recorded.npz")
RUN = sorted({name.split("/")[0] for name in RECORDED.files})


def written(folder, net, **how):
    (folder / "net.cfg").write_text(net.text)
    (folder / "net.weights").write_bytes(net.weights(**how))
    return folder / "net.cfg"


def outputs(graph, x):
    found = evaluate(graph, {"data": x}, precision="float64")
    return list(found.values()) if isinstance(found, dict) else [found]


@pytest.mark.parametrize("name", RUN)
def test_computes_what_opencv_computes(name, tmp_path):
    net = networks.NETWORKS[name]
    graph = read_darknet(written(tmp_path, net))
    for node in graph.nodes:
        if isinstance(node.op, ops.BatchNorm):
            assert node.op.epsilon == 1e-5
            node.op = node.op.replace(epsilon=1e-6)  # which is what OpenCV adds
    found = outputs(graph, net.array())
    expected = [RECORDED[key] for key in RECORDED.files if key.startswith(f"{name}/")]
    assert len(found) == len(expected)
    for got, want in zip(found, expected, strict=True):
        got = got.reshape(want.shape)
        if name == "yolo2":  # OpenCV makes zeros of what is unlikely or overlaps
            assert (want > 0).mean() > 0.6
            want = np.where(want == 0, got, want)
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-5)


def test_there_are_enough_networks():
    assert len(RUN) >= 20 and {"darknet19", "yolov3"} <= set(RUN)


@pytest.mark.parametrize("how", [dict(major=0, minor=1), dict(major=0, minor=2), dict(major=0, minor=3)], ids=str)
def test_all_headers_are_read(how, tmp_path):
    net = networks.NETWORKS["connected"]
    expected = RECORDED[next(key for key in RECORDED.files if key.startswith("connected/"))]
    (found,) = outputs(read_darknet(written(tmp_path, net, **how)), net.array())
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-4, atol=1e-5)


def test_padding_of_pools_is_split_low_first(tmp_path):
    pools = {}
    for name in ("pool_same", "pool_odd", "pool_even"):
        graph = read_darknet(written(tmp_path, networks.NETWORKS[name]))
        pools[name] = next(node.op for node in graph.nodes if isinstance(node.op, ops.MaxPool)).padding[0]
    assert pools == {"pool_same": (0, 1), "pool_odd": (1, 1), "pool_even": (0, 1)}


def test_reorg_is_darknets_own(tmp_path):
    net = networks.Net("plain", "[reorg]\nstride=2\n", size=4, channels=4)
    x = net.array()
    (found,) = outputs(read_darknet(written(tmp_path, net)), x)
    expected = np.empty(64, "float32")  # as reorg_cpu is written in Darknet
    flat, c, h, w, s = x.reshape(-1), 4, 4, 4, 2
    for k in range(c):
        for j in range(h):
            for i in range(w):
                c2, offset = k % (c // s**2), k // (c // s**2)
                w2, h2 = i * s + offset % s, j * s + offset // s
                expected[i + w * (j + h * k)] = flat[w2 + w * s * (h2 + h * s * c2)]
    np.testing.assert_array_equal(found.reshape(-1), expected)


def test_activations_have_darknets_constants():
    x = np.linspace(-5.3, 5.2, 22)
    by_hand = {
        "loggy": 2 / (1 + np.exp(-x)) - 1,
        "ramp": x * (x > 0) + 0.1 * x,
        "relie": np.where(x > 0, x, 0.01 * x),
        "plse": np.where(x < -4, 0.01 * (x + 4), np.where(x > 4, 0.01 * (x - 4) + 1, 0.125 * x + 0.5)),
        "lhtan": np.where(x < 0, 0.001 * x, np.where(x > 1, 0.001 * (x - 1) + 1, x)),
        "hardtan": np.clip(x, -1, 1),
        "stair": np.where(np.floor(x) % 2 == 0, np.floor(x / 2), x - np.floor(x) + np.floor(x / 2)),
        "selu": np.where(x >= 0, 1.0507 * x, 1.0507 * 1.6732 * np.expm1(x)),
        "hard_mish": np.where(x > 0, x, np.where(x > -2, x * x / 2 + x, 0)),
        "relu6": np.clip(x, 0, 6),
    }
    for name, want in by_hand.items():
        np.testing.assert_allclose(evaluate_op(ACTIVATIONS[name](x)), want, rtol=1e-12, atol=1e-12, err_msg=name)


class Recurrent:
    """A recurrent network: its text, its weights in the file's order, and its state after each step by hand."""

    def __init__(self, kind, options, batch_normalize):
        self.steps, self.features, self.out = 3, 4, 5
        norm = f"batch_normalize={int(batch_normalize)}\n"
        self.text = f"[net]\ninputs=4\ntime_steps=3\n[{kind}]\noutput=5\n{options}{norm}"
        self.text += "[connected]\noutput=2\nactivation=linear\n"
        state = np.random.RandomState(3)
        self.parts, self.bytes = [], struct.pack("<iiiQ", 0, 2, 0, 0)
        shapes = {
            "lstm": [(5, 5)] * 4 + [(5, 4)] * 4,
            "gru": [(5, 5)] * 3 + [(5, 4)] * 3,
            "rnn": [(5, 4), (5, 5), (5, 5)],
        }[kind]
        for number, shape in enumerate([*shapes, (2, 5)]):
            last = number == len(shapes)
            drawn = [state.uniform(-1, 1, shape[0]), state.uniform(-0.6, 0.6, shape)]
            if batch_normalize and not last:
                drawn += [state.uniform(a, b, shape[0]) for a, b in ((0.5, 1.5), (-0.3, 0.3), (0.5, 1.5))]
            self.bytes += b"".join(one.astype("<f4").tobytes() for one in drawn)
            self.parts.append(self.layer(*drawn))

    @staticmethod
    def layer(bias, weight, scale=None, mean=None, variance=None):
        def run(x):
            y = x @ weight.T
            return (y if scale is None else (y - mean) / np.sqrt(variance + 1e-5) * scale) + bias

        return run

    def read(self, folder):
        (folder / "net.cfg").write_text(self.text)
        (folder / "net.weights").write_bytes(self.bytes)
        x = np.random.RandomState(5).uniform(-1, 1, (self.steps, 2, self.features))
        return outputs(read_darknet(folder / "net.cfg"), x)[0], x


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("norm", [False, True])
def test_lstm(norm, tmp_path):
    net = Recurrent("lstm", "", norm)
    found, xs = net.read(tmp_path)
    wi, wf, wo, wg, ui, uf, uo, ug, last = net.parts
    h = c = np.zeros((2, 5))
    for x, got in zip(xs, found, strict=True):
        i, f, o, g = sigmoid(wi(h) + ui(x)), sigmoid(wf(h) + uf(x)), sigmoid(wo(h) + uo(x)), np.tanh(wg(h) + ug(x))
        c = f * c + i * g
        h = o * np.tanh(c)
        np.testing.assert_allclose(got, last(h), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize(("options", "act"), [("", sigmoid), ("tanh=1\n", np.tanh)])
def test_gru_has_a_logistic_state_unless_told(options, act, norm, tmp_path):
    net = Recurrent("gru", options, norm)
    found, xs = net.read(tmp_path)
    wz, wr, wh, uz, ur, uh, last = net.parts
    h = np.zeros((2, 5))
    for x, got in zip(xs, found, strict=True):
        z, r = sigmoid(wz(h) + uz(x)), sigmoid(wr(h) + ur(x))
        h = z * h + (1 - z) * act(wh(r * h) + uh(x))
        np.testing.assert_allclose(got, last(h), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shortcut", [0, 1])
def test_rnn(shortcut, tmp_path):
    net = Recurrent("rnn", f"activation=leaky\nshortcut={shortcut}\n", False)
    found, xs = net.read(tmp_path)
    given, own, out, last = net.parts

    def leaky(x):
        return np.where(x > 0, x, 0.1 * x)

    h = np.zeros((2, 5))
    for x, got in zip(xs, found, strict=True):
        h = (h if shortcut else 0) + leaky(given(x)) + leaky(own(h))
        np.testing.assert_allclose(got, last(leaky(out(h))), rtol=1e-5, atol=1e-6)


def test_weights_of_another_network_are_refused(tmp_path):
    path = written(tmp_path, networks.NETWORKS["connected"])
    whole = path.with_suffix(".weights").read_bytes()
    path.with_suffix(".weights").write_bytes(whole[:-40])
    with pytest.raises(WeightsError, match="ends before"):
        read_darknet(path)
    path.with_suffix(".weights").write_bytes(whole + bytes(40))
    with pytest.raises(WeightsError, match="10 numbers more"):
        read_darknet(path)


def test_refusals_are_told_together(tmp_path):
    text = "[normalization]\nfilters=3\n[convolutional]\nactivation=bent\n[maxpool]\nmaxpool_depth=1\nsize=2\n"
    (tmp_path / "net.cfg").write_text(networks.Net("x", text, size=8).text)
    with pytest.raises(UnsupportedOps) as refused:
        read_darknet(tmp_path / "net.cfg")
    assert [one.what for one in refused.value.refused] == ["[normalization]"]
    (tmp_path / "net.cfg").write_text(networks.Net("x", text.partition("[conv")[2].join(["[conv", ""]), size=8).text)
    with pytest.raises(UnsupportedOps, match="the activation bent"):
        read_darknet(tmp_path / "net.cfg")


def test_without_weights_they_are_random_and_said_to_be(tmp_path):
    (tmp_path / "net.cfg").write_text(networks.NETWORKS["classify"].text)
    graph = read_darknet(tmp_path / "net.cfg")
    assert "no weights were given: they are random" in graph.notes
    assert np.isfinite(outputs(graph, networks.NETWORKS["classify"].array())[0]).all()


def test_damaged_files_are_errors(damage, tmp_path):
    path = written(tmp_path, networks.NETWORKS["yolo3"])
    for file in (path, path.with_suffix(".weights")):
        whole = file.read_bytes()
        damage(file, lambda: read_darknet(path), any_bytes=file is not path)
        file.write_bytes(whole)


@pytest.mark.parametrize("with_weights", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        ("filters=24", "filters=99999999999999"),
        ("size=3", "size=-3"),
        ("stride=2", "stride=0"),
        ("width=32", "width=320000000000000"),
        ("classes=3", "classes=-1"),
        ("mask=1,2,4", "mask=1,2,44"),
    ],
    ids=str,
)
def test_absurd_sizes_are_errors(change, with_weights, tmp_path):
    net = networks.NETWORKS["yolo3"]
    path = written(tmp_path, net)
    assert change[0] in net.text
    path.write_text(net.text.replace(*change))
    if not with_weights:
        path.with_suffix(".weights").unlink()
    with pytest.raises((InputError, UnsupportedOps)):
        read_darknet(path)


def test_a_local_layer_has_weights_for_each_place(tmp_path):
    """As the last layers of the first YOLO are: a bias for each result, then a matrix for each place."""
    net = networks.Net("local", "[local]\nfilters=4\nsize=3\nstride=1\npad=1\nactivation=leaky\n", size=5, channels=2)
    (tmp_path / "net.cfg").write_text(net.text)
    state = np.random.RandomState(3)
    bias, weight = (state.uniform(-1, 1, shape).astype("<f4") for shape in ((4, 5, 5), (25, 4, 2 * 9)))
    head = struct.pack("<iiiQ", 0, 2, 5, 7)
    (tmp_path / "net.weights").write_bytes(head + bias.tobytes() + weight.tobytes())
    x = net.array()
    around = np.pad(x[0].astype("float64"), ((0, 0), (1, 1), (1, 1)))
    expected = np.empty((4, 5, 5))
    for row in range(5):
        for column in range(5):
            seen = around[:, row : row + 3, column : column + 3].reshape(-1)
            expected[:, row, column] = weight[row * 5 + column] @ seen + bias[:, row, column]
    expected = np.where(expected > 0, expected, 0.1 * expected)
    np.testing.assert_allclose(outputs(read_darknet(tmp_path / "net.cfg"), x)[0][0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "said"),
    [("[convolutional]\nsize=3\ndontload=1\n", "dontload=1"), ("[reorg]\nstride=2\nextra=3\n", "extra=3")],
)
def test_options_that_no_reader_looks_at_are_refused(text, said, tmp_path):
    (tmp_path / "net.cfg").write_text(networks.Net("x", text, size=8, channels=4).text)
    with pytest.raises(UnsupportedOps, match=said):
        read_darknet(tmp_path / "net.cfg")


def test_of_an_option_that_is_given_twice_the_first_counts(tmp_path):
    net = networks.Net("twice", "[maxpool]\nsize=2\nstride=2\nstride=1\n", size=8)
    (tmp_path / "net.cfg").write_text(net.text)
    assert outputs(read_darknet(tmp_path / "net.cfg"), net.array())[0].shape == (1, 3, 4, 4)
