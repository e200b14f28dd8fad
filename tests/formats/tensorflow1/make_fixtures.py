"""Makes small networks in TensorFlow 1.15, runs and freezes them, and records files, inputs and outputs:
`python make_fixtures.py`. Needs TensorFlow 1.15.
"""

import os
import pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import warnings

warnings.filterwarnings("ignore")
import numpy as np
import tensorflow as tf

tf.logging.set_verbosity("ERROR")
L = tf.layers
HERE = pathlib.Path(__file__).parent
NETWORKS = {}
RECORDED = {}


def network(*shapes, dtype=tf.float32):
    def register(function):
        NETWORKS[function.__name__] = (function, shapes, dtype)
        return function

    return register


@network((None, 9, 10, 3))
def convs(x):
    x = L.conv2d(x, 6, 3, strides=2, padding="same", activation=tf.nn.relu, name="conv1")
    x = tf.nn.depthwise_conv2d(x, tf.get_variable("dw", (3, 3, 6, 2)), [1, 1, 1, 1], "SAME", name="dw1")
    x = tf.nn.relu6(tf.nn.bias_add(x, tf.get_variable("bias", (12,))))
    return (
        L.conv2d_transpose(x, 4, 3, strides=2, padding="valid", name="up")
        if False
        else L.conv2d(x, 5, 2, dilation_rate=1, name="conv2")
    )


@network((None, 8, 8, 4))
def norms(x):
    x = L.batch_normalization(x, training=False, fused=True, name="fused", epsilon=0.01)
    x = L.batch_normalization(x, training=False, fused=False, name="plain")
    return tf.nn.lrn(x, 2, bias=1.5, alpha=0.3, beta=0.6)


@network((None, 8, 9, 4))
def pools(x):
    return [
        tf.nn.max_pool(x, 3, 2, "SAME"),
        tf.nn.max_pool(x, 2, 2, "VALID"),
        tf.nn.avg_pool(x, 3, 2, "SAME"),
        tf.reduce_mean(x, [1, 2]),
    ]


@network((None, 4, 9, 10))
def channels_first(x):
    """As networks for GPUs were saved."""
    kernel = tf.get_variable("kernel", (3, 3, 4, 6))
    y = tf.transpose(tf.nn.conv2d(tf.transpose(x, [0, 2, 3, 1]), kernel, [1, 2, 2, 1], "SAME"), [0, 3, 1, 2])
    return tf.nn.relu(y, name="out")


@network((None, 6))
def dense(x):
    x = L.dense(x, 8, activation=tf.nn.elu, name="hidden")
    x = L.dropout(x, 0.3, training=False)
    return tf.nn.softmax(L.dense(x, 4, name="logits"), name="prob")


@network((None, 5, 6))
def activations(x):
    made = [
        tf.nn.leaky_relu(x, 0.15),
        tf.nn.selu(x),
        tf.nn.softplus(x),
        tf.nn.softsign(x),
        tf.nn.swish(x),
        tf.nn.crelu(x),
    ]
    return [*made, tf.nn.log_softmax(x), tf.nn.l2_normalize(x, -1), tf.sigmoid(x) * tf.tanh(x)]


@network((None, 4, 6))
def moving(x):
    a, b = tf.split(x, [2, 4], 2)
    shape = tf.shape(x)
    made = [
        tf.concat([b, a], 2),
        tf.reshape(x, tf.stack([shape[0], 24])),
        tf.transpose(x, [0, 2, 1]),
        x[:, 1:3, ::2],
        tf.squeeze(x[:, :1], 1),
    ]
    return [
        *made,
        tf.pad(x, [[0, 0], [1, 1], [0, 2]]),
        tf.tile(a, [1, 2, 1]),
        tf.gather(x, [2, 0], axis=1),
        tf.where(x > 0, x, -x),
    ]


@network((None, 7), dtype=tf.int32)
def embedding(ids):
    return tf.reduce_sum(tf.nn.embedding_lookup(tf.get_variable("table", (9, 4)), ids), 1)


@network((None, 4, 3))
def unrolled(x):
    cell = tf.nn.rnn_cell.LSTMCell(5, name="cell")
    outputs, _ = tf.nn.static_rnn(cell, tf.unstack(x, 4, 1), dtype=tf.float32)
    return tf.stack(outputs, 1)


@network((None, 6, 6, 3), (None, 6, 6, 2))
def two_inputs(x, y):
    z = L.conv2d(tf.concat([x, y], 3), 4, 3, name="conv")
    return [tf.nn.relu(z), tf.reduce_max(z, [1, 2])]


@network((None, 5))
def branches(x):
    """A condition that is known: whether the network is trained."""
    training = tf.placeholder_with_default(False, (), name="training")
    return L.dense(tf.cond(training, lambda: x * 100.0, lambda: x + 1.0), 3, name="out")


@network((None, 32, 32, 3))
def mobilenet(x):
    def norm(y, name):
        return tf.nn.relu6(L.batch_normalization(y, training=False, fused=True, name=name))

    x = norm(L.conv2d(x, 8, 3, strides=2, padding="same", use_bias=False, name="conv0"), "bn0")
    for number, (width, stride) in enumerate(((12, 1), (16, 2), (16, 1), (24, 2), (24, 1)), 1):
        with tf.variable_scope(f"block{number}"):
            kernel = tf.get_variable("depthwise", (3, 3, x.shape[3], 1))
            x = norm(tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], "SAME"), "bn1")
            x = norm(L.conv2d(x, width, 1, use_bias=False, name="point"), "bn2")
    return tf.nn.softmax(L.dense(tf.reduce_mean(x, [1, 2]), 10, name="logits"))


@network((None, 32, 32, 3))
def resnet(x):
    def norm(y, name):
        return L.batch_normalization(y, training=False, fused=True, name=name)

    x = tf.nn.relu(norm(L.conv2d(x, 8, 3, padding="same", use_bias=False, name="stem"), "stem_bn"))
    for stage, width in enumerate((8, 12, 16)):
        for place in range(2):
            with tf.variable_scope(f"stage{stage}_unit{place}"):
                stride = 2 if stage and place == 0 else 1
                y = tf.nn.relu(
                    norm(L.conv2d(x, width, 3, strides=stride, padding="same", use_bias=False, name="a"), "bn_a")
                )
                y = norm(L.conv2d(y, width, 3, padding="same", use_bias=False, name="b"), "bn_b")
                short = (
                    x if x.shape[3] == width and stride == 1 else L.conv2d(x, width, 1, strides=stride, name="short")
                )
                x = tf.nn.relu(y + short)
    return L.dense(tf.reduce_mean(x, [1, 2]), 10, name="fc")


def main():
    state = np.random.RandomState(0)
    for name, (function, shapes, dtype) in NETWORKS.items():
        tf.reset_default_graph()
        with tf.Session() as session:
            places = [tf.placeholder(dtype, shape, name=f"x{i}") for i, shape in enumerate(shapes)]
            made = function(*places)
            made = made if isinstance(made, list) else [made]
            outs = [tf.identity(one, name=f"out{i:02d}") for i, one in enumerate(made)]
            for variable in tf.global_variables():
                shape = variable.shape.as_list()
                low, high = (0.5, 1.5) if variable.op.name.endswith(("variance", "gamma")) else (-1, 1)
                scale = 1.0 if len(shape) < 2 else np.prod(shape[:-1]) ** -0.5 * 1.7
                session.run(tf.assign(variable, state.uniform(low * scale, high * scale, shape).astype("float32")))
            arrays = [
                state.uniform(-1, 1, [2, *s[1:]]).astype("float32")
                if dtype != tf.int32
                else state.randint(0, 9, [2, *s[1:]]).astype("int32")
                for s in shapes
            ]
            found = session.run(outs, dict(zip(places, arrays)))
            frozen = tf.graph_util.convert_variables_to_constants(
                session, session.graph_def, [one.op.name for one in outs]
            )
        RECORDED[f"{name}/file"] = np.frombuffer(frozen.SerializeToString(), np.uint8)
        for place, array in enumerate(arrays):
            RECORDED[f"{name}/in/x{place}"] = array
        for place, array in enumerate(found):
            RECORDED[f"{name}/out/out{place:02d}"] = array
        print(name, len(RECORDED[f"{name}/file"]), len(found))
    np.savez_compressed(HERE / "recorded.npz", **RECORDED)


main()
