"""Layers whose weights are made of others in each call, and products of two inputs."""

from __future__ import annotations

_MADE = '''
class MadeWeight(layers.Layer):
    """A dense or convolutional layer whose weight is made anew at each call; `made` says how."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    @property
    def kernel(self):
        return self.layer.kernel

    @property
    def bias(self):
        return self.layer.bias

    def build(self, input_shape):
        if not self.layer.built:
            self.layer.build(input_shape)
            self.layer.built = True

    def original(self):
        """The weight in PyTorch's order of axes."""
        rank = len(self.kernel.shape)
        return ops.transpose(self.kernel, (rank - 1, rank - 2, *range(rank - 2)))

    def call(self, x, training=False):
        weight = self.made(self.original(), training)
        name = "_kernel" if "_kernel" in self.layer.__dict__ else "kernel"
        kept = self.layer.__dict__[name]
        self.layer.__dict__[name] = ops.transpose(weight, (*range(2, len(weight.shape)), 1, 0))
        try:
            return self.layer(x)
        finally:
            self.layer.__dict__[name] = kept
'''

HELPERS: dict[str, str] = {
    "MadeWeight": _MADE,
    "WeightNorm": '''
class WeightNorm(MadeWeight):
    """A weight as a length and a direction; one length for each entry of an axis of PyTorch's weight."""

    def __init__(self, layer, dim=0):
        super().__init__(layer)
        self.dim = dim

    def length(self, weight):
        axes = [axis for axis in range(len(weight.shape)) if self.dim is None or axis != self.dim % len(weight.shape)]
        return ops.sqrt(ops.sum(ops.square(weight), axis=axes, keepdims=self.dim is not None))

    def build(self, input_shape):
        super().build(input_shape)
        shape = self.length(np.zeros(self.original().shape)).shape
        self.magnitude = self.add_weight(shape, initializer=lambda shape, dtype=None: self.length(self.original()))

    def made(self, weight, training):
        return weight * (self.magnitude / self.length(weight))
''',
    "SpectralNorm": '''
class SpectralNorm(MadeWeight):
    """A weight divided by its largest singular value, which a few steps of power iteration find while training."""

    def __init__(self, layer, n_power_iterations=1, eps=1e-12, parametrized=False):
        super().__init__(layer)
        self.rounds, self.eps, self.parametrized = n_power_iterations, eps, parametrized

    def matrix(self, weight):
        if "Transpose" in type(self.layer).__name__:
            weight = ops.moveaxis(weight, 1, 0)
        return ops.reshape(weight, (weight.shape[0], -1))

    def build(self, input_shape):
        super().build(input_shape)
        rows, columns = self.matrix(np.zeros(self.original().shape)).shape
        self.left = self.add_weight((rows,), initializer=self.begin_left, trainable=False)
        self.right = self.add_weight((columns,), initializer=self.begin_right, trainable=False)

    def begin_left(self, shape, dtype=None):
        left, matrix = self.unit(keras.random.normal(shape, dtype=dtype)), self.matrix(self.original())
        for _ in range(15 if self.parametrized else 0):
            left = self.unit(ops.matmul(matrix, self.unit(ops.matmul(ops.transpose(matrix), left))))
        return left

    def begin_right(self, shape, dtype=None):
        if self.parametrized:
            return self.unit(ops.matmul(ops.transpose(self.matrix(self.original())), self.left))
        return self.unit(keras.random.normal(shape, dtype=dtype))

    def unit(self, vector):
        return vector / ops.maximum(ops.sqrt(ops.sum(ops.square(vector))), self.eps)

    def iterate(self, matrix):
        """One step of each side; PyTorch's parametrization begins with the left one."""
        matrix = ops.stop_gradient(matrix)
        for left in (True, False) if self.parametrized else (False, True):
            if left:
                self.left.assign(self.unit(ops.matmul(matrix, self.right)))
            else:
                self.right.assign(self.unit(ops.matmul(ops.transpose(matrix), self.left)))

    def made(self, weight, training):
        matrix = self.matrix(weight)
        for _ in range(self.rounds if training else 0):
            self.iterate(matrix)
        left, right = ops.convert_to_tensor(self.left), ops.convert_to_tensor(self.right)
        return weight / ops.sum(left * ops.matmul(matrix, right))
''',
    "Bilinear": '''
class Bilinear(layers.Layer):
    """Products of two inputs, each pair of their features weighted."""

    def __init__(self, first, second, features, use_bias=True):
        super().__init__()
        self.sizes, self.use_bias = (features, first, second), use_bias

    def build(self, x_shape, y_shape):
        start = keras.initializers.RandomUniform(-(self.sizes[1] ** -0.5), self.sizes[1] ** -0.5)
        self.weight = self.add_weight(self.sizes, initializer=start)
        self.bias = self.add_weight(self.sizes[:1], initializer=start) if self.use_bias else None

    def call(self, x, y):
        z = ops.einsum("...i,oij,...j->...o", x, self.weight, y)
        return z + self.bias if self.use_bias else z
''',
}
