"""Makes recurrent networks in TensorFlow 1.15, whose steps are loops, and a SavedModel: `python make_recurrent.py`."""

import os
import pathlib
import tempfile
import zipfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import warnings

warnings.filterwarnings("ignore")
import numpy as np
import tensorflow as tf

tf.logging.set_verbosity("ERROR")
L, C = tf.layers, tf.nn.rnn_cell
HERE = pathlib.Path(__file__).parent
NETWORKS = {}
RECORDED = {}


def network(*shapes, dtype=tf.float32):
    def register(function):
        NETWORKS[function.__name__] = (function, shapes, dtype)
        return function

    return register


def run(cell, x, **told):
    return tf.nn.dynamic_rnn(cell, x, dtype=tf.float32, **told)


@network((None, 4, 3))
def basic_lstm(x):
    out, state = run(C.BasicLSTMCell(5), x)
    return [out, state.c, state.h]


@network((None, None, 3))
def lstm(x):
    out, state = run(C.LSTMCell(5, forget_bias=0.5), x)
    return [L.dense(out[:, -1], 2, name="head"), state.c]


@network((None, 4, 3))
def gru(x):
    out, state = run(C.GRUCell(5), x)
    return [out, state]


@network((4, None, 3))
def rnn_time_major(x):
    out, state = run(C.BasicRNNCell(5), x, time_major=True)
    return [out, state]


@network((None, 4, 3))
def deep(x):
    cell = C.MultiRNNCell([C.LSTMCell(4), C.LSTMCell(5)])
    out, states = run(cell, x)
    return [out, states[0].h, states[1].c]


@network((None, 4, 3))
def both(x):
    outs, states = tf.nn.bidirectional_dynamic_rnn(C.GRUCell(4), C.GRUCell(4), x, dtype=tf.float32)
    return [tf.concat(outs, 2), states[1]]


@network((None, 5), dtype=tf.int32)
def words(ids):
    x = tf.nn.embedding_lookup(tf.get_variable("table", (9, 4)), ids)
    cell = C.DropoutWrapper(C.LSTMCell(6), output_keep_prob=1.0)
    start = cell.zero_state(tf.shape(ids)[0], tf.float32)
    out, _ = tf.nn.dynamic_rnn(cell, x, initial_state=start)
    return tf.nn.softmax(L.dense(tf.reduce_mean(out, 1), 3, name="fc"))


@network((None, 4, 3), (None, 5))
def started(x, state):
    out, last = tf.nn.dynamic_rnn(C.GRUCell(5), x, initial_state=state)
    return [out, last]


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
                session.run(tf.assign(variable, state.uniform(-0.8, 0.8, variable.shape.as_list()).astype("float32")))
            sizes = [[(2, 4)[axis] if n is None else n for axis, n in enumerate(shape)] for shape in shapes]
            if shapes[0][0] is not None:
                sizes = [[shape[0], 2, *shape[2:]] for shape in shapes]
            arrays = [
                state.uniform(-1, 1, size).astype("float32")
                if dtype != tf.int32
                else state.randint(0, 9, size).astype("int32")
                for size in sizes
            ]
            found = session.run(outs, dict(zip(places, arrays)))
            names = [one.op.name for one in outs]
            frozen = tf.graph_util.convert_variables_to_constants(session, session.graph_def, names)
            if name in ("words", "basic_lstm"):
                RECORDED[f"{name}/saved"] = saved(session, places, outs)
        RECORDED[f"{name}/file"] = np.frombuffer(frozen.SerializeToString(), np.uint8)
        RECORDED.update({f"{name}/in/x{place}": array for place, array in enumerate(arrays)})
        RECORDED.update({f"{name}/out/out{place:02d}": array for place, array in enumerate(found)})
        print(name, len(RECORDED[f"{name}/file"]), [one.shape for one in found])
    np.savez_compressed(HERE / "recorded_recurrent.npz", **RECORDED)


def saved(session, places, outs):
    """A SavedModel of TensorFlow 1 with one signature, as the bytes of a zip."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "model")
        tf.saved_model.simple_save(
            session,
            str(path),
            {f"given{i}": one for i, one in enumerate(places)},
            {f"found{i}": one for i, one in enumerate(outs)},
        )
        with zipfile.ZipFile(f"{folder}/model.zip", "w", zipfile.ZIP_DEFLATED) as held:
            for file in path.rglob("*"):
                if file.is_file():
                    held.write(str(file), str(file.relative_to(path)))
        return np.frombuffer(pathlib.Path(folder, "model.zip").read_bytes(), np.uint8)


main()
