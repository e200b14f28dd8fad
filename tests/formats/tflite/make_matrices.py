"""Diagonals, and places that are known, converted and run by TensorFlow 2:
`python make_matrices.py`.
"""

import pathlib

import numpy as np
import tensorflow as tf

HERE = pathlib.Path(__file__).parent
RECORDED = {}


def keep(name, function, shape):
    """Converts a function of one tensor, and runs it in the interpreter."""
    traced = tf.function(function).get_concrete_function(tf.TensorSpec(shape))
    data = tf.lite.TFLiteConverter.from_concrete_functions([traced]).convert()
    array = np.random.RandomState(0).uniform(-1, 1, shape).astype("float32")
    run = tf.lite.Interpreter(model_content=data)
    run.allocate_tensors()
    run.set_tensor(run.get_input_details()[0]["index"], array)
    run.invoke()
    RECORDED.update({f"{name}/file": np.frombuffer(data, np.uint8), f"{name}/in/0": array})
    found = [run.get_tensor(one["index"]) for one in run.get_output_details()]
    RECORDED.update({f"{name}/out/{place}": one for place, one in enumerate(found)})
    print(name, len(data), [one.shape for one in found])


def diagonals(x):
    square = tf.matmul(x, x, transpose_b=True)
    parts = tf.linalg.diag(x), tf.linalg.set_diag(square, x[:, :, 0]), tf.linalg.set_diag(x, x[:, :3, 1])
    return [*parts, tf.linalg.set_diag(tf.transpose(x, (0, 2, 1)), x[:, 1, :3])]


keep("diagonals", diagonals, (2, 4, 3))
keep("places", lambda x: [tf.gather_nd(x, [[0, 1], [1, 2]]), tf.gather_nd(x, [[-0, 3]])], (2, 4, 3))
np.savez_compressed(HERE / "recorded_matrices.npz", **RECORDED)
