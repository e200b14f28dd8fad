"""Every built-in layer with its options: the pivot means what Keras computes, in double precision."""

import inspect
import itertools

import keras
import numpy as np
import pytest
from keras_reading import compare, randomise, read

from netglot.dialects.keras import functions as _functions  # noqa: F401
from netglot.dialects.keras import layers as layer_readers
from netglot.dialects.keras.dialect import keras as dialect
from netglot.dialects.keras.helpers import HELPERS
from netglot.errors import UnsupportedOps

L = keras.layers
IMAGE = (9, 8, 4)

SINGLE = {
    "gelu": "Keras's exact GELU holds 1/sqrt(2) in single precision",
    "leaky_relu": "TensorFlow's leaky ReLU holds the slope in single precision",
    "resize": "TensorFlow interpolates in single precision",
}
"""Layers that Keras computes with single-precision numbers inside; they are compared to 1e-5."""


def chain(shape, *layers, dtype=None):
    """A functional model of layers one after the other."""
    x = given = keras.Input(shape, dtype=dtype)
    for layer in layers:
        x = layer(x)
    return keras.Model(given, x)


def windowed():
    """Convolutions and pools: padding, strides, even and odd kernels."""
    for padding, stride in itertools.product(("valid", "same"), (1, 2, 3)):
        at = f"{padding}-{stride}"
        shared = {"strides": stride, "padding": padding}
        yield f"conv-{at}", IMAGE, lambda o=shared: L.Conv2D(6, 3, activation="relu", **o)
        yield f"conv-even-{at}", (8, 10, 4), lambda o=shared: L.Conv2D(6, (2, 4), groups=2, use_bias=False, **o)
        yield f"depthwise-{at}", IMAGE, lambda o=shared: L.DepthwiseConv2D(3, depth_multiplier=2, **o)
        yield f"separable-{at}", IMAGE, lambda o=shared: L.SeparableConv2D(5, 3, depth_multiplier=2, **o)
        yield f"transpose-{at}", IMAGE, lambda o=shared: L.Conv2DTranspose(5, 3, **o)
        yield f"transpose-even-{at}", IMAGE, lambda o=shared: L.Conv2DTranspose(5, 2, **o)
        yield f"transpose-1d-{at}", (7, 3), lambda o=shared: L.Conv1DTranspose(5, 4, **o)
        yield f"max-{at}", IMAGE, lambda o=shared: L.MaxPooling2D(3, **o)
        yield f"mean-{at}", IMAGE, lambda o=shared: L.AveragePooling2D(3, **o)
        yield f"mean-1d-{at}", (9, 3), lambda o=shared: L.AveragePooling1D(2, **o)
        if stride > 1:
            yield f"transpose-extra-{at}", IMAGE, lambda o=shared: L.Conv2DTranspose(5, 4, output_padding=1, **o)
    yield "conv-causal", (9, 3), lambda: L.Conv1D(4, 3, padding="causal", dilation_rate=2)
    yield "conv-dilated", (9, 9, 3), lambda: L.Conv2D(4, 3, padding="same", dilation_rate=2)
    yield "conv-1d", (9, 3), lambda: L.Conv1D(4, 3, strides=2, padding="same")
    yield "depthwise-1d", (9, 3), lambda: L.DepthwiseConv1D(3, strides=2, padding="same", depth_multiplier=2)
    yield "separable-1d", (9, 3), lambda: L.SeparableConv1D(5, 3, padding="same")
    yield "adaptive-mean", IMAGE, lambda: L.AdaptiveAveragePooling2D((3, 4))
    yield "adaptive-max", IMAGE, lambda: L.AdaptiveMaxPooling2D((4, 3))


def several():
    """Layers of other families, a few at once where they keep the shape."""
    yield "dense", (6, 5), lambda: [L.Dense(4, use_bias=False), L.Dense(2, activation="softmax")]
    yield "dense-gelu", (6, 5), lambda: L.Dense(4, activation="gelu")
    yield "einsum", (4, 5), lambda: L.EinsumDense("abc,cd->abd", output_shape=(None, 7), bias_axes="d")
    yield "einsum-heads", (4, 5), lambda: L.EinsumDense("abc,cde->abde", output_shape=(None, 3, 7), bias_axes="de")
    yield "einsum-dots", (4, 5), lambda: L.EinsumDense("...x,xy->...y", output_shape=9, bias_axes="y")
    yield "einsum-merge", (4, 3, 5), lambda: L.EinsumDense("abcd,cde->abe", output_shape=(None, 7), bias_axes="e")
    yield "einsum-by-step", (4, 5), lambda: L.EinsumDense("abc,bcd->abd", output_shape=(4, 7), bias_axes="d")
    yield (
        "batch-norm",
        IMAGE,
        lambda: [
            L.BatchNormalization(),
            L.BatchNormalization(axis=1, scale=False),
            L.BatchNormalization(center=False, momentum=0.9, epsilon=0.1),
        ],
    )
    yield (
        "layer-norm",
        IMAGE,
        lambda: [
            L.LayerNormalization(),
            L.LayerNormalization(axis=[1, 2]),
            L.LayerNormalization(axis=[3, 1], scale=False),
            L.LayerNormalization(axis=1, center=False),
        ],
    )
    yield (
        "group-norm",
        IMAGE,
        lambda: [L.GroupNormalization(2), L.GroupNormalization(-1), L.GroupNormalization(4, axis=2)],
    )
    yield "unit-norm", IMAGE, lambda: [L.UnitNormalization(), L.UnitNormalization(axis=1)]
    yield "unit-norm-axes", IMAGE, lambda: L.UnitNormalization(axis=(1, 2))
    yield "rms-norm", IMAGE, lambda: [L.RMSNormalization(), L.RMSNormalization(axis=[2, 3])]
    yield "spectral-norm", IMAGE, lambda: L.SpectralNormalization(L.Conv2D(3, 3))
    yield (
        "activations",
        (6, 4),
        lambda: [
            L.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.3),
            L.ELU(0.5),
            L.PReLU(),
            L.PReLU(shared_axes=[1]),
            L.Softmax(axis=(1, 2)),
            L.Softmax(),
        ],
    )
    yield "leaky_relu-layer", (6, 4), lambda: L.LeakyReLU()
    yield "relu-max", (6, 4), lambda: [L.ReLU(max_value=1.0), L.ReLU(negative_slope=0.2, max_value=0.5)]
    yield "relu-threshold", (6, 4), lambda: L.ReLU(threshold=0.2)
    yield "prelu-image", IMAGE, lambda: [L.PReLU(shared_axes=[1, 2]), L.PReLU(shared_axes=[1])]
    yield (
        "shapes",
        IMAGE,
        lambda: [
            L.ZeroPadding2D(((1, 2), (0, 3))),
            L.Cropping2D(((1, 0), (2, 1))),
            L.UpSampling2D((2, 3)),
            L.Permute((3, 1, 2)),
            L.Reshape((-1, 4)),
            L.Flatten(),
            L.RepeatVector(3),
        ],
    )
    yield "flatten-channels-first", IMAGE, lambda: L.Flatten(data_format="channels_first")
    yield "resize-up-bilinear", IMAGE, lambda: L.UpSampling2D(2, interpolation="bilinear")
    yield "resize-up-bicubic", IMAGE, lambda: L.UpSampling2D(2, interpolation="bicubic")
    yield (
        "one-axis",
        (6, 4),
        lambda: [
            L.ZeroPadding1D((1, 2)),
            L.Cropping1D((2, 0)),
            L.UpSampling1D(2),
            L.GlobalAveragePooling1D(keepdims=True),
        ],
    )
    yield (
        "three-axes",
        (5, 6, 4, 2),
        lambda: [
            L.ZeroPadding3D(((1, 0), (0, 1), (1, 1))),
            L.Cropping3D(1),
            L.UpSampling3D(2),
            L.Conv3D(3, 2, padding="same"),
            L.GlobalAveragePooling3D(),
        ],
    )
    yield (
        "training-only",
        (6, 4),
        lambda: [
            L.Dropout(0.3),
            L.SpatialDropout1D(0.2),
            L.GaussianNoise(0.1),
            L.GaussianDropout(0.1),
            L.AlphaDropout(0.1),
            L.ActivityRegularization(0.1),
            L.Identity(),
            L.Dropout(0.2, noise_shape=(None, 1, 4)),
        ],
    )
    yield (
        "augmentation",
        IMAGE,
        lambda: [L.RandomFlip(), L.RandomRotation(0.1), L.RandomZoom(0.1), L.RandomContrast(0.1)],
    )
    yield "normalization", (4,), lambda: L.Normalization(mean=[1.0, 2.0, 3.0, 4.0], variance=[0.5, 1.0, 2.0, 0.1])
    yield "normalization-invert", (4,), lambda: L.Normalization(mean=1.0, variance=2.0, invert=True)
    yield "rescaling", IMAGE, lambda: [L.Rescaling(1 / 255.0, offset=-1.0), L.Rescaling([1.0, 2.0, 3.0, 4.0])]
    for mode in ("bilinear", "nearest"):
        yield f"resize-{mode}", IMAGE, lambda m=mode: L.Resizing(12, 13, interpolation=m)
        yield f"resize-down-{mode}", IMAGE, lambda m=mode: L.Resizing(5, 4, interpolation=m)
    yield "resize-crop", IMAGE, lambda: L.Resizing(5, 4, crop_to_aspect_ratio=True)
    yield "resize-pad", IMAGE, lambda: L.Resizing(5, 14, pad_to_aspect_ratio=True)
    yield "center-crop", IMAGE, lambda: L.CenterCrop(4, 5)
    yield "discretization", (4,), lambda: L.Discretization([-0.5, 0.0, 0.7])
    yield "discretization-one-hot", (1,), lambda: L.Discretization([-0.5, 0.0, 0.7], output_mode="one_hot")
    yield (
        "time-distributed",
        (5, 6, 6, 3),
        lambda: [L.TimeDistributed(L.Conv2D(4, 3)), L.TimeDistributed(L.Flatten()), L.TimeDistributed(L.Dense(2))],
    )
    yield "cells", (5, 3), lambda: L.RNN([L.LSTMCell(4), L.GRUCell(5)], return_state=True)
    for padding, stride in (("same", 1), ("same", 2), ("valid", 2)):
        yield (
            f"images-{padding}-{stride}", (3, 6, 5, 2),
            lambda p=padding, s=stride: L.ConvLSTM2D(2, (3, 2), padding=p, strides=s, return_sequences=True),
        )  # fmt: skip
    yield "images-state", (3, 4, 5, 2), lambda: L.ConvLSTM2D(2, 2, return_state=True, recurrent_activation="sigmoid")
    yield "images-back", (3, 6, 2), lambda: L.Bidirectional(L.ConvLSTM1D(2, 3, use_bias=False, return_sequences=True))
    yield "images-bare", (3, 4, 4, 4, 2), lambda: L.ConvLSTM3D(2, 2, activation="relu", go_backwards=True)
    yield "mel", (60,), lambda: L.MelSpectrogram(16, 5, 11, sampling_rate=8000, num_mel_bins=4, power_to_db=False)
    for mode in ("log", "psd", "stft"):
        yield f"stft-{mode}", (40, 1), lambda m=mode: L.STFTSpectrogram(mode=m, frame_length=8, frame_step=4)
    yield "lstm-other-activations", (5, 3), lambda: L.LSTM(4, activation="relu", recurrent_activation="hard_sigmoid")
    yield (
        "gru-reset-before",
        (5, 3),
        lambda: [L.GRU(4, reset_after=False, return_sequences=True), L.GRU(4, use_bias=False)],
    )


def recurrent():
    """Recurrent layers with every combination of what they return, and every way of merging directions."""
    flags = [
        dict(zip(("return_sequences", "return_state"), f, strict=True))
        for f in itertools.product((True, False), repeat=2)
    ]
    for kind, flag in itertools.product((L.LSTM, L.GRU, L.SimpleRNN), flags):
        said = "".join(name[7] for name, on in flag.items() if on)
        for backwards in (True, False):
            yield (
                f"{kind.__name__}-{said}-{backwards}",
                (5, 3),
                lambda k=kind, f=flag, b=backwards: k(4, go_backwards=b, **f),
            )
        for merge in ("concat", "sum", "mul", "ave", None):
            yield (
                f"Bidirectional-{kind.__name__}-{said}-{merge}",
                (5, 3),
                lambda k=kind, f=flag, m=merge: L.Bidirectional(k(4, **f), merge_mode=m),
            )


def masked():
    """Token numbers, with 0 for padding."""

    def embedding():
        return L.Embedding(5, 4, mask_zero=True)

    yield "lstm", lambda: [embedding(), L.LSTM(3, return_sequences=True), L.GRU(3)]
    yield "lstm-zeros", lambda: [embedding(), L.LSTM(3, return_sequences=True, zero_output_for_mask=True)]
    yield "backwards", lambda: [embedding(), L.LSTM(3, go_backwards=True)]
    yield (
        "bidirectional",
        lambda: [embedding(), L.Bidirectional(L.LSTM(3, return_sequences=True)), L.GlobalAveragePooling1D()],
    )
    yield "pooling", lambda: [embedding(), L.Dropout(0.1), L.Dense(3), L.GlobalAveragePooling1D()]
    yield "time-distributed", lambda: [embedding(), L.TimeDistributed(L.Dense(3)), L.GlobalAveragePooling1D()]


ACTIVATIONS = (
    "relu relu6 sigmoid tanh silu gelu elu selu softplus softsign exponential hard_sigmoid hard_silu leaky_relu mish "
    "log_softmax softmax linear hard_tanh hard_shrink soft_shrink tanh_shrink celu glu log_sigmoid squareplus "
    "sparse_plus sparse_sigmoid"
).split()

CASES = [
    *windowed(),
    *several(),
    *recurrent(),
    *((f"activation-{name}", (6, 4), lambda n=name: L.Activation(n)) for name in ACTIVATIONS),
]


def tolerance(name: str) -> float:
    """How closely a case can agree."""
    return 1e-5 if any(word in name for word in SINGLE) else 1e-9


def as_list(layers):
    """One layer or several."""
    return layers if isinstance(layers, list) else [layers]


@pytest.mark.parametrize(("name", "shape", "make"), CASES, ids=[name for name, *_ in CASES])
def test_layer_means_what_keras_computes(name, shape, make):
    model = chain(shape, *as_list(make()))
    randomise(model)
    compare(model, read(model), tolerance=tolerance(name))


MASKED = list(masked())


@pytest.mark.parametrize(("name", "make"), MASKED, ids=[name for name, _ in MASKED])
def test_masks_are_carried(name, make):
    model = chain((6,), *make(), dtype="int32")
    randomise(model)
    graph = read(model)
    compare(model, graph, high=3)  # a third of the tokens is padding
    padded = {graph.inputs[0].name: np.array([[0, 0, 3, 0, 2, 1], [1, 2, 0, 0, 0, 0], [0, 0, 0, 0, 0, 4]], "int32")}
    compare(model, graph, batches=(3,), arrays=padded)


def test_masking_layer_is_carried():
    model = chain((6, 3), L.Masking(0.5), L.LSTM(3))
    randomise(model)
    graph = read(model)
    array = np.random.default_rng(0).normal(size=(3, 6, 3))
    array[0, 2:] = array[1, :3] = 0.5
    compare(model, graph, batches=(3,), arrays={graph.inputs[0].name: array})


def test_a_mask_over_a_length_that_is_not_known():
    layers = [L.Embedding(5, 4, mask_zero=True), L.Bidirectional(L.GRU(3, return_sequences=True)), L.LSTM(3)]
    model = chain((None,), *layers, dtype="int32")
    randomise(model)
    graph = read(model)
    for length in (3, 70):
        compare(model, graph, high=3, length=length)


def test_masked_states_with_a_start():
    tokens, start = keras.Input((6,), dtype="int32"), keras.Input((3,))
    x = L.Embedding(5, 4, mask_zero=True)(tokens)
    out, h, c = L.LSTM(3, return_state=True, return_sequences=True)(x, initial_state=[start, start])
    last, state = L.GRU(3, return_state=True)(out, initial_state=h)
    model = keras.Model([tokens, start], [out, h, c, last, state])
    randomise(model)
    graph = read(model)
    padded = np.array([[0, 0, 3, 0, 2, 1], [0, 0, 0, 0, 0, 0], [1, 2, 0, 0, 0, 0]], "int32")
    compare(model, graph, batches=(3,), arrays={graph.inputs[0].name: padded})


class Deep(keras.layers.Layer):
    """A cell with layers of its own, two states, and another start than zero."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.state_size = [units, units]
        self.dense, self.norm = L.Dense(units, activation="relu"), L.LayerNormalization()

    def build(self, shape):
        self.dense.build((None, shape[-1] + self.state_size[0]))
        self.norm.build((None, self.state_size[0]))
        self.built = True

    def get_initial_state(self, batch_size=None):
        return [keras.ops.ones((batch_size, size)) for size in self.state_size]

    def call(self, inputs, states):
        hidden, total = states
        new = self.norm(self.dense(keras.ops.concatenate([inputs, hidden], -1)))
        return 2 * new, [new, total + new]


LOOPS = {
    "relu": lambda: L.LSTM(3, activation="relu"),
    "backwards": lambda: L.GRU(3, recurrent_activation="tanh", go_backwards=True, return_sequences=True),
    "own": lambda: L.RNN(Deep(3), return_sequences=True, return_state=True),
    "stacked": lambda: L.RNN([L.LSTMCell(3), Deep(2), L.GRUCell(4)], return_sequences=True, return_state=True),
    "both": lambda: L.Bidirectional(L.LSTM(3, activation="relu", return_sequences=True)),
}
MASKED = LOOPS | {
    "zero": lambda: L.LSTM(3, activation="relu", return_sequences=True, zero_output_for_mask=True),
    "last_zero": lambda: L.LSTM(3, activation="relu", zero_output_for_mask=True),
    "states": lambda: L.LSTM(3, activation="relu", return_state=True),
}


@pytest.mark.parametrize("name", LOOPS)
def test_any_cell_over_a_length_that_is_not_known(name):
    model = chain((None, 4), LOOPS[name]())
    randomise(model)
    compare(model, read(model))


@pytest.mark.parametrize("name", MASKED)
def test_a_mask_over_any_cell(name):
    model = chain((None,), L.Embedding(5, 4, mask_zero=True), MASKED[name](), dtype="int32")
    randomise(model)
    graph = read(model)
    padded = np.array([[0, 0, 3, 0, 2, 1], [0, 0, 0, 0, 0, 0], [1, 2, 0, 0, 0, 0]], "int32")
    compare(model, graph, batches=(3,), arrays={graph.inputs[0].name: padded})


def test_a_mask_over_images():
    images, marks = keras.Input((4, 5, 6, 2)), keras.Input((4,), dtype="bool")
    layer = L.ConvLSTM2D(3, 2, padding="same", return_sequences=True)
    model = keras.Model([images, marks], layer(images, mask=marks))
    randomise(model)
    compare(model, read(model))


CATEGORIES = [("one_hot", (1,)), ("multi_hot", (4,)), ("count", (4,))]


@pytest.mark.parametrize(("mode", "shape"), CATEGORIES, ids=[mode for mode, _ in CATEGORIES])
def test_categories(mode, shape):
    model = chain(shape, L.CategoryEncoding(6, output_mode=mode), dtype="int32")
    compare(model, read(model))


LOOKUPS = [
    {},
    {"num_oov_indices": 3},
    {"mask_token": 0},
    {"invert": True},
    {"output_mode": "count", "mask_token": 0},
    {"output_mode": "multi_hot", "num_oov_indices": 2},
    {"output_mode": "multi_hot", "max_tokens": 9, "pad_to_max_tokens": True},
    {"output_mode": "tf_idf", "idf_weights": [0.5, 0.2, 0.9]},
]


@pytest.mark.parametrize("options", LOOKUPS, ids=["-".join(map(str, o.values())) or "plain" for o in LOOKUPS])
def test_integer_lookup(options):
    model = chain((4,), L.IntegerLookup(vocabulary=[1, 3, 4], **options), dtype="int64")
    compare(model, read(model))


def test_unknown_numbers_of_a_lookup_without_a_place_for_them_are_told():
    model = chain((1,), L.IntegerLookup(vocabulary=[0, 1, 2], num_oov_indices=0, output_mode="one_hot"), dtype="int64")
    graph = read(model)
    compare(model, graph, high=3)
    assert any("not in the vocabulary" in note for note in graph.notes)


def test_contrast_is_stretched_in_inference():
    compare(model := chain((6, 5, 3), L.AutoContrast(value_range=(-1, 1))), read(model))


def test_a_crop_that_keras_does_not_do_in_inference_is_refused():
    compare(model := chain((6, 6, 3), L.RandomCrop(6, 6)), read(model))
    with pytest.raises(UnsupportedOps, match="leaves the image as large as it is"):
        read(chain((8, 8, 3), L.RandomCrop(6, 6)))


ATTENTION = [
    {},
    {"dropout": 0.1},
    {"value_dim": 3},
    {"use_bias": False},
    {"output_shape": 5},
    {"use_causal_mask": True},
    {"return_attention_scores": True},
    {"dropout": 0.1, "use_causal_mask": True, "return_attention_scores": True},
]


@pytest.mark.parametrize("options", ATTENTION, ids=["-".join(o) or "plain" for o in ATTENTION])
def test_multi_head_attention(options):
    given = {name: held for name, held in options.items() if name in ("use_causal_mask", "return_attention_scores")}
    made = {name: held for name, held in options.items() if name not in given}
    query, value = keras.Input((5, 8)), keras.Input((7, 6))
    model = keras.Model([query, value], L.MultiHeadAttention(2, 4, **made)(query, value, **given))
    randomise(model)
    compare(model, read(model))


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_attention_with_padding(dropout):
    tokens = keras.Input((6,), dtype="int32")
    x = L.Embedding(4, 8, mask_zero=True)(tokens)
    model = keras.Model(tokens, L.MultiHeadAttention(2, 4, dropout=dropout)(x, x))
    randomise(model)
    graph = read(model)
    compare(model, graph, high=3)
    compare(model, graph, batches=(2,), arrays={graph.inputs[0].name: np.array([[0] * 6, [1, 2, 0, 0, 0, 3]], "int32")})


def test_grouped_query_attention():
    x = keras.Input((5, 8))
    model = keras.Model(x, L.GroupQueryAttention(4, 4, 2)(x, x, use_causal_mask=True))
    randomise(model)
    compare(model, read(model))


PLAIN_ATTENTION = [
    (L.Attention, {}),
    (L.Attention, {"use_scale": True, "score_mode": "concat"}),
    (L.Attention, {"use_scale": True, "dropout": 0.1}),
    (L.AdditiveAttention, {}),
]


@pytest.mark.parametrize(("kind", "options"), PLAIN_ATTENTION)
def test_attention_without_heads(kind, options):
    query, value = keras.Input((5, 8)), keras.Input((7, 8))
    model = keras.Model([query, value], kind(**options)([query, value]))
    randomise(model)
    compare(model, read(model))


def test_merging_layers():
    a, b = keras.Input((4, 3)), keras.Input((4, 3))
    layers = [L.Add(), L.Subtract(), L.Multiply(), L.Average(), L.Maximum(), L.Minimum(), L.Concatenate(axis=1)]
    layers += [L.Dot(axes=2), L.Dot(axes=1, normalize=True)]
    model = keras.Model([a, b], [layer([a, b]) for layer in layers])
    compare(model, read(model))


@pytest.mark.parametrize("stride", [1, 2])
def test_image_of_any_size(stride):
    layers = [L.Conv2D(4, 3, strides=stride, padding="same"), L.MaxPooling2D(), L.GlobalMaxPooling2D()]
    model = chain((None, None, 3), *layers)
    randomise(model)
    graph = read(model)
    assert graph.symbols() == ["B", "T", "U"]
    for length in (8, 9):
        compare(model, graph, length=length)


def test_every_layer_is_read_or_refused_with_a_reason():
    """A layer that a new Keras brings shows up here."""
    blank = []
    for name in dir(keras.layers):
        kind = getattr(keras.layers, name)
        if not inspect.isclass(kind):
            continue
        spelling = f"layers.{kind.__name__}"
        if spelling in dialect.unread:
            assert dialect.unread[spelling].text
        elif spelling not in dialect.readers and kind.__name__ not in layer_readers.ENTERED:
            blank.append(name)
    assert not blank, f"not read, entered or refused: {blank}"


def test_every_reader_belongs_to_a_layer():
    for spelling in (*dialect.readers, *dialect.unread):
        own = spelling.partition(".")[2] in HELPERS or spelling == "layers.GroupedQueryAttention"
        if spelling.startswith("layers.") and not own:
            assert hasattr(keras.layers, spelling.partition(".")[2]), spelling


def test_what_is_refused_names_its_place():
    given = keras.Input((5, 6), batch_size=2)
    memory = L.LSTM(3, stateful=True, name="memory")
    body = keras.Model(given, memory(L.RepeatVector(5)(L.Dense(6)(memory(given)))), name="body")
    with pytest.raises(UnsupportedOps) as caught:
        read(keras.Sequential([given, body]))
    (refused,) = caught.value.refused
    assert refused.where == "body.memory" and "called twice" in refused.reason.text


def test_random_numbers_in_inference_are_refused():
    class Sampling(L.Layer):
        def call(self, x):
            return x + keras.random.normal(keras.ops.shape(x))

    with pytest.raises(UnsupportedOps, match="draws random numbers"):
        read(chain((3,), Sampling()))
