"""Samplers, regions, moving taps, loops and sequences of different lengths, recorded as the networks of
`make_fixtures.py`: `python make_sampling.py`. Needs MXNet 1.9.1.
"""

import pathlib
import tempfile

import mxnet as mx
import numpy as np
from mxnet import gluon
from mxnet.gluon import rnn

HERE = pathlib.Path(__file__).parent
S = mx.sym
RECORDED = {}
STATE = np.random.RandomState(0)


def keep(name, folder, arrays, outputs):
    for path in folder.iterdir():
        key = "symbol" if path.name.endswith("-symbol.json") else "params"
        RECORDED[f"{name}/{key}"] = np.frombuffer(path.read_bytes(), np.uint8)
    RECORDED.update({f"{name}/in/{one}": array for one, array in arrays.items()})
    RECORDED.update({f"{name}/out/{place:02d}": array.asnumpy() for place, array in enumerate(outputs)})
    print(name, len(outputs))


def symbol(name, out, **arrays):
    found, _, _ = out.infer_shape(**{key: array.shape for key, array in arrays.items()})
    shapes = dict(zip(out.list_arguments(), found))
    scale = {key: 1.0 if len(shape) < 2 else np.prod(shape[1:]) ** -0.5 for key, shape in shapes.items()}
    held = {k: mx.nd.array(STATE.uniform(-scale[k], scale[k], s)) for k, s in shapes.items() if k not in arrays}
    given = {key: mx.nd.array(array) for key, array in arrays.items()}
    made = out.bind(mx.cpu(), {**held, **given}).forward(is_train=False)
    with tempfile.TemporaryDirectory() as aside:
        mx.model.save_checkpoint(f"{aside}/net", 0, out, held, {})
        keep(name, pathlib.Path(aside), arrays, made)


class Told(gluon.HybridBlock):
    """A block that computes what a function says with the layers that it holds."""

    def __init__(self, function, **layers):
        super().__init__()
        self.function = function
        with self.name_scope():
            for key, layer in layers.items():
                setattr(self, key, layer)

    def hybrid_forward(self, F, *given):
        return self.function(self, F, *given)


def block(name, net, *arrays):
    net.initialize(mx.init.Uniform(0.5))
    given = [mx.nd.array(array) for array in arrays]
    net(*given)
    net.hybridize()
    made = net(*given)
    names = ["data"] if len(arrays) == 1 else [f"data{place}" for place in range(len(arrays))]
    with tempfile.TemporaryDirectory() as aside:
        net.export(f"{aside}/net", 0)
        keep(name, pathlib.Path(aside), dict(zip(names, arrays)), made if isinstance(made, (list, tuple)) else [made])


def drawn(*shape):
    return STATE.uniform(-1, 1, shape).astype("float32")


x, y = S.var("data"), S.var("other")
symbol("warped", S.BilinearSampler(x, S.GridGenerator(y, transform_type="warp")), data=drawn(2, 3, 5, 6),
       other=drawn(2, 2, 5, 6))  # fmt: skip
turn = S.FullyConnected(S.Flatten(S.Pooling(x, kernel=(4, 4), stride=(4, 4), pool_type="avg")), num_hidden=6)
grid = S.GridGenerator(turn, transform_type="affine", target_shape=(4, 5))
moved = S.SpatialTransformer(x, turn, target_shape=(6, 7), transform_type="affine", sampler_type="bilinear")
symbol("transformed", S.Group([moved, grid]), data=drawn(2, 3, 8, 8))
alike = [
    S.Correlation(x, y, kernel_size=1, max_displacement=2, pad_size=2),
    S.Correlation(x, y, kernel_size=3, max_displacement=3, stride1=2, stride2=2, pad_size=4, is_multiply=False),
]
symbol("correlated", S.Group(alike), data=drawn(2, 3, 8, 9), other=drawn(2, 3, 8, 9))
boxes = np.array([[0, 1, 1, 9, 7], [1, 3, 2, 30, 9], [1, -4, 0, 2, 1]], "float32")
regions = [
    S.contrib.ROIAlign(x, y, pooled_size=(3, 2), spatial_scale=0.5, sample_ratio=2),
    S.contrib.ROIAlign(x, y, pooled_size=(2, 2), spatial_scale=0.5, sample_ratio=1, aligned=True),
]
symbol("regions", S.Group(regions), data=drawn(2, 3, 8, 9), other=boxes)
offset = S.Convolution(x, num_filter=18, kernel=(3, 3), pad=(1, 1))
symbol("taps", S.contrib.DeformableConvolution(x, offset, num_filter=4, kernel=(3, 3), pad=(1, 1)),
       data=drawn(2, 4, 6, 7))  # fmt: skip


def each_step(self, F, x):
    out, states = F.contrib.foreach(self.cell, x, [F.zeros((2, 3)), F.ones((2, 3))])
    return [out, *states]


block("each_step", Told(each_step, cell=rnn.LSTMCell(3, input_size=4)), drawn(5, 2, 4))
many = np.array([2, 5, 4], "float32")
cut = Told(lambda self, F, x, n: self.cell.unroll(5, x, layout="NTC", merge_outputs=True, valid_length=n)[0],
           cell=rnn.GRUCell(3))  # fmt: skip
block("valid_lengths", cut, drawn(3, 5, 4), many)
told = {"use_sequence_length": True, "axis": 1}
ends = Told(lambda self, F, x, n: [F.SequenceMask(x, n, value=0.5, **told), F.SequenceLast(x, n, **told),
                                   F.SequenceReverse(F.swapaxes(x, 0, 1), n, use_sequence_length=True)])  # fmt: skip
block("ends", ends, drawn(3, 5, 4), many)


def picked(self, F, x):
    """What few networks use."""
    sizes = F.reshape(x, shape=(-1, 0, 0), reverse=True), F.reshape(x, shape=(-3, 0), reverse=True)
    alike = F.reshape_like(x, F.ones((12, 5)), lhs_begin=0, lhs_end=2, rhs_begin=0, rhs_end=1)
    places = F.argmax(F.slice_axis(x, axis=0, begin=0, end=1), axis=1).reshape((1, 5))
    found = F.gather_nd(F.transpose(x, axes=(1, 0, 2)), F.concat(places, F.ones((1, 5)), dim=0))
    spread = F.scatter_nd(F.ones((3,)), F.concat(F.ones((1, 3)), F.arange(3).reshape((1, 3)), dim=0), shape=(2, 4))
    curves = [F.cbrt(x), F.rcbrt(x), F.degrees(x), F.radians(x), F.broadcast_hypot(x, x), F.nansum(x, axis=1)]
    return [*sizes, alike, found, spread, F.diag(x, k=1, axis1=1, axis2=2), *curves]


block("picked", Told(picked), drawn(2, 6, 5))
block("windows", Told(lambda self, F, x: F.im2col(x, kernel=(3, 2), stride=(2, 1), dilate=(1, 2), pad=(1, 0))),
      drawn(2, 3, 6, 7))  # fmt: skip
np.savez_compressed(HERE / "recorded_sampling.npz", **RECORDED)
