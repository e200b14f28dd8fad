"""A network that ends as TensorFlow's detection networks do, made and run with TensorFlow 1.15: `python make_detection.py`."""

import os
import pathlib
import warnings

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
warnings.filterwarnings("ignore")
import numpy as np
import tensorflow as tf

tf.logging.set_verbosity("ERROR")
HERE = pathlib.Path(__file__).parent
NAME = "TFLite_Detection_PostProcess"


def graph(state):
    with tf.Session() as session:
        x = tf.placeholder(tf.float32, (1, 8, 8, 3), name="x")
        y = tf.nn.relu6(tf.layers.conv2d(x, 8, 3, strides=2, padding="same"))
        tf.reshape(tf.layers.conv2d(y, 8, 1), [1, 32, 4], name="boxes")
        tf.sigmoid(tf.reshape(tf.layers.conv2d(y, 6, 1), [1, 32, 3]), name="scores")
        tf.constant(state.uniform(0.1, 0.9, (32, 4)).astype("float32"), name="anchors")
        session.run(tf.global_variables_initializer())
        made = tf.graph_util.convert_variables_to_constants(session, session.graph_def, ["boxes", "scores"])
        made.node.extend([node for node in session.graph_def.node if node.name == "anchors"])
    node = made.node.add()
    node.op = node.name = NAME
    node.input.extend(["boxes", "scores", "anchors"])
    node.attr["_output_types"].list.type.extend([tf.float32.as_datatype_enum] * 4)
    for name in ("_output_quantized", "_support_output_type_float_in_quantized_op"):
        node.attr[name].b = True
    for name, value in {"max_detections": 10, "max_classes_per_detection": 1, "num_classes": 2}.items():
        node.attr[name].i = value
    scales = {"x_scale": 10.0, "y_scale": 8.0, "h_scale": 5.0, "w_scale": 4.0}
    for name, value in {"nms_score_threshold": 1e-8, "nms_iou_threshold": 0.6, **scales}.items():
        node.attr[name].f = value
    node.attr["use_regular_nms"].b = False
    return made


def main():
    state = np.random.RandomState(0)
    tf.set_random_seed(0)
    path = HERE / "detection.pb"
    path.write_bytes(graph(state).SerializeToString())
    ends = [NAME, f"{NAME}:1", f"{NAME}:2", f"{NAME}:3"]
    converter = tf.lite.TFLiteConverter.from_frozen_graph(str(path), ["x"], ends, input_shapes={"x": [1, 8, 8, 3]})
    converter.allow_custom_ops = True
    file = converter.convert()
    path.unlink()
    run = tf.lite.Interpreter(model_content=file)
    run.allocate_tensors()
    x = state.uniform(-1, 1, (1, 8, 8, 3)).astype("float32")
    run.set_tensor(run.get_input_details()[0]["index"], x)
    run.invoke()
    boxes, kinds, scores, _ = (run.get_tensor(one["index"])[0] for one in run.get_output_details())
    held = {"model": np.frombuffer(file, np.uint8), "in": x, "boxes": boxes, "kinds": kinds, "scores": scores}
    np.savez_compressed(HERE / "detection.npz", **held)
    print(len(file), boxes.shape)


main()
