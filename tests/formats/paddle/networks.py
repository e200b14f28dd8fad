"""Small networks of PaddlePaddle, which cover what its reader maps. Each is a function of tensors, or makes a layer."""

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import ParamAttr, nn
from paddle.nn import initializer as init

FUNCTIONS, LAYERS = {}, {}
FLOAT, INTEGER = "float32", "int64"


def function(*inputs):
    """Declares a function of tensors, given as shapes (None is the batch) or as pairs of shape and dtype."""

    def register(made):
        FUNCTIONS[made.__name__] = (made, inputs)
        return made

    return register


def layer(*inputs):
    """Declares a function that makes a layer."""

    def register(made):
        LAYERS[made.__name__] = (made, inputs)
        return made

    return register


def drawn(*shape, seed=0, low=-0.5, high=0.5):
    """A weight."""
    start = init.Assign(np.random.RandomState(seed + len(shape)).uniform(low, high, shape).astype("float32"))
    return paddle.create_parameter(list(shape), "float32", default_initializer=start)


@function([None, 4, 9, 10])
def conv_options(x):
    made = [
        F.conv2d(x, drawn(6, 2, 3, 3), drawn(6), stride=[2, 1], padding=[1, 0], groups=2),
        F.conv2d(x, drawn(4, 4, 3, 3), dilation=2, padding=[1, 2, 0, 3]),
        F.conv2d(x, drawn(4, 4, 3, 2), stride=2, padding="SAME"),
        F.conv2d(x, drawn(4, 4, 3, 3), padding="VALID"),
        F.conv2d(x, drawn(8, 1, 3, 3), drawn(8), padding=1, groups=4),
        F.conv2d(x, drawn(4, 1, 3, 3), padding=1, groups=4),
    ]
    return made


@function([None, 9, 10, 4])
def conv_last(x):
    made = F.conv2d(x, drawn(6, 4, 3, 3), drawn(6), padding=1, data_format="NHWC")
    return [made, F.max_pool2d(made, 2, data_format="NHWC"), F.avg_pool2d(made, 3, 2, data_format="NHWC")]


@function([None, 4, 11], [None, 3, 6, 7, 5])
def conv_others(x, y):
    return [
        F.conv1d(x, drawn(6, 4, 3), drawn(6), padding=1, stride=2),
        F.conv3d(y, drawn(4, 3, 3, 2, 2), drawn(4), padding=[1, 0, 1], stride=[1, 2, 1]),
        F.conv1d_transpose(x, drawn(4, 5, 3), drawn(5), stride=2, padding=1),
        F.conv3d_transpose(y, drawn(3, 4, 2, 2, 2), stride=2),
    ]


@function([None, 4, 5, 6])
def conv_transposed(x):
    return [
        F.conv2d_transpose(x, drawn(4, 5, 4, 4), drawn(5), stride=2, padding=1),
        F.conv2d_transpose(x, drawn(4, 3, 3, 3), stride=2, padding=1, output_padding=1, groups=2),
        F.conv2d_transpose(x, drawn(4, 3, 3, 3), stride=3, output_size=[16, 19]),
        F.conv2d_transpose(x, drawn(4, 1, 3, 3), stride=2, padding=1, groups=4, dilation=2),
    ]


@function([None, 3, 8, 9])
def pools(x):
    return [
        F.max_pool2d(x, 3, 2),
        F.max_pool2d(x, 3, 2, ceil_mode=True),
        F.max_pool2d(x, [2, 3], [2, 1], padding=[1, 0]),
        F.avg_pool2d(x, 3, 2, padding=1),
        F.avg_pool2d(x, 3, 2, padding=1, exclusive=False),
        F.avg_pool2d(x, 3, 2, ceil_mode=True),
        F.avg_pool2d(x, 3, 2, ceil_mode=True, exclusive=False),
        F.avg_pool2d(x, 2, 2, padding="SAME"),
        F.adaptive_avg_pool2d(x, 1),
        F.adaptive_avg_pool2d(x, [3, 4]),
        F.adaptive_avg_pool2d(x, [None, 3]),
        F.adaptive_max_pool2d(x, [2, 3]),
        *F.max_pool2d(x, 2, 2, return_mask=True),
    ]


@function([None, 3, 8], [None, 2, 4, 6, 5])
def pools_others(x, y):
    return [
        F.max_pool1d(x, 2, 2),
        F.avg_pool1d(x, 3, 2, padding=1),
        F.adaptive_avg_pool1d(x, 4),
        F.max_pool3d(y, 2, 2, ceil_mode=True),
        F.avg_pool3d(y, 2, 2),
        F.adaptive_avg_pool3d(y, [2, 3, 1]),
    ]


@function([None, 3, 4, 5])
def activations(x):
    kinds = [F.relu, F.relu6, F.sigmoid, F.tanh, F.silu, F.swish, F.mish, F.softsign, F.log_sigmoid, F.tanhshrink]
    kinds += [F.gelu, F.selu, F.hardswish, F.hardsigmoid, F.hardtanh, F.softplus, F.elu, F.celu, F.leaky_relu]
    kinds += [F.hardshrink, F.softshrink, F.thresholded_relu, F.softmax, F.log_softmax]
    return [kind(x * 3) for kind in kinds]


@function([None, 4, 5])
def activations_told(x):
    x = x * 3
    return [
        F.gelu(x, approximate=True),
        F.elu(x, 0.7),
        F.celu(x, 1.4),
        F.leaky_relu(x, 0.15),
        F.hardtanh(x, -0.7, 1.3),
        F.hardsigmoid(x, 0.2, 0.4),
        F.softplus(x, 2.0, 5.0),
        F.hardshrink(x, 0.8),
        F.softshrink(x, 0.3),
        F.thresholded_relu(x, 0.6),
        F.softmax(x, axis=1),
        F.log_softmax(x, axis=1),
        F.maxout(paddle.unsqueeze(x, -1), 2, axis=1),
        F.prelu(x, drawn(1, low=0.1)),
        F.prelu(x, drawn(4, low=0.1)),
        F.glu(x, axis=1),
        paddle.stanh(x, 0.5, 1.2),
        F.selu(x, 1.2, 1.5),
    ]


@function([None, 4, 6, 5])
def norms(x):
    stats = [drawn(4, low=0.2, high=1.0, seed=s) for s in range(4)]
    return [
        F.batch_norm(x, stats[0], stats[1], stats[2], stats[3], epsilon=1e-3, momentum=0.8),
        F.layer_norm(x, [6, 5], drawn(30), drawn(30, seed=1), epsilon=1e-4),
        F.layer_norm(x, [5]),
        nn.GroupNorm(2, 4, 1e-4, weight_attr=ParamAttr(initializer=init.Constant(0.7)))(x),
        F.instance_norm(x, weight=drawn(4), bias=drawn(4, seed=1), eps=1e-4),
        F.local_response_norm(x, 3, alpha=0.5, beta=0.6, k=1.5),
        F.normalize(x, axis=1),
        F.normalize(x, p=1, axis=-1),
        paddle.linalg.norm(x, p=2, axis=1, keepdim=True),
        paddle.linalg.norm(x, p="fro", axis=[2, 3]),
    ]


@function([None, 3, 4], [None, 3, 4])
def arithmetic(x, y):
    a = paddle.abs(x) + 0.5
    return [
        a * y - 2 / a, paddle.maximum(x, y), paddle.minimum(x, y), 3 - x, x / a, a**1.5, a**y, 2.0**x,
        paddle.exp(-a) + paddle.log(a), paddle.sqrt(a), paddle.rsqrt(a), paddle.square(x), paddle.sin(x),
        paddle.cos(x), paddle.tan(x), paddle.asin(x * 0.3), paddle.acos(x * 0.3), paddle.atan(x), paddle.sinh(x),
        paddle.cosh(x), paddle.floor(x * 3), paddle.ceil(x * 3), paddle.round(x * 3.3), paddle.sign(x),
        paddle.reciprocal(a), paddle.erf(x), paddle.expm1(x), paddle.log1p(a), paddle.log2(a), paddle.log10(a),
        paddle.clip(x, -0.5, 0.5), paddle.clip(x, min=0.1), x % a, x // a, paddle.add_n([x, y, a]),
        paddle.scale(x, 2.0, 1.0, bias_after_scale=False), paddle.lerp(x, y, 0.3), paddle.trunc(x * 3),
        paddle.pow(a, 2), -x, paddle.atan2(x, a), paddle.lgamma(a), paddle.digamma(a), paddle.logit(x * 0.1 + 0.5),
    ]  # fmt: skip


@function([None, 3, 4], [None, 3, 4])
def comparisons(x, y):
    made = [x > y, x >= y, x < 0.2, x <= y, x == y, x != y]
    made += [paddle.logical_and(x > 0, y > 0), paddle.logical_or(x > 0, y > 0), paddle.logical_xor(x > 0, y > 0)]
    made += [paddle.logical_not(x > 0), paddle.isnan(x), paddle.isfinite(x)]
    return [paddle.cast(one, "float32") for one in made] + [
        paddle.where(x > y, x, y),
        paddle.cast(x * 5, "int32"),
        (x > 0).astype("float32") * y,
    ]


@function([None, 3, 4, 5])
def reductions(x):
    return [
        paddle.sum(x), paddle.mean(x, axis=[2, 3]), paddle.max(x, axis=1, keepdim=True), paddle.min(x, axis=-1),
        paddle.prod(x, axis=3), paddle.logsumexp(x, axis=[1, 2]), paddle.any(x > 0, axis=1).astype("float32"),
        paddle.all(x > -9, axis=2).astype("float32"), paddle.argmax(x, axis=1), paddle.argmin(x, axis=2, keepdim=True),
        paddle.cumsum(x, axis=1), paddle.cumprod(x, dim=2), paddle.var(x, axis=2), paddle.std(x, axis=1),
        paddle.amax(x, axis=1), paddle.amin(x, axis=[1, 2]), paddle.mean(x), paddle.sum(x, axis=0),
        paddle.var(x, axis=2, unbiased=False), paddle.sum((x > 0).astype("int32"), axis=1),
    ]  # fmt: skip


@function([None, 3, 8])
def sorting(x):
    values, places = paddle.topk(x, 3, axis=-1)
    least, _ = paddle.topk(x, 2, axis=1, largest=False)
    return [values, places, least, paddle.sort(x, axis=1), paddle.argsort(x, axis=2, descending=True)]


@function([None, 3, 4, 5])
def reshapes(x):
    return [
        paddle.reshape(x, [0, -1]), paddle.reshape(x, [-1, 5]), paddle.flatten(x, 1, 2), paddle.transpose(x, [0, 3, 1, 2]),
        paddle.unsqueeze(x, [1, -1]), paddle.squeeze(paddle.unsqueeze(x, 2), 2), paddle.flip(x, [1, 3]),
        paddle.roll(x, 2, axis=2), paddle.roll(x, [1, -1], axis=[1, 3]), paddle.tile(x, [1, 2, 1, 3]),
        paddle.expand(x[:, :1], [-1, 6, 4, 5]), paddle.moveaxis(x, 1, 3), paddle.rot90(x, 1, [2, 3]),
        paddle.repeat_interleave(x, 2, axis=1), paddle.reshape(x, [x.shape[0], 12, 5]),
    ]  # fmt: skip


@function([None, 6, 5])
def slices(x):
    return [
        x[:, 1:4], x[:, -2:], x[:, 2], x[:, ::2], x[:, :, 1:-1], x[:, -1, :], x[:, ::-1], x[:, 1:6:2, 3:0:-1],
        paddle.slice(x, [1, 2], [0, 1], [3, 100]), paddle.strided_slice(x, [1], [0], [6], [3]),
        paddle.crop(x, [-1, 3, 2], [0, 1, 2]), x[..., 0], x[:, None, :, 2],
    ]  # fmt: skip


@function([None, 4, 6], [None, 2, 6])
def joins(x, y):
    return [
        paddle.concat([x, y, x], axis=1), paddle.stack([y, y * 2], axis=2), *paddle.split(x, 2, axis=1),
        *paddle.split(x, [1, -1, 2], axis=2), *paddle.unbind(y, axis=1), *paddle.chunk(x, 3, axis=2),
        *paddle.unstack(y, axis=1), paddle.concat([x, paddle.ones_like(x)], axis=-1),
        paddle.broadcast_to(y[:, :, :1], [2, 2, 3]), *paddle.meshgrid(paddle.arange(3), paddle.arange(2)),
    ]  # fmt: skip


@function([None, 3, 5, 6], [None, 3, 7])
def pads(x, y):
    return [
        F.pad(x, [1, 2, 0, 3]), F.pad(x, [1, 1, 2, 2], value=0.5), F.pad(x, [1, 2, 2, 1], mode="reflect"),
        F.pad(x, [1, 2, 2, 1], mode="replicate"), F.pad(x, [1, 2, 2, 1], mode="circular"), F.pad(y, [2, 1], data_format="NCL"),
        F.pad(x, [0, 0, 1, 1, 2, 2, 0, 3]), F.zeropad2d(x, [1, 0, 2, 1]), F.pad(y, [1, 2], mode="reflect", data_format="NCL"),
    ]  # fmt: skip


@function([None, 6, 4], [[3], INTEGER])
def indexing(x, places):
    near = paddle.argsort(x, axis=1)[:, :2]
    return [
        paddle.index_select(x, places, axis=1), paddle.gather(x, places, axis=1),
        paddle.take_along_axis(x, near, axis=1), F.one_hot(places, 7), paddle.gather_nd(x[0], places.unsqueeze(-1)),
        paddle.index_sample(x[:, :, 0], near[:, :, 0]), x[:, places], paddle.masked_fill(x, x > 0, paddle.full([1], -1.0)),
        paddle.scatter(x[0], places, paddle.ones([3, 4])), paddle.put_along_axis(x, near, paddle.cast(near, "float32") * 0 + 7, 1),
        paddle.scatter_nd_add(x[0], places.unsqueeze(-1), paddle.ones([3, 4])),
    ]  # fmt: skip


@function([None, 4, 4])
def creation(x):
    table = paddle.to_tensor(np.arange(16, dtype="float32").reshape(4, 4) / 7)
    return [
        x + paddle.arange(4, dtype="float32"), x * paddle.linspace(0, 1, 4), x + paddle.eye(4), paddle.tril(x),
        paddle.triu(x, 1), x + paddle.full([4, 4], 0.3), x * paddle.ones_like(x), x + paddle.zeros([1, 4]), x + table,
        paddle.full_like(x, 2.5) * x, x * paddle.to_tensor([0.1, 0.2, 0.3, 0.4]), paddle.diagonal(x, axis1=1, axis2=2),
    ]  # fmt: skip


@function([None, 3, 4], [None, 4, 5])
def products(x, y):
    return [
        paddle.matmul(x, y), paddle.matmul(x, x, transpose_y=True), paddle.matmul(y, x, True, True), paddle.bmm(x, y),
        paddle.matmul(x, drawn(4, 6)), paddle.einsum("bij,bjk->bik", x, y), F.linear(x, drawn(4, 6), drawn(6)),
        paddle.addmm(x[:, 0], y[:, :, 0], drawn(4, 4), beta=0.5, alpha=2.0), paddle.dot(x[:, 0], x[:, 1]),
        F.bilinear(x[:, 0], y[:, 0], drawn(3, 4, 5), drawn(1, 3)), paddle.matmul(x, drawn(6, 4), transpose_y=True),
    ]  # fmt: skip


@function([[None, 5], INTEGER])
def embeddings(ids):
    return [F.embedding(ids, drawn(8, 4)), F.embedding(ids, drawn(8, 4, seed=1), padding_idx=2), F.one_hot(ids, 8)]


@function([None, 3, 5, 6], [None, 3, 7])
def resizes(x, y):
    def resized(held=x, **told):
        return F.interpolate(held, **told)

    return [
        resized(scale_factor=2, mode="nearest"), resized(size=[9, 4], mode="nearest"),
        resized(scale_factor=2, mode="bilinear"), resized(size=[8, 11], mode="bilinear"),
        resized(size=[8, 11], mode="bilinear", align_corners=True), resized(scale_factor=[1.7, 1.6], mode="bilinear"),
        resized(size=[10, 4], mode="bicubic"), resized(y, size=[11], mode="linear", data_format="NCW"),
        F.upsample(x, scale_factor=3, mode="nearest"),
    ]  # fmt: skip


@function([None, 8, 6, 4])
def shuffles(x):
    grid = paddle.stack([x[:, 0] * 0.4, x[:, 1] * 0.4], axis=-1)
    theta = paddle.reshape(paddle.mean(x, axis=[2, 3])[:, :6], [-1, 2, 3])
    return [
        F.pixel_shuffle(x, 2), F.pixel_unshuffle(x, 2), F.channel_shuffle(x, 4), F.unfold(x, [3, 2], 2, 1),
        F.grid_sample(x, grid), F.grid_sample(x, grid, mode="nearest", padding_mode="border", align_corners=False),
        F.grid_sample(x, grid, padding_mode="reflection", align_corners=False),
        F.affine_grid(theta, [2, 3, 4, 5]), F.affine_grid(theta, [2, 3, 4, 5], align_corners=False),
    ]  # fmt: skip


@function([2, 12, 6], [4, 8, 3, 2])
def folds(x, frames):
    return [F.fold(x, [6, 4], 2, 2), F.temporal_shift(frames, 2, 0.25)]


@function([None, 6, 5])
def dropouts(x):
    return [F.dropout(x, 0.3, training=False), F.dropout(x, 0.3, training=False, mode="downscale_in_infer")]


@function([None, None, 6])
def open_sizes(x):
    batch, steps = paddle.shape(x)[0], paddle.shape(x)[1]
    mask = paddle.triu(paddle.full([4, 4], -1e9), 1)
    halves = paddle.reshape(x, [batch, steps, 2, 3])
    return [
        paddle.transpose(halves, [0, 2, 1, 3]),
        paddle.reshape(x, [batch * steps, 6]),
        x + paddle.zeros([batch, 1, 6]),
        F.softmax(paddle.matmul(x, x, transpose_y=True)[:, :4, :4] + mask),
        paddle.expand(x[:, :1], [batch, steps, 6]),
    ]


@function([None, 4, 5])
def updates(x):
    first = (slice(None), 1)
    return [
        paddle.static.setitem(x * 1, first, 0.5),
        paddle.static.setitem(x * 1, (slice(None), slice(1, 3)), x[:, 2:4]),
    ]


@function([None, 3, 16, 16])
def named_blocks(x):
    def conv(held, name, filters, stride=1, activation=F.relu):
        inside = held.shape[1]
        made = nn.Conv2D(inside, filters, 3, stride, 1, weight_attr=ParamAttr(name=f"{name}_weights"), bias_attr=False)
        norm = nn.BatchNorm(
            filters, is_test=True, param_attr=ParamAttr(name=f"{name}_bn_scale"),
            bias_attr=ParamAttr(name=f"{name}_bn_offset"), moving_mean_name=f"{name}_bn_mean",
            moving_variance_name=f"{name}_bn_variance",
        )  # fmt: skip
        made = norm(made(held))
        return activation(made) if activation else made

    x = conv(x, "conv1", 8, 2)
    for number in (2, 3):
        inner = conv(conv(x, f"block{number}_a", 8), f"block{number}_b", 8, activation=None)
        x = F.relu(x + inner)
    x = F.adaptive_avg_pool2d(x, 1)
    head = nn.Linear(8, 5, weight_attr=ParamAttr(name="fc_w"), bias_attr=ParamAttr(name="fc_b"))
    return F.softmax(head(paddle.flatten(x, 1)))


class Recurrent(nn.Layer):
    """A recurrent layer, of which outputs and states are given."""

    def __init__(self, kind, inside=4, hidden=3, **told):
        super().__init__()
        self.rnn = getattr(nn, kind)(inside, hidden, **told)

    def forward(self, x):
        out, states = self.rnn(x)
        return (out, *states) if isinstance(states, tuple) else (out, states)


@layer([None, 5, 4])
def lstm():
    return Recurrent("LSTM")


@layer([None, 5, 4])
def lstm_deep():
    return Recurrent("LSTM", num_layers=2, direction="bidirect", dropout=0.2)


@layer([None, 5, 4])
def gru():
    return Recurrent("GRU", num_layers=2)


@layer([5, None, 4])
def gru_both():
    return Recurrent("GRU", direction="bidirect", time_major=True)


@layer([None, 5, 4])
def rnn_relu():
    return Recurrent("SimpleRNN", activation="relu", num_layers=2)


class Padded(nn.Layer):
    """Sequences of different lengths in one batch."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(4, 3, direction="bidirect")

    def forward(self, x, lengths):
        out, (h, _) = self.rnn(x, sequence_length=paddle.clip(lengths, 1, 5))
        return out, h


@layer([None, 5, 4], [[None], INTEGER])
def lstm_lengths():
    return Padded()


class Started(nn.Layer):
    """A recurrent layer with initial states, between others."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 4, padding_idx=0)
        self.start = nn.Linear(2, 3)
        self.rnn = nn.GRU(4, 3)
        self.head = nn.Linear(3, 2)

    def forward(self, ids, about):
        out, _ = self.rnn(self.embedding(ids), paddle.unsqueeze(self.start(about), 0))
        return self.head(out[:, -1])


@layer([[None, 5], INTEGER], [None, 2])
def gru_started():
    return Started()


@layer([None, None, 8])
def encoder():
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", normalize_before=True), 2)


class Attending(nn.Layer):
    """Attention to another sequence, with a mask."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiHeadAttention(8, 2)

    def forward(self, query, key, mask):
        return self.attention(query, key, key, attn_mask=mask)


@layer([None, 3, 8], [None, 5, 8], [None, 1, 3, 5])
def attention():
    return Attending()


@layer([None, 4, 8], [None, 5, 8])
def transformer():
    return nn.Transformer(8, 2, 1, 1, 16)


class Block(nn.Layer):
    """Two convolutions and a way around them."""

    def __init__(self, inside, outside, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2D(inside, outside, 3, stride, 1, bias_attr=False)
        self.bn1 = nn.BatchNorm2D(outside)
        self.conv2 = nn.Conv2D(outside, outside, 3, 1, 1, bias_attr=False)
        self.bn2 = nn.BatchNorm2D(outside)
        self.relu = nn.ReLU()
        self.down = (
            nn.Sequential(nn.Conv2D(inside, outside, 1, stride), nn.BatchNorm2D(outside)) if stride > 1 else None
        )

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.down is None else self.down(x)))


class ResNet(nn.Layer):
    """A narrow ResNet with two outputs."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2D(3, 8, 7, 2, 3, bias_attr=False), nn.BatchNorm2D(8), nn.ReLU())
        self.pool = nn.MaxPool2D(3, 2, 1)
        self.layer1 = nn.Sequential(Block(8, 8), Block(8, 8))
        self.layer2 = nn.Sequential(Block(8, 12, 2), Block(12, 12))
        self.head = nn.Linear(12, 10)

    def forward(self, x):
        x = self.layer2(self.layer1(self.pool(self.stem(x))))
        features = paddle.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1)
        return self.head(features), features


@layer([None, 3, 32, 32])
def resnet():
    return ResNet()


@layer([None, 3, 32, 32])
def mobilenet_v3():
    from paddle.vision.models.mobilenetv3 import InvertedResidual

    inner = InvertedResidual(8, 16, 8, 3, 1, True, nn.Hardswish, nn.BatchNorm2D)
    return nn.Sequential(
        nn.Conv2D(3, 8, 3, 2, 1), nn.BatchNorm2D(8), nn.Hardswish(), inner, nn.AdaptiveAvgPool2D(1), nn.Flatten(),
        nn.Linear(8, 5), nn.Dropout(0.2), nn.Softmax(),
    )  # fmt: skip


@layer([None, 3, 32, 32])
def vgg():
    stages: list = []
    for inside, outside in ((3, 6), (6, 8)):
        stages += [nn.Conv2D(inside, outside, 3, padding=1), nn.ReLU(), nn.MaxPool2D(2, 2)]
    head = [nn.Flatten(), nn.Linear(512, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 4)]
    return nn.Sequential(*stages, *head)


class Twins(nn.Layer):
    """One convolution for two images, and a number beside them."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2D(3, 4, 3, padding=1)
        self.norm = nn.GroupNorm(2, 4)
        self.mix = nn.PReLU(4)

    def forward(self, left, right, number):
        one, other = (self.mix(self.norm(self.conv(x))) for x in (left, right))
        return paddle.abs(one - other).mean([2, 3]) * number, one


@layer([None, 3, 8, 8], [None, 3, 8, 8], [None, 1])
def twins():
    return Twins()
