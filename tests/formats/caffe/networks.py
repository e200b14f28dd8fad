"""Networks in Caffe's own files, small and covering each option that is read. Weights are random and always the same.

Used twice: by `make_fixtures.py`, which runs them in OpenCV, and by the tests, which read the same bytes.
"""

import struct
import zlib

import numpy as np


def key(number, wire):
    return varint(number << 3 | wire)


def varint(value):
    value &= 2**64 - 1
    made = b""
    while value > 127:
        made += bytes([value & 127 | 128])
        value >>= 7
    return made + bytes([value])


def block(number, data):
    return key(number, 2) + varint(len(data)) + data


def blob(array, legacy=False, loose=False):
    """One blob: with a shape, or with the four sizes of old files; numbers packed, or each with its key."""
    flat = np.ascontiguousarray(array, "<f4").reshape(-1)
    if loose:
        data = b"".join(key(5, 5) + struct.pack("<f", one) for one in flat)
    else:
        data = block(5, flat.tobytes())
    if legacy:
        sizes = (1,) * (4 - array.ndim) + array.shape
        return b"".join(key(i + 1, 0) + varint(n) for i, n in enumerate(sizes)) + data
    return data + block(7, block(1, b"".join(varint(n) for n in array.shape)))


def caffemodel(layers, generation=2, legacy=False, loose=False):
    """A weights file. `layers` maps names to arrays."""
    made = block(1, b"net")
    for name, arrays in layers.items():
        number = {1: 6, 2: 7}[generation]
        body = block(4 if generation == 1 else 1, name.encode())
        body += b"".join(block(number, blob(array, legacy, loose)) for array in arrays)
        made += block(2 if generation == 1 else 100, body)
    return made


def random(name, *shape, low=-1.0, high=1.0):
    """Numbers that depend on a name alone."""
    return np.random.RandomState(zlib.crc32(name.encode())).uniform(low, high, shape).astype("float32")


class Net:
    """A network being written: text and weights."""

    def __init__(self, name, **inputs):
        self.name, self.inputs = name, inputs
        self.text = f'name: "{name}"\n'
        for one, shape in inputs.items():
            dims = " ".join(f"dim: {n}" for n in shape)
            self.text += f'layer {{ name: "{one}" type: "Input" top: "{one}" input_param {{ shape {{ {dims} }} }} }}\n'
        self.weights = {}
        self.channels = {one: shape[1] if len(shape) > 1 else 0 for one, shape in inputs.items()}

    def layer(self, kind, name, bottoms, tops=None, options="", weights=()):
        bottoms = [bottoms] if isinstance(bottoms, str) else bottoms
        tops = tops or [name]
        sides = "".join(f' bottom: "{b}"' for b in bottoms) + "".join(f' top: "{t}"' for t in tops)
        self.text += f'layer {{ name: "{name}" type: "{kind}"{sides} {options} }}\n'
        if weights:
            self.weights[name] = list(weights)
        return name

    def conv(self, name, bottom, cin, cout, kernel, options="", groups=1, bias=True, kind="Convolution"):
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        fan = (cin // groups * kernel[0] * kernel[1]) ** -0.5 * 1.7
        shape = (cout, cin // groups, *kernel) if kind == "Convolution" else (cin, cout // groups, *kernel)
        weights = [random(f"{self.name}{name}w", *shape) * fan]
        if bias:
            weights.append(random(f"{self.name}{name}b", cout) * 0.3)
        size = f"kernel_size: {kernel[0]}" if kernel[0] == kernel[1] else f"kernel_h: {kernel[0]} kernel_w: {kernel[1]}"
        more = f"group: {groups}" if groups > 1 else ""
        given = (
            f"convolution_param {{ num_output: {cout} {size} {more} {'' if bias else 'bias_term: false'} {options} }}"
        )
        return self.layer(kind, name, bottom, None, given, weights)

    def fc(self, name, bottom, cin, cout, options="", bias=True):
        weights = [random(f"{self.name}{name}w", cout, cin) * cin**-0.5 * 1.7]
        if bias:
            weights.append(random(f"{self.name}{name}b", cout))
        given = f"inner_product_param {{ num_output: {cout} {'' if bias else 'bias_term: false'} {options} }}"
        return self.layer("InnerProduct", name, bottom, None, given, weights)

    def norm(self, name, bottom, channels, factor=1.0, scale=True, options=""):
        """BatchNorm and Scale; the statistics are stored times `factor`."""
        mean, var = random(f"{self.name}{name}m", channels), random(f"{self.name}{name}v", channels, low=0.3, high=1.8)
        stored = [mean * factor, var * factor, np.array([factor], "float32")]
        self.layer("BatchNorm", name, bottom, None, options, stored)
        if not scale:
            return name
        weights = [random(f"{self.name}{name}g", channels, low=0.5, high=1.5), random(f"{self.name}{name}o", channels)]
        return self.layer("Scale", f"{name}_scale", name, None, "scale_param { bias_term: true }", weights)

    def relu(self, name, options=""):
        self.layer("ReLU", f"{name}_relu", name, [name], options)
        return name

    def pool(self, name, bottom, options):
        return self.layer("Pooling", name, bottom, None, f"pooling_param {{ {options} }}")

    def arrays(self):
        """What goes in."""
        return {one: random(f"{self.name}{one}in", *shape, low=-2.0, high=2.0) for one, shape in self.inputs.items()}


NETWORKS = {}


def network(function):
    NETWORKS[function.__name__] = function
    return function


def plain(name, shape, layers):
    """A chain of layers without weights."""
    net = Net(name, data=shape)
    last = "data"
    for number, (kind, options) in enumerate(layers):
        last = net.layer(kind, f"{kind.lower()}{number}", last, None, options)
    return net


CHAINS = {
    "relu": [("ReLU", "")],
    "leaky": [("ReLU", "relu_param { negative_slope: 0.1 }")],
    "elu": [("ELU", "elu_param { alpha: 0.7 }")],
    "sigmoid_tanh": [("Sigmoid", ""), ("TanH", "")],
    "absval_bnll": [("BNLL", ""), ("AbsVal", "")],
    "power": [("Sigmoid", ""), ("Power", "power_param { power: 1.5 scale: 0.5 shift: 2.0 }")],
    "power_linear": [("Power", "power_param { scale: -0.25 shift: 1.0 }")],
    "exp": [("Exp", "exp_param { base: 2.0 scale: 0.5 shift: 0.1 }")],
    "lrn_across": [("LRN", "lrn_param { local_size: 3 alpha: 0.5 beta: 0.6 }")],
    "lrn_within": [("LRN", "lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 alpha: 0.5 beta: 0.6 }")],
    "pool_ceil": [("Pooling", "pooling_param { kernel_size: 2 stride: 2 }")],
    "pool_clip": [("Pooling", "pooling_param { kernel_size: 2 stride: 2 pad: 1 }")],
    "pool_ave_clip": [("Pooling", "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }")],
    "pool_ave": [("Pooling", "pooling_param { pool: AVE kernel_size: 3 stride: 2 }")],
    "pool_rect": [("Pooling", "pooling_param { kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 3 pad_h: 1 pad_w: 0 }")],
    "pool_global": [("Pooling", "pooling_param { pool: AVE global_pooling: true }")],
    "pool_floor": [("Pooling", "pooling_param { kernel_size: 3 stride: 2 round_mode: FLOOR }")],
    "softmax_axis": [("Softmax", "softmax_param { axis: 2 }")],
    "flatten": [("Flatten", "flatten_param { axis: 2 }"), ("Softmax", "softmax_param { axis: -1 }")],
    "reshape": [("Reshape", "reshape_param { shape { dim: 0 dim: 2 dim: -1 } }"), ("TanH", "")],
    "reshape_inner": [("Reshape", "reshape_param { shape { dim: 3 dim: -1 } axis: 1 num_axes: 2 }"), ("TanH", "")],
    "permute": [("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }"), ("TanH", "")],
    "mvn": [("MVN", "")],
    "mvn_across": [("MVN", "mvn_param { across_channels: true normalize_variance: false }")],
    "interp": [("Interp", "interp_param { height: 11 width: 9 }")],
    "interp_zoom": [("Interp", "interp_param { zoom_factor: 2 }")],
    "shuffle": [("ShuffleChannel", "shuffle_channel_param { group: 3 }")],
    "dropout": [("Dropout", "dropout_param { dropout_ratio: 0.4 }"), ("TanH", "")],
    "argmax": [("ArgMax", "argmax_param { axis: 1 }")],
}

for _name, _layers in CHAINS.items():
    NETWORKS[_name] = lambda name=_name, layers=_layers: plain(name, (2, 6, 6, 7), layers)


@network
def conv_options():
    net = Net("conv_options", data=(2, 4, 9, 10))
    net.conv("conv1", "data", 4, 6, 3, "pad: 1 stride: 2", groups=2)
    net.conv("conv2", "conv1", 6, 4, 3, "pad: 2 dilation: 2", bias=False)
    net.conv("conv3", "conv2", 4, 3, (2, 3), "pad_h: 0 pad_w: 1 stride_h: 1 stride_w: 2")
    return net


@network
def deconv():
    net = Net("deconv", data=(2, 4, 5, 4))
    net.conv("up1", "data", 4, 6, 3, "stride: 2 pad: 1", kind="Deconvolution")
    net.conv("up2", "up1", 6, 6, 4, "stride: 2 pad: 1", groups=6, bias=False, kind="Deconvolution")
    return net


@network
def inner_products():
    net = Net("inner_products", data=(3, 2, 4, 3))
    net.conv("conv", "data", 2, 3, 2)
    net.fc("fc1", "conv", 18, 7)
    net.fc("fc2", net.relu("fc1"), 7, 4, bias=False)
    net.layer("Softmax", "prob", "fc2")
    return net


@network
def norm_factor():
    net = Net("norm_factor", data=(2, 3, 5, 5))
    net.norm("bn1", "data", 3, factor=999.98, options="batch_norm_param { use_global_stats: true eps: 0.001 }")
    net.conv("conv", "bn1_scale", 3, 4, 3, bias=False)
    net.norm("bn2", "conv", 4, factor=0.5, scale=False)
    return net


@network
def scale_alone():
    net = Net("scale_alone", data=(2, 3, 4, 4))
    net.layer("Scale", "scale", "data", None, "scale_param { bias_term: true }", [random("sw", 3), random("sb", 3)])
    return net


@network
def prelu():
    net = Net("prelu", data=(2, 3, 4, 4))
    net.layer("PReLU", "p1", "data", None, "", [random("p1", 3)])
    net.layer("PReLU", "p2", "p1", None, "prelu_param { channel_shared: true }", [random("p2", 1)])
    return net


@network
def eltwise():
    net = Net("eltwise", a=(2, 3, 4, 4), b=(2, 3, 4, 4))
    net.layer("Eltwise", "sum", ["a", "b"], None, "eltwise_param { operation: SUM coeff: 0.5 coeff: -1 }")
    net.layer("Eltwise", "prod", ["sum", "b"], None, "eltwise_param { operation: PROD }")
    net.layer("Eltwise", "max", ["prod", "a"], None, "eltwise_param { operation: MAX }")
    return net


@network
def several():
    """More than one input, several outputs, slices and a join."""
    net = Net("several", left=(2, 4, 5, 5), right=(2, 2, 5, 5))
    net.layer("Slice", "cut", "left", ["c1", "c2", "c3"], "slice_param { axis: 1 slice_point: 1 slice_point: 3 }")
    net.layer("Concat", "join", ["c2", "right", "c1"], None, "concat_param { axis: 1 }")
    net.conv("conv", "join", 5, 3, 3)
    net.layer("Sigmoid", "mask", "c3")
    net.layer("TanH", "field", "conv")
    return net


@network
def slice_even():
    net = Net("slice_even", data=(2, 4, 3, 3))
    net.layer("Slice", "cut", "data", ["c1", "c2"], "slice_param { slice_dim: 1 }")
    net.layer("Eltwise", "sum", ["c1", "c2"])
    net.layer("Concat", "join", ["sum", "c1"], None, "concat_param { concat_dim: 1 }")
    return net


@network
def crop():
    net = Net("crop", data=(1, 3, 9, 9))
    net.pool("small", "data", "pool: MAX kernel_size: 3 stride: 2")
    net.layer("Crop", "cut", ["data", "small"], None, "crop_param { axis: 2 offset: 1 offset: 3 }")
    net.layer("Eltwise", "sum", ["cut", "small"])
    return net


@network
def ssd_norm():
    net = Net("ssd_norm", data=(2, 4, 3, 3))
    options = "norm_param { across_spatial: false channel_shared: false }"
    net.layer("Normalize", "norm", "data", None, options, [random("nw", 4, low=1, high=3)])
    return net


@network
def ssd_norm_across():
    net = Net("ssd_norm_across", data=(2, 4, 3, 3))
    options = "norm_param { across_spatial: true channel_shared: true }"
    net.layer("Normalize", "norm", "data", None, options, [random("nw", 1, low=1, high=3)])
    return net


@network
def prior_boxes():
    net = Net("prior_boxes", data=(1, 3, 32, 48))
    net.conv("conv", "data", 3, 4, 3, "stride: 8 pad: 1")
    net.layer("PriorBox", "p1", ["conv", "data"], None,
              "prior_box_param { min_size: 8 max_size: 20 aspect_ratio: 2 aspect_ratio: 3 flip: true clip: true "
              "variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 }")  # fmt: skip
    net.layer("PriorBox", "p2", ["conv", "data"], None,
              "prior_box_param { min_size: 6 min_size: 12 aspect_ratio: 2 flip: false variance: 0.1 step: 9 offset: 0.3 clip: false }")  # fmt: skip
    net.layer("Concat", "boxes", ["p1", "p2"], None, "concat_param { axis: 2 }")
    return net


@network
def lstm():
    net = Net("lstm", data=(4, 2, 3), cont=(4, 2))
    weights = [random("lx", 20, 3), random("lb", 20), random("lh", 20, 5)]
    net.layer("LSTM", "lstm", ["data", "cont"], None, "recurrent_param { num_output: 5 }", weights)
    return net


@network
def googlenet():
    """GoogLeNet, with a sixteenth of its channels."""
    net = Net("googlenet", data=(1, 3, 64, 64))

    def unit(name, bottom, cin, cout, kernel, options=""):
        net.conv(name, bottom, cin, cout, kernel, options)
        return net.relu(name)

    unit("conv1/7x7_s2", "data", 3, 4, 7, "stride: 2 pad: 3")
    net.pool("pool1/3x3_s2", "conv1/7x7_s2", "pool: MAX kernel_size: 3 stride: 2")
    net.layer("LRN", "pool1/norm1", "pool1/3x3_s2", None, "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }")
    unit("conv2/3x3_reduce", "pool1/norm1", 4, 4, 1)
    unit("conv2/3x3", "conv2/3x3_reduce", 4, 12, 3, "pad: 1")
    net.layer("LRN", "conv2/norm2", "conv2/3x3", None, "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }")
    last = net.pool("pool2/3x3_s2", "conv2/norm2", "pool: MAX kernel_size: 3 stride: 2")
    channels = 12
    table = [("3a", 4, 6, 8, 1, 2, 2), ("3b", 8, 8, 12, 2, 6, 4), None, ("4a", 12, 6, 13, 1, 3, 4),
             ("4b", 10, 7, 14, 2, 4, 4), ("4e", 16, 10, 20, 2, 8, 8), None, ("5a", 16, 10, 20, 2, 8, 8),
             ("5b", 24, 12, 24, 3, 8, 8)]  # fmt: skip
    for number, row in enumerate(table):
        if row is None:
            last = net.pool(f"pool_{number}/3x3_s2", last, "pool: MAX kernel_size: 3 stride: 2")
            continue
        block, one, reduce3, three, reduce5, five, proj = row
        name = f"inception_{block}"
        a = unit(f"{name}/1x1", last, channels, one, 1)
        b = unit(f"{name}/3x3", unit(f"{name}/3x3_reduce", last, channels, reduce3, 1), reduce3, three, 3, "pad: 1")
        c = unit(f"{name}/5x5", unit(f"{name}/5x5_reduce", last, channels, reduce5, 1), reduce5, five, 5, "pad: 2")
        pooled = net.pool(f"{name}/pool", last, "pool: MAX kernel_size: 3 stride: 1 pad: 1")
        d = unit(f"{name}/pool_proj", pooled, channels, proj, 1)
        last = net.layer("Concat", f"{name}/output", [a, b, c, d])
        channels = one + three + five + proj
    net.pool("pool5/gap", last, "pool: AVE global_pooling: true")
    net.layer("Dropout", "pool5/drop", "pool5/gap", None, "dropout_param { dropout_ratio: 0.4 }")
    net.fc("loss3/classifier", "pool5/drop", channels, 10)
    net.layer("Softmax", "prob", "loss3/classifier")
    return net


@network
def resnet50():
    """ResNet-50 with the names of its authors' files and a sixteenth of the channels."""
    net = Net("resnet50", data=(1, 3, 64, 64))

    def unit(name, bottom, cin, cout, kernel, options="", relu=True):
        net.conv(name, bottom, cin, cout, kernel, options, bias=False)
        suffix = name[3:] if name.startswith("res") else f"_{name}"
        net.layer("BatchNorm", f"bn{suffix}", name, [name], "batch_norm_param { use_global_stats: true }",
                  [random(f"{name}m", cout) * 0.2 * 999, random(f"{name}v", cout, low=0.5, high=1.5) * 999,
                   np.array([999], "float32")])  # fmt: skip
        net.layer("Scale", f"scale{suffix}", name, [name], "scale_param { bias_term: true }",
                  [random(f"{name}g", cout, low=0.4, high=1.0), random(f"{name}o", cout) * 0.2])  # fmt: skip
        return net.relu(name) if relu else name

    unit("conv1", "data", 3, 4, 7, "pad: 3 stride: 2")
    last, channels = net.pool("pool1", "conv1", "kernel_size: 3 stride: 2 pool: MAX"), 4
    for stage, (width, count) in enumerate([(4, 3), (8, 4), (16, 6), (32, 3)], 2):
        for number in range(count):
            name = f"res{stage}{'abcdefgh'[number]}"
            stride = "stride: 2" if number == 0 and stage > 2 else ""
            short = last
            if number == 0:
                short = unit(f"{name}_branch1", last, channels, 4 * width, 1, stride, relu=False)
            a = unit(f"{name}_branch2a", last, channels, width, 1, stride)
            b = unit(f"{name}_branch2b", a, width, width, 3, "pad: 1")
            c = unit(f"{name}_branch2c", b, width, 4 * width, 1, relu=False)
            last = net.relu(net.layer("Eltwise", name, [short, c]))
            channels = 4 * width
    net.pool("pool5", last, "pool: AVE kernel_size: 2 stride: 1")
    net.fc("fc1000", "pool5", channels, 10)
    net.layer("Softmax", "prob", "fc1000")
    return net
