"""What a training loop does with gradients, data and files."""

from __future__ import annotations

HELPERS: dict[str, str] = {
    "backward": '''
def backward(tape, loss, weights, gradient=None):
    """Adds the gradients of a loss to `grad` of each weight, as PyTorch does."""
    weights = list(weights)
    for weight, found in zip(weights, tape.gradient(loss, weights, output_gradients=gradient)):
        before = getattr(weight, "grad", None)
        found = before if found is None else tf.convert_to_tensor(found)
        weight.grad = found if before is None or found is before else before + found
''',
    "clear": '''
def clear(weights):
    """Leaves weights without gradients."""
    for weight in weights:
        weight.grad = None
''',
    "keep": '''
def keep(weights, gradients):
    """Gives each weight its gradient."""
    for weight, gradient in zip(weights, gradients):
        weight.grad = gradient
''',
    "clip_kept": '''
def clip_kept(clip, weights, limit):
    """Holds the gradients small that weights keep."""
    for weight, gradient in zip(weights, clip([one.grad for one in weights], limit)):
        weight.grad = gradient
''',
    "summed": '''
def summed(a, b):
    """Gradients of two losses together."""
    if a is None:
        return b
    whole = [[None if one is None else tf.convert_to_tensor(one) for one in side] for side in (a, b)]
    return [y if x is None else x if y is None else x + y for x, y in zip(*whole)]
''',
    "SummaryWriter": '''
class SummaryWriter:
    """Writes what TensorBoard shows."""

    def __init__(self, log_dir=None):
        self.writer = tf.summary.create_file_writer(str(log_dir or "runs"))

    def write(self, kind, tag, value, step):
        with self.writer.as_default():
            getattr(tf.summary, kind)(tag, value, step=step or 0)

    def add_scalar(self, tag, value, global_step=None):
        self.write("scalar", tag, float(value), global_step)

    def add_scalars(self, tag, values, global_step=None):
        for name, value in values.items():
            self.add_scalar(f"{tag}/{name}", value, global_step)

    def add_histogram(self, tag, values, global_step=None):
        self.write("histogram", tag, values, global_step)

    def add_text(self, tag, text, global_step=None):
        self.write("text", tag, text, global_step)

    def add_image(self, tag, image, global_step=None):
        self.write("image", tag, ops.moveaxis(image, 0, -1)[None], global_step)

    def add_graph(self, *what):
        """PyTorch's graph has no counterpart."""

    def flush(self):
        self.writer.flush()

    def close(self):
        self.writer.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
''',
    "clip_among": '''
def clip_among(clip, gradients, variables, chosen, limit):
    """Gradients of which those of the chosen weights are held small together."""
    chosen = {id(one) for one in chosen}
    places = [place for place, one in enumerate(variables) if id(one) in chosen]
    held = dict(zip(places, clip([gradients[place] for place in places], limit)))
    return [held.get(place, one) for place, one in enumerate(gradients)]
''',
    "clip_grad_norm": '''
def clip_grad_norm(gradients, max_norm):
    """Gradients scaled down together where their norm is above `max_norm`."""
    gradients = [None if one is None else tf.convert_to_tensor(one) for one in gradients]
    norm = ops.sqrt(sum(ops.sum(ops.square(one)) for one in gradients if one is not None))
    scale = ops.minimum(max_norm / (norm + 1e-6), 1.0)
    return [None if one is None else one * scale for one in gradients]
''',
    "global_norm": '''
def global_norm(gradients):
    """The norm of all gradients together."""
    whole = [tf.convert_to_tensor(one) for one in gradients if one is not None]
    return ops.sqrt(sum(ops.sum(ops.square(one)) for one in whole))
''',
    "GradScaler": '''
class GradScaler:
    """Scales a loss, so that small gradients survive half precision; a step whose gradients overflow is left out."""

    def __init__(
        self, device="cuda", init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000, enabled=True
    ):
        usable = device == "cpu" or bool(tf.config.list_physical_devices("GPU"))
        self.enabled, self.factor, self.growth_interval = enabled and usable, float(init_scale), growth_interval
        self.growth_factor, self.backoff_factor = growth_factor, backoff_factor
        self.good, self.unscaled, self.finite = 0, False, True

    def scale(self, loss):
        return loss * self.factor if self.enabled else loss

    def unscale(self, gradients):
        if not self.enabled:
            return gradients
        self.unscaled = True
        return [None if one is None else tf.convert_to_tensor(one) / self.factor for one in gradients]

    def step(self, optimizer, gradients, variables):
        gradients = gradients if self.unscaled else self.unscale(gradients)
        self.unscaled = False
        self.finite = all(bool(ops.all(ops.isfinite(one))) for one in gradients if one is not None)
        if self.finite or not self.enabled:
            optimizer.apply_gradients(zip(gradients, variables))

    def update(self):
        self.good = self.good + 1 if self.finite else 0
        if not self.finite:
            self.factor *= self.backoff_factor
        elif self.good == self.growth_interval:
            self.factor, self.good = self.factor * self.growth_factor, 0

    def get_scale(self):
        return self.factor if self.enabled else 1.0

    def state_dict(self):
        return {"scale": self.factor, "good": self.good}

    def load_state_dict(self, state):
        self.factor, self.good = state["scale"], state["good"]
''',
    "autocast": '''
@contextlib.contextmanager
def autocast(*models, device="cuda", dtype=None, enabled=True):
    """Networks compute in half precision inside; their weights, and numbers of double precision, stay as they are."""
    usable = device == "cpu" or bool(tf.config.list_physical_devices("GPU"))
    inner = [layer for model in models for layer in model._flatten_layers()]
    held = [(layer, layer.dtype_policy) for layer in inner if enabled and usable and keras.config.floatx() == "float32"]
    for layer, _ in held:
        if not isinstance(layer, layers.LayerNormalization):
            layer.dtype_policy = "mixed_" + (dtype or ("bfloat16" if device == "cpu" else "float16"))
    try:
        yield
    finally:
        for layer, policy in held:
            layer.dtype_policy = policy
''',
    "clip_grad_value": '''
def clip_grad_value(gradients, value):
    """Gradients held within plus and minus a value."""
    return [None if one is None else ops.clip(tf.convert_to_tensor(one), -value, value) for one in gradients]
''',
    "TensorDataset": '''
class TensorDataset:
    """Samples that are rows of tensors."""

    def __init__(self, *tensors):
        self.tensors = tensors

    def __getitem__(self, index):
        return tuple(one[index] for one in self.tensors)

    def __len__(self):
        return len(self.tensors[0])
''',
    "ConcatDataset": '''
class ConcatDataset:
    """Data sets one after the other."""

    def __init__(self, datasets):
        self.datasets = list(datasets)

    def __getitem__(self, index):
        for dataset in self.datasets:
            if index < len(dataset):
                return dataset[index]
            index -= len(dataset)
        raise IndexError(index)

    def __len__(self):
        return sum(map(len, self.datasets))
''',
    "SubsetRandomSampler": '''
class SubsetRandomSampler:
    """Some samples in a new order each time."""

    def __init__(self, indices):
        self.indices = list(indices)

    def __iter__(self):
        return iter(np.asarray(self.indices)[np.random.permutation(len(self.indices))].tolist())

    def __len__(self):
        return len(self.indices)
''',
    "WeightedRandomSampler": '''
class WeightedRandomSampler:
    """So many samples at random, each as often as its weight says."""

    def __init__(self, weights, num_samples, replacement=True):
        self.weights, self.num_samples, self.replacement = weights, num_samples, replacement

    def __iter__(self):
        shares = np.asarray(self.weights, "float64")
        return iter(np.random.choice(len(shares), self.num_samples, self.replacement, shares / shares.sum()).tolist())

    def __len__(self):
        return self.num_samples
''',
    "Subset": '''
class Subset:
    """Some samples of a data set."""

    def __init__(self, dataset, indices):
        self.dataset, self.indices = dataset, list(indices)

    def __getitem__(self, index):
        return self.dataset[self.indices[index]]

    def __len__(self):
        return len(self.indices)
''',
    "random_split": '''
def random_split(dataset, lengths):
    """A data set in parts, by numbers or by shares of samples."""
    if sum(lengths) <= 1:
        lengths = [int(len(dataset) * share) for share in lengths]
        lengths[0] += len(dataset) - sum(lengths)
    order, ends = np.random.permutation(len(dataset)).tolist(), np.cumsum(lengths)
    return [Subset(dataset, order[end - length : end]) for end, length in zip(ends, lengths)]
''',
    "DataLoader": '''
class DataLoader:
    """Batches of a data set, in a new order each time where it is shuffled."""

    def __init__(self, dataset, batch_size=1, shuffle=False, sampler=None, collate_fn=None, drop_last=False):
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, batch_size, shuffle, drop_last
        self.sampler, self.collate_fn = sampler, collate_fn

    def __len__(self):
        count = len(self.sampler if self.sampler is not None else self.dataset)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def __iter__(self):
        if self.sampler is not None:
            order = list(self.sampler)
        else:
            order = np.random.permutation(len(self.dataset)) if self.shuffle else np.arange(len(self.dataset))
        for number in range(len(self)):
            rows = order[number * self.batch_size : (number + 1) * self.batch_size]
            samples = [self.dataset[int(row)] for row in rows]
            yield self.collate_fn(samples) if self.collate_fn else collate(samples)
''',
    "collate": '''
def collate(samples):
    """Samples as one batch, each of their parts stacked."""
    first = samples[0]
    if isinstance(first, (tuple, list)):
        return [collate(column) for column in zip(*samples)]
    if isinstance(first, dict):
        return {key: collate([one[key] for one in samples]) for key in first}
    if isinstance(first, str):
        return list(samples)
    return ops.convert_to_tensor(np.stack([np.asarray(one) for one in samples]))
''',
    "save": '''
def save(value, path):
    """Keeps a value of plain things and arrays in a file."""
    with open(path, "wb") as file:
        pickle.dump(value, file)
''',
    "load": '''
def load(path):
    """What `save` kept in a file."""
    with open(path, "rb") as file:
        return pickle.load(file)
''',
    "get_state": '''
def get_state(optimizer):
    """The variables of an optimiser as arrays."""
    return [np.array(one) for one in optimizer.variables]
''',
    "set_state": '''
def set_state(optimizer, state):
    """Gives an optimiser the variables that `get_state` told."""
    for variable, array in zip(optimizer.variables, state):
        variable.assign(array)
''',
    "param_groups": '''
def param_groups(optimizer):
    """The options of an optimiser, to be read and set by PyTorch's names."""

    class Group:
        names = {"lr": "learning_rate", "weight_decay": "decay", "momentum": "momentum"}

        def __getitem__(self, name):
            return float(getattr(optimizer, self.names[name]))

        def __setitem__(self, name, value):
            setattr(optimizer, self.names[name], value)

    return [Group()]
''',
    "weights_path": '''
def weights_path(path):
    """The path of a weights file as Keras wants it."""
    return str(path).rpartition(".")[0] + ".weights.h5" if "." in str(path) else f"{path}.weights.h5"
''',
}
FOR_FIT = '''
class DataLoader(keras.utils.PyDataset):
    """Batches of a data set, in a new order each time where it is shuffled; `fit` takes it as it is."""

    def __init__(self, dataset, batch_size=1, shuffle=False, sampler=None, collate_fn=None, drop_last=False):
        super().__init__()
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, batch_size, shuffle, drop_last
        self.sampler, self.collate_fn, self.order = sampler, collate_fn, None

    def __len__(self):
        count = len(self.sampler if self.sampler is not None else self.dataset)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def on_epoch_begin(self):
        if self.sampler is not None:
            self.order = list(self.sampler)
        else:
            self.order = np.random.permutation(len(self.dataset)) if self.shuffle else np.arange(len(self.dataset))

    def __getitem__(self, number):
        if self.order is None:
            self.on_epoch_begin()
        rows = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        samples = [self.dataset[int(row)] for row in rows]
        return tuple(self.collate_fn(samples) if self.collate_fn else collate(samples))

    def __iter__(self):
        self.on_epoch_begin()
        return (self[number] for number in range(len(self)))
'''
"""The loader where `fit` is asked to go through it."""
