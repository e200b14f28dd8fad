"""Training scripts: the loop becomes one with a tape, and both sides are trained from the same weights."""

from pathlib import Path

import pytest

from netglot.migrate.migrating import migrate

pytest.importorskip("torch")
pytest.importorskip("keras")
SOURCES = Path(__file__).parent / "sources"


def test_a_script_trains_as_before():
    found = migrate(SOURCES / "train_classifier.py", "tensorflow")
    assert found.verdict == "equivalent", found.report
    (script,) = found.report["scripts"]
    assert len(script["losses"]["source"]) == 8
    assert script["losses"]["distance"] < 1e-12
    text = found.files["train_classifier.py"].decode()
    assert "with tf.GradientTape() as tape:\n            output = model(data, training=True)" in text
    assert "gradients = clip_grad_norm(gradients, args.clip)" in text
    assert "parser.add_argument('--gamma', type=float, default=0.7)" in text
    assert not found.report["files"][0]["marked"]


@pytest.mark.fuzz
def test_frozen_weights_stay_frozen():
    found = migrate(SOURCES / "transfer_script.py", "keras")
    assert found.verdict == "equivalent", found.report
    assert found.report["scripts"][0]["losses"]["distance"] < 1e-12
    text = found.files["transfer_script.py"].decode()
    assert "    if freeze:\n        freeze_(model)\n" in text
    assert found.report["marked"] == 0


def test_a_loop_with_a_tape_becomes_one_without():
    found = migrate(SOURCES / "tape_script.py", "torch")
    assert found.verdict == "equivalent", found.report
    assert found.report["scripts"][0]["losses"]["distance"] < 1e-9
    text = found.files["tape_script.py"].decode()
    assert "    # training=True matters for layers such as Dropout\n    predictions = model.train()(images)" in text


@pytest.mark.fuzz
def test_fit_becomes_a_loop_that_trains_as_before():
    found = migrate(SOURCES / "fit_script.py", "torch")
    assert found.verdict == "equivalent", found.report
    assert found.report["scripts"][0]["losses"]["distance"] < 1e-9
    text = found.files["fit_script.py"].decode()
    assert "loss=functools.partial(mean_of, sparse_categorical_crossentropy)" in text
    assert "history = fit(model, x_train, y_train, epochs=3, batch_size=16, validation_split=0.25, verbose=2)" in text


def test_gathered_gradients_scaled_losses_and_checkpoints():
    """One script whose loops say more: two optimisers, groups of weights, mixed precision, accumulation."""
    found = migrate(SOURCES / "loops_script.py", "keras")
    assert found.verdict == "equivalent", found.report
    assert found.report["marked"] == 0
    assert found.report["scripts"][0]["losses"]["distance"] < 1e-9
    text = found.files["loops_script.py"].decode()
    for said in (
        "    gradients = None\n    for i, (h, y) in enumerate(states):",
        "total = scaler.scale(loss)\n",
        "gradients = summed(gradients, tape.gradient(total, decoder.trainable_variables))",
        "            norm = global_norm(gradients)\n            gradients = clip_grad_norm(gradients, 1.0)  # over",
        "scaler.step(optimizer, gradients, decoder.trainable_variables)",
        "        gradients[0] = clip_grad_norm(gradients[0], 0.5)\n",
        "first.apply_gradients(zip(gradients[0], encoder.trainable_variables))",
        "with autocast(decoder):",
        "best = copy.deepcopy(decoder.get_weights())",
        "save({'step': i, 'model': decoder.get_weights(), 'optimizer': get_state(optimizer)}, 'last.pt')",
        "        @each_weight(self)\n        def begin(name, p):\n            if 'bias' in name:",
        "\n\ndef accuracy(encoder, decoder, loader):",
    ):
        assert said in text, said


def test_gradients_that_are_taken_by_hand():
    """Weights that stand alone, gradients that are looked at or asked for, norms of weights, a tape handed on."""
    found = migrate(SOURCES / "autograd_script.py", "tensorflow")
    assert found.verdict == "equivalent", found.report
    assert found.report["marked"] == 0
    assert found.report["scripts"][0]["losses"]["distance"] < 1e-9
    text = found.files["autograd_script.py"].decode()
    for said in (
        "w = tf.Variable(keras.random.normal((2, 1)))",
        "        param.assign_sub(lr * param.grad)\n        param.grad = tf.zeros_like(param.grad)",
        "        squares = (x @ w + b - y) ** 2  # one for each sample\n        total = ops.mean(squares)\n",
        "    backward(tape, total, [w, b])\n    sgd([w, b], 0.1)",
        "    with tf.GradientTape() as u_tape:\n        u_tape.watch(points)\n        u = field(points",
        "    slope = u_tape.gradient(u, points, output_gradients=tf.ones_like(u))",
        "        p.grad = ops.clip(p.grad, -0.5, 0.5)",
        "    optimizer.apply_gradients((w.grad, w) for w in field.trainable_variables)",
        "self.inside = WeightNorm(Dense(5))",
        "def learn(tape, rewards):",
        "        learn(tape, rewards)\n",
        "    load_state(target, theirs)",
    ):
        assert said in text, said


def test_text_and_masks_towards_pytorch():
    """Vocabularies that are learned, masks that a layer makes or takes, a loss of the steps that count."""
    found = migrate(SOURCES / "text_script.py", "torch")
    assert found.verdict == "equivalent", found.report
    assert found.report["marked"] == 0
    assert found.report["scripts"][0]["losses"]["distance"] < 1e-9
    text = found.files["text_script.py"].decode()
    assert "lookup = Lookup(num_oov_indices=0)" in text
    assert "class Tokens(MaskingLayer):" in text
