"""Windows, sizes and edges of images whose channels come first."""

from __future__ import annotations

HELPERS: dict[str, str] = {
    "windows": '''
def windows(value, x):
    """An option of a pooling for each axis of an image."""
    return (value,) * (len(x.shape) - 2) if isinstance(value, int) else tuple(value)
''',
    "max_pool": '''
def max_pool(x, kernel_size, stride=None, padding=0, ceil_mode=False):
    """The largest of each window of images with the channels first."""
    sizes, strides, pads = windows(kernel_size, x), windows(stride or kernel_size, x), windows(padding, x)
    ends = [
        (-(size + 2 * pad - window)) % step if ceil_mode else 0
        for size, window, step, pad in zip(x.shape[2:], sizes, strides, pads)
    ]
    x = ops.moveaxis(x, 1, -1)
    if any(pads) or any(ends):
        around = [(0, 0), *((pad, pad + end) for pad, end in zip(pads, ends)), (0, 0)]
        x = ops.pad(x, around, constant_values=float("-inf"))
    return ops.moveaxis(ops.max_pool(x, sizes, strides, "valid"), -1, 1)
''',
    "avg_pool": '''
def avg_pool(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of each window of images with the channels first."""
    sizes, strides, pads = windows(kernel_size, x), windows(stride or kernel_size, x), windows(padding, x)
    ends = [
        (-(size + 2 * pad - window)) % step if ceil_mode else 0
        for size, window, step, pad in zip(x.shape[2:], sizes, strides, pads)
    ]

    def pooled(x, pads):
        x = ops.pad(x, [(0, 0), *((pad, pad) for pad in pads), (0, 0)]) if any(pads) else x
        x = ops.pad(x, [(0, 0), *((0, end) for end in ends), (0, 0)]) if any(ends) else x
        return ops.average_pool(x, sizes, strides, "valid")

    x = ops.moveaxis(x, 1, -1)
    y = pooled(x, pads)
    if any(ends) or (any(pads) and not count_include_pad):
        ones = ops.ones_like(x[:1, ..., :1])
        if count_include_pad:
            y = y / pooled(ops.pad(ones, [(0, 0), *((p, p) for p in pads), (0, 0)], constant_values=1), (0,) * len(pads))
        else:
            y = y / pooled(ones, pads)
    return ops.moveaxis(y, -1, 1)
''',
    "adaptive_pool": '''
def adaptive_pool(x, output_size, function=ops.mean):
    """Images of a given size, each place the mean (or another `function`) of its share."""
    for axis, size in enumerate(windows(output_size, x), start=2):
        length = x.shape[axis]
        if size is None or size == length:
            continue
        x = ops.moveaxis(x, axis, -1)
        shares = [x[..., i * length // size : -(-(i + 1) * length // size)] for i in range(size)]
        x = ops.moveaxis(ops.stack([function(share, axis=-1) for share in shares], axis=-1), -1, axis)
    return x
''',
    "interpolate": '''
def interpolate(x, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """Images with the channels first in another size, nearest or linear."""
    count = len(x.shape) - 2
    scales = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * count
    sizes = (size,) * count if isinstance(size, int) else size
    sizes = sizes or [int(length * scale) for length, scale in zip(x.shape[2:], scales)]
    for axis, (size, scale) in enumerate(zip(sizes, scales), start=2):
        length = x.shape[axis]
        places, step = np.arange(size), 1 / scale if scale else length / size
        if mode == "nearest":
            x = ops.take(x, np.minimum((places * step).astype(int), length - 1), axis=axis)
            continue
        if align_corners:
            at = places * ((length - 1) / max(size - 1, 1))
        else:
            at = np.maximum((places + 0.5) * step - 0.5, 0)
        low = np.minimum(at.astype(int), length - 1)
        high = np.minimum(low + 1, length - 1)
        share = ops.cast(np.reshape(at - low, (-1,) + (1,) * (len(x.shape) - axis - 1)), x.dtype)
        x = ops.take(x, low, axis=axis) * (1 - share) + ops.take(x, high, axis=axis) * share
    return x
''',
    "pad": '''
def pad(x, sizes, mode="constant", value=0.0):
    """Pads the last axes: `sizes` holds the two sides of the last axis, then of the one before, and so on."""
    pairs = [tuple(sizes[i : i + 2]) for i in range(0, len(sizes), 2)][::-1]
    rank = len(x.shape) - len(pairs)
    x = x[(...,) + tuple(slice(max(0, -a), min(0, b) or None) for a, b in pairs)]
    around = [(0, 0)] * rank + [(max(a, 0), max(b, 0)) for a, b in pairs]
    if mode == "replicate":
        for axis, (before, after) in enumerate(around):
            places = np.clip(np.arange(-before, x.shape[axis] + after), 0, x.shape[axis] - 1)
            x = ops.take(x, places, axis=axis) if before or after else x
        return x
    return ops.pad(x, around, mode, **({"constant_values": value} if mode == "constant" else {}))
''',
    "pixel_shuffle": '''
def pixel_shuffle(x, factor):
    """Channels laid out as places of a larger image."""
    batch, channels, height, width = ops.shape(x)
    x = ops.reshape(x, (batch, channels // factor**2, factor, factor, height, width))
    x = ops.transpose(x, (0, 1, 4, 2, 5, 3))
    return ops.reshape(x, (batch, channels // factor**2, height * factor, width * factor))
''',
    "conv": '''
def conv(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """A convolution of images with the channels first by a weight in PyTorch's order."""
    count = len(x.shape) - 2
    pads = (padding,) * count if isinstance(padding, int) else padding
    x = ops.pad(ops.moveaxis(x, 1, -1), [(0, 0), *((p, p) for p in pads), (0, 0)])
    kernel = ops.transpose(weight, (*range(2, count + 2), 1, 0))
    parts = zip(ops.split(x, groups, axis=-1), ops.split(kernel, groups, axis=-1))
    y = ops.concatenate([ops.conv(a, b, stride, "valid", dilation_rate=dilation) for a, b in parts], axis=-1)
    return ops.moveaxis(y if bias is None else y + bias, -1, 1)
''',
    "local_response_norm": '''
def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0):
    """Each value by the squares of the channels around it."""
    squares = ops.pad(ops.square(x), [(0, 0), (size // 2, (size - 1) // 2)] + [(0, 0)] * (len(x.shape) - 2))
    total = sum(squares[:, i : i + x.shape[1]] for i in range(size))
    return x / (k + alpha * total / size) ** beta
''',
}
