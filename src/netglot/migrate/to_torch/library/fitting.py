"""`compile`, `fit`, `evaluate` and `predict` as functions of a network."""

import itertools
import re
import types

import numpy as np
import torch

from netglot.migrate.to_torch.library.callbacks import Callbacks
from netglot.migrate.to_torch.library.data import batches_of, first_of, mapped
from netglot.migrate.to_torch.library.losses import alike, loss_named, weighed
from netglot.migrate.to_torch.library.metrics import Mean, Metric, metrics_named
from netglot.migrate.to_torch.library.optimizers import optimizer_named
from netglot.migrate.to_torch.library.penalties import forget, losses_of


def prepare(model, optimizer, loss=None, metrics=None, loss_weights=None, trains=True):
    """Says how a network is to be trained; `fit` and `evaluate` ask for it. One whose `trains` is false is trained as
    Keras trains a network that is not told of it: nothing is dropped, and nothing is normalised by the batch."""
    model.optimizer = optimizer
    model.plan = types.SimpleNamespace(
        loss=loss, metrics=gathering(metrics or {}), loss_weights=loss_weights, mean=Mean(name="loss"), trains=trains,
        parts={},
    )  # fmt: skip
    model.stop_training = False


def by_name(options):
    """Options of `prepare` with what Keras names by a string; those that only say how fast Keras is go."""
    fast = ("run_eagerly", "jit_compile", "steps_per_execution", "auto_scale_loss")
    ways = {"optimizer": optimizer_named, "loss": loss_named, "metrics": metrics_named}
    options = {"optimizer": "rmsprop", **options}
    return {name: ways.get(name, lambda one: one)(value) for name, value in options.items() if name not in fast}


def gathering(metrics):
    """Metrics by name; a function is one that gathers its mean."""
    found = {}
    for name, one in metrics.items() if isinstance(metrics, dict) else ((None, one) for one in metrics):
        if isinstance(one, (list, tuple, dict)):
            found |= {f"{name}_{key}": (name, metric) for key, metric in gathering(one).items()}
            continue
        one = one if hasattr(one, "update_state") else Mean(one)
        key = name or one.name or getattr(one.function if hasattr(one, "function") else None, "__name__", None)
        one.name = key or re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(one).__name__).lower()
        found[one.name] = one
    return found


def metrics_of(model):
    """Every metric of a network: that of its loss, those of `prepare`, and its own."""
    plan = getattr(model, "plan", None)
    found = (
        [plan.mean, *plan.parts.values(), *(one[1] if isinstance(one, tuple) else one for one in plan.metrics.values())]
        if plan
        else []
    )
    return [*found, *(one for one in vars(model).values() if isinstance(one, Metric))]


def begin_metrics(model):
    """Lets every metric of a network begin anew."""
    for one in [*metrics_of(model), *getattr(model, "metrics", ())]:
        one.reset_state()


def measured(model, targets=None, outputs=None):
    """Shows a batch to every metric of `prepare`, if there is one, and tells what all of a network's metrics tell."""
    if outputs is not None:
        measure(model, targets, outputs)
    return {one.name: one.result() for one in getattr(model, "metrics", None) or metrics_of(model)}


def part_of(values, name, place, model):
    """One output's share of nested targets or weights."""
    if isinstance(values, dict):
        return values.get(name)
    return values[place] if isinstance(values, (list, tuple)) else values


def named_outputs(model, outputs):
    """Outputs as (name, output) pairs."""
    if isinstance(outputs, dict):
        return list(outputs.items())
    if not isinstance(outputs, (list, tuple)):
        return [(None, outputs)]
    names = getattr(model, "output_names", None) or [f"output_{i}" for i in range(len(outputs))]
    return list(zip(names, outputs))


def loss_of(model, targets, outputs, weights=None):
    """The whole loss: of each output by its weight, and the penalties."""
    total, plan, named = 0.0, model.plan, named_outputs(model, outputs)
    for place, (name, output) in enumerate(named):
        loss = part_of(plan.loss, name, place, model)
        if loss is None:
            continue
        target = part_of(targets, name, place, model)
        values = getattr(loss, "each", loss)(target if target is None else alike(target, output), output)
        reduction = getattr(loss, "reduction", "mean")
        values = weighed(values, part_of(weights, name, place, model), getattr(output, "mask", None), reduction)
        share = part_of(plan.loss_weights, name, place, model) if plan.loss_weights is not None else None
        value = values.sum() if reduction == "sum" else values.mean()
        if len(named) > 1:  # each output's own loss is told too
            part = plan.parts.setdefault(f"{name}_loss", Mean(name=f"{name}_loss"))
            part.update_state(value, sample_weight=len(output))
        total = total + (value if share is None else share * value)
    return total + sum(losses_of(model))


def whole_loss(model, inputs, targets, outputs, weights=None):
    """The loss as the network computes it by a method of its own, else that of `prepare`."""
    if hasattr(model, "compute_loss"):
        return model.compute_loss(x=inputs, y=targets, y_pred=outputs, sample_weight=weights)
    return loss_of(model, targets, outputs, weights)


def measure(model, targets, outputs):
    """Shows one batch to every metric."""
    named = dict(named_outputs(model, outputs))
    places = {name: place for place, name in enumerate(named)}
    for metric in model.plan.metrics.values():
        name, one = metric if isinstance(metric, tuple) else (next(iter(named)), metric)
        one.update_state(part_of(targets, name, places[name], model), mapped(without_gradient, named[name]))


def without_gradient(output):
    """An output and its mask, without its gradient."""
    found = output.detach()
    found.mask = getattr(output, "mask", None)
    return found


def results_of(model, fresh=True):
    """What the metrics tell, and a fresh start for them."""
    found = {}
    for name, metric in [*model.plan.parts.items(), *model.plan.metrics.items()]:
        metric = metric[1] if isinstance(metric, tuple) else metric
        found[name] = float(metric.result())
        if fresh:
            metric.reset_state()
    return found


def so_far(model, callbacks, total, count):
    """What callbacks are told in the middle of an epoch."""
    return {"loss": total / max(count, 1), **results_of(model, fresh=False)} if callbacks.callbacks else {}


def train_step(model, inputs, targets, weights=None):
    """One step of training; gives the loss."""
    optimizer = model.optimizer
    optimizer.zero_grad()
    forget(model)
    outputs = model(inputs)
    loss = whole_loss(model, inputs, targets, outputs, weights)
    loss.backward()
    optimizer.step()
    measure(model, targets, outputs)
    return loss


def batch_of(inputs, targets, weights):
    """A batch as a training step of the user's takes it."""
    known = [one for one in (inputs, targets, weights) if one is not None]
    return tuple(known) if len(known) > 1 else inputs


def fit(
    model, x, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, validation_data=None,
    validation_split=0.0, shuffle=True, class_weight=None, sample_weight=None, initial_epoch=0, steps_per_epoch=None,
    validation_steps=None, validation_batch_size=None, validation_freq=1,
):  # fmt: skip
    """Trains a network as it was prepared, and gives the history of its losses and metrics."""
    if validation_split:
        cut = int(len(first_of(x)) * (1 - validation_split))
        x, y, sample_weight, *validation_data = (
            mapped(lambda one, part=part: one[part], values)
            for part in (slice(cut), slice(cut, None)) for values in (x, y, sample_weight)
        )  # fmt: skip
    model.train()
    if not hasattr(model, "train_step"):
        shown, x = itertools.tee(x) if hasattr(x, "__next__") else (x, x)
        with torch.no_grad():
            model.eval()(next(iter(batches_of(shown, y, batch_size)))[0])  # the weights are made with the first input
        del shown
        model.optimizer.watch(one for one in model.parameters() if one.requires_grad)
    history, done, callbacks = {}, [], Callbacks(model, callbacks, epochs)
    model.history = types.SimpleNamespace(history=history, epoch=done)
    model.stop_training, batches = False, None
    callbacks.tell("train_begin")
    for epoch in range(initial_epoch, epochs):
        callbacks.tell("epoch_begin", epoch)
        model.train(hasattr(model, "train_step") or model.plan.trains)
        begin_metrics(model)
        total, count, logs = 0.0, 0, {}
        if batches is None or not steps_per_epoch:
            batches = batches_of(x, y, batch_size, shuffle, sample_weight)
        for step, (inputs, targets, weights) in enumerate(batches):
            callbacks.tell("train_batch_begin", step)
            if class_weight is not None:
                classes = targets.argmax(-1) if targets.ndim > 1 and targets.shape[-1] > 1 else targets.reshape(-1)
                weights = torch.tensor(
                    [class_weight.get(int(one), 1.0) for one in classes], dtype=torch.get_default_dtype()
                )
            if hasattr(model, "train_step"):
                forget(model)
                logs = model.train_step(batch_of(inputs, targets, weights))
            else:
                loss = train_step(model, inputs, targets, weights)
                total, count = total + float(loss.detach()) * len(first_of(inputs)), count + len(first_of(inputs))
            told = {name: float(torch.as_tensor(value).detach()) for name, value in logs.items()}
            callbacks.tell("train_batch_end", step, told or so_far(model, callbacks, total, count))
            if step + 1 == steps_per_epoch:
                break
        own = {name: float(torch.as_tensor(value).detach()) for name, value in logs.items()}
        gathered = {one.name: one for one in getattr(model, "metrics", None) or metrics_of(model)}
        if own.keys() == gathered.keys():  # then Keras asks the metrics, whether they were shown anything or not
            own = {name: float(one.result()) for name, one in gathered.items()}
        logs = own or {"loss": total / max(count, 1), **results_of(model)}
        if validation_data is not None and (epoch + 1) % validation_freq == 0:
            whole = not isinstance(validation_data, (list, tuple))
            parts = {"x": validation_data} if whole else dict(zip(("x", "y", "sample_weight"), validation_data))
            size = validation_batch_size or batch_size
            found = evaluate(
                model,
                **parts,
                batch_size=size,
                verbose=0,
                steps=validation_steps,
                callbacks=callbacks,
                return_dict=True,
            )
            logs |= {f"val_{name}": value for name, value in found.items()}
        callbacks.tell("epoch_end", epoch, logs)
        done.append(epoch)
        for name, value in logs.items():
            history.setdefault(name, []).append(value)
        if verbose:
            print(f"Epoch {epoch + 1}/{epochs} - " + " - ".join(f"{name}: {value:.4f}" for name, value in logs.items()))
        if model.stop_training:
            break
    callbacks.tell("train_end")
    return model.history


def evaluate(
    model, x, y=None, batch_size=None, verbose="auto", sample_weight=None, steps=None, callbacks=None, return_dict=False
):
    """The loss, and the metrics behind it, on data that is not trained on."""
    model.eval()
    begin_metrics(model)
    total, count, found = 0.0, 0, {}
    callbacks = callbacks if isinstance(callbacks, Callbacks) else Callbacks(model, callbacks, 1)
    callbacks.tell("test_begin")
    with torch.no_grad():
        for step, (inputs, targets, weights) in enumerate(batches_of(x, y, batch_size, False, sample_weight)):
            callbacks.tell("test_batch_begin", step)
            forget(model)
            if hasattr(model, "test_step"):
                found = {k: float(v) for k, v in model.test_step(batch_of(inputs, targets, weights)).items()}
            else:
                outputs = model(inputs)
                total += float(whole_loss(model, inputs, targets, outputs, weights)) * len(first_of(inputs))
                count += len(first_of(inputs))
                measure(model, targets, outputs)
            callbacks.tell("test_batch_end", step, found or so_far(model, callbacks, total, count))
            if step + 1 == steps:
                break
    found = found or {"loss": total / max(count, 1), **results_of(model)}
    callbacks.tell("test_end", found)
    if verbose:
        print(" - ".join(f"{name}: {value:.4f}" for name, value in found.items()))
    if return_dict:
        return found
    return list(found.values()) if len(found) > 1 else found["loss"]


def predict(model, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
    """The outputs for all samples, as arrays."""
    model.eval()
    with torch.no_grad():
        parts = [getattr(model, "predict_step", model)(inputs) for inputs, _, _ in batches_of(x, None, batch_size)]
    if isinstance(parts[0], dict):
        return {key: np.concatenate([part[key].numpy() for part in parts]) for key in parts[0]}
    if isinstance(parts[0], (list, tuple)):
        return [np.concatenate([part[i].numpy() for part in parts]) for i in range(len(parts[0]))]
    return np.concatenate([part.numpy() for part in parts])


def train_on_batch(model, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
    """One step of training on one batch; gives the loss, and the metrics behind it."""
    inputs, targets, weights = next(batches_of(x, y, len(first_of(x)), False, sample_weight))
    with torch.no_grad():
        model.eval()(inputs)
    model.train(model.plan.trains)
    model.optimizer.watch(one for one in model.parameters() if one.requires_grad)
    found = {"loss": float(train_step(model, inputs, targets, weights).detach()), **results_of(model)}
    return found if return_dict else list(found.values()) if len(found) > 1 else found["loss"]


def test_on_batch(model, x, y=None, return_dict=False):
    """The loss and the metrics on one batch."""
    return evaluate(model, x, y, len(first_of(x)), verbose=0, return_dict=return_dict)
