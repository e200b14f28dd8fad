"""Networks in Darknet's own files, small and covering each option that is read. Weights are random and always the same.

Used twice: by `make_fixtures.py`, which runs them in OpenCV, and by the tests, which read the same bytes.
"""

import re
import struct
import zlib

import numpy as np

NETWORKS = {}


class Net:
    """A `.cfg` as text, and how many weights of which kind it takes, found by walking it."""

    def __init__(self, name, text, size=32, channels=3):
        self.name, self.size, self.channels = name, size, channels
        self.text = f"[net]\nwidth={size}\nheight={size}\nchannels={channels}\n" + text

    def array(self):
        state = np.random.RandomState(zlib.crc32(self.name.encode()))
        return state.uniform(0, 1, (1, self.channels, self.size, self.size)).astype("float32")

    def weights(self, major=0, minor=2):
        state = np.random.RandomState(zlib.crc32(self.name.encode()) ^ 1)
        parts = []

        def numbers(count, low, high):
            parts.append(state.uniform(low, high, count).astype("<f4").tobytes())

        shapes = []
        shape = (self.channels, self.size, self.size)
        for kind, options in sections(self.text)[1:]:
            shape = _walk(kind, options, shape, shapes, numbers)
            shapes.append(shape)
        wide = major * 10 + minor >= 2
        return struct.pack("<iii" + ("Q" if wide else "I"), major, minor, 0, 7) + b"".join(parts)


def sections(text):
    found = []
    for line in text.splitlines():
        line = re.sub(r"\s", "", line)
        if line.startswith("["):
            found.append((line[1:-1], {}))
        elif "=" in line and line[0] != "#":
            name, _, value = line.partition("=")
            found[-1][1][name] = value
    return found


def _walk(kind, options, shape, shapes, numbers):
    """The shape after a section; its weights are drawn on the way."""

    def integer(name, default):
        return int(options.get(name, default))

    stride, size = integer("stride", 1), integer("size", 1)
    if kind == "convolutional":
        out, groups, dilation = integer("filters", 1), integer("groups", 1), integer("dilation", 1)
        pad = size // 2 if integer("pad", 0) else integer("padding", 0)
        numbers(out, -0.5, 0.5)
        if integer("batch_normalize", 0):
            numbers(out, 0.5, 1.5)
            numbers(out, -0.3, 0.3)
            numbers(out, 0.4, 1.5)
        fan = (shape[0] // groups * size * size) ** -0.5 * 1.7
        numbers(out * shape[0] // groups * size * size, -fan, fan)
        spans = [(n + 2 * pad * dilation - (dilation * (size - 1) + 1)) // stride + 1 for n in shape[1:]]
        return (out, *spans)
    if kind == "connected":
        out, features = integer("output", 1), int(np.prod(shape))
        numbers(out, -0.5, 0.5)
        numbers(out * features, -(features**-0.5) * 1.7, features**-0.5 * 1.7)
        if integer("batch_normalize", 0):
            numbers(out, 0.5, 1.5)
            numbers(out, -0.3, 0.3)
            numbers(out, 0.4, 1.5)
        return (out,)
    if kind == "maxpool":
        size = integer("size", stride)
        pad = integer("padding", size - 1)
        return (shape[0], *((n + pad - size) // stride + 1 for n in shape[1:]))
    if kind == "avgpool":
        return (shape[0], 1, 1)
    if kind == "upsample":
        return (shape[0], *(n * integer("stride", 2) for n in shape[1:]))
    if kind == "reorg":
        return (shape[0] * stride**2, *(n // stride for n in shape[1:]))
    if kind == "route":
        places = [int(one) for one in options["layers"].split(",")]
        found = [shapes[p if p >= 0 else len(shapes) + p] for p in places]
        return (sum(one[0] for one in found) // integer("groups", 1), *found[0][1:])
    if kind == "scale_channels":
        place = integer("from", -1)
        return shapes[place if place >= 0 else len(shapes) + place]
    return shape


def conv(filters, size=3, stride=1, activation="leaky", norm=True, more=""):
    text = f"[convolutional]\nfilters={filters}\nsize={size}\nstride={stride}\npad=1\nactivation={activation}\n{more}\n"
    return text + ("batch_normalize=1\n" if norm else "")


def network(name, *parts, **options):
    NETWORKS[name] = Net(name, "".join(parts), **options)


ANCHORS = "anchors=4,5, 8,7, 10,13, 16,12, 23,27, 31,30"

for _activation in "linear leaky relu logistic tanh swish mish".split():
    network(f"activation_{_activation}", conv(4, activation=_activation), size=8)
network("conv_plain", conv(4, norm=False), conv(5, 1, norm=False), size=9)
network("conv_stride", conv(4, 3, 2), conv(6, 5, 2), size=17)
network("conv_groups", conv(6, more=""), conv(6, more="groups=3"), conv(4, 3, 2, more="groups=2"), size=10)
network("conv_padding", "[convolutional]\nfilters=4\nsize=3\nstride=1\npadding=2\nactivation=leaky\n", size=8)
network("pool_same", conv(4), "[maxpool]\nsize=2\nstride=1\n", size=9)
network("pool_odd", conv(4), "[maxpool]\nsize=3\nstride=2\n", size=10)
network("pool_even", conv(4), "[maxpool]\nsize=2\nstride=2\n", size=9)
network(
    "spp",
    conv(4),
    "[maxpool]\nstride=1\nsize=5\n[route]\nlayers=-2\n[maxpool]\nstride=1\nsize=9\n[route]\nlayers=-4\n"
    "[maxpool]\nstride=1\nsize=13\n[route]\nlayers=-1,-3,-5,-6\n",
    conv(3, 1),
    size=14,
)
network(
    "route_groups",
    conv(8),
    "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n",
    conv(4),
    "[route]\nlayers=-1,-2\n",
    conv(3),
    size=8,
)
network("shortcut", conv(4), conv(8, 1), conv(4), "[shortcut]\nfrom=-3\nactivation=leaky\n", size=8)
network("upsample", conv(4, 3, 2), "[upsample]\nstride=2\n", "[route]\nlayers=-1\n", conv(3), size=8)
network("reorg", conv(8), "[reorg]\nstride=2\n", conv(4), size=8)
network(
    "squeeze",
    conv(6),
    "[avgpool]\n",
    conv(3, 1, activation="relu", norm=False),
    conv(6, 1, activation="logistic", norm=False),
    "[scale_channels]\nfrom=-4\n",
    conv(4),
    size=8,
)
network("classify", conv(6, 3, 2), "[avgpool]\n", "[softmax]\ngroups=1\n", size=8)
network(
    "connected",
    conv(4, 3, 2),
    "[connected]\noutput=7\nactivation=leaky\n",
    "[connected]\noutput=5\nactivation=linear\n",
    "[softmax]\n",
    size=6,
)
network("dropout", conv(4), "[dropout]\nprobability=.5\n", conv(3), size=8)
network(
    "yolo3",
    conv(16, 3, 2),
    conv(24, 1, norm=False, activation="linear"),
    f"[yolo]\nmask=1,2,4\n{ANCHORS}\nnum=6\nclasses=3\n",
    size=32,
)
network(
    "yolo4",
    conv(16, 3, 2),
    conv(24, 1, norm=False, activation="linear"),
    f"[yolo]\nmask=0,1,2\n{ANCHORS}\nnum=6\nclasses=3\nscale_x_y=1.2\n",
    size=32,
)
network(
    "yolo4_new",
    conv(16, 3, 2),
    conv(24, 1, norm=False, activation="logistic"),
    f"[yolo]\nmask=0,1,2\n{ANCHORS}\nnum=6\nclasses=3\nscale_x_y=2.0\nnew_coords=1\n",
    size=32,
)
network(
    "yolo2",
    conv(16, 3, 2),
    conv(24, 1, norm=False, activation="linear"),
    "[region]\nanchors=1.3,1.7, 3.2,4.1, 5.0,2.0\nnum=3\nclasses=3\ncoords=4\nsoftmax=1\nbias_match=1\n",
    size=32,
)


def _darknet19():
    widths = [
        [4],
        "M",
        [8],
        "M",
        [16, 8, 16],
        "M",
        [32, 16, 32],
        "M",
        [64, 32, 64, 32, 64],
        "M",
        [128, 64, 128, 64, 128],
    ]
    text = ""
    for part in widths:
        if part == "M":
            text += "[maxpool]\nsize=2\nstride=2\n"
        else:
            text += "".join(conv(width, 3 if number % 2 == 0 else 1) for number, width in enumerate(part))
    return text + conv(10, 1, norm=False, activation="linear") + "[avgpool]\n[softmax]\ngroups=1\n"


def _darknet53():
    text = conv(4)
    for width, count in ((8, 1), (16, 2), (32, 3), (48, 2)):
        text += conv(width, 3, 2)
        for _ in range(count):
            text += conv(width // 2, 1) + conv(width) + "[shortcut]\nfrom=-3\nactivation=linear\n"
    return text


def _yolov3():
    text = _darknet53()
    at = len(sections(text))
    text += conv(16, 1) + conv(24) + conv(24, 1, norm=False, activation="linear")
    text += f"[yolo]\nmask=3,4,5\n{ANCHORS}\nnum=6\nclasses=3\n"
    text += "[route]\nlayers=-4\n" + conv(8, 1) + f"[upsample]\nstride=2\n[route]\nlayers=-1,{at - 8}\n"
    text += conv(24) + conv(24, 1, norm=False, activation="linear")
    return text + f"[yolo]\nmask=0,1,2\n{ANCHORS}\nnum=6\nclasses=3\n"


network("darknet19", _darknet19(), size=64)
network("yolov3", _yolov3(), size=64)
