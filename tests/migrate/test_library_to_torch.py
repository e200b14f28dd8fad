"""What is written into emitted files computes as Keras does: optimisers, schedules, losses, metrics."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from netglot.migrate.to_torch.library import dense, files, losses, metrics, optimizers, penalties, schedules, symbols  # noqa: E402

OPTIMIZERS = [
    ("SGD", {}), ("SGD", {"momentum": 0.9, "nesterov": True}), ("SGD", {"momentum": 0.9, "clipvalue": 0.1}),
    ("Adam", {}), ("Adam", {"amsgrad": True}), ("Adam", {"clipnorm": 0.5}), ("Adam", {"global_clipnorm": 0.5}),
    ("Adam", {"weight_decay": 0.1}), ("AdamW", {}), ("Adamax", {}), ("Nadam", {}), ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.9, "centered": True}), ("Adagrad", {}), ("Adadelta", {}), ("Lion", {}),
]  # fmt: skip


def test_optimizers_move_weights_as_keras_does():
    rng = np.random.default_rng(0)
    for name, options in OPTIMIZERS:
        start = [rng.normal(size=(5, 2))]
        theirs = [keras.Variable(one, dtype="float64") for one in start]
        ours = [torch.nn.Parameter(torch.tensor(one)) for one in start]
        keras_one, torch_one = getattr(keras.optimizers, name)(**options), getattr(optimizers, name)(**options)
        for step in range(0, 6, 2):  # small gradients tell where epsilon is
            gradients = [rng.normal(size=one.shape) * 10.0**-step for one in start]
            keras_one.apply_gradients(zip([tf.constant(one) for one in gradients], theirs, strict=True))
            optimizers.apply_gradients(torch_one, zip([torch.tensor(one) for one in gradients], ours, strict=True))
        for one, other in zip(theirs, ours, strict=True):
            np.testing.assert_allclose(other.detach().numpy(), np.asarray(one), rtol=0, atol=5e-8, err_msg=name)


def test_rows_that_are_looked_up_twice_count_as_in_keras():
    rows, scales = [1, 1, 2], np.array([[1.0], [2.0], [3.0]])
    for name in ("Adam", "RMSprop", "Adagrad"):
        theirs = keras.Variable(np.ones((4, 2)), dtype="float64")
        ours = torch.nn.Parameter(torch.ones(4, 2, dtype=torch.float64))
        keras_one, torch_one = getattr(keras.optimizers, name)(0.001), getattr(optimizers, name)(0.001)
        for _ in range(2):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(tf.gather(theirs.value, rows) * scales)
            keras_one.apply_gradients([(tape.gradient(loss, theirs.value), theirs)])
            found = torch.nn.functional.embedding(torch.tensor(rows), ours, sparse=True)
            gradient = torch.autograd.grad((found * torch.tensor(scales)).sum(), [ours])
            optimizers.apply_gradients(torch_one, zip(gradient, [ours], strict=True))
        np.testing.assert_allclose(ours.detach().numpy(), np.asarray(theirs), rtol=0, atol=5e-8, err_msg=name)


SCHEDULES = [
    ("ExponentialDecay", {"decay_steps": 4, "decay_rate": 0.9, "staircase": True}),
    ("InverseTimeDecay", {"decay_steps": 4, "decay_rate": 0.9}),
    ("PolynomialDecay", {"decay_steps": 7, "power": 2.0}), ("PolynomialDecay", {"decay_steps": 7, "cycle": True}),
    ("CosineDecay", {"decay_steps": 7, "alpha": 0.1}),
    ("CosineDecay", {"decay_steps": 7, "warmup_target": 0.3, "warmup_steps": 3}),
    ("CosineDecayRestarts", {"first_decay_steps": 4}),
    ("CosineDecayRestarts", {"first_decay_steps": 4, "t_mul": 1.0, "m_mul": 0.5}),
]  # fmt: skip


def test_schedules_are_keras_s():
    for name, options in SCHEDULES:
        options = {"initial_learning_rate": 0.1, **options}
        theirs = getattr(keras.optimizers.schedules, name)(**options)
        ours = getattr(schedules, name)(**options)
        assert [float(ours(i)) for i in range(15)] == pytest.approx([float(theirs(i)) for i in range(15)], abs=1e-7), (
            name
        )
    pieces = {"boundaries": [3, 6], "values": [0.1, 0.05, 0.01]}
    theirs, ours = (
        keras.optimizers.schedules.PiecewiseConstantDecay(**pieces),
        schedules.PiecewiseConstantDecay(**pieces),
    )
    assert [ours(i) for i in range(9)] == pytest.approx([float(theirs(i)) for i in range(9)], abs=1e-7)


def test_losses_and_metrics_are_keras_s():
    rng = np.random.default_rng(0)
    both, real = rng.integers(0, 2, (6, 4)).astype("float64"), rng.normal(size=(6, 4))
    told, classes = rng.random((6, 4)) * 0.9 + 0.05, rng.integers(0, 4, 6)
    share = told / told.sum(-1, keepdims=True)
    rows = [
        ("sparse_categorical_crossentropy", classes, told, {}),
        ("sparse_categorical_crossentropy", classes, real, {"from_logits": True}),
        ("categorical_crossentropy", both, share, {"label_smoothing": 0.1}),
        ("categorical_crossentropy", both, real, {"from_logits": True}),
        ("binary_crossentropy", both, told, {"label_smoothing": 0.1}),
        ("binary_crossentropy", both, real, {"from_logits": True}),
        ("binary_focal_crossentropy", both, told, {"apply_class_balancing": True}),
        ("mean_absolute_percentage_error", real, told, {}), ("mean_squared_logarithmic_error", both, told, {}),
        ("huber", both, 3 * real, {}), ("log_cosh", both, real, {}), ("kl_divergence", share, told, {}),
        ("cosine_similarity", both, real, {}), ("poisson", both, told, {}), ("hinge", both, real, {}),
        ("squared_hinge", both, real, {}), ("categorical_hinge", both, real, {}),
    ]  # fmt: skip
    for name, target, output, options in rows:
        theirs = np.asarray(getattr(keras.losses, name)(target, output, **options))
        ours = getattr(losses, name)(torch.tensor(target), torch.tensor(output), **options).numpy()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8, err_msg=name)
    for name, target, output in (
        ("AUC", both, told), ("Precision", both, told), ("Recall", both, told), ("BinaryAccuracy", both, told),
        ("SparseCategoricalAccuracy", classes, share), ("RootMeanSquaredError", real, told),
    ):  # fmt: skip
        theirs, ours = getattr(keras.metrics, name)(), getattr(metrics, name)()
        for rows_ in (slice(3), slice(3, 6)):
            theirs.update_state(target[rows_], output[rows_])
            ours.update_state(torch.tensor(target[rows_]), torch.tensor(output[rows_]))
        assert float(ours.result()) == pytest.approx(float(theirs.result()), abs=1e-6), name


SHAPED = ("SparseCategoricalAccuracy", "CategoricalAccuracy", "RootMeanSquaredError")
SINGLE = ("Precision", "Recall", "AUC", "BinaryAccuracy", "MeanIoU")


def test_metrics_count_masks_and_weights_as_keras_does():
    rng = np.random.default_rng(0)
    told, classes = rng.uniform(size=(4, 3, 5)).astype("float32"), rng.integers(0, 5, (4, 3))
    mask, one_hot = rng.uniform(size=(4, 3)) > 0.4, np.eye(5, dtype="float32")[classes]
    samples, steps = rng.integers(1, 4, 4), rng.uniform(size=(4, 3)).astype("float32")
    for name in SHAPED:
        truth = classes if name.startswith("Sparse") else one_hot
        for kept, weights in ((None, None), (mask, None), (None, samples), (None, steps), (mask, steps)):
            if kept is None or name != "RootMeanSquaredError" or weights is None:
                _compared(name, [(truth, told, kept, weights), (truth[:2], told[:2], None, None)])
    right, sure = rng.integers(0, 2, (4, 1)), rng.uniform(size=(4, 1)).astype("float32")
    for name in SINGLE:
        output = (sure > 0.5).astype("int64") if name == "MeanIoU" else sure
        for weights in (None, samples, samples[:, None]):
            _compared(name, [(right, output, None, weights)], *([2] if name == "MeanIoU" else []))


def _compared(name, batches, *options):
    theirs, ours = getattr(keras.metrics, name)(*options), getattr(metrics, name)(*options)
    for truth, told, mask, weights in batches:
        symbol, tensor = keras.ops.convert_to_tensor(told), torch.tensor(told)
        if mask is not None:
            symbol._keras_mask, tensor.mask = keras.ops.convert_to_tensor(mask), torch.tensor(mask)
        theirs.update_state(truth, symbol, sample_weight=weights)
        ours.update_state(torch.tensor(truth), tensor, sample_weight=weights)
    np.testing.assert_allclose(float(ours.result()), float(np.mean(theirs.result())), rtol=1e-5, err_msg=name)


def test_a_declared_input_makes_the_weights_before_the_first_call():
    layers = [symbols.Input((None, 3)), dense.Dense(4), torch.nn.Dropout(0.5), dense.Dense(2)]
    made, added = symbols.Sequential(layers), symbols.Sequential()
    for one in [symbols.Input((3,)), dense.Dense(4), dense.Dense(2)]:
        added.add(one)
    assert [tuple(one.shape) for one in files.get_weights(made)] == [(4, 3), (4,), (2, 4), (2,)]
    files.set_weights(added, files.get_weights(made))
    assert torch.equal(added(torch.ones(1, 3)), made.eval()(torch.ones(1, 3)))
    assert added.training and all(one.training for one in added)


class Telling(symbols.Layer):
    """A layer that adds to the loss whenever it is called."""

    def forward(self, x):
        self.add_loss(x.sum())
        return x


def test_only_the_last_call_of_a_network_adds_to_the_loss():
    model, x = symbols.Sequential([Telling(), dense.Dense(1)]), torch.ones(4, 2)
    model(x)
    penalties.forget(model)
    model(x)
    assert [float(one) for one in penalties.losses_of(model)] == [8.0]
