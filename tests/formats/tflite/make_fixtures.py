"""Converts small networks with TensorFlow's own converter, runs them in its interpreter, and records files, inputs and
outputs: `python make_fixtures.py`. Needs TensorFlow.
"""

import os
import pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import flatbuffers
import keras
import numpy as np
import tensorflow as tf
from keras import layers
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

HERE = pathlib.Path(__file__).parent
NETWORKS = {}


def network(*shapes, quantise=False, batch=None, dtype="float32"):
    """Declares a function of tensors, or one that makes a Keras model when called without."""

    def register(function):
        NETWORKS[function.__name__] = (function, shapes, quantise, batch, dtype)
        return function

    return register


def chain(name, *stack, shape=(8, 9, 4), quantise=False):
    def make():
        return keras.Sequential([keras.Input(shape), *(one() for one in stack)])

    make.__name__ = name
    NETWORKS[name] = (make, None, quantise, None, "float32")


def conv(*a, **k):
    return lambda: layers.Conv2D(*a, bias_initializer="random_uniform", **k)


def dense(*a, **k):
    return lambda: layers.Dense(*a, bias_initializer="random_uniform", **k)


class Norm(layers.BatchNormalization):
    def build(self, shape):
        super().build(shape)
        state = np.random.RandomState(1)
        n = shape[-1]
        self.set_weights([state.uniform(*span, n) for span in ((0.5, 1.5), (-0.5, 0.5), (-0.5, 0.5), (0.5, 1.5))])


STEM = [conv(6, 3, padding="same", activation="relu")]
chain("conv_same", conv(5, 3, padding="same", strides=2, activation="relu"))
chain("conv_valid", conv(5, (2, 3), activation="relu6"))
chain("conv_dilated", conv(5, 3, dilation_rate=2, activation="tanh"))
chain("conv_groups", conv(6, 3, groups=2, padding="same"))
chain("conv_1d", lambda: layers.Reshape((72, 4)), lambda: layers.Conv1D(5, 3, padding="same", strides=2))
chain("depthwise", lambda: layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", strides=2), conv(3, 1))
chain("separable", lambda: layers.SeparableConv2D(6, 3, padding="same"), lambda: Norm(), lambda: layers.ReLU(6.0))
chain("transposed", lambda: layers.Conv2DTranspose(5, 3, strides=2, padding="same", bias_initializer="random_uniform"))
chain("transposed_valid", lambda: layers.Conv2DTranspose(5, 4, strides=2))
chain("pools", lambda: layers.MaxPooling2D(2), lambda: layers.AveragePooling2D(3, strides=1, padding="same"))
chain("global", *STEM, lambda: layers.GlobalAveragePooling2D(), dense(5, activation="softmax"))
chain("flat", *STEM, lambda: layers.Flatten(), dense(7, activation="relu"), dense(3, activation="sigmoid"))
chain(
    "activations",
    conv(4, 1),
    lambda: layers.LeakyReLU(0.15),
    conv(4, 1, activation="elu"),
    conv(4, 1, activation="gelu"),
    conv(4, 1, activation="hard_silu"),
    conv(4, 1, activation="silu"),
    conv(4, 1, activation="softplus"),
    lambda: layers.PReLU(alpha_initializer="random_uniform", shared_axes=[1, 2]),
)
chain("resize", lambda: layers.UpSampling2D(2, interpolation="bilinear"), lambda: layers.UpSampling2D(2), conv(2, 1))
chain(
    "padding", lambda: layers.ZeroPadding2D(((1, 2), (0, 3))), conv(3, 3), lambda: layers.Cropping2D(((1, 0), (2, 1)))
)
chain(
    "lstm",
    lambda: layers.LSTM(5, return_sequences=True, bias_initializer="random_uniform"),
    lambda: layers.LSTM(4),
    shape=(6, 3),
)
chain("gru", lambda: layers.GRU(5, bias_initializer="random_uniform"), shape=(6, 3))
chain("bidirectional", lambda: layers.Bidirectional(layers.LSTM(4, return_sequences=True)), shape=(5, 3))
chain("layer_norm", lambda: layers.LayerNormalization(gamma_initializer="random_uniform"), dense(4), shape=(5, 6))


@network((2, 5, 6), (2, 5, 6))
def arithmetic(x, y):
    a = tf.abs(x) + 0.5
    return {
        "one": tf.maximum(x * y - 2.0, tf.minimum(x / a, y)) + tf.exp(-a),
        "two": tf.math.rsqrt(a) * tf.sqrt(a) + tf.math.log(a) * tf.sin(x) + tf.pow(a, 1.5),
        "three": tf.math.floordiv(x, 0.3) + tf.math.floormod(y, 0.7) + tf.square(x - y) + tf.sign(x),
    }


@network((2, 5, 6))
def reductions(x):
    return {
        "mean": tf.reduce_mean(x, [1]),
        "sum": tf.reduce_sum(x, -1, keepdims=True),
        "top": tf.reduce_max(x, [1, 2]),
        "least": tf.reduce_min(x, 1),
        "prod": tf.reduce_prod(x, 2),
        "place": tf.argmax(x, 2),
        "softmax": tf.nn.softmax(x * 2.0),
        "log": tf.nn.log_softmax(x),
        "norm": tf.math.l2_normalize(x, -1),
        "cumsum": tf.cumsum(x, 1),
    }


@network((4, 6, 8))
def moving(x):
    a, b = tf.split(x, [2, 6], 2)
    parts = tf.unstack(x, axis=1)
    return {
        "slices": x[:, 1:5:2, ::-1][:, :, 1:],
        "join": tf.concat([b, a, x[:, :, :1]], 2),
        "stack": tf.stack(parts[:3], 2),
        "turned": tf.transpose(tf.reshape(x, [4, 3, 2, 8]), [0, 3, 1, 2]),
        "tiled": tf.tile(a, [1, 2, 1]),
        "padded": tf.pad(x, [[0, 0], [1, 2], [0, 3]], constant_values=0.5),
        "mirror": tf.pad(x, [[0, 0], [2, 1], [0, 0]], "REFLECT"),
        "taken": tf.gather(x, [3, 0, 0], axis=1),
        "flipped": tf.reverse(x, [1]),
        "where": tf.where(x > 0.1, x, -2.0 * x),
    }


@network((1, 4, 6, 8))
def blocks(x):
    return {
        "deep": tf.nn.space_to_depth(x, 2),
        "wide": tf.nn.depth_to_space(x, 2),
        "batch": tf.space_to_batch(x, [2, 2], [[0, 0], [0, 0]]),
        "lrn": tf.nn.local_response_normalization(x, 2, 1.0, 0.3, 0.6),
        "sampled": tf.image.resize(x, [6, 5]),
        "near": tf.compat.v1.image.resize_nearest_neighbor(x, [7, 3]),
    }


@network((3, 4), (3, 4))
def products(x, y):
    weight = tf.constant(np.random.RandomState(2).uniform(-1, 1, (4, 5)).astype("float32"))
    return {
        "linear": tf.matmul(x, weight),
        "inner": tf.matmul(x, y, transpose_b=True),
        "equal": tf.cast(x > y, tf.float32),
    }


@network((2, 5), dtype="int32")
def embedding(ids):
    table = tf.constant(np.random.RandomState(3).uniform(-1, 1, (9, 4)).astype("float32"))
    return {"rows": tf.gather(table, ids), "hot": tf.one_hot(ids, 9)}


@network((2, 6))
def loop(x):
    state = x
    for _ in tf.range(4):
        state = tf.tanh(state * 1.3 + x)
    return {"state": state}


@network((1, 8, 8, 3), (1, 8, 8, 2))
def two_inputs(x, y):
    kernel = tf.constant(np.random.RandomState(4).uniform(-1, 1, (3, 3, 5, 4)).astype("float32"))
    z = tf.nn.relu(tf.nn.conv2d(tf.concat([x, y], 3), kernel, 1, "SAME"))
    return {"mean": tf.reduce_mean(z, [1, 2]), "map": z}


def mobilenet(quantise):
    x = i = keras.Input((32, 32, 3))
    x = layers.ReLU(6.0)(Norm()(layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)))
    for width, stride, times in ((6, 1, 1), (8, 2, 2), (12, 2, 2), (16, 1, 1)):
        for number in range(times):
            step, start = stride if number == 0 else 1, x
            y = layers.ReLU(6.0)(Norm()(layers.Conv2D(3 * x.shape[-1], 1, use_bias=False)(x)))
            y = layers.ReLU(6.0)(Norm()(layers.DepthwiseConv2D(3, strides=step, padding="same", use_bias=False)(y)))
            y = Norm()(layers.Conv2D(width, 1, use_bias=False)(y))
            x = layers.Add()([start, y]) if start.shape == y.shape else y
    x = layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(i, x)


def resnet(quantise):
    def block(x, width, step):
        y = layers.ReLU()(Norm()(layers.Conv2D(width, 3, strides=step, padding="same")(x)))
        y = Norm()(layers.Conv2D(width, 3, padding="same")(y))
        if step > 1 or x.shape[-1] != width:
            x = Norm()(layers.Conv2D(width, 1, strides=step)(x))
        return layers.ReLU()(layers.Add()([x, y]))

    i = keras.Input((32, 32, 3))
    x = layers.MaxPooling2D(3, strides=2, padding="same")(
        layers.ReLU()(Norm()(layers.Conv2D(8, 7, strides=2, padding="same")(i)))
    )
    for width, step in ((8, 1), (8, 1), (12, 2), (12, 1), (16, 2), (16, 1)):
        x = block(x, width, step)
    x = layers.AveragePooling2D(2)(x)
    return keras.Model(i, layers.Dense(10)(layers.Flatten()(x)))


for _quantise in (False, "int8"):
    _suffix = "_int8" if _quantise else ""
    NETWORKS[f"mobilenet_v2{_suffix}"] = (lambda q=_quantise: mobilenet(q), None, _quantise, None, "float32")
    NETWORKS[f"resnet{_suffix}"] = (lambda q=_quantise: resnet(q), None, _quantise, None, "float32")

chain("conv_int8", conv(5, 3, padding="same", strides=2, activation="relu"), conv(4, 1), quantise="int8")
chain("conv_uint8_io", conv(5, 3, padding="same", activation="relu6"), lambda: layers.MaxPooling2D(2), quantise="uint8")
chain("conv_int16", conv(5, 3, padding="same"), lambda: layers.AveragePooling2D(2), quantise="int16")
chain(
    "dense_int8", lambda: layers.Flatten(), dense(7, activation="relu"), dense(5, activation="softmax"), quantise="int8"
)
chain("dense_per_tensor", lambda: layers.Flatten(), dense(7, activation="relu"), dense(5), quantise="per_tensor")
chain("pool_int8", lambda: layers.AveragePooling2D(2), lambda: layers.ReLU(), conv(3, 1), quantise="int8")
chain(
    "depthwise_int8",
    lambda: layers.DepthwiseConv2D(3, padding="same"),
    lambda: layers.LeakyReLU(0.1),
    lambda: layers.ZeroPadding2D(1),
    conv(3, 3, activation="sigmoid"),
    quantise="int8",
)
chain("float_io", conv(5, 3, activation="relu"), quantise="float_io")
chain("half", conv(5, 3, activation="relu"), lambda: layers.Flatten(), dense(3), quantise="half")


def fused_lstm():
    """A file with the operator that older converters made of a whole LSTM."""
    from tensorflow.lite.python import schema_py_generated as schema

    state = np.random.RandomState(5)
    model = schema.ModelT()
    model.version, model.description = 3, "lstm"
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM
    code.version = 1
    graph = schema.SubGraphT()
    model.operatorCodes, model.subgraphs, model.buffers, graph.tensors = [code], [graph], [schema.BufferT()], []

    def tensor(name, shape, array=None, variable=False):
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer, made.isVariable = name, list(shape), 0, 0, variable
        if array is not None:
            held = schema.BufferT()
            held.data = np.frombuffer(array.astype("<f4").tobytes(), np.uint8)
            model.buffers.append(held)
            made.buffer = len(model.buffers) - 1
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    inputs = [tensor("x", (2, 4, 3))]
    for name, shape in [("w", (5, 3))] * 4 + [("u", (5, 5))] * 4:
        inputs.append(tensor(f"{name}{len(inputs)}", shape, state.uniform(-1, 1, shape)))
    inputs += [-1] * 3 + [tensor(f"b{i}", (5,), state.uniform(-1, 1, 5)) for i in range(4)] + [-1] * 2
    inputs += [tensor("h", (2, 5), variable=True), tensor("c", (2, 5), variable=True)] + [-1] * 4
    op, options = schema.OperatorT(), schema.UnidirectionalSequenceLSTMOptionsT()
    options.fusedActivationFunction = 4
    op.opcodeIndex, op.inputs, op.outputs = 0, inputs, [tensor("out", (2, 4, 5))]
    op.builtinOptionsType, op.builtinOptions = schema.BuiltinOptions.UnidirectionalSequenceLSTMOptions, options
    graph.operators, graph.inputs, graph.outputs, graph.name = [op], [0], op.outputs, "main"
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


NETWORKS["fused_lstm"] = (fused_lstm, [(2, 4, 3)], None, "by hand", "float32")


def converter_of(function, shapes, batch, dtype):
    if batch == "by hand":
        return None, list(shapes), dtype
    if shapes is None:
        keras.utils.set_random_seed(abs(hash("x")) % 1 + 7)
        model = function()
        shape = model.input_shape[1:]
        if function.__name__ in ("lstm", "gru", "bidirectional"):  # their loops want a batch that is known
            traced = tf.function(model).get_concrete_function(tf.TensorSpec((2, *shape)))
            frozen = convert_variables_to_constants_v2(traced, lower_control_flow=False)
            return tf.lite.TFLiteConverter.from_concrete_functions([frozen]), [(2, *shape)], "float32"
        return tf.lite.TFLiteConverter.from_keras_model(model), [(2, *shape)], "float32"
    specs = [tf.TensorSpec(shape, getattr(tf, dtype)) for shape in shapes]
    traced = tf.function(function).get_concrete_function(*specs)
    return tf.lite.TFLiteConverter.from_concrete_functions([traced], traced), list(shapes), dtype


def main():
    state = np.random.RandomState(0)
    groups = {"float": {}, "more": {}, "networks": {}}
    for name, (function, shapes, quantise, batch, dtype) in NETWORKS.items():
        converter, sizes, dtype = converter_of(function, shapes, batch, dtype)
        if quantise:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantise == "half":
            converter.target_spec.supported_types = [tf.float16]
        elif quantise:
            sample = [state.uniform(-1, 1, (1, *sizes[0][1:])).astype("float32") for _ in range(20)]
            converter.representative_dataset = lambda sample=sample: ([one] for one in sample)
            wide = quantise == "int16"
            special = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            converter.target_spec.supported_ops = [special if wide else tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            if quantise == "per_tensor":
                converter._experimental_disable_per_channel = True
            if quantise != "float_io" and not wide:
                kind = tf.uint8 if quantise == "uint8" else tf.int8
                converter.inference_input_type = converter.inference_output_type = kind
        data = converter.convert() if converter else function()
        run = tf.lite.Interpreter(model_content=data)
        details = run.get_input_details()
        for detail, size in zip(details, sizes):
            run.resize_tensor_input(detail["index"], size)
        run.allocate_tensors()
        whole, more = name.startswith(("mobilenet", "resnet")), quantise or name in ("lstm", "bidirectional")
        group = groups["networks" if whole else "more" if more else "float"]
        group[f"{name}/file"] = np.frombuffer(data, np.uint8)
        for place, (detail, size) in enumerate(zip(details, sizes)):
            kind = detail["dtype"]
            if np.issubdtype(kind, np.integer):
                low, high = (0, 9) if dtype == "int32" else (np.iinfo(kind).min, np.iinfo(kind).max + 1)
                array = state.randint(low, high, size).astype(kind)
            else:
                array = state.uniform(-1.5, 1.5, size).astype(kind)
            run.set_tensor(detail["index"], array)
            group[f"{name}/in/{place}"] = array
        run.invoke()
        for place, detail in enumerate(run.get_output_details()):
            group[f"{name}/out/{place}"] = run.get_tensor(detail["index"])
        print(name, len(data), {o["op_name"] for o in run._get_ops_details()} - {"DELEGATE"})
    for group, arrays in groups.items():
        np.savez_compressed(HERE / f"recorded_{group}.npz", **arrays)


main()
