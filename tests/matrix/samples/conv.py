"""Convolutions with every argument moved from its default."""

from netglot.pivot.op import rand
from samples import call

SAMPLES = [
    call("aten.conv1d.default", rand(2, 3, 9), rand(4, 3, 3), rand(4), [2], [1], [2]),
    call("aten.conv1d.padding", rand(2, 3, 9), rand(4, 3, 4), None, [1], "same", [2]),
    call("aten.conv2d.default", rand(2, 4, 9, 8), rand(6, 2, 3, 2), rand(6), [2, 1], [1, 0], [1, 2], 2),
    call("aten.conv2d.default", rand(4, 9, 8), rand(6, 4, 3, 2), None, [2], [1]),
    call("aten.conv2d.padding", rand(2, 4, 9, 8), rand(4, 1, 3, 2), rand(4), [1, 1], "same", [1, 2], 4),
    call("aten.conv2d.padding", rand(2, 4, 9, 8), rand(6, 4, 3, 2), None, [2, 2]),
    call("aten.conv3d.default", rand(1, 2, 5, 6, 7), rand(4, 2, 3, 2, 3), rand(4), [1, 2, 1], [1, 0, 2]),
    call("aten.conv3d.padding", rand(1, 2, 5, 6, 7), rand(4, 2, 3, 2, 3), rand(4), [1, 1, 1], "same"),
    call("aten.conv_transpose1d.default", rand(2, 3, 5), rand(3, 4, 3), rand(4), [3], [1], [2], 1, [2]),
    call("aten.conv_transpose2d.input", rand(2, 4, 5, 4), rand(4, 3, 3, 4), rand(6), [2, 1], [1, 2], [1, 0], 2, [1, 2]),
    call("aten.conv_transpose2d.input", rand(4, 5, 4), rand(4, 3, 2, 2), None, [3, 3], [0, 0], [2, 1]),
    call("aten.conv_transpose3d.input", rand(1, 2, 3, 4, 3), rand(2, 3, 3, 2, 3), rand(3), [2, 2, 1], [1, 0, 1]),
    call("aten.convolution.default", rand(2, 3, 9), rand(4, 3, 3), rand(4), [2], [1], [1], False, [0], 1),
    call("aten.convolution.default", rand(2, 3, 9), rand(3, 4, 3), rand(4), [2], [1], [1], True, [1], 1),
    call(
        "aten._convolution.default", rand(2, 3, 9), rand(4, 3, 3), rand(4), [2], [1], [1], False, [0], 1,
        False, False, True, True,
    ),
    call("aten.conv_tbc.default", rand(9, 2, 3), rand(3, 3, 4), rand(4), 1),
]  # fmt: skip
