"""Data as it comes: batches of arrays, and pipelines in the manner of `tf.data`."""

import itertools
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image


def mapped(function, values):
    """Nested values, a function on each array in them."""
    if isinstance(values, dict):
        return {key: mapped(function, one) for key, one in values.items()}
    if isinstance(values, (list, tuple)) and not isinstance(values, str):
        return type(values)(mapped(function, one) for one in values)
    return None if values is None else function(values)


def as_input(values):
    """A tensor, floating numbers in the default precision."""
    if not isinstance(values, torch.Tensor):
        values = np.asarray(values)
        if values.dtype.kind in "USO":
            return values
        values = values.copy() if any(one < 0 for one in values.strides) else values
    tensor = torch.as_tensor(values)
    return tensor.to(torch.get_default_dtype()) if tensor.is_floating_point() else tensor


def columns(values):
    """Dictionaries and tuples of arrays; a list is one array."""
    if isinstance(values, dict):
        return {key: columns(one) for key, one in values.items()}
    return tuple(map(columns, values)) if isinstance(values, tuple) else as_input(values)


def first_of(values):
    """The first array in nested values."""
    while isinstance(values, (dict, list, tuple)):
        values = next(iter(values.values() if isinstance(values, dict) else values))
    return values


def stacked(rows):
    """Nested values of several samples as nested tensors."""
    if isinstance(rows[0], dict):
        return {key: stacked([row[key] for row in rows]) for key in rows[0]}
    if isinstance(rows[0], (list, tuple)):
        return tuple(stacked(list(column)) for column in zip(*rows))
    if isinstance(rows[0], (str, bytes, np.str_)) or (isinstance(rows[0], np.ndarray) and rows[0].dtype.kind in "USO"):
        return np.asarray(rows)
    return torch.stack([torch.as_tensor(row) for row in rows])


def batches_of(x, y=None, batch_size=None, shuffle=False, sample_weight=None):
    """Batches of arrays as (inputs, targets, weights); what already comes in batches is given on."""
    if isinstance(x, (np.ndarray, torch.Tensor, list, tuple, dict)):
        x, y, sample_weight = (mapped(as_input, one) for one in (x, y, sample_weight))
        count, size = len(first_of(x)), batch_size or 32
        order = np.random.permutation(count) if shuffle else np.arange(count)
        for first in range(0, count, size):
            rows = order[first : first + size]
            yield tuple(mapped(lambda one: one[rows], part) for part in (x, y, sample_weight))
        return
    whole = (x[i] for i in range(len(x))) if hasattr(x, "__getitem__") and hasattr(x, "__len__") else x
    for batch in whole:
        parts = batch if isinstance(batch, tuple) else (batch,)
        yield tuple(mapped(as_input, parts[i]) if i < len(parts) else None for i in range(3))


class Dataset:
    """Samples that are read as they are needed: shuffled, batched, mapped. `make` gives them from the beginning."""

    def __init__(self, make, count=None):
        self.make, self.count = make, count

    @classmethod
    def from_tensor_slices(cls, tensors):
        """The rows of arrays, side by side, as they are now."""
        tensors = mapped(lambda one: one.clone() if isinstance(one, torch.Tensor) else one.copy(), columns(tensors))
        count = len(first_of(tensors))
        return cls(lambda: (mapped(lambda one: one[i], tensors) for i in range(count)), count)

    @classmethod
    def from_tensors(cls, tensors):
        """One sample."""
        return cls(lambda: iter([mapped(as_input, tensors)]), 1)

    @classmethod
    def from_generator(cls, generator, output_types=None, output_shapes=None, args=(), output_signature=None):
        """What a function yields."""
        return cls(lambda: (mapped(as_input, one) for one in generator(*args)))

    @classmethod
    def range(cls, *bounds):
        """Whole numbers."""
        return cls(lambda: (torch.tensor(i) for i in range(*bounds)), len(range(*bounds)))

    @classmethod
    def zip(cls, *datasets):
        """Several data sets side by side."""
        datasets = datasets[0] if len(datasets) == 1 and isinstance(datasets[0], tuple) else datasets
        return cls(lambda: zip(*datasets), min((d.count for d in datasets if d.count is not None), default=None))

    @classmethod
    def sample_from_datasets(cls, datasets, weights=None, seed=None, stop_on_empty_dataset=False):
        """Samples of several data sets, drawn from one or the other at random."""

        def drawn():
            left = {i: iter(one) for i, one in enumerate(datasets)}
            shares = np.ones(len(left)) if weights is None else np.asarray(weights, dtype=float)
            while left:
                places = list(left)
                place = np.random.choice(places, p=shares[places] / shares[places].sum())
                found = list(itertools.islice(left[place], 1))
                yield from found
                if not found:
                    del left[place]
                    if stop_on_empty_dataset:
                        return

        return cls(drawn)

    def shuffle(self, buffer_size=None, seed=None, reshuffle_each_iteration=True):
        def shuffled():
            rows = list(self)
            return (rows[i] for i in np.random.permutation(len(rows)))

        return Dataset(shuffled, self.count)

    def batch(self, batch_size, drop_remainder=False, **options):
        def batched():
            rows = iter(self)
            while len(group := list(itertools.islice(rows, batch_size))) == batch_size or (
                group and not drop_remainder
            ):
                yield stacked(group)

        whole = self.count
        if whole is not None:
            whole = whole // batch_size if drop_remainder else -(-whole // batch_size)
        return Dataset(batched, whole)

    def map(self, function, num_parallel_calls=None, deterministic=None):
        return Dataset(
            lambda: (function(*one) if isinstance(one, tuple) else function(one) for one in self), self.count
        )

    def filter(self, function):
        return Dataset(lambda: (one for one in self if (function(*one) if isinstance(one, tuple) else function(one))))

    def window(self, size, shift=None, stride=1, drop_remainder=False):
        def windows():
            rows = list(self)
            for first in range(0, len(rows), shift or size):
                part = rows[first : first + size * stride : stride]
                if len(part) == size or not drop_remainder:
                    yield Dataset(lambda part=part: iter(part), len(part))

        return Dataset(windows)

    def flat_map(self, function):
        def flat():
            for one in self:
                yield from function(*one) if isinstance(one, tuple) else function(one)

        return Dataset(flat)

    def interleave(self, function, cycle_length, block_length=1, num_parallel_calls=None, deterministic=None):
        """Goes through the data sets that a function makes, so many at once, a block of each in turn."""

        def mixed():
            inputs, slots, place, more = iter(self), [None] * cycle_length, 0, True
            while more or any(one is not None for one in slots):
                if slots[place] is None:
                    given = list(itertools.islice(inputs, 1))
                    more = bool(given)
                    slots[place] = next((iter(function(*(x if isinstance(x, tuple) else (x,)))) for x in given), None)
                block = list(itertools.islice(slots[place] or (), block_length))
                yield from block
                slots[place] = slots[place] if len(block) == block_length else None
                place = (place + 1) % cycle_length

        return Dataset(mixed)

    def unbatch(self):
        def rows():
            for batch in self:
                for i in range(len(first_of(batch))):
                    yield mapped(lambda one, i=i: one[i], batch)

        return Dataset(rows)

    def prefetch(self, buffer_size):
        return self

    def with_options(self, options):
        return self

    def cache(self, filename=""):
        held = []

        def kept():
            if not held:
                held.extend(self)
            return iter(held)

        return Dataset(kept, self.count)

    def take(self, count):
        return Dataset(
            lambda: itertools.islice(iter(self), count), None if self.count is None else min(count, self.count)
        )

    def skip(self, count):
        return Dataset(
            lambda: itertools.islice(iter(self), count, None),
            None if self.count is None else max(self.count - count, 0),
        )

    def repeat(self, count=None):
        rounds = itertools.count if count in (None, -1) else lambda: range(count)
        whole = None if count in (None, -1) or self.count is None else count * self.count
        return Dataset(lambda: (one for _ in rounds() for one in self), whole)

    def concatenate(self, other):
        return Dataset(lambda: itertools.chain(self, other))

    def enumerate(self, start=0):
        return Dataset(lambda: enumerate(self, start), self.count)

    def as_numpy_iterator(self):
        return (mapped(lambda value: value.numpy(), one) for one in self)

    def cardinality(self):
        return torch.tensor(-2 if self.count is None else self.count)

    def __len__(self):
        if self.count is None:
            raise TypeError("the length of this data set is not known")
        return self.count

    def __iter__(self):
        return iter(self.make())


def image_folder(
    directory, labels="inferred", label_mode="int", class_names=None, color_mode="rgb", batch_size=32,
    image_size=(256, 256), shuffle=True, seed=None, validation_split=None, subset=None, interpolation="bilinear",
):  # fmt: skip
    """Images in one folder for each class, in batches with the channels last, from 0 to 255."""
    directory = Path(directory)
    names = class_names or sorted(one.name for one in directory.iterdir() if one.is_dir())
    kinds = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
    rows = [
        (path, i)
        for i, name in enumerate(names)
        for path in sorted((directory / name).rglob("*"))
        if path.suffix.lower() in kinds
    ]
    if shuffle and validation_split:
        order = np.random.RandomState(seed if seed is not None else 0).permutation(len(rows))
        rows = [rows[i] for i in order]
    if validation_split:
        cut = len(rows) - int(validation_split * len(rows))
        rows = rows[:cut] if subset == "training" else rows[cut:]
    mode = {"rgb": "RGB", "grayscale": "L", "rgba": "RGBA"}[color_mode]

    def sample(path, label):
        image = torch.from_numpy(np.array(Image.open(path).convert(mode), dtype="float32"))
        image = image[None] if image.ndim == 2 else image.permute(2, 0, 1)
        how = {"align_corners": False} if interpolation == "bilinear" else {}
        image = torch.nn.functional.interpolate(image[None], size=image_size, mode=interpolation, **how)[0]
        image = image.permute(1, 2, 0).to(torch.get_default_dtype())
        if label_mode is None:
            return image
        if label_mode == "categorical":
            return image, torch.eye(len(names))[label]
        return image, torch.tensor([float(label)]) if label_mode == "binary" else torch.tensor(label)

    found = Dataset(lambda: (sample(*row) for row in rows), len(rows))
    found = found.shuffle() if shuffle else found
    found = found.batch(batch_size) if batch_size else found
    found.class_names = names
    found.file_paths = [str(path) for path, _ in rows]
    return found


def series_windows(
    data, targets, sequence_length, sequence_stride=1, sampling_rate=1, batch_size=128, shuffle=False, seed=None,
    start_index=None, end_index=None,
):  # fmt: skip
    """Windows of a time series in batches, each with the target at its beginning."""
    data = data[start_index or 0 : end_index]
    count = len(data) - (sequence_length - 1) * sampling_rate
    if targets is not None:
        count = min(count, len(targets))
    starts = np.arange(0, count, sequence_stride)
    x = np.stack([data[first : first + sequence_length * sampling_rate : sampling_rate] for first in starts])
    found = Dataset.from_tensor_slices(x if targets is None else (x, np.asarray(targets)[starts]))
    found = found.shuffle() if shuffle else found
    return found.batch(batch_size) if batch_size else found


def pad_sequences(sequences, maxlen=None, dtype="int32", padding="pre", truncating="pre", value=0.0):
    """Lists of different lengths as rows of one array."""
    longest = max(map(len, sequences)) if maxlen is None else maxlen
    found = np.full((len(sequences), longest, *np.shape(sequences[0])[1:]), value, dtype=dtype)
    for row, sequence in zip(found, sequences):
        part = sequence[-longest:] if truncating == "pre" else sequence[:longest]
        if len(part):
            row[slice(-len(part), None) if padding == "pre" else slice(len(part))] = part
    return found


def one_hot_rows(values, num_classes=None):
    """Rows of zeros with a one at the place of each class."""
    values = np.asarray(values).astype("int64")
    values = values.reshape(values.shape[:-1]) if values.ndim > 1 and values.shape[-1] == 1 else values
    return np.eye(num_classes or int(values.max()) + 1)[values]


def torchvision_arrays(name, folder="data"):
    """The training and test arrays of one of torchvision's data sets, as Keras gives them."""
    parts = []
    for train in (True, False):
        found = getattr(torchvision.datasets, name)(folder, train=train, download=True)
        images, labels = np.asarray(found.data), np.asarray(found.targets)
        parts.append((images, labels[:, None] if name.startswith("CIFAR") else labels))
    return tuple(parts)
