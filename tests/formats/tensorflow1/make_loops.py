"""Loops that are written out, and dropouts that do nothing, made and run in TensorFlow 1.15: `python make_loops.py`."""

import os
import pathlib
import warnings

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
warnings.filterwarnings("ignore")
import numpy as np
import tensorflow as tf

tf.logging.set_verbosity("ERROR")
HERE = pathlib.Path(__file__).parent
NETWORKS = {}
RECORDED = {}


def network(*shapes):
    def register(function):
        NETWORKS[function.__name__] = (function, shapes)
        return function

    return register


@network((None, 5, 4))
def keras_layers(x):
    """Keras within TensorFlow 1: its own loops, with hard gates."""
    k = tf.keras.layers
    return [k.Bidirectional(k.LSTM(3, return_sequences=True))(x), k.GRU(3)(x), k.SimpleRNN(3)(x)]


@network((None, 4, 3))
def odd_cells(x):
    """Peepholes and a projection."""
    cell = tf.nn.rnn_cell.LSTMCell(5, use_peepholes=True, num_proj=3, cell_clip=0.3)
    return list(tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)[1])


@network((2, 6, 6, 3))
def each_picture(x):
    """As the detection networks of TensorFlow prepare their pictures."""
    y = tf.map_fn(lambda one: tf.image.per_image_standardization(one) * 2.0, x)
    return tf.reduce_mean(y, [2, 3])


@network((None, 4))
def powers(x):
    """A loop around a loop."""

    def outer(i, y):
        _, z = tf.while_loop(lambda j, _: j < i + 1, lambda j, z: (j + 1, z * 0.5 + x), (0, y))
        return i + 1, tf.tanh(z)

    return tf.while_loop(lambda i, _: i < 3, outer, (0, x))[1]


@network((None, 6))
def dropped(x):
    """A dropout by a placeholder that has no default, and a norm that asks whether the network is trained."""
    keep, training = tf.placeholder(tf.float32, (), name="keep_prob"), tf.placeholder(tf.bool, (), name="phase_train")
    y = tf.nn.dropout(tf.layers.dense(x, 5, name="hidden"), keep_prob=keep)
    y = tf.layers.batch_normalization(y, training=training, name="norm")
    return tf.layers.dense(y, 3, name="out")


def main():
    state = np.random.RandomState(0)
    for name, (function, shapes) in NETWORKS.items():
        tf.keras.backend.clear_session()
        tf.reset_default_graph()
        with tf.Session() as session:
            tf.keras.backend.set_session(session)
            places = [tf.placeholder(tf.float32, shape, name=f"x{i}") for i, shape in enumerate(shapes)]
            made = function(*places)
            made = made if isinstance(made, list) else [made]
            outs = [tf.identity(one, name=f"out{i:02d}") for i, one in enumerate(made)]
            for variable in tf.global_variables():
                shape = variable.shape.as_list()
                low, high = (0.5, 1.5) if variable.op.name.endswith(("variance", "gamma")) else (-1, 1)
                scale = 1.0 if len(shape) < 2 else np.prod(shape[:-1]) ** -0.5 * 1.7
                variable.load(state.uniform(low * scale, high * scale, shape).astype("float32"), session)
            arrays = [state.uniform(-1, 1, [one or 2 for one in shape]).astype("float32") for shape in shapes]
            feeds = dict(zip(places, arrays))
            if name == "dropped":
                feeds["keep_prob:0"], feeds["phase_train:0"] = 1.0, False
            found = session.run(outs, feeds)
            ends = [one.op.name for one in outs]
            frozen = tf.graph_util.convert_variables_to_constants(session, session.graph_def, ends)
        RECORDED[f"{name}/file"] = np.frombuffer(frozen.SerializeToString(), np.uint8)
        RECORDED.update({f"{name}/in/x{place}": array for place, array in enumerate(arrays)})
        RECORDED.update({f"{name}/out/out{place:02d}": array for place, array in enumerate(found)})
        print(name, len(RECORDED[f"{name}/file"]), len(found))
    np.savez_compressed(HERE / "recorded_loops.npz", **RECORDED)


main()
