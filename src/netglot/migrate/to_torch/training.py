"""`compile`, `fit`, `evaluate`, `predict`, optimisers and losses of Keras in PyTorch."""

from __future__ import annotations

from netglot.migrate.declare import Table

table = Table()
declare, rule, mark = table.declare, table.rule, table.mark

_O = "keras.optimizers."
declare(f"{_O}Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7)",
        "functools.partial(Adam<, lr={learning_rate}><, beta_1={beta_1}><, beta_2={beta_2}><, epsilon={epsilon}>)")  # fmt: skip
declare(f"{_O}AdamW(learning_rate=0.001, weight_decay=0.004, beta_1=0.9, beta_2=0.999, epsilon=1e-7)",
        "functools.partial(Adam, decay={weight_decay}<, lr={learning_rate}><, beta_1={beta_1}><, beta_2={beta_2}><, epsilon={epsilon}>)")  # fmt: skip
declare(f"{_O}SGD(learning_rate=0.01, momentum=0.0, nesterov=False)",
        "functools.partial(SGD, lr={learning_rate}<, momentum={momentum}><, nesterov={nesterov}>)")  # fmt: skip
declare(f"{_O}RMSprop(learning_rate=0.001, rho=0.9, epsilon=1e-7)",
        "functools.partial(RMSprop<, lr={learning_rate}><, rho={rho}><, epsilon={epsilon}>)")  # fmt: skip
for _names, _options in {
    "SparseCategoricalCrossentropy sparse_categorical_crossentropy": "from_logits=False",
    "CategoricalCrossentropy categorical_crossentropy": "from_logits=False, label_smoothing=0.0",
    "BinaryCrossentropy binary_crossentropy": "from_logits=False",
    "MeanSquaredError mean_squared_error": "",
    "MeanAbsoluteError mean_absolute_error": "",
    "Huber huber": "delta=1.0",
}.items():
    _class, _function = _names.split()
    _held = "".join(f"<, {o.split('=')[0]}={{{o.split('=')[0]}}}>" for o in _options.split(", ") if o)
    declare(f"keras.losses.{_class}({_options})", f"functools.partial(mean_of, {_function}{_held})")
    _comma = ", " if _options else ""
    declare(
        f"keras.losses.{_function}(y_true, y_pred{_comma}{_options})", f"{_function}({{y_true}}, {{y_pred}}{_held})"
    )
declare("keras.utils.to_categorical(x, num_classes=None)", "np.eye({num_classes})[np.asarray({x}, dtype=int)]")

declare(
    "tensorflow.python.data.ops.dataset_ops.DatasetV2.from_tensor_slices|tf.data.Dataset.from_tensor_slices(tensors)",
    "Dataset({tensors})",
)
for _name in ("Mean", "SparseCategoricalAccuracy", "CategoricalAccuracy", "BinaryAccuracy"):
    declare(f"keras.metrics.{_name}(name=None)", f"{_name}()", infers="name")

DATASET = {"shuffle", "batch", "prefetch", "repeat", "take", "map", "cache"}
"""The methods of `tf.data` that the helper has."""

NAMED = {
    "optimizer": {"adam": "Adam", "sgd": "SGD", "rmsprop": "RMSprop"},
    "loss": {
        "sparse_categorical_crossentropy": "sparse_categorical_crossentropy", "mse": "mean_squared_error",
        "categorical_crossentropy": "categorical_crossentropy", "binary_crossentropy": "binary_crossentropy",
        "mean_squared_error": "mean_squared_error", "mae": "mean_absolute_error",
        "mean_absolute_error": "mean_absolute_error",
    },
    "metrics": {
        "accuracy": "accuracy_of", "acc": "accuracy_of", "mse": "mean_squared_error", "mean_squared_error": "mean_squared_error",
        "mae": "mean_absolute_error", "mean_absolute_error": "mean_absolute_error",
    },
}  # fmt: skip
"""What `compile` takes by name, and the helpers that are meant."""

METHODS = {"compile": "prepare", "fit": "fit", "evaluate": "evaluate", "predict": "predict"}
"""Methods of Keras's models, and the helpers that do as they do."""

KNOWN = {
    "compile": {"optimizer", "loss", "metrics"},
    "fit": {"x", "y", "batch_size", "epochs", "verbose", "validation_data", "validation_split", "shuffle"},
    "evaluate": {"x", "y", "batch_size", "verbose"},
    "predict": {"x", "batch_size", "verbose"},
}
"""The options of each that are carried over."""

HELPERS = {
    "apply_gradients": '''
def apply_gradients(optimizer, pairs):
    """One step of an optimiser, which is made for the weights that it first meets."""
    pairs = list(pairs)
    if not hasattr(optimizer, "made"):
        optimizer.made = optimizer([weight for _, weight in pairs])
    for gradient, weight in pairs:
        weight.grad = gradient
    optimizer.made.step()
''',
    "Dataset": '''
class Dataset:
    """Samples that are rows of arrays, shuffled, batched and mapped as they are read."""

    def __init__(self, tensors, steps=()):
        self.tensors, self.steps = tensors, steps

    def _with(self, step):
        return Dataset(self.tensors, (*self.steps, step))

    def shuffle(self, buffer_size=None, **options):
        return self._with(lambda rows: [rows[i] for i in np.random.permutation(len(rows))])

    def batch(self, size, drop_remainder=False):
        def batched(rows):
            ends = range(0, len(rows) - (size - 1 if drop_remainder else 0), size)
            groups = [rows[first : first + size] for first in ends]
            if isinstance(self.tensors, tuple):
                return [tuple(torch.stack(column) for column in zip(*group)) for group in groups]
            return [torch.stack(group) for group in groups]

        return self._with(batched)

    def map(self, function, **options):
        whole = isinstance(self.tensors, tuple)
        return self._with(lambda rows: [function(*row) if whole else function(row) for row in rows])

    def prefetch(self, size):
        return self

    def cache(self):
        return self

    def take(self, count):
        return self._with(lambda rows: rows[:count])

    def repeat(self, count=1):
        return self._with(lambda rows: rows * count)

    def __iter__(self):
        columns = self.tensors if isinstance(self.tensors, tuple) else (self.tensors,)
        columns = [as_input(column) for column in columns]
        rows = list(zip(*columns)) if isinstance(self.tensors, tuple) else list(columns[0])
        for step in self.steps:
            rows = step(rows)
        return iter(rows)
''',
    "Mean": '''
class Mean:
    """The mean of all numbers that it has seen."""

    def __init__(self):
        self.reset_state()

    def reset_state(self):
        self.total, self.count = 0.0, 0

    reset_states = reset_state

    def values(self, numbers):
        return torch.as_tensor(numbers).detach().double()

    def update_state(self, *given):
        values = self.values(*given)
        self.total, self.count = self.total + float(values.sum()), self.count + values.numel()

    def __call__(self, *given):
        self.update_state(*given)
        return self.result()

    def result(self):
        return torch.tensor(self.total / max(self.count, 1))
''',
    "SparseCategoricalAccuracy": '''
class SparseCategoricalAccuracy(Mean):
    """The share of samples whose largest output is the class."""

    def values(self, y_true, y_pred):
        return (y_pred.argmax(-1) == y_true.reshape(y_pred.shape[:-1])).double()
''',
    "CategoricalAccuracy": '''
class CategoricalAccuracy(Mean):
    """The share of samples whose largest output is where the largest target is."""

    def values(self, y_true, y_pred):
        return (y_pred.argmax(-1) == y_true.argmax(-1)).double()
''',
    "BinaryAccuracy": '''
class BinaryAccuracy(Mean):
    """The share of outputs on the right side of one half."""

    def values(self, y_true, y_pred):
        return ((y_pred > 0.5).double() == y_true.double().reshape(y_pred.shape)).double()
''',
    "Adam": '''
class Adam(torch.optim.Optimizer):
    """Adam as Keras has it: epsilon is added before the bias is corrected; `decay` shrinks the weights."""

    def __init__(self, params, lr=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, decay=0.0):
        super().__init__(params, dict(lr=lr, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, decay=decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state |= {"step": 0, "mean": torch.zeros_like(weight), "square": torch.zeros_like(weight)}
                state["step"] += 1
                weight -= group["lr"] * group["decay"] * weight
                state["mean"].lerp_(weight.grad, 1 - group["beta_1"])
                state["square"].lerp_(weight.grad**2, 1 - group["beta_2"])
                corrected = (1 - group["beta_2"] ** state["step"]) ** 0.5 / (1 - group["beta_1"] ** state["step"])
                weight -= group["lr"] * corrected * state["mean"] / (state["square"].sqrt() + group["epsilon"])
''',
    "SGD": '''
class SGD(torch.optim.Optimizer):
    """Gradient descent as Keras has it: the learning rate is part of the momentum."""

    def __init__(self, params, lr=0.01, momentum=0.0, nesterov=False):
        super().__init__(params, dict(lr=lr, momentum=momentum, nesterov=nesterov))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                move = -group["lr"] * weight.grad
                if group["momentum"]:
                    held = self.state[weight].setdefault("held", torch.zeros_like(weight))
                    held.mul_(group["momentum"]).add_(move)
                    move = group["momentum"] * held + move if group["nesterov"] else held
                weight += move
''',
    "RMSprop": '''
class RMSprop(torch.optim.Optimizer):
    """RMSprop as Keras has it: epsilon under the root."""

    def __init__(self, params, lr=0.001, rho=0.9, epsilon=1e-7):
        super().__init__(params, dict(lr=lr, rho=rho, epsilon=epsilon))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                square = self.state[weight].setdefault("square", torch.zeros_like(weight))
                square.lerp_(weight.grad**2, 1 - group["rho"])
                weight -= group["lr"] * weight.grad / (square + group["epsilon"]).sqrt()
''',
    "sparse_categorical_crossentropy": '''
def sparse_categorical_crossentropy(y_true, y_pred, from_logits=False):
    """Cross-entropy of class indices, for each sample."""
    logs = torch.log_softmax(y_pred if from_logits else y_pred.clamp(1e-7, 1 - 1e-7).log(), dim=-1)
    y_true = y_true.long().reshape(logs.shape[:-1])
    return -logs.gather(-1, y_true[..., None])[..., 0]
''',
    "categorical_crossentropy": '''
def categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0):
    """Cross-entropy of class shares, for each sample."""
    y_true = y_true * (1 - label_smoothing) + label_smoothing / y_true.shape[-1]
    if from_logits:
        return -(y_true * torch.log_softmax(y_pred, dim=-1)).sum(-1)
    y_pred = y_pred / y_pred.sum(-1, keepdim=True)
    return -(y_true * y_pred.clamp(1e-7, 1 - 1e-7).log()).sum(-1)
''',
    "binary_crossentropy": '''
def binary_crossentropy(y_true, y_pred, from_logits=False):
    """Cross-entropy of two classes, for each sample."""
    y_true = y_true.to(y_pred.dtype).reshape(y_pred.shape)
    if from_logits:
        return F.binary_cross_entropy_with_logits(y_pred, y_true, reduction="none").mean(-1)
    y_pred = y_pred.clamp(1e-7, 1 - 1e-7)
    return -(y_true * y_pred.log() + (1 - y_true) * (1 - y_pred).log()).mean(-1)
''',
    "mean_squared_error": '''
def mean_squared_error(y_true, y_pred):
    """Squared errors, for each sample."""
    return ((y_pred - y_true.to(y_pred.dtype).reshape(y_pred.shape)) ** 2).mean(-1)
''',
    "mean_absolute_error": '''
def mean_absolute_error(y_true, y_pred):
    """Absolute errors, for each sample."""
    return (y_pred - y_true.to(y_pred.dtype).reshape(y_pred.shape)).abs().mean(-1)
''',
    "huber": '''
def huber(y_true, y_pred, delta=1.0):
    """Squared errors up to delta, absolute ones beyond, for each sample."""
    return F.huber_loss(y_pred, y_true.to(y_pred.dtype).reshape(y_pred.shape), reduction="none", delta=delta).mean(-1)
''',
    "mean_of": '''
def mean_of(function, y_true, y_pred, **options):
    """The mean of a loss over all samples."""
    return function(y_true, y_pred, **options).mean()
''',
    "prepare": '''
def prepare(model, optimizer, loss=None, metrics=None):
    """Says how a network is to be trained; `fit` and `evaluate` ask for it."""
    model.optimizer, model.loss, model.metrics = optimizer, loss, metrics or {}
''',
    "optimizer_named": '''
def optimizer_named(given):
    """An optimiser by Keras's name for it, or as it is given."""
    return {"adam": Adam, "sgd": SGD, "rmsprop": RMSprop}[given.lower()] if isinstance(given, str) else given
''',
    "loss_named": '''
def loss_named(given):
    """A loss by Keras's name for it, or as it is given."""
    losses = {
        "sparse_categorical_crossentropy": sparse_categorical_crossentropy, "mse": mean_squared_error,
        "categorical_crossentropy": categorical_crossentropy, "binary_crossentropy": binary_crossentropy,
        "mean_squared_error": mean_squared_error, "mae": mean_absolute_error, "mean_absolute_error": mean_absolute_error,
    }  # fmt: skip
    return functools.partial(mean_of, losses[given]) if isinstance(given, str) else given
''',
    "metrics_named": '''
def metrics_named(names):
    """Metrics by Keras's names for them."""
    known = {
        "accuracy": accuracy_of, "acc": accuracy_of, "mse": mean_squared_error, "mean_squared_error": mean_squared_error,
        "mae": mean_absolute_error, "mean_absolute_error": mean_absolute_error,
    }  # fmt: skip
    return {name: known[name] for name in names or ()}
''',
    "accuracy_of": '''
def accuracy_of(y_true, y_pred):
    """The share of samples that are told right: by the largest output, or by one output above one half."""
    if y_pred.shape[-1] == 1:
        return ((y_pred > 0.5).long() == y_true.long().reshape(y_pred.shape)).double().mean()
    classes = y_true.argmax(-1) if y_true.shape == y_pred.shape else y_true.long().reshape(y_pred.shape[:-1])
    return (y_pred.argmax(-1) == classes).double().mean()
''',
    "batches_of": '''
def batches_of(x, y=None, batch_size=32, shuffle=False):
    """Batches of arrays or tensors as pairs of tensors; what already comes in batches is given on."""
    if not isinstance(x, (np.ndarray, torch.Tensor)):
        yield from ((torch.as_tensor(np.asarray(a)), torch.as_tensor(np.asarray(b))) for a, b in x)
        return
    order = np.random.permutation(len(x)) if shuffle else np.arange(len(x))
    for first in range(0, len(x), batch_size or 32):
        rows = order[first : first + (batch_size or 32)]
        yield tuple(None if one is None else as_input(one[rows]) for one in (x, y))
''',
    "as_input": '''
def as_input(values):
    """A tensor, floating numbers in the default precision."""
    tensor = torch.as_tensor(np.asarray(values))
    return tensor.to(torch.get_default_dtype()) if tensor.is_floating_point() else tensor
''',
    "fit": '''
def fit(
    model, x, y=None, batch_size=32, epochs=1, verbose="auto", validation_data=None, validation_split=0.0, shuffle=True,
):  # fmt: skip
    """Trains a network as it was prepared, and gives the history of its losses and metrics."""
    if validation_split:
        cut = int(len(x) * (1 - validation_split))
        x, y, validation_data = x[:cut], y[:cut], (x[cut:], y[cut:])
    with torch.no_grad():
        model.eval()(next(iter(batches_of(x, y, batch_size)))[0])  # the weights are made with the first input
    optimizer = model.optimizer(model.parameters()) if callable(model.optimizer) else model.optimizer
    model.optimizer = optimizer
    history = {}
    for epoch in range(epochs):
        model.train()
        totals, count = {}, 0
        for inputs, targets in batches_of(x, y, batch_size, shuffle):
            outputs = model(inputs)
            loss = model.loss(targets, outputs)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            values = {name: metric(targets, outputs).mean() for name, metric in model.metrics.items()}
            values = {"loss": loss} | values
            for name, value in values.items():
                totals[name] = totals.get(name, 0.0) + float(value.detach()) * len(inputs)
            count += len(inputs)
        told = {name: total / count for name, total in totals.items()}
        if validation_data is not None:
            names, (vx, vy) = ["loss", *model.metrics], validation_data
            values = evaluate(model, vx, vy, batch_size, verbose=0)
            told |= {f"val_{n}": v for n, v in zip(names, values if isinstance(values, list) else [values])}
        for name, value in told.items():
            history.setdefault(name, []).append(value)
        if verbose:
            print(f"Epoch {epoch + 1}/{epochs} - " + " - ".join(f"{name}: {value:.4f}" for name, value in told.items()))
    return types.SimpleNamespace(history=history, epoch=list(range(epochs)))
''',
    "evaluate": '''
def evaluate(model, x, y=None, batch_size=32, verbose="auto"):
    """The loss, and the metrics behind it, on data that is not trained on."""
    model.eval()
    totals, count = [0.0] * (1 + len(model.metrics)), 0
    with torch.no_grad():
        for inputs, targets in batches_of(x, y, batch_size):
            outputs = model(inputs)
            metrics = [metric(targets, outputs).mean() for metric in model.metrics.values()]
            values = [model.loss(targets, outputs), *metrics]
            totals = [total + float(value) * len(inputs) for total, value in zip(totals, values)]
            count += len(inputs)
    means = [total / count for total in totals]
    if verbose:
        print(" - ".join(f"{name}: {mean:.4f}" for name, mean in zip(["loss", *model.metrics], means)))
    return means if len(means) > 1 else means[0]
''',
    "predict": '''
def predict(model, x, batch_size=32, verbose="auto"):
    """The outputs for all samples, as an array."""
    model.eval()
    with torch.no_grad():
        return np.concatenate([model(inputs).numpy() for inputs, _ in batches_of(x, None, batch_size)])
''',
}
