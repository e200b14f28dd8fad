"""Keras's and TensorFlow's side of a migration: running a network for the proof."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from netglot.migrate.alike_keras import (
    TORCH,
    double_leaky,
    double_made,
    double_numbers,
    double_pooling,
    eager_data,
    known_draws,
    known_torch,
    made_data,
    no_dropping,
    unshuffled_files,
)
from netglot.migrate.known import cotangent, made_array, start_of
from netglot.migrate.loading import Files
from netglot.migrate.observe_keras import Keras
from netglot.migrate.observing import Observing
from netglot.migrate.order_keras import named_entries, stamp
from netglot.migrate.runtime import Enough, Side, flat
from netglot.verify.runtime_keras import REPAIRS

TF_TENSOR = (tf.Tensor, tf.Variable, keras.Variable)


class Runtime(Observing, Side):
    """The operations of the worker."""

    OPERATIONS = (*Observing.OPERATIONS, *Side.OPERATIONS, "match", "load_weights", "tried_fit")
    network = layers.Layer
    whole = keras.Model
    dataset = keras.utils.PyDataset
    entry = "call"

    def watching(self) -> Keras:
        keras.utils.set_random_seed(0)
        stamp()
        tf.config.run_functions_eagerly(True)
        eager_data()
        _short_fit()
        made_data()
        return Keras()

    def described(self, name: str | None, value: Any) -> dict[str, Any] | None:
        if not isinstance(value, (*TF_TENSOR, np.ndarray)):
            return None
        array = np.asarray(value)
        whole = array.dtype.kind in "iu" and array.size
        low, high = (int(array.min()), int(array.max()) + 1) if whole else (0, 0)
        return {"name": name, "shape": list(array.shape), "dtype": str(array.dtype), "low": low, "high": high}

    def trained_on(self, callee: str, data: Any, model: Any) -> Any:
        if not callee.endswith("Model.fit") and not callee.endswith("Sequential.fit"):
            return None
        if isinstance(data, tf.data.Dataset):
            batch = next(iter(data), None)
            data = batch[0] if isinstance(batch, tuple) else batch
        if isinstance(data, dict):
            names = [one.name for one in getattr(model, "inputs", None) or ()]
            data = [data[name] for name in names] if set(names) == set(data) else None
        if isinstance(data, (list, tuple)):
            return [one[:2] for one in data]
        return data[:2] if isinstance(data, (*TF_TENSOR, np.ndarray)) else None

    def size(self, model: Any) -> int:
        return int(sum(np.prod(v.shape) for v in model.trainable_variables))

    def firsts(self, model: Any) -> list[dict[str, Any]]:
        return _firsts(model)

    def tried(self, inputs: list[dict[str, Any]], training: bool) -> list[list[int]]:
        return [list(t.shape) for t in self._call(self.tensors(inputs, double=False), training)]

    def load_weights(self, path: str) -> None:
        """Loads trained weights into the network."""
        self.model.load_weights(path)

    def prepare(self) -> None:
        stamp()
        keras.config.set_floatx("float64")
        keras.config.disable_traceback_filtering()
        no_dropping()
        known_draws(self.draws)
        double_pooling()
        double_leaky()
        double_numbers()
        if self.files and any(TORCH.search(text) for _, text in self.files.files.values()):
            known_torch(self.draws)
        double_made()
        made_data()
        for holder, name, repaired in REPAIRS.values():
            setattr(holder, name, repaired(getattr(holder, name)))

    def tensors(self, inputs: list, double: bool = True) -> list:
        return [(one.get("name"), _made(one, double)) for one in inputs]

    def _call(self, inputs: list, training: bool) -> list:
        self.draws.reset()
        args, kwargs = [], {n: v for n, v in inputs if n is not None}
        plain = [v for n, v in inputs if n is None]
        names = _parameters(self.model)
        for position, value in enumerate(plain):
            if flat(value, tf.is_tensor) or value is None:
                args.append(value)
            else:
                kwargs[names[position]] = value
        if _takes_training(self.model):
            kwargs["training"] = training
        return flat(self.model(*args, **kwargs), lambda v: isinstance(v, TF_TENSOR))

    def match(self, entries: list, inputs: list, trained: list[bool]) -> dict[str, Any]:
        """Calls the network once, so that its weights are made, and finds the variable of each entry
        `[path, attribute]`; says which are missing and which of the network's variables are in no entry."""
        for training in (True, False):  # a part of the network may be made in one of them only
            self._call(self.tensors(inputs), training)
        self.variables, missing, self.trained = [], [], trained
        self.rows_of = self.model
        for path, attribute in entries:
            try:
                self.variables.append(_variable(self.model, path, attribute))
            except NotUsed:
                self.variables.append(None)
            except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
                self.variables.append(None)
                missing.append(f"{path}.{attribute}: {type(error).__name__}: {error}")
        known = {id(v) for v in self.variables}
        every = {id(v): v.path for v in [*_all(self.model)]}
        left = [name for key, name in every.items() if key not in known and "seed_generator" not in name]
        return {
            "missing": missing,
            "left": left,
            "shapes": [None if v is None else list(v.shape) for v in self.variables],
            "unused": [i for i, v in enumerate(self.variables) if v is None],
            "starts": [None if v is None else start_of(np.asarray(v)) for v in self.variables],
        }

    def weights(self, randomised: bool = False) -> dict[str, Any]:
        """The weights of the matched variables; before any are matched, all of the network's, and what each is."""
        entries: list = []
        if getattr(self, "rows_of", None) is not self.model and randomised is not None:
            self.rows_of = self.model
            entries = list(named_entries(self.model))
            trainable = {id(v) for v in self.model.trainable_variables}
            self.variables = [v for *_, v in entries]
            self.trained = [id(v) in trainable for v in self.variables]
        starts = [start_of(np.asarray(v)) for *_, v in entries] if randomised else []
        if randomised:
            rng = np.random.default_rng(1)
            for (_, _, name, variable), trained in zip(entries, self.trained, strict=True):
                if "variance" in name:
                    variable.assign(rng.uniform(0.5, 1.5, tuple(variable.shape)))
                elif "moving" in name or (trained and len(variable.shape) <= 1):
                    variable.assign_add(0.1 * rng.standard_normal(tuple(variable.shape)))
        return {
            "entries": [[p, k, n, t] for (p, k, n, _), t in zip(entries, self.trained, strict=False)],
            "starts": starts,
            "arrays": self.written({f"w:{i}": np.asarray(v) for i, v in enumerate(self.variables) if v is not None}),
        }

    def set_weights(self, arrays: list) -> None:
        """Overwrites the matched variables, in order."""
        for variable, array in zip(self.variables, self.arrays(arrays), strict=True):
            if variable is not None:
                variable.assign(array.astype(np.asarray(variable).dtype))

    def watch_training(self) -> None:
        if importlib.util.find_spec("tensorboard") is None:  # nobody looks at what it would write
            whats = ("train_batch_begin", "train_batch_end", "epoch_begin", "epoch_end", "train_begin", "train_end")
            for name in (*(f"on_{what}" for what in (*whats, "test_begin", "test_end")), "set_model"):
                setattr(keras.callbacks.TensorBoard, name, lambda *args, **kwargs: None)
            for name in ("scalar", "histogram", "text", "image"):
                setattr(tf.summary, name, lambda *args, **kwargs: None)
        own, side = tf.GradientTape.gradient, self

        opened, closed, around = tf.GradientTape.__enter__, tf.GradientTape.__exit__, []

        def gradient(tape: Any, target: Any, *args: Any, **kwargs: Any) -> Any:
            if all(one is tape for one in around):  # under another tape it is a part of the loss
                side.saw_loss(sum(tf.reduce_sum(one) for one in tf.nest.flatten(target)))
            return own(tape, target, *args, **kwargs)

        def enter(tape: Any) -> Any:
            around.append(tape)
            return opened(tape)

        def leave(tape: Any, *args: Any) -> Any:
            around.remove(tape)
            return closed(tape, *args)

        tf.GradientTape.gradient, tf.GradientTape.__enter__, tf.GradientTape.__exit__ = gradient, enter, leave
        tf.config.run_functions_eagerly(True)
        eager_data()
        tf.random.shuffle = self._shuffled
        if self.unshuffled:
            tf.data.Dataset.shuffle = lambda dataset, *args, **options: dataset
            unshuffled_files()
        fit = keras.Model.fit
        keras.Model.fit = lambda model, *args, **options: fit(model, *args, **(options | {"shuffle": False}))
        begin = keras.callbacks.History.on_train_begin

        def remembered(history: Any, logs: Any = None) -> None:
            begin(history, logs)
            side.histories.append(history.history)

        keras.callbacks.History.on_train_begin = remembered
        call, inside = layers.Layer.__call__, [0]

        def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
            inside[0] += 1
            try:
                met = inside[0] == 1 and side.meet(layer, args, kwargs, call)
                if met and side.makes_weights(args):  # the other side has no such call
                    with side.draws.held():
                        return call(layer, *args, **kwargs)
                return call(layer, *args, **kwargs)
            finally:
                inside[0] -= 1

        layers.Layer.__call__ = called

    def makes_weights(self, args: tuple) -> bool:
        """Whether a first call is one that was written so that a network makes its weights."""
        said = any("# makes its weights" in text for _, text in self.files.files.values())
        return said and all(tf.is_tensor(one) and not tf.math.count_nonzero(one) for one in args)

    def tried_fit(self, root: str, files: dict[str, list[str]], module: str, argv: list[str]) -> str | None:
        """Runs a script as it is until one step of `fit` is done; what it raised."""
        sys.path.insert(0, root)
        sys.argv = ["script.py", *argv]
        self.files = Files({name: (one[0], one[1]) for name, one in files.items()}, _plainly)
        self.files.install()
        made_data()
        own = keras.Model.fit

        def fit(model: Any, *args: Any, **options: Any) -> Any:
            own(model, *args, **(options | {"epochs": 1, "steps_per_epoch": 1, "verbose": 0, "validation_steps": 1}))
            raise Enough

        keras.Model.fit = fit
        try:
            self.files.script(module)
        except (Enough, SystemExit):
            return None
        except Exception as raised:
            return f"{type(raised).__name__}: {raised}"
        return None

    def _shuffled(self, values: Any, *args: Any, **kwargs: Any) -> Any:
        """`tf.random.shuffle` by known draws, each time anew in a graph too."""
        places = tf.numpy_function(lambda: self._permuted(int(values.shape[0])), [], tf.int64)
        return tf.ensure_shape(tf.gather(values, places), values.shape)

    def meet(self, layer: Any, args: tuple, kwargs: dict, call: Any) -> bool:
        """Gives a network its weights at its first call, and those that it makes later; whether there were any."""
        if any(isinstance(one, keras.KerasTensor) for one in args) or (layer.built and not self.grew(layer)):
            return False
        held = [(one, np.array(one)) for one in layer.variables]
        with self.draws.held():
            for training in (True, False) if "training" in kwargs else (None,):
                call(layer, *args, **({**kwargs, "training": training} if training is not None else kwargs))
        for variable, value in held:  # what it shares with networks that were met has moved
            variable.assign(value)
        self.sizes.pop(id(layer), None)
        self._complete(layer)
        if not self.grew(layer):
            return False
        known = {id(v) for one in self.met for v in one["variables"]}
        self.met.append({"model": layer, "variables": []})
        if not self.starts:
            entries = [one for one in named_entries(layer) if id(one[-1]) not in known]
            if not entries:  # what it holds was learned from data, not trained
                self.met.pop()
                return False
            trainable = {id(v) for v in layer.trainable_variables}
            self.met[-1] |= {
                "entries": [[p, k, n, id(v) in trainable] for p, k, n, v in entries],
                "variables": [v for *_, v in entries], "arrays": [np.array(v) for *_, v in entries],
            }  # fmt: skip
            return True
        start = self.starts.pop(0)
        self.met[-1]["start"] = start | {"values": self.arrays(start["arrays"])}
        variables = [_used(layer, path, attribute) for path, attribute in start["entries"]]
        self.met[-1]["begun"] = [None if one is None else start_of(np.asarray(one)) for one in variables]
        for variable, array in zip(variables, self.met[-1]["start"]["values"], strict=True):
            if variable is not None:
                variable.assign(array.astype(np.asarray(variable).dtype))
        self.met[-1]["variables"] = variables
        return True

    def grew(self, layer: Any) -> bool:
        """Whether a network has weights that were not there when it, or a network around it, was met."""
        count = len(layer.variables)
        if self.sizes.get(id(layer)) == count:
            return False
        self.sizes[id(layer)] = count
        known = {id(v) for one in self.met for v in one["variables"]}
        return any(id(v) not in known for v in layer.weights)

    def _complete(self, layer: Any) -> None:
        """Gives a network that was met the weights that it had not made then."""
        for met in self.met:
            if met["model"] is not layer or "start" not in met:
                continue
            arrays = met["start"]["values"]
            for place, (path, attribute) in enumerate(met["start"]["entries"]):
                if met["variables"][place] is None and (found := _used(layer, path, attribute)) is not None:
                    found.assign(arrays[place].astype(np.asarray(found).dtype))
                    met["variables"][place] = found

    def told(self, met: dict[str, Any]) -> dict[str, Any]:
        values = {f"w:{i}": np.asarray(v) for i, v in enumerate(met.get("variables", [])) if v is not None}
        before = {f"w:{i}": a for i, a in enumerate(met.get("arrays", []))}
        return {
            "after": self.written(values), "before": self.written(before), "entries": met.get("entries", []),
            "begun": met.get("begun", []), "class": type(met["model"]).__name__,
        }  # fmt: skip

    def warm(self, inputs: list) -> None:
        """Calls the network once, so that its weights are made."""
        self._call(self.tensors(inputs), False)

    def save_weights(self, path: str) -> None:
        self.model.save_weights(path)
        _single(path)

    def run(self, inputs: list, training: bool = False) -> list:
        """The outputs."""
        outputs = self._call(self.tensors(inputs), training)
        return self.written({f"o:{i}": np.asarray(t) for i, t in enumerate(outputs)})

    def gradients(self, inputs: list) -> dict[str, Any]:
        """Gradients of the sum of all outputs, each weighted by known numbers, to weights and floating inputs."""
        given = self.tensors(inputs)
        leaves = [t for _, v in given for t in flat(v, tf.is_tensor) if t.dtype.is_floating]
        rows = list(enumerate(zip(self.variables, self.trained, strict=True)))
        rows = [(i, v) for i, (v, is_trained) in rows if is_trained and v is not None]
        variables = [v for _, v in rows]
        values = [v.value if isinstance(v, keras.Variable) else v for v in variables]
        with tf.GradientTape() as tape:
            for one in leaves:
                tape.watch(one)
            outputs = [t for t in self._call(given, False) if _floating(t)]
            total = tf.add_n([tf.reduce_sum(t * cotangent(t.shape)) for t in outputs]) if outputs else tf.constant(0.0)
        found = tape.gradient(total, [*values, *leaves], unconnected_gradients="zero")
        names = [f"g:{i}" for i, _ in rows] + [f"i:{i}" for i in range(len(leaves))]
        return {
            "arrays": self.written({n: np.asarray(tf.convert_to_tensor(g)) for n, g in zip(names, found, strict=True)})
        }

    def train(self, batches: list, rate: float) -> dict[str, Any]:
        """Plain gradient descent, as the other side does."""
        losses = []
        variables = [
            v for v, is_trained in zip(self.variables, self.trained, strict=True) if is_trained and v is not None
        ]
        for inputs in batches:
            with tf.GradientTape() as tape:
                outputs = [t for t in self._call(self.tensors(inputs), True) if _floating(t)]
                squares = [tf.reduce_mean((t - cotangent(t.shape)) ** 2) for t in outputs]
                loss = tf.add_n(squares) if squares else tf.constant(0.0)
            values = [v.value if isinstance(v, keras.Variable) else v for v in variables]
            for variable, gradient in zip(variables, tape.gradient(loss, values), strict=True):
                if gradient is not None:
                    variable.assign(tf.convert_to_tensor(variable) - rate * tf.convert_to_tensor(gradient))
            losses.append(float(loss))
        return {"losses": losses}


def _single(path: str) -> None:
    """Weights of double precision in a file become of single precision, as Keras writes them by itself."""
    import h5py

    found: list[str] = []
    with h5py.File(path, "r+") as file:
        file.visititems(lambda name, one: found.append(name) if getattr(one, "dtype", None) == "float64" else None)
        for name in found:
            array, attributes = file[name][()].astype("float32"), dict(file[name].attrs)
            del file[name]
            file.create_dataset(name, data=array).attrs.update(attributes)


def _plainly(text: str, filename: str) -> Any:
    """The code of a file as it stands."""
    return compile(text, filename, "exec", dont_inherit=True)


def _floating(t: Any) -> bool:
    return tf.as_dtype(t.dtype).is_floating


def _parameters(model: Any) -> list[str]:
    import inspect

    return list(inspect.signature(model.call).parameters)


def _made(one: dict[str, Any], double: bool = True) -> Any:
    if "value" in one:
        return one["value"]
    if "items" in one:
        return [_made(each, double) for each in one["items"]]
    return tf.convert_to_tensor(made_array(one, double))


class NotUsed(Exception):
    """A layer has no weights because the network never calls it."""


def _used(model: Any, path: str, attribute: str) -> Any:
    """The variable at a path; None where the network never calls its layer."""
    try:
        return _variable(model, path, attribute)
    except NotUsed:
        return None


def _variable(model: Any, path: str, attribute: str) -> Any:
    """The variable at a path of the source's module tree."""
    place = model
    for part in path.split(".") if path else []:
        if isinstance(place, keras.Sequential) and part.isdigit():
            place = place.layers[int(part)]
        elif isinstance(place, (list, tuple)):
            place = place[int(part)]
        elif hasattr(place, "keys"):
            place = place[part]
        else:
            place = getattr(place, part)
    if isinstance(place, layers.Layer) and not place.built:
        raise NotUsed(path)
    if attribute.isdigit() or hasattr(place, "keys"):
        found = place[int(attribute) if attribute.isdigit() else attribute]
    else:
        found = getattr(place, attribute)
    if not isinstance(found, (keras.Variable, tf.Variable)):
        raise ValueError("it is no variable")
    return found


def _all(model: Any) -> list:
    return list(getattr(model, "variables", []))


def _takes_training(model: Any) -> bool:
    """Every Keras layer takes `training` unless its own `__call__` hides it."""
    return isinstance(model, layers.Layer)


def _firsts(model: Any) -> list[dict[str, Any]]:
    """What the layers with weights expect, in order: kind and size; the shape where an input layer says it."""
    found: list[dict[str, Any]] = []
    shapes = None
    try:
        shapes = [list(one.shape) for one in model.inputs] if getattr(model, "inputs", None) else None
    except (AttributeError, ValueError):
        shapes = None
    if shapes:
        dtypes = [str(one.dtype) for one in model.inputs]
        rest = {"kind": "shape", "embeds": _embeds(model)}
        return [{"shape": s, "dtype": d} | rest for s, d in zip(shapes, dtypes, strict=True)]
    for layer in model._flatten_layers():
        kind = type(layer).__name__
        if kind == "Embedding":
            found.append({"kind": "Embedding", "size": layer.input_dim})
        elif kind.startswith(("Conv", "Depthwise", "Separable")) and kind[-2] in "123" and "Transpose" not in kind:
            found.append({"kind": f"{kind[-2:]} channels last", "size": None})
        elif kind in ("Dense", "LSTM", "GRU", "SimpleRNN"):
            found.append({"kind": kind + " free", "size": None})
    return found[:100]


def _embeds(model: Any) -> int:
    sizes = [one.input_dim for one in model._flatten_layers() if type(one).__name__ == "Embedding"]
    return min(sizes) if sizes else 0


def _listed(callbacks: Any) -> list:
    """Callbacks as `fit` takes them: none, one, or several."""
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


def _short_fit() -> None:
    """While it is observed, `fit` sees a few batches of one epoch."""
    own, evaluate, predict = keras.Model.fit, keras.Model.evaluate, keras.Model.predict

    def fit(self: Any, *args: Any, **kwargs: Any) -> Any:
        ours = [one for one in _listed(kwargs.pop("callbacks", None)) if not type(one).__module__.startswith("keras.")]
        kwargs["callbacks"] = ours
        kwargs["epochs"], kwargs["steps_per_epoch"], kwargs["verbose"] = 1, 2, 0
        return own(self, *args, **kwargs)

    def short(method: Any) -> Any:
        def called(self: Any, *args: Any, **kwargs: Any) -> Any:
            kwargs["steps"], kwargs["verbose"] = 2, 0
            return method(self, *args, **kwargs)

        return called

    keras.Model.fit, keras.Model.evaluate, keras.Model.predict = fit, short(evaluate), short(predict)
