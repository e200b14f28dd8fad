"""What an emitted file defines for itself where PyTorch has nothing that does as Keras does.

Layers keep Keras's arguments, learn the size of their input from the first one, and keep Keras's order of axes,
channels last.
"""

from __future__ import annotations

from netglot.migrate.to_keras.helpers import uses, without_docs
from netglot.migrate.to_torch import training

HELPERS: dict[str, str] = {}

HELPERS["function_of"] = '''
def function_of(activation):
    """An activation by Keras's name for it, or as it is given."""
    functions = {
        None: lambda x: x, "linear": lambda x: x, "relu": F.relu, "relu6": F.relu6, "sigmoid": torch.sigmoid,
        "tanh": torch.tanh, "softmax": lambda x: F.softmax(x, dim=-1), "log_softmax": lambda x: F.log_softmax(x, dim=-1),
        "elu": F.elu, "selu": F.selu, "gelu": F.gelu, "silu": F.silu, "swish": F.silu, "mish": F.mish,
        "softplus": F.softplus, "softsign": F.softsign, "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
        "hard_sigmoid": F.hardsigmoid, "hard_silu": F.hardswish, "hard_swish": F.hardswish, "exponential": torch.exp,
    }  # fmt: skip
    return functions[activation] if activation is None or isinstance(activation, str) else activation
'''
HELPERS["glorot_uniform"] = '''
def glorot_uniform(module):
    """Starts a layer as Keras does: weights uniform within sqrt(6 / (inputs + outputs)), biases at zero."""
    if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
'''
HELPERS["Permute"] = '''
class Permute(nn.Module):
    """The axes in another order."""

    def __init__(self, *axes):
        super().__init__()
        self.axes = axes

    def forward(self, x):
        return x.permute(self.axes)
'''
HELPERS["BatchNorm"] = '''
class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation of axis 1; the moving variance is the biased one, as Keras keeps it."""

    def forward(self, x):
        shape, axes = [1, -1, *[1] * (x.ndim - 2)], [axis for axis in range(x.ndim) if axis != 1]
        mean, variance = self.running_mean, self.running_var
        if self.training:
            mean, variance = x.mean(axes), x.var(axes, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance, self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (x - mean.view(shape)) * scale.view(shape) + self.bias.view(shape)
'''
HELPERS["start"] = '''
def start(tensor, initializer, fan_in, fan_out):
    """Starts a weight as Keras does, by the initializer's name; a function of the weight does it its own way."""
    if callable(initializer):
        return initializer(tensor.data)
    scales = {"glorot": (fan_in + fan_out) / 2, "he": fan_in / 2, "lecun": fan_in}
    kind, _, shape = initializer.rpartition("_")
    with torch.no_grad():
        if kind in scales and shape == "uniform":
            return tensor.uniform_(-((3 / scales[kind]) ** 0.5), (3 / scales[kind]) ** 0.5)
        if kind in scales:
            return nn.init.trunc_normal_(tensor, std=scales[kind] ** -0.5 / 0.87962566103423978)
        return {
            "zeros": nn.init.zeros_, "ones": nn.init.ones_, "orthogonal": nn.init.orthogonal_,
            "uniform": lambda t: nn.init.uniform_(t, -0.05, 0.05), "random_uniform": lambda t: nn.init.uniform_(t, -0.05, 0.05),
            "normal": lambda t: nn.init.normal_(t, std=0.05), "random_normal": lambda t: nn.init.normal_(t, std=0.05),
            "truncated_normal": lambda t: nn.init.trunc_normal_(t, std=0.05, a=-0.1, b=0.1),
        }[initializer](tensor)  # fmt: skip
'''
HELPERS["Symbol"] = '''
class Symbol:
    """What stands for a tensor while a network is written down; it holds how it is computed, and an example."""

    def __init__(self, example, function=None, args=(), options=None):
        self.example, self.function, self.args, self.options = example, function, args, options or {}

    @staticmethod
    def put(values, given):
        """Nested values with each symbol replaced by what `given` says of it."""
        if isinstance(values, Symbol):
            return given(values)
        if isinstance(values, (list, tuple)):
            return type(values)(Symbol.put(one, given) for one in values)
        return values

    @classmethod
    def of(cls, function, *args, **options):
        """The symbol of a call."""
        example = lambda one: one.example
        with torch.no_grad():
            made = function(*cls.put(args, example), **{k: cls.put(v, example) for k, v in options.items()})
        whole = cls(made, function, args, options)
        if isinstance(made, (list, tuple)):
            return type(made)(cls(part, operator.getitem, (whole, i)) for i, part in enumerate(made))
        return whole

    def value(self, known):
        """The tensor, where `known` holds those of the inputs."""
        if id(self) not in known:
            given = lambda one: one.value(known)
            options = {k: self.put(v, given) for k, v in self.options.items()}
            known[id(self)] = self.function(*self.put(self.args, given), **options)
        return known[id(self)]

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return cls.of(function, *args, **(kwargs or {}))

    @property
    def shape(self):
        return self.example.shape

    @property
    def dtype(self):
        return self.example.dtype

    def __getattr__(self, name):
        return lambda *args, **options: Symbol.of(lambda x, *a, **k: getattr(x, name)(*a, **k), self, *args, **options)

    def __getitem__(self, index):
        return Symbol.of(operator.getitem, self, index)

    def __iter__(self):
        return (self[i] for i in range(self.shape[0]))


for name in ("add", "sub", "mul", "truediv", "pow", "matmul", "mod", "floordiv"):
    function = getattr(operator, name)
    setattr(Symbol, f"__{name}__", lambda a, b, function=function: Symbol.of(function, a, b))
    setattr(Symbol, f"__r{name}__", lambda a, b, function=function: Symbol.of(function, b, a))
for name in ("neg", "lt", "le", "gt", "ge"):
    function = getattr(operator, name)
    setattr(Symbol, f"__{name}__", lambda *values, function=function: Symbol.of(function, *values))
'''
HELPERS["Layer"] = '''
class Layer(nn.modules.lazy.LazyModuleMixin, nn.Module):
    """A layer that makes its weights when it meets its first input: in `build`, or `initialize_parameters`."""

    cls_to_become = None
    built = True

    def __init__(self, name=None, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            super().__init__()
        self.built = type(self).build is Layer.build

    def build(self, input_shape):
        """A layer without anything to build."""

    def initialize_parameters(self, *inputs):
        """A layer whose weights need no input."""

    def _infer_parameters(self, module, args, kwargs=None):
        if not self.built:
            self.built = True
            self.build(args[0].shape if isinstance(args[0], torch.Tensor) else [one.shape for one in args[0]])
        super()._infer_parameters(module, args, kwargs or {})

    def add_weight(self, shape=(), initializer="glorot_uniform", trainable=True, name=None, dtype=None):
        """A weight of a shape, started as Keras starts it."""
        weight = nn.Parameter(torch.empty(tuple(shape)), requires_grad=trainable)
        fans = (shape[-2], shape[-1]) if len(shape) > 1 else (1, max(1, math.prod(shape)))
        start(weight, initializer, *(fan * math.prod(shape[:-2]) for fan in fans))
        return weight

    def __call__(self, *args, **options):
        if any(isinstance(one, Symbol) for one in _leaves([*args, *options.values()])):
            return Symbol.of(self, *args, **options)
        return super().__call__(*args, **options)


def _leaves(values):
    return [leaf for one in values for leaf in (_leaves(one) if isinstance(one, (list, tuple)) else [one])]
'''
HELPERS["Input"] = '''
def Input(shape=None, batch_size=None, dtype=None, name=None, batch_shape=None):
    """An input of a network that is written down."""
    shape = (batch_size or 2, *(12 if size is None else size for size in shape)) if batch_shape is None else batch_shape
    whole = dtype is not None and "int" in str(dtype)
    return Symbol(torch.zeros(shape, dtype=torch.int64 if whole else torch.get_default_dtype()))
'''
HELPERS["Model"] = '''
class Model(Layer):
    """A network that was written down from its inputs to its outputs."""

    def __init__(self, inputs, outputs, name=None):
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        found, seen = [], set()

        def visit(one):
            if isinstance(one, Symbol) and id(one) not in seen:
                seen.add(id(one))
                visit(one.args)
                visit(list(one.options.values()))
                if isinstance(one.function, nn.Module) and all(one.function is not other for other in found):
                    found.append(one.function)
            elif isinstance(one, (list, tuple)):
                for each in one:
                    visit(each)
            elif isinstance(one, dict):
                visit(list(one.values()))

        visit(outputs)
        self.layers = nn.ModuleList(found)

    def forward(self, *inputs):
        symbols = _leaves([self.inputs if not isinstance(self.inputs, dict) else list(self.inputs.values())])
        if len(inputs) == 1 and isinstance(inputs[0], dict):
            inputs = [inputs[0][key] for key in self.inputs]
        known = {id(symbol): value for symbol, value in zip(symbols, _leaves(list(inputs)))}
        if isinstance(self.outputs, dict):
            return {key: one.value(known) for key, one in self.outputs.items()}
        return Symbol.put(self.outputs, lambda one: one.value(known))
'''
HELPERS["Sequential"] = '''
class Sequential(nn.Sequential):
    """Layers one after the other; inputs that are only declared are left out."""

    def __init__(self, layers=(), name=None):
        super().__init__(*(layer for layer in layers or () if not isinstance(layer, Symbol)))

    def add(self, layer):
        if not isinstance(layer, Symbol):
            self.append(layer)

    @property
    def layers(self):
        return list(self)

    def __call__(self, *inputs):
        return Symbol.of(self, *inputs) if isinstance(inputs[0], Symbol) else super().__call__(*inputs)
'''
HELPERS["Dense"] = '''
class Dense(Layer):
    """A dense layer, followed by its activation."""

    def __init__(
        self, units, activation=None, use_bias=True, kernel_initializer="glorot_uniform", bias_initializer="zeros",
    ):  # fmt: skip
        super().__init__()
        self.units, self.activation, self.kernel_initializer = units, function_of(activation), kernel_initializer
        self.weight = nn.UninitializedParameter()
        self.bias = nn.Parameter(torch.zeros(units)) if use_bias else None
        if use_bias:
            start(self.bias, bias_initializer, 1, units)

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            self.weight.materialize((self.units, x.shape[-1]))
            start(self.weight, self.kernel_initializer, x.shape[-1], self.units)

    def forward(self, x):
        return self.activation(F.linear(x, self.weight, self.bias))
'''
HELPERS["sizes_of"] = '''
def sizes_of(value, count):
    """An option for each axis of an image."""
    return (value,) * count if isinstance(value, int) else tuple(value)
'''
HELPERS["same_padded"] = '''
def same_padded(x, kernel, strides, rates=None, value=0.0):
    """Channels-first images, padded as TensorFlow pads for "same": more at the end where it is uneven."""
    pads = []
    for size, window, step, rate in zip(x.shape[2:], kernel, strides, rates or (1,) * len(kernel)):
        total = max((-(-size // step) - 1) * step + (window - 1) * rate + 1 - size, 0)
        pads = [total // 2, total - total // 2, *pads]
    return F.pad(x, pads, value=value) if any(pads) else x
'''
_CONV = '''
class ConvND(Layer):
    """A convolution of images with the channels last, followed by its activation."""

    def __init__(
        self, filters, kernel_size, strides=1, padding="valid", dilation_rate=1, groups=1, activation=None,
        use_bias=True, kernel_initializer="glorot_uniform", bias_initializer="zeros",
    ):  # fmt: skip
        super().__init__()
        self.filters, self.kernel, self.strides = filters, sizes_of(kernel_size, N), sizes_of(strides, N)
        self.padding, self.rates, self.groups = padding.lower(), sizes_of(dilation_rate, N), groups
        self.activation, self.kernel_initializer = function_of(activation), kernel_initializer
        self.weight = nn.UninitializedParameter()
        self.bias = nn.Parameter(torch.zeros(filters)) if use_bias else None
        if use_bias:
            start(self.bias, bias_initializer, 1, filters)

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            inputs, window = x.shape[-1] // self.groups, math.prod(self.kernel)
            self.weight.materialize((self.filters, inputs, *self.kernel))
            start(self.weight, self.kernel_initializer, inputs * window, self.filters * window)

    def forward(self, x):
        x = x.movedim(-1, 1)
        if self.padding == "same":
            x = same_padded(x, self.kernel, self.strides, self.rates)
        elif self.padding == "causal":
            x = F.pad(x, ((self.kernel[0] - 1) * self.rates[0], 0))
        y = F.convNd(x, self.weight, self.bias, self.strides, 0, self.rates, self.groups)
        return self.activation(y.movedim(1, -1))
'''
_TRANSPOSED = '''
class ConvNDTranspose(Layer):
    """A transposed convolution of images with the channels last, followed by its activation."""

    def __init__(
        self, filters, kernel_size, strides=1, padding="valid", activation=None, use_bias=True,
        kernel_initializer="glorot_uniform", bias_initializer="zeros",
    ):  # fmt: skip
        super().__init__()
        self.filters, self.kernel, self.strides = filters, sizes_of(kernel_size, N), sizes_of(strides, N)
        self.padding, self.activation, self.kernel_initializer = padding.lower(), function_of(activation), kernel_initializer
        self.weight = nn.UninitializedParameter()
        self.bias = nn.Parameter(torch.zeros(filters)) if use_bias else None
        if use_bias:
            start(self.bias, bias_initializer, 1, filters)

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            window = math.prod(self.kernel)
            self.weight.materialize((x.shape[-1], self.filters, *self.kernel))
            start(self.weight, self.kernel_initializer, self.filters * window, x.shape[-1] * window)

    def forward(self, x):
        y = F.conv_transposeNd(x.movedim(-1, 1), self.weight, None, self.strides)
        for axis, (size, window, step) in enumerate(zip(x.shape[1:-1], self.kernel, self.strides), start=2):
            first = max(window - step, 0) // 2 if self.padding == "same" else 0
            size = size * step + (0 if self.padding == "same" else max(window - step, 0))
            short = first + size - y.shape[axis]
            if short > 0:
                y = F.pad(y, (0, 0) * (y.ndim - 1 - axis) + (0, short))
            y = y.narrow(axis, first, size)
        y = y.movedim(1, -1)
        return self.activation(y if self.bias is None else y + self.bias)
'''
HELPERS["DepthwiseConv2D"] = '''
class DepthwiseConv2D(Layer):
    """A convolution of each channel by its own, images with the channels last."""

    def __init__(
        self, kernel_size, strides=1, padding="valid", depth_multiplier=1, dilation_rate=1, activation=None,
        use_bias=True, depthwise_initializer="glorot_uniform", bias_initializer="zeros",
    ):  # fmt: skip
        super().__init__()
        self.window, self.strides, self.rates = sizes_of(kernel_size, 2), sizes_of(strides, 2), sizes_of(dilation_rate, 2)
        self.padding, self.depth_multiplier, self.activation = padding.lower(), depth_multiplier, function_of(activation)
        self.initializers = depthwise_initializer, bias_initializer
        self.kernel = nn.UninitializedParameter()
        self.bias = nn.UninitializedParameter() if use_bias else None

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            inputs, window = x.shape[-1], math.prod(self.window)
            self.kernel.materialize((*self.window, inputs, self.depth_multiplier))
            start(self.kernel, self.initializers[0], inputs * window, self.depth_multiplier * window)
            if self.bias is not None:
                self.bias.materialize((inputs * self.depth_multiplier,))
                start(self.bias, self.initializers[1], 1, 1)

    def forward(self, x):
        y = depthwise(x.movedim(-1, 1), self.kernel, self.bias, self.strides, self.padding, self.rates)
        return self.activation(y.movedim(1, -1))
'''
HELPERS["depthwise"] = '''
def depthwise(x, kernel, bias, strides, padding, rates):
    """A convolution of each channel by its own kernel."""
    if padding == "same":
        x = same_padded(x, kernel.shape[:2], strides, rates)
    weight = kernel.permute(2, 3, 0, 1).reshape(-1, 1, *kernel.shape[:2])
    return F.conv2d(x, weight, bias, strides, 0, rates, x.shape[1])
'''
HELPERS["SeparableConv2D"] = '''
class SeparableConv2D(Layer):
    """A convolution of each channel by its own, then one of single places."""

    def __init__(
        self, filters, kernel_size, strides=1, padding="valid", dilation_rate=1, depth_multiplier=1, activation=None,
        use_bias=True, depthwise_initializer="glorot_uniform", pointwise_initializer="glorot_uniform",
    ):  # fmt: skip
        super().__init__()
        self.window, self.strides, self.rates = sizes_of(kernel_size, 2), sizes_of(strides, 2), sizes_of(dilation_rate, 2)
        self.filters, self.depth_multiplier, self.padding = filters, depth_multiplier, padding.lower()
        self.activation, self.initializers = function_of(activation), (depthwise_initializer, pointwise_initializer)
        self.depthwise_kernel, self.pointwise_kernel = nn.UninitializedParameter(), nn.UninitializedParameter()
        self.bias = nn.Parameter(torch.zeros(filters)) if use_bias else None

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            inputs, window = x.shape[-1], math.prod(self.window)
            between = inputs * self.depth_multiplier
            self.depthwise_kernel.materialize((*self.window, inputs, self.depth_multiplier))
            self.pointwise_kernel.materialize((1, 1, between, self.filters))
            start(self.depthwise_kernel, self.initializers[0], inputs * window, self.depth_multiplier * window)
            start(self.pointwise_kernel, self.initializers[1], between, self.filters)

    def forward(self, x):
        y = depthwise(x.movedim(-1, 1), self.depthwise_kernel, None, self.strides, self.padding, self.rates)
        y = torch.matmul(y.movedim(1, -1), self.pointwise_kernel[0, 0])
        return self.activation(y if self.bias is None else y + self.bias)
'''
HELPERS["pool"] = '''
def pool(x, kind, pool_size, strides=None, padding="valid"):
    """The largest ("max") or the mean ("avg") of each window of images with the channels last."""
    count = x.ndim - 2
    sizes, steps = sizes_of(pool_size, count), sizes_of(pool_size if strides is None else strides, count)
    x = x.movedim(-1, 1)
    function = getattr(F, f"{kind}_pool{count}d")
    if padding.lower() != "same":
        return function(x, sizes, steps).movedim(1, -1)
    if kind == "max":
        return function(same_padded(x, sizes, steps, value=float("-inf")), sizes, steps).movedim(1, -1)
    counted = function(same_padded(torch.ones_like(x), sizes, steps), sizes, steps)
    return (function(same_padded(x, sizes, steps), sizes, steps) / counted).movedim(1, -1)
'''
HELPERS["FunctionLayer"] = '''
class FunctionLayer(Layer):
    """A function as a layer, its options held."""

    def __init__(self, function, **options):
        super().__init__()
        self.function, self.options = function, options

    def forward(self, *inputs):
        return self.function(*inputs, **self.options)
'''
HELPERS["BatchNormalization"] = '''
class BatchNormalization(Layer):
    """Batch normalisation with Keras's defaults; the moving variance is the biased one."""

    def __init__(self, axis=-1, momentum=0.99, epsilon=0.001, center=True, scale=True):
        super().__init__()
        self.axis, self.momentum, self.epsilon = axis, momentum, epsilon
        self.weight = nn.UninitializedParameter() if scale else None
        self.bias = nn.UninitializedParameter() if center else None
        self.register_buffer("running_mean", nn.UninitializedBuffer())
        self.register_buffer("running_var", nn.UninitializedBuffer())

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            for tensor, value in ((self.weight, 1), (self.bias, 0), (self.running_mean, 0), (self.running_var, 1)):
                if tensor is not None:
                    tensor.materialize((x.shape[self.axis],))
                    nn.init.constant_(tensor, value)

    def forward(self, x):
        x = x.movedim(self.axis, -1)
        mean, variance = self.running_mean, self.running_var
        if self.training:
            axes = tuple(range(x.ndim - 1))
            mean, variance = x.mean(axes), x.var(axes, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, 1 - self.momentum)
                self.running_var.lerp_(variance, 1 - self.momentum)
        y = (x - mean) * torch.rsqrt(variance + self.epsilon)
        y = y if self.weight is None else y * self.weight
        return (y if self.bias is None else y + self.bias).movedim(-1, self.axis)
'''
HELPERS["LayerNormalization"] = '''
class LayerNormalization(Layer):
    """Each sample normalised over its last axes, with Keras's defaults."""

    def __init__(self, axis=-1, epsilon=0.001, center=True, scale=True):
        super().__init__()
        self.count, self.epsilon = 1 if isinstance(axis, int) else len(axis), epsilon
        if axis not in (-1, [-1], (-1,)) and sorted(axis) != list(range(-self.count, 0)):
            raise NotImplementedError("only the last axes are normalised")
        self.weight = nn.UninitializedParameter() if scale else None
        self.bias = nn.UninitializedParameter() if center else None

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            for tensor, value in ((self.weight, 1), (self.bias, 0)):
                if tensor is not None:
                    tensor.materialize(tuple(x.shape[-self.count :]))
                    nn.init.constant_(tensor, value)

    def forward(self, x):
        return F.layer_norm(x, x.shape[-self.count :], self.weight, self.bias, self.epsilon)
'''
HELPERS["Embedding"] = '''
class Embedding(Layer):
    """Rows of a table, which starts uniform as Keras's does."""

    def __init__(self, input_dim, output_dim, embeddings_initializer="uniform"):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(input_dim, output_dim))
        start(self.weight, embeddings_initializer, input_dim, output_dim)

    def forward(self, ids):
        return F.embedding(ids.long(), self.weight)
'''
HELPERS["Dropout"] = '''
class Dropout(Layer):
    """Zeros at random while training; `noise_axes` are those with noise of their own."""

    def __init__(self, rate, noise_axes=None):
        super().__init__()
        self.rate, self.noise_axes = rate, noise_axes

    def forward(self, x):
        if not self.training or not self.rate:
            return x
        if self.noise_axes is None:
            return F.dropout(x, self.rate)
        axes = [axis % x.ndim for axis in self.noise_axes]
        return x * F.dropout(x.new_ones([size if i in axes else 1 for i, size in enumerate(x.shape)]), self.rate)
'''
HELPERS["Recurrent"] = '''
class Recurrent(Layer):
    """A recurrent layer with Keras's weights, defaults and results."""

    gates, states = 1, 1

    def __init__(
        self, units, activation="tanh", recurrent_activation="sigmoid", use_bias=True, return_sequences=False,
        return_state=False, go_backwards=False, reset_after=True, kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal", bias_initializer="zeros", unit_forget_bias=True,
    ):  # fmt: skip
        super().__init__()
        self.units, self.activation, self.gate = units, function_of(activation), function_of(recurrent_activation)
        self.return_sequences, self.return_state, self.go_backwards = return_sequences, return_state, go_backwards
        self.reset_after, self.kernel_initializer = reset_after, kernel_initializer
        self.kernel = nn.UninitializedParameter()
        width = self.gates * units
        self.recurrent_kernel = nn.Parameter(torch.empty(units, width))
        start(self.recurrent_kernel, recurrent_initializer, units, width)
        self.bias = None
        if use_bias:
            self.bias = nn.Parameter(torch.zeros((2, width) if self.gates == 3 and reset_after else (width,)))
            if self.gates == 4 and unit_forget_bias:
                self.bias.data[units : 2 * units] = 1

    def initialize_parameters(self, x, *others):
        if self.has_uninitialized_params():
            self.kernel.materialize((x.shape[-1], self.gates * self.units))
            start(self.kernel, self.kernel_initializer, x.shape[-1], self.gates * self.units)

    def forward(self, x, initial_state=None):
        state = initial_state
        if state is None:
            state = [x.new_zeros(x.shape[0], self.units) for _ in range(self.states)]
        state = list(state) if isinstance(state, (list, tuple)) else [state]
        outputs = []
        for step in reversed(range(x.shape[1])) if self.go_backwards else range(x.shape[1]):
            state = self.step(x[:, step], state)
            outputs.append(state[0])
        y = torch.stack(outputs, dim=1) if self.return_sequences else outputs[-1]
        return (y, *state) if self.return_state else y
'''
HELPERS["LSTM"] = '''
class LSTM(Recurrent):
    """Long short-term memory; gates in the order input, forget, cell, output."""

    gates, states = 4, 2

    def step(self, x, state):
        z = x @ self.kernel + state[0] @ self.recurrent_kernel
        i, f, g, o = (z if self.bias is None else z + self.bias).chunk(4, dim=-1)
        cell = self.gate(f) * state[1] + self.gate(i) * self.activation(g)
        return [self.gate(o) * self.activation(cell), cell]
'''
HELPERS["GRU"] = '''
class GRU(Recurrent):
    """Gated recurrent units; gates in the order update, reset, new."""

    gates = 3

    def step(self, x, state):
        h = state[0]
        bias = (0.0, 0.0) if self.bias is None else self.bias if self.reset_after else (self.bias, 0.0)
        z, r, n = (x @ self.kernel + bias[0]).chunk(3, dim=-1)
        if self.reset_after:
            hz, hr, hn = (h @ self.recurrent_kernel + bias[1]).chunk(3, dim=-1)
            update, reset = self.gate(z + hz), self.gate(r + hr)
            new = self.activation(n + reset * hn)
        else:
            wz, wr, wn = self.recurrent_kernel.chunk(3, dim=-1)
            update, reset = self.gate(z + h @ wz), self.gate(r + h @ wr)
            new = self.activation(n + (reset * h) @ wn)
        return [update * h + (1 - update) * new]
'''
HELPERS["SimpleRNN"] = '''
class SimpleRNN(Recurrent):
    """The plain recurrent layer."""

    def step(self, x, state):
        y = x @ self.kernel + state[0] @ self.recurrent_kernel
        return [self.activation(y if self.bias is None else y + self.bias)]
'''
HELPERS["Bidirectional"] = '''
class Bidirectional(Layer):
    """A recurrent layer, and its copy that reads backwards."""

    def __init__(self, layer, merge_mode="concat"):
        super().__init__()
        self.forward_layer, self.backward_layer, self.merge_mode = layer, copy.deepcopy(layer), merge_mode
        self.backward_layer.go_backwards = True

    def forward(self, x, initial_state=None):
        half = None if initial_state is None else len(initial_state) // 2
        a = self.forward_layer(x, None if half is None else initial_state[:half])
        b = self.backward_layer(x, None if half is None else initial_state[half:])
        (a, *first), (b, *second) = ((one if isinstance(one, tuple) else (one,)) for one in (a, b))
        if self.forward_layer.return_sequences:
            b = b.flip(1)
        merge = {
            "concat": lambda: torch.cat([a, b], dim=-1), "sum": lambda: a + b, "mul": lambda: a * b,
            "ave": lambda: (a + b) / 2, None: lambda: (a, b),
        }[self.merge_mode]  # fmt: skip
        return (merge(), *first, *second) if first else merge()
'''
HELPERS["TimeDistributed"] = '''
class TimeDistributed(Layer):
    """A layer on every step of a sequence."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        y = self.layer(x.reshape(-1, *x.shape[2:]))
        return y.reshape(*x.shape[:2], *y.shape[1:])
'''
HELPERS["MultiHeadAttention"] = '''
class MultiHeadAttention(Layer):
    """Attention with several heads, with Keras's weights."""

    def __init__(self, num_heads, key_dim, value_dim=None, dropout=0.0, use_bias=True, output_shape=None):
        super().__init__()
        self.heads, self.key_dim, self.value_dim = num_heads, key_dim, value_dim or key_dim
        self.dropout, self.outputs = nn.Dropout(dropout), output_shape
        self.names = ("query_dense", "key_dense", "value_dense", "output_dense")
        for name in self.names:
            setattr(self, f"{name}_kernel", nn.UninitializedParameter())
            setattr(self, f"{name}_bias", nn.UninitializedParameter() if use_bias else None)

    def initialize_parameters(self, query, value, key=None, **options):
        if not self.has_uninitialized_params():
            return
        key, end = value if key is None else key, self.outputs or query.shape[-1]
        shapes = [(x.shape[-1], self.heads, size) for x, size in zip((query, key, value), (self.key_dim,) * 2 + (self.value_dim,))]
        for name, shape in zip(self.names, [*shapes, (self.heads, self.value_dim, end)]):
            kernel, bias = getattr(self, f"{name}_kernel"), getattr(self, f"{name}_bias")
            kernel.materialize(shape)
            start(kernel, "glorot_uniform", shape[0] * shape[1], shape[0] * shape[2])
            if bias is not None:
                bias.materialize(shape[1:] if name != "output_dense" else shape[2:])
                nn.init.zeros_(bias)

    def forward(
        self, query, value, key=None, attention_mask=None, return_attention_scores=False, use_causal_mask=False
    ):
        def dense(name, equation, x):
            bias = getattr(self, f"{name}_bias")
            y = torch.einsum(equation, x, getattr(self, f"{name}_kernel"))
            return y if bias is None else y + bias

        q = dense("query_dense", "bte,ehd->bthd", query)
        k = dense("key_dense", "bte,ehd->bthd", value if key is None else key)
        v = dense("value_dense", "bte,ehd->bthd", value)
        scores = torch.einsum("bthd,bshd->bhts", q * self.key_dim**-0.5, k)
        if use_causal_mask:
            causal = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
            attention_mask = causal if attention_mask is None else attention_mask.bool() & causal
        if attention_mask is not None:
            mask = attention_mask.bool()
            scores = scores.masked_fill(~(mask[:, None] if mask.ndim == 3 else mask), -1e9)
        weights = torch.softmax(scores, dim=-1)
        y = dense("output_dense", "bthd,hde->bte", torch.einsum("bhts,bshd->bthd", self.dropout(weights), v))
        return (y, weights) if return_attention_scores else y
'''
HELPERS["merged"] = '''
def merged(tensors, how):
    """Several tensors as their sum, product, mean, difference or maximum."""
    functions = {
        "add": torch.add, "multiply": torch.mul, "average": torch.add, "subtract": torch.sub,
        "maximum": torch.maximum, "minimum": torch.minimum,
    }  # fmt: skip
    total = functools.reduce(functions[how], tensors)
    return total / len(tensors) if how == "average" else total
'''
HELPERS["upsampled"] = '''
def upsampled(x, size=2, interpolation="nearest"):
    """Larger images with the channels last."""
    x = x.movedim(-1, 1)
    sizes = [length * factor for length, factor in zip(x.shape[2:], sizes_of(size, x.ndim - 2))]
    mode = interpolation if interpolation == "nearest" else {3: "linear", 4: "bilinear", 5: "trilinear"}[x.ndim]
    return F.interpolate(x, size=sizes, mode=mode).movedim(1, -1)
'''
HELPERS["zero_padded"] = '''
def zero_padded(x, padding=1):
    """Images with the channels last, with zeros around."""
    sides = [(one, one) if isinstance(one, int) else tuple(one) for one in sizes_of(padding, x.ndim - 2)]
    if x.ndim == 3 and not isinstance(padding, int) and all(isinstance(one, int) for one in padding):
        sides = [tuple(padding)]
    return F.pad(x, (0, 0, *(size for pair in reversed(sides) for size in pair)))
'''
HELPERS["cropped"] = '''
def cropped(x, cropping=0):
    """Images with the channels last, without their borders."""
    sides = [(one, one) if isinstance(one, int) else tuple(one) for one in sizes_of(cropping, x.ndim - 2)]
    return x[(slice(None), *(slice(a, size - b) for (a, b), size in zip(sides, x.shape[1:-1])))]
'''
HELPERS["ReLU"] = '''
class ReLU(Layer):
    """A rectifier, possibly with a slope, a ceiling and a threshold."""

    def __init__(self, max_value=None, negative_slope=0.0, threshold=0.0):
        super().__init__()
        self.max_value, self.negative_slope, self.threshold = max_value, negative_slope, threshold

    def forward(self, x):
        y = torch.where(x >= self.threshold, x, self.negative_slope * (x - self.threshold))
        return y if self.max_value is None else torch.clamp(y, max=self.max_value)
'''
for _n in "123":
    HELPERS[f"Conv{_n}D"] = _CONV.replace("convNd", f"conv{_n}d").replace("ND", f"{_n}D").replace(", N)", f", {_n})")
    HELPERS[f"Conv{_n}DTranspose"] = (
        _TRANSPOSED.replace("conv_transposeNd", f"conv_transpose{_n}d")
        .replace("ND", f"{_n}D")
        .replace(", N)", f", {_n})")
    )

HELPERS |= training.HELPERS


def needs(helper: str) -> list[str]:
    """The helpers that a helper uses."""
    text = without_docs(HELPERS[helper])
    found = [name for name in HELPERS if name != helper and uses(text, name)]
    if helper == "optimizer_named":
        found += ["Adam", "SGD", "RMSprop"]
    if helper == "loss_named":
        found += ["mean_of", *training.NAMED["loss"].values()]
    if helper == "metrics_named":
        found += training.NAMED["metrics"].values()
    if helper == "Layer":
        found.append("Symbol")
    if "Symbol" in text and helper != "Symbol":
        found.append("Symbol")
    if "_leaves(" in text and helper != "Layer":
        found.append("Layer")
    return list(dict.fromkeys(found))
