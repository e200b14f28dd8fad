"""Networks that MXNet 1.9.1 exports beside those of `make_fixtures.py`, recorded likewise: `python make_more.py`.

Recurrences that begin with zeros of an unknown batch, labels that are reshaped, attention as GluonNLP has it, anchors of
single-shot detection, and Gluon under NumPy's semantics.
"""

import pathlib
import tempfile

import mxnet as mx
import numpy as np
from mxnet import gluon, npx
from mxnet.gluon import nn

HERE = pathlib.Path(__file__).parent
S = mx.sym
RECORDED = {}
STATE = np.random.RandomState(0)


def drawn(name, shape):
    if name.endswith(("_gamma", "_var")):
        return STATE.uniform(0.5, 1.5, shape)
    scale = 1.0 if len(shape) < 2 else np.prod(shape[1:]) ** -0.5 * 1.7
    return STATE.uniform(-scale, scale, shape)


def kept(name, folder, arrays, outputs):
    for path in folder.iterdir():
        key = "symbol" if path.name.endswith("-symbol.json") else "params"
        RECORDED[f"{name}/{key}"] = np.frombuffer(path.read_bytes(), np.uint8)
    for one, array in arrays.items():
        RECORDED[f"{name}/in/{one}"] = array
    for place, array in enumerate(outputs):
        RECORDED[f"{name}/out/{place:02d}"] = array.asnumpy()
    print(name, len(outputs))


def symbol(name, out, ids=0, **shapes):
    found, _, aux = out.infer_shape(**shapes)
    given = dict(zip(out.list_arguments(), found))
    held = {n: mx.nd.array(drawn(n, s)) for n, s in given.items() if n not in shapes}
    auxiliary = {n: mx.nd.array(drawn(n, s)) for n, s in zip(out.list_auxiliary_states(), aux)}
    arrays = {
        n: (STATE.randint(0, ids, s) if ids else STATE.uniform(-1, 1, s)).astype("float32") for n, s in shapes.items()
    }
    inputs = {n: mx.nd.array(a) for n, a in arrays.items()}
    made = out.bind(mx.cpu(), {**held, **inputs}, aux_states=auxiliary).forward(is_train=False)
    with tempfile.TemporaryDirectory() as aside:
        mx.model.save_checkpoint(f"{aside}/net", 0, out, held, auxiliary)
        kept(name, pathlib.Path(aside), {n: a for n, a in arrays.items() if "label" not in n}, made)


def block(name, net, shape, array=mx.nd.array):
    net.initialize(mx.init.Xavier())
    arrays = {"data": STATE.uniform(-1, 1, shape).astype("float32")}
    given = [array(a) for a in arrays.values()]
    net(*given)
    net.hybridize()
    made = net(*given)
    with tempfile.TemporaryDirectory() as aside:
        net.export(f"{aside}/net", 0)
        kept(name, pathlib.Path(aside), arrays, made if isinstance(made, (list, tuple)) else [made])


def words():
    x = S.Embedding(S.var("data"), input_dim=30, output_dim=8, name="embed")
    cells = mx.rnn.SequentialRNNCell()
    cells.add(mx.rnn.LSTMCell(num_hidden=8, prefix="lstm_"))
    cells.add(mx.rnn.GRUCell(num_hidden=6, prefix="gru_"))
    y, _ = cells.unroll(5, inputs=x, merge_outputs=True)
    y = S.FullyConnected(S.Reshape(y, shape=(-1, 6)), num_hidden=30, name="pred")
    return S.SoftmaxOutput(y, label=S.Reshape(S.var("softmax_label"), shape=(-1,)), name="softmax")


def anchors():
    x = S.Convolution(S.var("data"), num_filter=4, kernel=(3, 3), stride=(2, 2), pad=(1, 1), name="conv")
    a = S.contrib.MultiBoxPrior(x, sizes=(0.2, 0.4), ratios=(1, 2, 0.5))
    b = S.contrib.MultiBoxPrior(x, sizes=(0.3,), ratios=(2, 3), steps=(0.2, 0.1), offsets=(0.4, 0.6), clip=True)
    return S.Group([S.SoftmaxActivation(x, mode="channel"), S.concat(a, b, dim=1)])


def detection():
    x = S.Convolution(S.var("data"), num_filter=21, kernel=(3, 3), stride=(2, 2), pad=(1, 1), name="conv")
    at = S.contrib.MultiBoxPrior(x, sizes=(0.2, 0.4), ratios=(1, 2))
    turned = S.transpose(x, axes=(0, 2, 3, 1))
    moves = S.Flatten(S.slice_axis(turned, axis=3, begin=0, end=12))
    scores = S.reshape(S.slice_axis(turned, axis=3, begin=12, end=21), shape=(0, -1, 3))
    scores = S.softmax(S.transpose(scores, axes=(0, 2, 1)), axis=1)
    return S.contrib.MultiBoxDetection(scores, moves, at, name="detection", nms_threshold=0.4)


class Attention(gluon.HybridBlock):
    def __init__(self, **k):
        super().__init__(**k)
        with self.name_scope():
            self.qkv = nn.Dense(24, flatten=False)
            self.kv = nn.Dense(16, flatten=False)
            self.out, self.norm, self.groups = nn.Dense(8, flatten=False), nn.LayerNorm(), nn.GroupNorm(2)

    def hybrid_forward(self, F, x):
        y = F.transpose(x, axes=(1, 0, 2))
        own = self.qkv(y)
        weights = F.softmax(F.contrib.interleaved_matmul_selfatt_qk(own, heads=2), axis=-1)
        first = F.contrib.interleaved_matmul_selfatt_valatt(own, weights, heads=2)
        pairs = self.kv(y)
        weights = F.softmax(F.contrib.interleaved_matmul_encdec_qk(first, pairs, heads=2), axis=-1)
        second = F.contrib.interleaved_matmul_encdec_valatt(pairs, weights, heads=2)
        found = self.norm(x + self.out(F.transpose(second, axes=(1, 0, 2))))
        return found, self.groups(F.transpose(found, axes=(0, 2, 1)))


class Arrays(gluon.HybridBlock):
    def hybrid_forward(self, F, x):
        n, a = F.np, F.np.abs(x) + 0.5
        made = [n.mean(x, axis=1), n.std(x, axis=(1, 2)), n.var(x, axis=2, keepdims=True), n.where(x > 0.1, x, a)]
        made += [n.concatenate([x, a], axis=2), n.stack([x, a], axis=1), n.expand_dims(x, 1), n.rint(x * 3)]
        made += [n.transpose(x, (0, 2, 1)), n.swapaxes(x, 1, 2), n.reshape(x, (-1, 4)), n.moveaxis(x, 1, 2)]
        made += [F.npx.reshape(x, (-2, -5)), F.npx.reshape(x, (-2, -6, 1, -1, -4)), n.split(x, 2, axis=2)[1]]
        made += [F.npx.reshape(n.tile(x, (1, 2, 1)), (-1, 3, -2), reverse=True), n.squeeze(n.expand_dims(x, 1), 1)]
        made += [n.matmul(x, n.swapaxes(a, 1, 2)), n.einsum("bij,bkj->bik", x, a), n.argmax(x, axis=2), n.sum(x)]
        made += [n.max(x, axis=1), n.sqrt(a) ** 1.5, 2 / a, 1 - x, n.maximum(x, 0.1), n.clip(x, -0.2, 0.3), x % 0.3]
        made += [F.npx.softmax(x, axis=-1), F.npx.log_softmax(x, axis=1), x[:, 1:3, 0], n.repeat(x, 2, axis=1)]
        made += [n.flip(x, 2), F.npx.relu(x), F.npx.sigmoid(x), F.npx.batch_dot(x, a, transpose_b=True)]
        made += [n.ones_like(x) * 2, (x >= 0) * a, n.square(n.tanh(x)), F.npx.leaky_relu(x, act_type="gelu")]
        return made


class Residual(nn.HybridBlock):
    def __init__(self, width):
        super().__init__()
        self.conv, self.norm = nn.Conv2D(width, 3, padding=1), nn.BatchNorm()

    def hybrid_forward(self, F, x):
        return F.npx.relu(self.norm(self.conv(x)) + x)


def main():
    symbol("words", words(), ids=30, data=(2, 5), softmax_label=(2, 5))
    symbol("anchors", anchors(), data=(1, 3, 12, 10))
    symbol("detection", detection(), data=(1, 3, 12, 10))
    block("interleaved", Attention(), (2, 5, 8))
    npx.set_np()
    block("arrays", Arrays(), (2, 3, 4), array=mx.np.array)
    net = nn.HybridSequential()
    net.add(nn.Conv2D(6, 3, 2, 1), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(2), Residual(6))
    net.add(nn.GlobalAvgPool2D(), nn.Dense(8), nn.Dropout(0.2), nn.LayerNorm(), nn.Dense(4))
    block("arrays_pictures", net, (1, 3, 16, 16), array=mx.np.array)
    np.savez_compressed(HERE / "recorded_more.npz", **RECORDED)


main()
