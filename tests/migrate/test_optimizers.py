"""The optimisers, schedules and scalers that emitted files define, beside PyTorch's own, step by step."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")

from netglot.migrate.to_keras.helpers import HELPERS, needs  # noqa: E402


@pytest.fixture(scope="module")
def emitted():
    """What an emitted file holds when it asks for every optimiser and schedule."""
    import tensorflow as tf

    wanted = ["SGD", "Adam", "NAdam", "RAdam", "Adamax", "Adadelta", "RMSprop", "Adagrad", "Groups", "Schedule"]
    wanted += ["warm_restarts", "in_turn", "OneCycle", "ReduceOnPlateau", "GradScaler", "clip_grad_norm"]
    place = {"keras": keras, "ops": keras.ops, "np": np, "math": math, "tf": tf}
    for name in wanted:
        assert not [one for one in needs(name) if one not in wanted]
        exec(HELPERS[name], place)
    return place


OPTIMIZERS = {
    "SGD": [({}, {}), ({"momentum": 0.9, "weight_decay": 0.1}, {"momentum": 0.9, "l2": 0.1}),
            ({"momentum": 0.9, "nesterov": True}, {"momentum": 0.9, "nesterov": True}),
            ({"momentum": 0.9, "dampening": 0.3}, {"momentum": 0.9, "dampening": 0.3})],
    "Adam": [({}, {}), ({"amsgrad": True, "weight_decay": 0.1}, {"amsgrad": True, "l2": 0.1})],
    "AdamW": [({}, {"decay": 0.01}),
              ({"betas": (0.8, 0.9), "eps": 0.1}, {"betas": (0.8, 0.9), "epsilon": 0.1, "decay": 0.01})],
    "NAdam": [({}, {}), ({"weight_decay": 0.1, "momentum_decay": 0.1}, {"l2": 0.1, "momentum_decay": 0.1})],
    "RAdam": [({}, {}), ({"betas": (0.9, 0.99), "eps": 0.1}, {"betas": (0.9, 0.99), "epsilon": 0.1})],
    "Adamax": [({}, {}), ({"eps": 0.3}, {"epsilon": 0.3})],
    "Adadelta": [({}, {}), ({"rho": 0.5, "eps": 0.1}, {"rho": 0.5, "epsilon": 0.1})],
    "RMSprop": [({}, {}),
                ({"momentum": 0.9, "centered": True, "eps": 0.1}, {"momentum": 0.9, "centered": True, "epsilon": 0.1})],
    "Adagrad": [({}, {}), ({"lr_decay": 0.5, "initial_accumulator_value": 0.2}, {"lr_decay": 0.5, "start": 0.2})],
}  # fmt: skip


@pytest.mark.parametrize("name, number", [(n, i) for n, rows in OPTIMIZERS.items() for i in range(len(rows))])
def test_an_optimiser_steps_as_pytorch_does(emitted, name, number):
    theirs, ours = OPTIMIZERS[name][number]
    start = np.random.default_rng(0).standard_normal((3, 2)).astype("float32")
    parameter = torch.nn.Parameter(torch.from_numpy(start.copy()))
    variable = keras.Variable(start)
    optimizer = getattr(torch.optim, name)([parameter], lr=0.05, **theirs)
    other = emitted["Adam" if name == "AdamW" else name](0.05, **ours)
    for step in range(8):  # RAdam begins to scale after its fifth step
        gradient = np.random.default_rng(step).standard_normal((3, 2)).astype("float32")
        parameter.grad = torch.from_numpy(gradient)
        optimizer.step()
        other.apply_gradients([(keras.ops.convert_to_tensor(gradient), variable)])
    np.testing.assert_allclose(np.asarray(variable), parameter.detach().numpy(), rtol=2e-5, atol=2e-6)


def rates(optimizer, schedule, other, twin, *, steps=14, values=None):
    """The learning rates of both sides over some steps."""
    mine, theirs = [], []
    for step in range(steps):
        mine.append(optimizer.param_groups[0]["lr"])
        theirs.append(float(other.learning_rate))
        optimizer.step()
        given = () if values is None else (values[step % len(values)],)
        schedule.step(*given)
        twin.step(*given)
    return mine, theirs


SCHEDULES = {
    "restarts": (lambda o, s: s.CosineAnnealingWarmRestarts(o, 3, 2, eta_min=0.01),
                 lambda o, e: e["Schedule"](o, e["warm_restarts"](3, 2, 0.01))),
    "one cycle": (lambda o, s: s.OneCycleLR(o, max_lr=0.5, total_steps=20),
                  lambda o, e: e["OneCycle"](o, 0.5, total_steps=20)),
    "linear cycle": (lambda o, s: s.OneCycleLR(o, 0.5, epochs=4, steps_per_epoch=5, anneal_strategy="linear"),
                     lambda o, e: e["OneCycle"](o, 0.5, epochs=4, steps_per_epoch=5, anneal_strategy="linear")),
    "warm-up, then cosine": (
        lambda o, s: s.SequentialLR(o, [s.LinearLR(o, 0.1, total_iters=4), s.CosineAnnealingLR(o, 10)], [4]),
        lambda o, e: e["Schedule"](o, e["in_turn"]([
            e["Schedule"](o, lambda base, epoch: base * (0.1 + 0.9 * min(epoch, 4) / 4)),
            e["Schedule"](o, lambda base, epoch: base * (1 + math.cos(math.pi * epoch / 10)) / 2)], [4]))),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_gives_the_same_rates(emitted, name):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2, momentum=0.9)
    other = emitted["SGD"](0.2, momentum=0.9)
    ours, theirs = SCHEDULES[name]
    mine, found = rates(optimizer, ours(optimizer, torch.optim.lr_scheduler), other, theirs(other, emitted))
    np.testing.assert_allclose(found, mine, rtol=1e-5)
    if "cycle" in name:
        assert other.momentum == pytest.approx(optimizer.param_groups[0]["momentum"], rel=1e-6)


def test_a_plateau_lowers_the_rate_when_pytorch_does(emitted):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2)
    other = emitted["SGD"](0.2)
    options = {"factor": 0.5, "patience": 1, "cooldown": 2}
    ours = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    mine, found = rates(
        optimizer, ours, other, emitted["ReduceOnPlateau"](other, **options), values=[1.0, 0.9, 0.95, 0.99]
    )
    assert found == pytest.approx(mine, rel=1e-6)
    assert min(found) < 0.2


def test_groups_of_weights_have_rates_of_their_own(emitted):
    first, second = keras.Variable([1.0]), keras.Variable([1.0])
    groups = emitted["Groups"]((lambda: [first], emitted["SGD"](0.1)), (lambda: [second], emitted["SGD"](0.5)))
    emitted["Schedule"](groups, lambda base, epoch: base * 0.5 ** (epoch + 1))
    groups.apply_gradients([(keras.ops.ones(1), first), (keras.ops.ones(1), second)])
    assert (float(first[0]), float(second[0])) == pytest.approx((0.95, 0.75))


def test_a_scaler_leaves_out_a_step_that_overflows(emitted):
    scaler, weight = emitted["GradScaler"](device="cpu"), keras.Variable([1.0])
    optimizer = emitted["SGD"](0.5)
    for gradient in (65536.0, float("inf")):
        scaler.step(optimizer, [keras.ops.full((1,), gradient)], [weight])
        scaler.update()
    assert float(weight[0]) == 0.5
    assert scaler.get_scale() == 32768.0
    assert emitted["GradScaler"](enabled=False).scale(3.0) == 3.0
