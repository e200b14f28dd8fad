"""Makes small networks in MXNet 1.9.1, runs them, and records files, inputs and outputs: `python make_fixtures.py`.

Needs MXNet 1.9.1 (Python 3.10, NumPy before 1.24).
"""

import pathlib
import tempfile

import mxnet as mx
import numpy as np
from mxnet import gluon
from mxnet.gluon import nn, rnn

HERE = pathlib.Path(__file__).parent
S = mx.sym
NETWORKS = {}
RECORDED = {}


def symbol(**shapes):
    """Declares a function of symbols; weights are drawn for what it uses beside its inputs."""

    def register(function):
        NETWORKS[function.__name__] = (function, shapes, None)
        return function

    return register


def net(*shapes):
    """Declares a function that makes a Gluon block."""

    def register(function):
        NETWORKS[function.__name__] = (function, shapes, "gluon")
        return function

    return register


@symbol(data=(2, 4, 9, 10))
def conv_options(data):
    x = S.Convolution(data, num_filter=6, kernel=(3, 3), stride=(2, 1), pad=(1, 0), num_group=2, name="conv1")
    x = S.Convolution(x, num_filter=4, kernel=(3, 3), dilate=(2, 2), pad=(2, 2), no_bias=True, name="conv2")
    return S.Deconvolution(
        x, num_filter=5, kernel=(4, 4), stride=(2, 2), pad=(1, 1), adj=(1, 0), no_bias=False, name="up"
    )


@symbol(data=(2, 4, 11))
def conv_1d(data):
    return S.Pooling(
        S.Convolution(data, num_filter=6, kernel=(3,), pad=(1,), name="conv"), kernel=(2,), stride=(2,), pool_type="max"
    )


@symbol(data=(2, 3, 8, 9))
def norms(data):
    a = S.BatchNorm(data, name="fixed", eps=0.01)
    b = S.BatchNorm(data, name="free", fix_gamma=False, use_global_stats=True, momentum=0.8)
    c = S.InstanceNorm(data, name="inst", eps=0.002)
    d = S.LRN(data, nsize=3, alpha=0.5, beta=0.6, knorm=1.5)
    e = S.L2Normalization(data, mode="channel")
    f = S.L2Normalization(data, mode="instance")
    return S.Group([a, b, c, d, e, f])


@symbol(data=(2, 3, 8, 9))
def pools(data):
    made = [
        S.Pooling(data, kernel=(3, 3), stride=(2, 2), pool_type="max"),
        S.Pooling(data, kernel=(3, 3), stride=(2, 2), pool_type="max", pooling_convention="full"),
        S.Pooling(data, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg", pooling_convention="full"),
        S.Pooling(data, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg"),
        S.Pooling(data, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg", count_include_pad=False),
        S.Pooling(data, kernel=(2, 2), stride=(2, 2), pool_type="sum"),
        S.Pooling(data, kernel=(2, 2), stride=(2, 2), pool_type="lp", p_value=2),
        S.Pooling(data, kernel=(2, 2), global_pool=True, pool_type="avg"),
        S.Pooling(data, kernel=(2, 2), global_pool=True, pool_type="max"),
        S.contrib.AdaptiveAvgPooling2D(data, output_size=(3, 2)),
    ]
    return S.Group(made)


@symbol(data=(2, 3, 4, 5))
def activations(data):
    kinds = [S.Activation(data, act_type=kind) for kind in ("relu", "sigmoid", "tanh", "softrelu", "softsign")]
    kinds += [
        S.LeakyReLU(data, act_type="leaky", slope=0.1),
        S.LeakyReLU(data),
        S.LeakyReLU(data, act_type="elu", slope=0.7),
    ]
    kinds += [
        S.LeakyReLU(data, act_type="prelu", name="prelu"),
        S.LeakyReLU(data, act_type="gelu"),
        S.LeakyReLU(data, act_type="selu"),
    ]
    kinds += [S.LeakyReLU(data, act_type="rrelu")[0], S.hard_sigmoid(data, alpha=0.3), S.smooth_l1(data, scalar=1.5)]
    return S.Group(kinds)


@symbol(data=(3, 2, 4))
def dense(data):
    a = S.FullyConnected(data, num_hidden=5, name="flat")
    b = S.FullyConnected(data, num_hidden=5, flatten=False, no_bias=True, name="last")
    return S.Group(
        [S.softmax(a, axis=-1), S.log_softmax(b, axis=1), S.SoftmaxActivation(a), S.softmax(b, temperature=2.0)]
    )


@symbol(data=(3, 8))
def trained(data):
    x = S.Activation(S.FullyConnected(data, num_hidden=6, name="fc1"), act_type="relu")
    return S.SoftmaxOutput(S.FullyConnected(S.Dropout(x, p=0.3), num_hidden=4, name="fc2"), name="softmax")


@symbol(data=(2, 3, 4), other=(2, 3, 4))
def arithmetic(data, other):
    a = S.abs(data) + 0.5
    made = [a * other - 2 / a, S.broadcast_maximum(data, other), 3 - data, data / other, S.sqrt(a) ** 1.5, 2**data]
    made += [S.broadcast_greater(data, other), data > 0.2, S.clip(data, -0.5, 0.5), S.exp(-a) + S.log(a), S.erf(data)]
    made += [
        S.where(data > 0, data, other),
        S.add_n(data, other, a),
        S.square(S.sin(data)),
        S.round(data * 3),
        S.rsqrt(a),
    ]
    made += [S.broadcast_mod(data, a), S.maximum(data, 0.1), S.sign(data), S.reciprocal(a)]
    return S.Group(made)


@symbol(data=(2, 3, 4, 5))
def reductions(data):
    made = [
        S.sum(data),
        S.mean(data, axis=(2, 3)),
        S.max(data, axis=1, keepdims=True),
        S.min(data, axis=(0, 2), exclude=True),
    ]
    made += [S.prod(data, axis=3), S.norm(data, axis=1), S.argmax(data, axis=1), S.argmin(data, axis=2, keepdims=True)]
    made += [S.topk(data, k=2, ret_typ="value"), S.topk(data, k=2)]
    return S.Group(made)


@symbol(data=(2, 6, 4, 5))
def shapes(data):
    made = [
        S.Flatten(data),
        S.reshape(data, shape=(0, -1, 5)),
        S.reshape(data, shape=(-3, -2)),
        S.reshape(data, shape=(0, -4, 2, -1, -2)),
    ]
    made += [
        S.transpose(data, axes=(0, 2, 3, 1)),
        S.transpose(data),
        S.SwapAxis(data, dim1=1, dim2=3),
        S.expand_dims(data, axis=1),
    ]
    made += [S.squeeze(S.expand_dims(data, axis=2)), S.concat(data, data * 2, dim=1), S.stack(data, -data, axis=1)]
    made += list(S.SliceChannel(data, num_outputs=3, axis=1)) + list(
        S.split(data, num_outputs=4, axis=2, squeeze_axis=True)
    )
    made += [
        S.slice(data, begin=(None, 1, 1), end=(None, 5, -1), step=(None, 2, 1)),
        S.slice_axis(data, axis=-1, begin=-3, end=None),
    ]
    made += [S.pad(data, mode="constant", pad_width=(0, 0, 0, 0, 1, 2, 0, 3), constant_value=0.5)]
    made += [
        S.pad(data, mode="reflect", pad_width=(0, 0, 0, 0, 1, 2, 2, 1)),
        S.pad(data, mode="edge", pad_width=(0, 0, 0, 0, 1, 1, 1, 1)),
    ]
    made += [S.tile(data, reps=(1, 2, 1, 1)), S.repeat(data, repeats=2, axis=1), S.reverse(data, axis=3)]
    made += [
        S.depth_to_space(S.slice_axis(data, axis=1, begin=0, end=4), 2),
        S.space_to_depth(S.slice_axis(data, axis=3, begin=0, end=4), 2),
    ]
    return S.Group(made)


@symbol(data=(2, 3, 8, 9), like=(2, 3, 5, 6))
def alike(data, like):
    made = [
        S.slice_like(data, like, axes=(2, 3)),
        S.Crop(data, like, offset=(1, 2), num_args=2),
        S.broadcast_like(S.mean(data, axis=(2, 3), keepdims=True), like),
    ]
    made += [S.zeros_like(data) + 1.5, S.ones_like(like), S.reshape_like(like, like) * 2]
    return S.Group(made)


@symbol(data=(2, 3, 4, 5))
def resizes(data):
    made = [S.UpSampling(data, scale=2, sample_type="nearest"), S.contrib.BilinearResize2D(data, height=7, width=6)]
    made += [S.contrib.BilinearResize2D(data, height=7, width=6, align_corners=False)]
    made += [S.UpSampling(data, scale=2, sample_type="bilinear", num_filter=3, name="up")]
    return S.Group(made)


@symbol(data=(2, 5))
def indices(data):
    ids = S.clip(S.round(S.abs(data) * 4), 0, 6)
    made = [
        S.Embedding(ids, input_dim=7, output_dim=4, name="embed"),
        S.one_hot(ids, 7, on_value=2.0),
        S.pick(data, S.clip(S.sum(ids, axis=1), 0, 4), axis=1),
    ]
    made += [S.take(S.BlockGrad(data), S.clip(S.sum(ids, axis=0), 0, 1), axis=0)]
    return S.Group(made)


@symbol(data=(2, 3, 4), other=(2, 4, 5))
def products(data, other):
    flat = S.reshape(data, shape=(-1, 4))
    made = [
        S.batch_dot(data, other),
        S.batch_dot(data, S.transpose(other, axes=(0, 2, 1)), transpose_b=True),
        S.dot(flat, flat, transpose_b=True),
    ]
    return S.Group([*made, S.linalg.gemm2(data, other, alpha=0.5)])


@symbol(left=(2, 3, 6, 6), right=(2, 2, 6, 6))
def two_inputs(left, right):
    x = S.Convolution(S.concat(left, right, dim=1), num_filter=4, kernel=(3, 3), name="conv")
    return S.Group([S.Activation(x, act_type="relu", name="act"), S.Flatten(x)])


@symbol(data=(5, 2, 3))
def packed_lstm(data):
    return S.RNN(
        data,
        state_size=4,
        num_layers=2,
        mode="lstm",
        bidirectional=True,
        state_outputs=True,
        name="lstm",
        state=S.var("start_h", shape=(4, 2, 4)),
        state_cell=S.var("start_c", shape=(4, 2, 4)),
    )


@symbol(data=(5, 2, 3))
def packed_gru(data):
    return S.RNN(data, state_size=4, num_layers=1, mode="gru", name="gru", state=S.var("start", shape=(1, 2, 4)))


@symbol(data=(5, 2, 3))
def packed_rnn(data):
    return S.RNN(data, state_size=4, num_layers=2, mode="rnn_relu", name="rnn", state=S.var("start", shape=(2, 2, 4)))


@symbol(data=(4, 2, 3))
def cells(data):
    """A recurrence written out, as bucketed networks are."""
    cell = mx.rnn.LSTMCell(num_hidden=5, prefix="lstm_")
    outputs, _ = cell.unroll(
        4, inputs=data, layout="TNC", merge_outputs=True, begin_state=[S.zeros((2, 5)), S.zeros((2, 5))]
    )
    return outputs


@net((5, 2, 3))
def gluon_lstm():
    return rnn.LSTM(4, num_layers=2, bidirectional=True)


@net((2, 5, 3))
def gluon_gru():
    return rnn.GRU(4, layout="NTC")


class Block(gluon.HybridBlock):
    def __init__(self, width, stride, down, **k):
        super().__init__(**k)
        self.body, self.down = nn.HybridSequential(prefix=""), None
        self.body.add(nn.Conv2D(width // 2, 1, strides=stride, use_bias=False), nn.BatchNorm(), nn.Activation("relu"))
        self.body.add(nn.Conv2D(width // 2, 3, padding=1, use_bias=False), nn.BatchNorm(), nn.Activation("relu"))
        self.body.add(nn.Conv2D(width, 1, use_bias=False), nn.BatchNorm())
        if down:
            self.down = nn.HybridSequential(prefix="down_")
            self.down.add(nn.Conv2D(width, 1, strides=stride, use_bias=False), nn.BatchNorm())

    def hybrid_forward(self, F, x):
        return F.Activation(self.body(x) + (self.down(x) if self.down else x), act_type="relu")


@net((1, 3, 32, 32))
def resnet():
    made = nn.HybridSequential()
    with made.name_scope():
        made.add(nn.Conv2D(8, 7, 2, 3, use_bias=False), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(3, 2, 1))
        for number, (width, count) in enumerate(((8, 2), (16, 2), (24, 3)), 1):
            stage = nn.HybridSequential(prefix=f"stage{number}_")
            with stage.name_scope():
                for place in range(count):
                    stage.add(Block(width, 2 if place == 0 and number > 1 else 1, place == 0))
            made.add(stage)
        made.add(nn.GlobalAvgPool2D(), nn.Dense(10))
    return made


@net((1, 3, 32, 32))
def mobilenet():
    return gluon.model_zoo.vision.MobileNet(0.1, classes=10)


@net((1, 3, 64, 64))
def squeezenet():
    made = nn.HybridSequential()
    made.add(nn.Conv2D(8, 3, 2, activation="relu"), nn.MaxPool2D(3, 2, ceil_mode=True))
    for squeeze, expand in ((4, 8), (6, 12), (8, 16)):
        fire = gluon.contrib.nn.HybridConcurrent(axis=1, prefix="")
        fire.add(nn.Conv2D(expand, 1, activation="relu"), nn.Conv2D(expand, 3, padding=1, activation="relu"))
        made.add(nn.Conv2D(squeeze, 1, activation="relu"), fire)
    made.add(nn.Dropout(0.5), nn.Conv2D(10, 1, activation="relu"), nn.GlobalAvgPool2D(), nn.Flatten())
    return made


@net((2, 5, 6))
def attention():
    class Layer(gluon.HybridBlock):
        def __init__(self, **k):
            super().__init__(**k)
            with self.name_scope():
                self.q, self.k, self.v = (nn.Dense(6, flatten=False) for _ in range(3))
                self.norm = nn.LayerNorm()

        def hybrid_forward(self, F, x):
            score = F.softmax(F.batch_dot(F.contrib.div_sqrt_dim(self.q(x)), self.k(x), transpose_b=True))
            return self.norm(x + F.batch_dot(score, self.v(x)))

    return Layer()


def drawn(name, shape, state):
    if name.endswith("_var"):
        return state.uniform(0.5, 1.5, shape)
    if name.endswith("_gamma"):
        return state.uniform(0.5, 1.5, shape)
    scale = 1.0 if len(shape) < 2 else (np.prod(shape[1:]) ** -0.5 * 1.7)
    return state.uniform(-scale, scale, shape)


def kept(name, folder, arrays, outputs):
    files = {path.name: path for path in folder.iterdir()}
    for file, path in files.items():
        key = "symbol" if file.endswith("-symbol.json") else "params"
        RECORDED[f"{name}/{key}"] = np.frombuffer(path.read_bytes(), np.uint8)
    for one, array in arrays.items():
        RECORDED[f"{name}/in/{one}"] = array
    for place, array in enumerate(outputs):
        RECORDED[f"{name}/out/{place:02d}"] = array.asnumpy()
    print(name, sum(path.stat().st_size for path in files.values()), len(outputs))


def main():
    state = np.random.RandomState(0)
    for name, (function, shapes, kind) in NETWORKS.items():
        with tempfile.TemporaryDirectory() as aside:
            folder = pathlib.Path(aside)
            if kind == "gluon":
                block = function()
                block.initialize(mx.init.Xavier())
                arrays = {
                    f"data{i}" if len(shapes) > 1 else "data": state.uniform(-1, 1, s).astype("float32")
                    for i, s in enumerate(shapes)
                }
                given = [mx.nd.array(a) for a in arrays.values()]
                block(*given)
                for key, one in block.collect_params().items():
                    one.set_data(mx.nd.array(drawn(key, one.shape, state)))
                block.hybridize()
                made = block(*given)
                block.export(str(folder / "net"), 0)
                kept(name, folder, arrays, made if isinstance(made, (list, tuple)) else [made])
                continue
            out = function(*(S.var(one) for one in shapes))
            found, _, aux = out.infer_shape(**shapes)
            arguments = dict(zip(out.list_arguments(), found))
            held = {n: mx.nd.array(drawn(n, s, state)) for n, s in arguments.items() if n not in shapes}
            auxiliary = {n: mx.nd.array(drawn(n, s, state)) for n, s in zip(out.list_auxiliary_states(), aux)}
            arrays = {n: state.uniform(-1, 1, s).astype("float32") for n, s in shapes.items()}
            given = {n: mx.nd.array(a) for n, a in arrays.items()}
            made = out.bind(mx.cpu(), {**held, **given}, aux_states=auxiliary).forward(is_train=False)
            held = {n: a for n, a in held.items() if "label" not in n}
            mx.model.save_checkpoint(str(folder / "net"), 0, out, held, auxiliary)
            kept(name, folder, arrays, made)
    big = ("resnet", "mobilenet", "squeezenet")
    np.savez_compressed(HERE / "recorded_layers.npz", **{k: a for k, a in RECORDED.items() if not k.startswith(big)})
    for one in big:
        np.savez_compressed(
            HERE / f"recorded_{one}.npz", **{k: a for k, a in RECORDED.items() if k.startswith(f"{one}/")}
        )


main()
