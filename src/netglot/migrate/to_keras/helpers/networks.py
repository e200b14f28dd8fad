"""What is asked of a whole network: its layers, its weights and their names, copies."""

from __future__ import annotations

HELPERS: dict[str, str] = {
    "clone": '''
def clone(layer, known=None):
    """A copy of a layer and of all that it holds; what several of its parts share, their copies share."""
    known = {} if known is None else known
    if id(layer) in known:
        return known[id(layer)]
    if isinstance(layer, (list, tuple)):
        return type(layer)([clone(one, known) for one in layer])
    if isinstance(layer, dict):
        return {key: clone(one, known) for key, one in layer.items()}
    if isinstance(layer, keras.Variable):
        known[id(layer)] = keras.Variable(layer, trainable=layer.trainable, dtype=layer.dtype, name=layer.name)
        return known[id(layer)]
    if not isinstance(layer, layers.Layer):
        return layer
    if type(layer) is keras.Sequential:
        known[id(layer)] = keras.Sequential([clone(one, known) for one in layer.layers])
        return known[id(layer)]
    plain, made = layers.Layer(), type(layer).__new__(type(layer))
    known[id(layer)] = made
    (keras.Model if isinstance(layer, keras.Model) else layers.Layer).__init__(made)
    for name, value in vars(layer).items():
        if name not in vars(plain) and name not in vars(made):
            setattr(made, name, clone(value, known))
    made.built = layer.built
    return made
''',
    "layer_name": '''
def layer_name(layer):
    """The name of a layer's class as PyTorch has it, which is what is asked for here."""
    name = type(layer).__name__
    if "Conv" in name:
        return ("ConvTranspose" if "Transpose" in name else "Conv") + name[name.index("D") - 1] + "d"
    names = {"Dense": "Linear", "BatchNormalization": "BatchNorm2d", "LayerNormalization": "LayerNorm"}
    return names.get(name, name.replace("Normalization", "Norm"))
''',
    "freeze": '''
def freeze(model, held=True):
    """Holds the weights of a network as they are, or lets them go, those also that its layers have yet to make."""

    def made(make):
        def add_weight(*args, **options):
            weight = make(*args, **options)
            weight.trainable = options.get("trainable", True) and not held
            return weight

        return add_weight

    for layer in model._flatten_layers():
        for variable in layer._trainable_variables:
            variable.trainable = not held
        layer.add_weight = made(layer.add_weight)
''',
    "named_layers": '''
def named_layers(layer, path="", seen=None):
    """A layer and all that it holds, each once, with its name from the outermost one."""
    seen = {id(layer)} if seen is None else seen
    yield path, layer
    held = dict(enumerate(layer.layers)) if isinstance(layer, keras.Sequential) else vars(layer)
    rest = [(f"{path}.{name}".lstrip("."), one) for name, one in held.items() if not str(name).startswith("_")]
    while rest:
        name, one = rest.pop(0)
        if isinstance(one, layers.Layer) and id(one) not in seen:
            seen.add(id(one))
            yield from named_layers(one, name, seen)
        elif isinstance(one, (list, tuple)):
            rest = [(f"{name}.{number}", two) for number, two in enumerate(one)] + rest
        elif isinstance(one, dict):
            rest = [(f"{name}.{key}", two) for key, two in one.items()] + rest
''',
    "weight_name": '''
def weight_name(path, variable):
    """The name of a weight as PyTorch has it: `fc.weight` for `fc.kernel`."""
    names = {"kernel": "weight", "gamma": "weight", "embeddings": "weight", "alpha": "weight", "beta": "bias"}
    return f"{path}.{names.get(variable.name, variable.name)}".lstrip(".")
''',
    "calculate_gain": '''
def calculate_gain(nonlinearity, param=None):
    """How much larger weights start before an activation."""
    slope = 0.01 if param is None else param
    known = {"tanh": 5 / 3, "relu": math.sqrt(2), "leaky_relu": math.sqrt(2 / (1 + slope**2)), "selu": 0.75}
    return known.get(nonlinearity, 1.0)
''',
    "in_precision": '''
def in_precision(model, dtype):
    """A network that computes, and holds its weights, in a precision; they must not have been made yet."""
    for layer in model._flatten_layers():
        if layer.dtype != dtype and layer.weights:
            raise ValueError(f"the weights of {layer.name} were made in {layer.dtype} before")
        layer.dtype_policy = dtype
    return model
''',
    "named_parameters": '''
def named_parameters(model):
    """The trained weights of a network with their names."""
    for path, layer in named_layers(model):
        for variable in layer._trainable_variables:
            yield weight_name(path, variable), variable
''',
    "parameters": '''
def parameters(model):
    """The weights of a network, those also that are held."""
    return [variable for _, variable in named_parameters(model)]
''',
    "held": '''
def held(layer, *names):
    """The first of some weights that a layer has; None where it has none."""
    return next((one for name in names if (one := getattr(layer, name, None)) is not None), None)
''',
    "replace": '''
def replace(layer, place, part):
    """Puts a layer in the place of another one, which goes with its weights."""
    if isinstance(layer, keras.Sequential):
        parts = list(layer.layers)
        parts[place] = part
        for _ in range(len(parts)):
            layer.pop(rebuild=False)
        for one in parts:
            layer.add(one, rebuild=False)
        return
    layer._tracker.unlock()
    layer._layers[:] = [one for one in layer._layers if one is not getattr(layer, place, None)]
    setattr(layer, place, part)
''',
    "children": '''
def children(layer):
    """The layers that a layer holds itself."""
    if isinstance(layer, keras.Sequential):
        return list(layer.layers)
    return list(layer._flatten_layers(include_self=False, recursive=False))
''',
    "starts_of": '''
def starts_of(layer):
    """What the weights of a layer itself start from, by their names."""
    names = {name.removesuffix("_initializer"): one for name, one in vars(layer).items() if "_initializer" in name}
    return {name: one for name, one in names.items() if getattr(layer, name, None) is not None}
''',
    "start_anew": '''
def start_anew(layer):
    """Draws the weights of a layer anew."""
    for name, start in starts_of(layer).items():
        variable = getattr(layer, name)
        variable.assign((start.clone() if hasattr(start, "clone") else start)(variable.shape))
''',
    "buffers": '''
def buffers(model):
    """What a network holds that is not trained: the running statistics of its normalisations."""
    held = [variable for _, layer in named_layers(model) for variable in layer._non_trainable_variables]
    return [variable for variable in held if variable.dtype in ("float32", "float64", "float16", "bfloat16")]
''',
    "each_weight": '''
def each_weight(model):
    """Calls a function with the name and the value of each weight, those also that layers have yet to make."""

    class Coming:
        value, trainable = None, True

        def __init__(self, name, shape, dtype):
            self.name, self.shape, self.dtype = name, tuple(shape), dtype

        def assign(self, value):
            self.value = value

    def called(function):
        for path, layer in named_layers(model):
            for variable in layer._trainable_variables:
                function(weight_name(path, variable), variable)

            def add_weight(shape=None, initializer=None, *, path=path, make=layer.add_weight, **options):
                own = keras.initializers.get(initializer)

                def start(shape, dtype=None):
                    coming = Coming(options.get("name", ""), shape, dtype)
                    function(weight_name(path, coming), coming)
                    return own(shape, dtype=dtype) if coming.value is None else ops.cast(coming.value, dtype)

                trained = Coming(options.get("name", ""), shape, options.get("dtype") or "float32")
                function(weight_name(path, trained), trained)
                options["trainable"] = options.get("trainable", True) and trained.trainable
                return make(shape=shape, initializer=start, **options)

            layer.add_weight = add_weight
        return function

    return called
''',
    "started": '''
def started(initializer, shape):
    """A weight in PyTorch's order of axes, by an initialiser that reads its inputs and outputs from Keras's order."""
    if len(shape) < 2:
        return initializer(shape)
    order = (*range(2, len(shape)), 1, 0)
    return ops.transpose(initializer([shape[axis] for axis in order]), np.argsort(order).tolist())
''',
    "as_in_torch": '''
def as_in_torch(kernel):
    """A kernel with its axes as PyTorch has them: outputs, inputs, places."""
    count = len(kernel.shape)
    return kernel if count < 2 else ops.transpose(kernel, (count - 1, count - 2, *range(count - 2)))
''',
    "weight_of": '''
def weight_of(layer):
    """The weight of a layer with its axes as PyTorch has them."""
    return as_in_torch(layer.kernel)
''',
    "give_weight": '''
def give_weight(layer, value):
    """Gives a layer a weight that has its axes as PyTorch has them."""
    if isinstance(layer, layers.Embedding):
        if not layer.built:
            layer.build()
        layer.embeddings.assign(value)
        return
    layer.kernel.assign(ops.transpose(value, (*range(2, len(value.shape)), 1, 0)))
''',
    "inputs_of": '''
def inputs_of(layer):
    """The number of a layer's input channels; None before its first call, where it was not told."""
    if getattr(layer, "fan_in", None) is not None:
        return layer.fan_in
    return layer.kernel.shape[-2] * getattr(layer, "groups", 1) if layer.built else None
''',
    "state_of": '''
def state_of(model):
    """The weights of a network by the layer that holds them and their place in it."""
    return {
        f"{path}.{place}": variable
        for path, layer in named_layers(model)
        for place, variable in enumerate([*layer._trainable_variables, *layer._non_trainable_variables])
    }
''',
    "load_state": '''
def load_state(model, state):
    """Gives a network the weights that `state_of` told, or others in their places."""
    own = state_of(model)
    for name, value in state.items():
        own[name].assign(value)
''',
    "parameter": '''
def parameter(value, trainable=True):
    """A weight that starts at `value`."""
    return keras.Variable(value, trainable=trainable, dtype=value.dtype)
''',
    "modules": '''
def modules(layer):
    """A layer and all that it holds."""
    return layer._flatten_layers()
''',
}
