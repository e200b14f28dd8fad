"""Makes small networks in CNTK 2.7, runs them, and records files, inputs and outputs: `python make_fixtures.py`.

Needs CNTK 2.7 (Python 3.6). Weights and running statistics are drawn at random before a network is saved.
"""

import pathlib
import tempfile

import cntk as C
import numpy as np
from cntk import layers as L

HERE = pathlib.Path(__file__).parent
NETWORKS, RECORDED = {}, {}
RANDOM = np.random.RandomState(7)


def x_(*shape, name="x"):
    return C.input_variable(shape, name=name)


def s_(*shape, name="x", **more):
    return C.sequence.input_variable(shape, name=name, **more)


def net(group, steps=5, ids=None):
    """Declares a function that makes a network. `ids` is how many words there are, where inputs are their numbers."""

    def register(function):
        NETWORKS[function.__name__] = (function, group, steps, ids)
        return function

    return register


@net("layers")
def dense():
    make = [
        L.Dense(7, activation=C.relu, name="first"),
        L.Dropout(0.3),
        L.Dense((2, 3)),
        L.Dense(4, C.tanh, bias=False),
    ]
    return C.softmax(L.Sequential(make)(x_(3, 4)))


@net("layers")
def convolutions():
    x = x_(3, 9, 10)
    a = L.Convolution2D((3, 3), 4, activation=C.relu, pad=True, strides=2)(x)
    b = L.Convolution2D((4, 3), 5, pad=[True, False], strides=(2, 1), bias=False)(x)
    c = C.convolution(
        C.parameter((4, 3, 3, 2), init=C.normal(0.5)), x, strides=(1, 2, 3), auto_padding=[False, True, True]
    )
    return C.combine([a, b, c])


@net("layers")
def convolution_1d():
    return L.Convolution1D(3, 6, pad=True, activation=C.sigmoid)(x_(2, 9))


@net("layers")
def no_channels():
    return L.Convolution2D((3, 3), 4, reduction_rank=0, pad=True)(x_(7, 8))


@net("layers")
def grouped():
    w = C.parameter((6, 2, 3, 3), init=C.normal(0.5))
    return C.convolution(w, x_(4, 8, 8), auto_padding=[False, True, True], groups=2)


@net("layers")
def transposed():
    x = x_(3, 5, 6)
    a = L.ConvolutionTranspose2D((3, 3), 4, strides=2, pad=True)(x)
    b = L.ConvolutionTranspose2D((4, 3), 4, strides=(2, 1))(x)
    c = L.ConvolutionTranspose2D((3, 4), 4, strides=2, pad=True, output_shape=(10, 12), bias=False)(x)
    return C.combine([a, b, c])


@net("layers")
def pools():
    x = x_(2, 9, 10)
    return C.combine(
        [
            L.MaxPooling((3, 3), (2, 2))(x),
            L.MaxPooling((3, 2), 2, pad=True)(x),
            L.AveragePooling((3, 3), (2, 2), pad=True)(x),
            C.pooling(x, C.AVG_POOLING, (3, 3), (2, 2), auto_padding=[False, True, True], include_pad=True),
            C.pooling(x, C.MAX_POOLING, (3, 3), (2, 2), auto_padding=[False], ceil_out_dim=True),
            L.GlobalAveragePooling()(x),
            L.GlobalMaxPooling()(x),
        ]
    )


@net("layers")
def norms():
    x = x_(3, 5, 4)
    return C.combine(
        [
            L.BatchNormalization(map_rank=1, epsilon=0.01)(x),
            L.BatchNormalization(normalization_time_constant=100)(x),
            L.LayerNormalization()(x),
            C.mean_variance_normalization(x),
            C.local_response_normalization(x_(8, 3, 3, name="y"), 2, 1.5, 0.3, 0.75),
        ]
    )


@net("layers")
def activations():
    x = x_(4, 3)
    kinds = [
        C.relu,
        C.sigmoid,
        C.tanh,
        C.elu,
        C.selu,
        C.softplus,
        C.softsign,
        C.leaky_relu,
        C.abs,
        C.exp,
        C.floor,
        C.ceil,
    ]
    kinds += [C.square, C.negate, C.sin, C.cos, C.tan, C.atan, C.sinh, C.cosh, C.asinh, C.round, C.reciprocal]
    made = [kind(x) for kind in kinds] + [C.log(C.abs(x)), C.sqrt(C.abs(x)), C.asin(C.tanh(x)), C.acos(C.tanh(x))]
    made += [
        C.hard_sigmoid(x, 0.3, 0.4),
        C.elu(x, 0.5),
        C.leaky_relu(x, 0.2),
        C.param_relu(C.parameter((4, 1), init=0.3), x),
    ]
    return C.combine(made)


@net("layers")
def softmaxes():
    x = x_(4, 3)
    made = [C.softmax(x), C.softmax(x, axis=0), C.log_softmax(x), C.hardmax(x), C.log_softmax(x, axis=0)]
    return C.combine([*made, C.softmax(x, axis=-1)])


@net("layers")
def arithmetic():
    x, y = x_(4, 3), x_(3, name="y")
    made = [
        x + y,
        x - y,
        x * y,
        x / y,
        C.element_max(x, y),
        C.element_min(x, y),
        C.log_add_exp(x, y),
        C.pow(C.abs(x), 1.5),
    ]
    made += [C.less(x, y), C.greater_equal(x, y), C.element_select(C.greater(x, 0), x, y), C.clip(x, -0.5, 0.7)]
    made += [C.mean([x, x * 2]), C.element_and(x, y), C.element_not(C.relu(x)), C.equal(C.floor(x), C.floor(y))]
    return C.combine(made)


@net("layers")
def reductions():
    x = x_(4, 3, 5)
    made = [C.reduce_sum(x), C.reduce_mean(x, 1), C.reduce_max(x, (0, 2)), C.reduce_min(x, axis=-1)]
    made += [C.reduce_log_sum_exp(x, axis=0), C.reduce_prod(x, 2), C.argmax(x, 1), C.argmin(x, axis=2)]
    made += [C.reduce_sum(x, axis=1, keepdims=False), C.reduce_l2(x, axis=2)]
    return C.combine(made)


@net("layers")
def shapes():
    x = x_(4, 3, 6)
    made = [C.reshape(x, (2, 2, -1)), C.reshape(x, (9, 2), 1, 3), C.transpose(x, (2, 0, 1)), C.swapaxes(x, 0, 2)]
    made += [C.slice(x, 1, 1, 3), C.slice(x, [0, 2], [1, 0], [3, 6], [1, 2]), C.slice(x, -1, -3, 0), C.flatten(x)]
    made += [
        C.splice(x, x * 2, axis=1),
        C.splice(x, x, axis=-1),
        C.expand_dims(x, 1),
        C.squeeze(C.reshape(x, (4, 1, 18))),
    ]
    made += [C.pad(x, [(0, 0), (1, 0), (2, 1)], C.REFLECT_PAD), C.pad(x, [(1, 0), (0, 0), (0, 2)], C.CONSTANT_PAD, 0.5)]
    made += [C.depth_to_space(x, 2), C.space_to_depth(C.reshape(x, (2, 6, 6)), 3), C.top_k(x, 2).outputs[0]]
    return C.combine(made)


@net("layers")
def products():
    x, y = x_(4, 3), x_(3, 5, name="y")
    made = [
        C.times(x, y),
        C.times(x, C.parameter((3, 6), init=C.normal(1.0))),
        C.times_transpose(x, C.parameter((2, 3), init=1)),
    ]
    made += [C.times(x, C.parameter((4, 3, 2, 5), init=C.normal(1.0)), output_rank=2)]
    made += [C.gather(C.parameter((7, 2), init=C.normal(1.0)), C.floor(C.abs(x)))]
    made += [C.one_hot(C.floor(C.abs(x)), 6)]
    return C.combine(made)


@net("networks")
def losses():
    x, y = L.Dense(5)(x_(6)), x_(5, name="label")
    return C.combine(
        [
            x,
            C.cross_entropy_with_softmax(x, y),
            C.squared_error(x, y),
            C.binary_cross_entropy(C.sigmoid(x), C.sigmoid(y)),
        ]
    )


@net("networks")
def resnet():
    def unit(x, width, stride):
        conv = lambda k, s: L.Convolution2D((k, k), width, strides=s, pad=True, bias=False)  # noqa: E731
        norm = lambda: L.BatchNormalization(map_rank=1)  # noqa: E731
        y = norm()(conv(3, 1)(C.relu(norm()(conv(3, stride)(x)))))
        short = norm()(conv(1, stride)(x)) if stride > 1 else x
        return C.relu(y + short)

    x = C.relu(L.BatchNormalization(map_rank=1)(L.Convolution2D((3, 3), 8, pad=True, bias=False)(x_(3, 24, 24))))
    x = L.MaxPooling((3, 3), (2, 2), pad=True)(x)
    for width, stride in ((8, 1), (12, 2), (12, 1), (16, 2)):
        x = unit(x, width, stride)
    return L.Dense(10, name="logits")(L.GlobalAveragePooling()(x))


@net("networks")
def vgg():
    def block(width, count):
        return [L.Convolution2D((3, 3), width, pad=True, activation=C.relu) for _ in range(count)] + [
            L.MaxPooling((2, 2), (2, 2))
        ]

    make = block(6, 1) + block(8, 2) + block(12, 2) + [L.Dense(24, C.relu), L.Dropout(0.5), L.Dense(10)]
    return C.softmax(L.Sequential(make)(C.minus(x_(3, 24, 20), 0.4)))


@net("sequences")
def lstm():
    return L.Sequential([L.Recurrence(L.LSTM(5)), L.Recurrence(L.LSTM(4), go_backwards=True)])(s_(3))


@net("sequences")
def bidirectional():
    x = s_(3)
    both = C.splice(L.Recurrence(L.LSTM(4))(x), L.Recurrence(L.GRU(3), go_backwards=True)(x))
    return L.Dense(2)(C.sequence.last(both))


@net("sequences")
def gru():
    return L.Recurrence(L.GRU(5), initial_state=0.1)(s_(3))


@net("sequences")
def plain_recurrence():
    return C.combine(
        [L.Recurrence(L.RNNStep(4, activation=C.tanh))(s_(3)), L.Fold(L.RNNStep(3, activation=C.relu))(s_(2, name="y"))]
    )


@net("sequences")
def classifier():
    return L.Sequential([L.Embedding(6), L.Recurrence(L.LSTM(5)), C.sequence.last, L.Dense(3), C.softmax])(s_(9))


@net("sequences", ids=11)
def words():
    return L.Sequential([L.Embedding(6), L.Fold(L.GRU(5)), L.Dense(3)])(C.one_hot(s_(), 11))


@net("sequences")
def along_time():
    x, y = s_(4), x_(4, name="y")
    made = [
        C.sequence.first(x),
        C.sequence.last(x),
        C.sequence.slice(x, 1, 3),
        C.sequence.slice(x, 1, -1),
        C.sequence.reduce_sum(x),
    ]
    made += [C.sequence.reduce_max(x), C.sequence.softmax(x), C.sequence.broadcast_as(y, x) * x]
    made += [
        C.sequence.past_value(x, time_step=2),
        C.sequence.future_value(x, initial_state=0.5),
        C.sequence.unpack(x, 0, True),
    ]
    return C.combine(made)


@net("sequences")
def convolution_over_time():
    return L.SequentialConvolution(3, 4, pad=True)(s_(5))


@net("sequences", steps=4)
def odd_cells():
    """Recurrences that are no plain layer: peepholes, scales of their own, projections, another activation."""
    x = s_(3)
    made = [
        L.Recurrence(L.LSTM(4, use_peepholes=True, enable_self_stabilization=True))(x),
        L.Recurrence(L.RNNStep(4))(x),
    ]
    made += [L.Recurrence(L.LSTM(5, cell_shape=3))(x), L.Recurrence(C.plus)(x)]
    return C.combine(made)


class Twice(C.ops.functions.UserFunction):
    """A function of a user's own."""

    def __init__(self, x, name="twice"):
        super().__init__([x], as_numpy=True, name=name)

    def forward(self, x, device=None, outputs_to_retain=None):
        return None, x * 2

    def infer_outputs(self):
        x = self.inputs[0]
        return [C.output_variable(x.shape, x.dtype, x.dynamic_axes)]


def own_function():
    """A network that calls it; the file is not run, because it needs the class."""
    with tempfile.TemporaryDirectory() as folder:
        (C.user_function(Twice(C.relu(x_(3)))) + 1).save(folder + "/net.model")
        data = np.frombuffer(pathlib.Path(folder + "/net.model").read_bytes(), "u1")
    np.savez_compressed(HERE / "own_function.npz", model=data)


@net("tagger", ids=None)
def tagger():
    """As in CNTK's tutorial on understanding language: a norm over the steps, a stabiliser, both directions."""
    both = (L.Recurrence(L.LSTM(6)), L.Recurrence(L.LSTM(6), go_backwards=True))
    make = [L.Embedding(8), L.BatchNormalization(), L.Stabilizer(), both, C.splice, L.LayerNormalization(), L.Dense(5)]
    return L.Sequential(make)(s_(30))


@net("pictures", steps=3)
def film():
    """A network of pictures at each step of a sequence."""
    x = s_(2, 7, 8)
    y = L.Convolution2D((3, 3), 4, pad=True, strides=(2, 1))(x)
    y = C.relu(L.BatchNormalization(map_rank=1)(y))
    y = L.MaxPooling((2, 2), (2, 2))(y)
    return L.Recurrence(L.GRU(3))(L.Dense(5)(y))


@net("pictures")
def unpooled():
    x = x_(3, 6, 8)
    return L.MaxUnpooling((2, 2), (2, 2))(C.tanh(L.MaxPooling((2, 2), (2, 2))(x)), x)


@net("pictures")
def angles():
    make = L.Sequential([L.Dense(6, C.tanh), L.Dense(4)])
    return C.cosine_distance(make(x_(5)), make(x_(5, name="y")))


def main():
    own_function()
    groups = {}
    for name, (function, group, steps, ids) in NETWORKS.items():
        made = function()
        for p in list(made.parameters) + [
            c for c in made.constants if c.name in ("aggregate_mean", "aggregate_variance")
        ]:
            low = 0.3 if p.name.startswith(("aggregate_v", "scale")) else None
            drawn = RANDOM.uniform(low, 1.5, p.shape) if low else RANDOM.standard_normal(p.shape) * 0.4
            p.value = np.asarray(drawn, "f")
        found = {}
        for v in made.arguments:
            shape = (2, *((steps,) if len(v.dynamic_axes) == 2 else ()), *v.shape)
            array = RANDOM.randint(0, ids, shape) if ids else RANDOM.standard_normal(shape)
            found[v] = array.astype("f")
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/net.model"
            made.save(path)
            data = np.frombuffer(pathlib.Path(path).read_bytes(), "u1")
        fed = {v: list(a) if len(v.dynamic_axes) == 2 else a for v, a in found.items()}
        held = groups.setdefault(group, {})
        held[f"{name}/model"] = data
        for v, a in found.items():
            held[f"{name}/in/{v.name}"] = a
        results = made.outputs if len(made.outputs) > 1 else [made.output]
        for number, output in enumerate(results):
            got = C.combine([output]).eval(fed)
            held[f"{name}/out/{number:02d}"] = np.stack([np.asarray(one) for one in got]).astype("f")
        print(name, [held[k].shape for k in held if k.startswith(name + "/out")])
    for group, held in groups.items():
        np.savez_compressed(HERE / f"recorded_{group}.npz", **held)


if __name__ == "__main__":
    main()
