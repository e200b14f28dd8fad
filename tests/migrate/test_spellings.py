"""Calls are bound to their declarations as TensorFlow and Keras bind them."""

import inspect
from functools import reduce

import pytest

pytest.importorskip("torch")
keras = pytest.importorskip("keras")
tensorflow = pytest.importorskip("tensorflow")


def _parameters(name):
    """The parameters of a public function that may be given by position; None where it cannot be told."""
    root, *parts = name.split(".")
    try:
        found = reduce(getattr, parts, {"tf": tensorflow, "keras": keras}[root])
        given = inspect.signature(found).parameters.values()
    except (AttributeError, KeyError, ValueError, TypeError):
        return None
    return [p.name for p in given if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def test_functions_take_their_arguments_as_their_own_do():
    from netglot.migrate.to_torch import algebra, functions
    from netglot.migrate.to_torch.target import TABLE

    wrong = {}
    for name in {**functions.table.rows, **algebra.table.rows}:
        own = _parameters(name)
        if own is None or name.startswith(("tf.Tensor.", "tf.TensorShape.")):
            continue
        for row in TABLE.rows[name]:
            plain = [p.name for p in row.parameters if not p.keyword_only and not p.star]
            starred = any(p.star for p in row.parameters)
            spelled = TABLE.spellings.get(name, ())
            mine = [*spelled, *plain[len(spelled) :]]
            if not starred and any(a != b for a, b in zip(mine, own, strict=False) if b != "name"):
                wrong[name] = (mine, own)
    assert wrong == {}


def test_keywords_of_shared_declarations(tmp_path):
    from netglot.migrate.migrating import migrate

    path = tmp_path / "spelled.py"
    path.write_text(
        "import tensorflow as tf\n"
        "from keras import layers, ops\n\n\n"
        "class Net(tf.keras.Model):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.dense = layers.Dense(6)\n\n"
        "    def call(self, x):\n"
        "        a, b = ops.split(self.dense(x), indices_or_sections=2, axis=-1)\n"
        "        p = tf.nn.softmax(logits=tf.reshape(tensor=a, shape=(-1, 3)), axis=-1)\n"
        "        q = tf.one_hot(tf.argmax(input=b, axis=-1), depth=3, dtype=tf.float32)\n"
        "        return tf.reduce_sum(input_tensor=p * q, axis=-1) + ops.maximum(x1=a, x2=0.5)[:, 0]\n\n\n"
        "net = Net()\n"
        "net(tf.ones((2, 4)))\n",
        "utf-8",
    )
    found = migrate(path, "torch")
    assert found.verdict == "equivalent", found.report
    assert found.report["marked"] == 0
    text = found.files["spelled.py"].decode()
    assert "torch.chunk(self.dense(x), 2, dim=-1)" in text
    assert "F.one_hot(torch.argmax(b, dim=-1).long(), 3).to(torch.float32)" in text
