"""Networks that are written down by calling layers on symbols, as Keras's functional way does."""

import copy
import math
import operator
import warnings

import torch
from torch import nn

from netglot.migrate.to_torch.library.penalties import told
from netglot.migrate.to_torch.library.starting import start


def with_operators(cls):
    """Gives a class the operators of tensors, each of which makes a symbol."""
    for name in ("add", "sub", "mul", "truediv", "pow", "matmul", "mod", "floordiv"):
        function = getattr(operator, name)
        setattr(cls, f"__{name}__", lambda a, b, function=function: cls.of(function, a, b))
        setattr(cls, f"__r{name}__", lambda a, b, function=function: cls.of(function, b, a))
    for name in ("neg", "lt", "le", "gt", "ge"):
        function = getattr(operator, name)
        setattr(cls, f"__{name}__", lambda *values, function=function: cls.of(function, *values))
    return cls


@with_operators
class Symbol:
    """What stands for a tensor while a network is written down; it holds how it is computed, and an example."""

    def __init__(self, example, function=None, args=(), options=None):
        args, options = (self.put(one, lambda symbol: symbol) for one in (args, options or {}))  # lists may grow later
        self.example, self.function, self.args, self.options = example, function, args, options

    @staticmethod
    def put(values, given):
        """Nested values with each symbol replaced by what `given` says of it."""
        if isinstance(values, Symbol):
            return given(values)
        if isinstance(values, (list, tuple)):
            return type(values)(Symbol.put(one, given) for one in values)
        if isinstance(values, dict):
            return {key: Symbol.put(one, given) for key, one in values.items()}
        made = isinstance(values, torch.Tensor) and values.grad_fn is not None
        return values.detach() if made else values  # a constant of the network, as Keras has it

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

    def before(self):
        """The symbols that this one is computed from."""
        found = []
        self.put([*self.args, *self.options.values()], found.append)
        return found

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
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **options: Symbol.of(lambda x, *a, **k: getattr(x, name)(*a, **k), self, *args, **options)

    def __getitem__(self, index):
        return Symbol.of(operator.getitem, self, index)

    def __iter__(self):
        return (self[i] for i in range(self.shape[0]))


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

    def initialize_parameters(self, *inputs, **options):
        """A layer whose weights need no input."""

    def _infer_parameters(self, module, args, kwargs=None):
        if not self.built:
            self.built = True
            self.build(args[0].shape if isinstance(args[0], torch.Tensor) else [one.shape for one in args[0]])
        super()._infer_parameters(module, args, kwargs or {})

    def add_loss(self, value):
        """Adds to the loss of the network."""
        told(self, value)

    def add_weight(
        self, shape=(), initializer="glorot_uniform", dtype=None, trainable=True, name=None, regularizer=None
    ):
        """A weight of a shape, started as Keras starts it."""
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        weight = nn.Parameter(torch.empty(shape), requires_grad=trainable)
        fans = shape[-2:] if len(shape) > 1 else (max(1, math.prod(shape)),) * 2
        start(weight, initializer or "glorot_uniform", *(fan * math.prod(shape[:-2]) for fan in fans))
        weight.penalty = regularizer
        return weight

    def __call__(self, *args, **options):
        if any(isinstance(one, Symbol) for one in _leaves([*args, *options.values()])):
            return Symbol.of(self, *args, **options)
        return super().__call__(*args, **options)


def _leaves(values):
    return [leaf for one in values for leaf in (_leaves(one) if isinstance(one, (list, tuple)) else [one])]


def Input(shape=None, batch_size=None, dtype=None, name=None, batch_shape=None):
    """An input of a network that is written down."""
    shape = (batch_size or 2, *(64 if size is None else size for size in shape)) if batch_shape is None else batch_shape
    whole = dtype is not None and "int" in str(dtype)
    return Symbol(torch.zeros(shape, dtype=torch.int64 if whole else torch.get_default_dtype()))


def _as_declared(symbol, value):
    """An input with the last axis and the dtype of one that was declared for it."""
    value = value.to(symbol.example.dtype)
    lacks = value.ndim + 1 == symbol.example.ndim and symbol.example.shape[-1] == 1
    return value[..., None] if lacks else value


class Model(Layer):
    """A network that was written down from its inputs to its outputs."""

    def __init__(self, inputs, outputs, output_names=None, name=None):
        super().__init__()
        self.inputs, self.outputs, self.output_names = inputs, outputs, output_names
        waiting, seen, self.steps = [], set(), []
        Symbol.put(outputs, waiting.append)
        while waiting:  # what a symbol is computed from comes before it
            last = waiting[-1]
            before = [one for one in last.before() if id(one) not in seen]
            if before:
                waiting += before
                continue
            waiting.pop()
            if id(last) not in seen:
                seen.add(id(last))
                self.steps.append(last)
        self.layers = nn.ModuleList(
            dict.fromkeys(one.function for one in self.steps if isinstance(one.function, nn.Module))
        )

    def forward(self, *inputs):
        symbols = []
        Symbol.put(self.inputs, symbols.append)
        if len(inputs) == 1 and isinstance(inputs[0], dict):
            keys = self.inputs if isinstance(self.inputs, dict) else inputs[0]
            inputs = [inputs[0][key] for key in keys]
        known = {id(symbol): _as_declared(symbol, value) for symbol, value in zip(symbols, _leaves(list(inputs)))}
        for one in self.steps:
            if id(one) not in known:
                args, options = (Symbol.put(part, lambda symbol: known[id(symbol)]) for part in (one.args, one.options))
                known[id(one)] = one.function(*args, **options)
        return Symbol.put(self.outputs, lambda symbol: known[id(symbol)])

    def __deepcopy__(self, memo):
        made = memo[id(self)] = self.__new__(type(self))
        for one in self.steps:  # in order, so that none goes deep
            copy.deepcopy(one, memo)
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made

    @property
    def input(self):
        return self.inputs

    @property
    def output(self):
        return self.outputs

    def get_layer(self, name=None, index=None):
        """A layer by its name, or by its place."""
        found = (
            [one for one in self.layers if getattr(one, "name", "") == name] if index is None else [self.layers[index]]
        )
        layer = found[0]
        last = next(one for one in self.steps if one.function is layer)
        layer.__dict__.update(output=last, input=last.args[0] if len(last.args) == 1 else last.args)
        return layer


def module_list(groups):
    """Layers in nested lists, as nested lists of PyTorch's own."""
    return nn.ModuleList(module_list(one) if isinstance(one, (list, tuple)) else one for one in groups)


def named(layer, name):
    """A layer that can be asked for by a name."""
    layer.name = name
    return layer


class Sequential(nn.Sequential):
    """Layers one after the other; where an input is declared, layers make their weights at once."""

    def __init__(self, layers=(), name=None):
        super().__init__()
        self.example = None
        for layer in layers or ():
            self.add(layer)

    def add(self, layer):
        if isinstance(layer, Symbol):
            self.example = layer.example
            return
        self.append(layer)
        if self.example is not None:
            training = layer.training
            try:
                self.example = Symbol.of(layer.eval(), Symbol(self.example)).example
            except (RuntimeError, TypeError, ValueError, IndexError, AttributeError):
                self.example = None  # the first input will tell
            layer.train(training)

    @property
    def layers(self):
        return list(self)

    def __call__(self, *inputs):
        return Symbol.of(self, *inputs) if isinstance(inputs[0], Symbol) else super().__call__(*inputs)


class FunctionLayer(Layer):
    """A function as a layer, its options held."""

    def __init__(self, function, **options):
        super().__init__()
        self.function, self.options = function, options

    def forward(self, *inputs):
        return self.function(*inputs, **self.options)
