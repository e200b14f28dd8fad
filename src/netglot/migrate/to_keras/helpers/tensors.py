"""Functions of tensors that Keras has in another form."""

from __future__ import annotations

HELPERS: dict[str, str] = {
    "scatter": '''
def scatter(x, axis, index, values, add=False):
    """A copy of x with other values (or with values added) at the places of an index along an axis."""
    places = list(np.meshgrid(*(np.arange(size) for size in index.shape), indexing="ij"))
    places[axis] = ops.cast(index, "int32")
    rows = ops.stack([ops.reshape(ops.cast(one, "int32"), (-1,)) for one in places], axis=-1)
    values = ops.broadcast_to(ops.cast(values, x.dtype), index.shape) if not hasattr(values, "shape") else values
    values = values[tuple(slice(size) for size in index.shape)]
    flat = ops.reshape(ops.cast(values, x.dtype), (-1,))
    if add:
        shape = tuple(x.shape)
        strides = np.cumprod((1, *shape[:0:-1]))[::-1].astype("int32")
        sums = ops.segment_sum(flat, ops.sum(rows * strides, axis=-1), num_segments=math.prod(shape))
        return x + ops.reshape(sums, shape)
    return ops.scatter_update(x, rows, flat)
''',
    "float_tensor": '''
def float_tensor(*data):
    """A tensor of given numbers, or of given sizes."""
    if data and all(isinstance(one, int) for one in data):
        return ops.zeros(data, dtype="float32")
    return ops.convert_to_tensor(data[0], dtype="float32")
''',
    "long_tensor": '''
def long_tensor(*data):
    """A tensor of given whole numbers, or of given sizes."""
    if data and all(isinstance(one, int) for one in data):
        return ops.zeros(data, dtype="int64")
    return ops.convert_to_tensor(data[0], dtype="int64")
''',
    "multinomial": '''
def multinomial(x, num_samples, replacement=False):
    """Places drawn by their probabilities."""
    if replacement:
        return ops.cast(keras.random.categorical(ops.log(x), num_samples), "int64")
    noise = -ops.log(-ops.log(keras.random.uniform(ops.shape(x), 1e-7, 1.0, dtype=x.dtype)))
    return ops.cast(ops.top_k(ops.log(x) + noise, num_samples)[1], "int64")
''',
    "norm": '''
def norm(x, p, axis=None, keepdims=False):
    """The p-norm of all elements, or of those along axes."""
    if p == math.inf:
        return ops.max(ops.abs(x), axis=axis, keepdims=keepdims)
    return ops.sum(ops.abs(x) ** p, axis=axis, keepdims=keepdims) ** (1 / p)
''',
    "max_along": '''
def max_along(x, axis, keepdims=False):
    """The largest values along an axis, and where they are."""
    found = collections.namedtuple("Max", "values indices")
    places = ops.argmax(x, axis=axis, keepdims=keepdims)
    return found(ops.max(x, axis=axis, keepdims=keepdims), ops.cast(places, "int64"))
''',
    "min_along": '''
def min_along(x, axis, keepdims=False):
    """The smallest values along an axis, and where they are."""
    found = collections.namedtuple("Min", "values indices")
    places = ops.argmin(x, axis=axis, keepdims=keepdims)
    return found(ops.min(x, axis=axis, keepdims=keepdims), ops.cast(places, "int64"))
''',
    "variance": '''
def variance(x, axis=None, keepdims=False, correction=1):
    """The variance along axes, with Bessel's correction."""
    count = ops.size(x) // ops.size(ops.mean(x, axis=axis))
    factor = ops.cast(count, x.dtype) / ops.cast(count - correction, x.dtype)
    return ops.var(x, axis=axis, keepdims=keepdims) * factor
''',
    "expand": '''
def expand(x, *sizes):
    """Broadcast to `sizes`, where -1 keeps an axis."""
    sizes = sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    shape = (1,) * (len(sizes) - len(x.shape)) + tuple(ops.shape(x))
    return ops.broadcast_to(x, [old if size == -1 else size for size, old in zip(sizes, shape)])
''',
    "split": '''
def split(x, size, axis=0):
    """Pieces of `size` along an axis (the last may be smaller), or of the sizes of a list."""
    sizes = size if isinstance(size, (list, tuple)) else [size] * (x.shape[axis] // size)
    return ops.split(x, [int(end) for end in np.cumsum(sizes) if end < x.shape[axis]], axis=axis)
''',
    "chunk": '''
def chunk(x, count, axis=0):
    """At most `count` equal pieces along an axis; the last may be smaller."""
    size = -(-x.shape[axis] // count)
    return ops.split(x, list(range(size, x.shape[axis], size)), axis=axis)
''',
    "normalize": '''
def normalize(x, p=2.0, axis=1, eps=1e-12):
    """Scaled to a norm of one along an axis."""
    if p == 2:
        norm = ops.sqrt(ops.sum(ops.square(x), axis=axis, keepdims=True))
    else:
        norm = ops.sum(ops.abs(x) ** p, axis=axis, keepdims=True) ** (1 / p)
    return x / ops.maximum(norm, eps)
''',
    "cosine_similarity": '''
def cosine_similarity(x, y, axis=1, eps=1e-8):
    """The cosine of the angle between vectors along an axis."""
    norms = [ops.maximum(ops.sqrt(ops.sum(ops.square(one), axis=axis)), eps) for one in (x, y)]
    return ops.sum(x * y, axis=axis) / (norms[0] * norms[1])
''',
    "pairwise_distance": '''
def pairwise_distance(x, y, p=2.0, eps=1e-6, keepdims=False):
    """The distance between vectors of the last axis."""
    return ops.sum(ops.abs(x - y + eps) ** p, axis=-1, keepdims=keepdims) ** (1 / p)
''',
    "largest": '''
def largest(x, k):
    """The largest values along the last axis, and where they are."""
    values, places = ops.top_k(x, k)
    return collections.namedtuple("TopK", "values indices")(values, ops.cast(places, "int64"))
''',
    "places_among": '''
def places_among(boundaries, x, right=False):
    """Where values belong among sorted boundaries; with `right`, behind those that are equal."""
    places = ops.searchsorted(boundaries, ops.reshape(x, (-1,)), side="right" if right else "left")
    return ops.cast(ops.reshape(places, ops.shape(x)), "int64")
''',
    "distances": '''
def distances(x, y):
    """The distances of all rows of x from all rows of y; the gradient of a distance of zero is zero."""
    squares = ops.sum(ops.square(ops.expand_dims(x, -2) - ops.expand_dims(y, -3)), axis=-1)
    return ops.where(squares > 0, ops.sqrt(ops.where(squares > 0, squares, 1)), 0)
''',
    "top_along": '''
def top_along(x, k, axis=-1, largest=True):
    """The largest or smallest values along an axis, and where they are."""
    x = ops.moveaxis(x, axis, -1)
    places = ops.cast(ops.top_k(x if largest else -x, k)[1], "int64")
    values = ops.take_along_axis(x, places, axis=-1)
    found = collections.namedtuple("TopK", "values indices")
    return found(ops.moveaxis(values, -1, axis), ops.moveaxis(places, -1, axis))
''',
    "gather": '''
def gather(x, index, axis):
    """The values of x at the places of an index along an axis, which may be smaller than x along the others."""
    part = tuple(slice(None) if n == axis % len(x.shape) else slice(size) for n, size in enumerate(index.shape))
    return ops.take_along_axis(x[part], index, axis=axis)
''',
    "sorted_along": '''
def sorted_along(x, axis=-1, descending=False):
    """The values in order along an axis, and where they came from."""
    places = ops.cast(ops.argsort(-x if descending else x, axis=axis), "int64")
    return collections.namedtuple("Sorted", "values indices")(ops.take_along_axis(x, places, axis=axis), places)
''',
    "median_along": '''
def median_along(x, axis=-1, keepdims=False):
    """The medians along an axis (of an even number the lower one of the middle), and where they are."""
    places = ops.cast(ops.argsort(x, axis=axis), "int64")
    places = ops.take(places, [(x.shape[axis] - 1) // 2], axis=axis)
    values = ops.take_along_axis(x, places, axis=axis)
    if not keepdims:
        values, places = ops.squeeze(values, axis), ops.squeeze(places, axis)
    return collections.namedtuple("Median", "values indices")(values, places)
''',
    "median": '''
def median(x):
    """The median of all values; of an even number the lower one of the middle."""
    return ops.sort(ops.reshape(x, (-1,)))[(ops.size(x) - 1) // 2]
''',
    "dropout": '''
def dropout(x, rate=0.5, training=True):
    """Zeros at random while training."""
    return keras.random.dropout(x, rate) if training and rate else x
''',
    "dropout2d": '''
def dropout2d(x, rate=0.5, training=True):
    """Whole channels zero at random while training."""
    shape = tuple(ops.shape(x)[:2]) + (1,) * (len(x.shape) - 2)
    return keras.random.dropout(x, rate, noise_shape=shape) if training and rate else x
''',
    "squeeze": '''
def squeeze(x, axis=None):
    """Without the axes of size one; an axis of another size stays."""
    if axis is None:
        return ops.squeeze(x)
    return ops.squeeze(x, axis=axis) if x.shape[axis] == 1 else x
''',
    "flatten": '''
def flatten(x, start_dim=0, end_dim=-1):
    """The axes from `start_dim` to `end_dim` as one."""
    start, end = start_dim % len(x.shape), end_dim % len(x.shape)
    shape = ops.shape(x)
    if start == 0:
        return ops.reshape(x, (-1, *shape[end + 1 :]))
    return ops.reshape(x, (*shape[:start], math.prod(x.shape[start : end + 1]), *shape[end + 1 :]))
''',
    "unflatten": '''
def unflatten(x, dim, sizes):
    """One axis as several."""
    shape, dim = tuple(ops.shape(x)), dim % len(x.shape)
    return ops.reshape(x, (*shape[:dim], *sizes, *shape[dim + 1 :]))
''',
    "linear": '''
def linear(x, weight, bias=None):
    """A dense layer's function, with PyTorch's order of the weight."""
    y = ops.matmul(x, ops.transpose(weight))
    return y if bias is None else y + bias
''',
    "at": '''
def at(x, *places):
    """The values at places that are given axis by axis."""
    shape, flat = x.shape, 0
    for place, size in zip(places, shape):
        place = ops.cast(place, "int64")
        flat = flat * size + ops.where(place < 0, place + size, place)
    return ops.take(ops.reshape(x, (-1, *shape[len(places) :])), flat, axis=0)
''',
    "updated": '''
def updated(x, index, value):
    """A copy of x with other values at an index, such as `np.s_[:, 0]`."""
    places = np.arange(math.prod(x.shape)).reshape(x.shape)[index]
    value = ops.cast(value, x.dtype)
    value = ops.reshape(value, value.shape[max(0, len(value.shape) - places.ndim) :])
    value = ops.broadcast_to(value, places.shape)
    flat = ops.scatter_update(ops.reshape(x, (-1,)), places.reshape(-1, 1), ops.reshape(value, (-1,)))
    return ops.reshape(flat, x.shape)
''',
    "layer_norm": '''
def layer_norm(x, shape, weight=None, bias=None, eps=1e-5):
    """Each sample normalised over its last axes."""
    axes = list(range(-len(shape), 0))
    y = x - ops.mean(x, axis=axes, keepdims=True)
    y = y * ops.rsqrt(ops.mean(ops.square(y), axis=axes, keepdims=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias
''',
}
