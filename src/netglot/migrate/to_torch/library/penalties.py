"""What is added to the loss: penalties of weights, and losses that layers tell of."""

from torch import nn


def l1(factor=0.01):
    """A penalty: the sum of absolute weights times a factor."""
    return lambda weight: factor * weight.abs().sum()


def l2(factor=0.01):
    """A penalty: the sum of squared weights times a factor."""
    return lambda weight: factor * weight.square().sum()


def l1_l2(l1=0.01, l2=0.01):
    """A penalty: absolute and squared weights, each times a factor."""
    return lambda weight: l1 * weight.abs().sum() + l2 * weight.square().sum()


def penalty_of(regularizer):
    """A penalty by Keras's name for it, or as it is given."""
    known = {"l1": l1, "l2": l2, "l1_l2": l1_l2}
    return known[regularizer.lower()]() if isinstance(regularizer, str) else regularizer


def penalised(layer, **penalties):
    """A layer whose weights cost: the name of each weight, and its penalty; `output` names what the layer gives."""
    layer.penalties = {name: one for name, one in penalties.items() if one is not None and name != "output"}
    if penalties.get("output") is not None:
        layer.register_forward_hook(lambda layer, _, y: told(layer, penalties["output"](y) / len(y)))
    return layer


def told(layer, value):
    """Remembers a loss that a layer tells of, in calls that are counted: see `left`."""
    layer.__dict__.setdefault("told", []).append(value)


class Calls:
    """How many modules are being called, one inside the other."""

    depth = 0


def entered(module, inputs):
    """Each outermost call of a network begins anew: Keras tells of the losses of the last one alone."""
    if not Calls.depth:
        forget(module)
    Calls.depth += 1


def left(module, inputs, output):
    """A call ends, whether it gave something or raised."""
    Calls.depth -= 1


nn.modules.module.register_module_forward_pre_hook(entered)
nn.modules.module.register_module_forward_hook(left, always_call=True)


def losses_of(model):
    """All penalties of weights, and the losses that layers told of since this was asked last."""
    found = []
    for layer in model.modules():
        for name, penalty in getattr(layer, "penalties", {}).items():
            weight = getattr(layer, name)
            found += [penalty(weight)] if weight.requires_grad else []
        own = [one for one in layer.parameters(recurse=False) if one.requires_grad]
        found += [one.penalty(one) for one in own if getattr(one, "penalty", None) is not None]
        found += layer.__dict__.pop("told", [])
    return found


def forget(model):
    """Drops what layers told of in earlier calls: only the last call of a network counts."""
    for layer in model.modules():
        layer.__dict__.pop("told", None)
