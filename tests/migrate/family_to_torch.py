"""A family of simple Keras networks, made at random: rows, series, text, images and volumes; simple, wide and deep.

python -m tests.migrate.family_to_torch 300     # migrates all to PyTorch and prints the share that is proven
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

HEAD = '''"""Networks made at random."""
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

'''
ACTIVATIONS = ("relu", "tanh", "elu", "gelu", "swish", "sigmoid", "selu", "softplus", "leaky_relu", None)
STYLES = ("listed", "added", "functional", "subclassed")


class Maker:
    """One network: its input, its layers as text, and how it is written down."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.seed = seed

    def pick(self, *values):
        return self.random.choice(values)

    def activation(self) -> str:
        name = self.pick(*ACTIVATIONS)
        return f', activation="{name}"' if name else ""

    def options(self) -> str:
        extra = self.pick("", "", "", ', kernel_initializer="he_normal"', ", use_bias=False")
        return self.activation() + extra

    def norm(self) -> list[str]:
        return self.pick(
            [], [], ["layers.BatchNormalization()"], ["layers.LayerNormalization()"], ["layers.Dropout(0.2)"]
        )

    def depth(self) -> int:
        return self.pick(1, 1, 2, 2, 3, 5)

    def tabular(self) -> tuple[str, list[str]]:
        found: list[str] = []
        for _ in range(self.depth()):
            found += [f"layers.Dense({self.pick(4, 7, 16, 33)}{self.options()})", *self.norm()]
        return f"({self.pick(3, 8, 13)},)", found

    def text(self) -> tuple[str, list[str]]:
        found = [f"layers.Embedding({self.pick(20, 51)}, {self.pick(4, 9)})"]
        return f"({self.pick(6, 9)},)", found + self.sequence()

    def series(self) -> tuple[str, list[str]]:
        return f"({self.pick(7, 10)}, {self.pick(1, 3)})", self.sequence()

    def sequence(self) -> list[str]:
        kind = self.pick("LSTM", "GRU", "SimpleRNN", "conv", "mixed", "pooled")
        units = self.pick(4, 7)
        if kind in ("LSTM", "GRU", "SimpleRNN"):
            deep = [f"layers.{kind}({units}, return_sequences=True)"] * self.pick(0, 1)
            last = f"layers.{kind}({units})"
            return [*deep, f"layers.Bidirectional({last})" if self.pick(0, 1) else last]
        padding = self.pick("", ', padding="same"', ', padding="causal"')
        conv = [f"layers.Conv1D({units}, {self.pick(2, 3)}{padding}{self.options()})"]
        if kind == "mixed":
            return [*conv, "layers.MaxPooling1D(2)", f"layers.{self.pick('LSTM', 'GRU')}({units})"]
        if kind == "pooled":
            return [*conv, f"layers.{self.pick('GlobalAveragePooling1D', 'GlobalMaxPooling1D')}()"]
        return [*conv, *self.norm(), "layers.Flatten()"]

    def image(self) -> tuple[str, list[str]]:
        found: list[str] = []
        size = self.pick(12, 15)
        for _ in range(self.pick(1, 2)):
            padding = self.pick("", ', padding="same"')
            steps = self.pick("", "", ", strides=2")
            found += [
                f"layers.Conv2D({self.pick(3, 6)}, {self.pick(1, 3)}{steps}{padding}{self.options()})",
                *self.norm(),
            ]
            if self.pick(0, 1) and not steps:
                found.append(
                    self.pick(
                        "layers.MaxPooling2D()", "layers.AveragePooling2D(2)", 'layers.MaxPool2D(2, padding="same")'
                    )
                )
        if self.pick(0, 0, 1):
            found.append(
                self.pick("layers.DepthwiseConv2D(2)", "layers.SeparableConv2D(5, 2)", "layers.UpSampling2D()")
            )
        found.append(self.pick("layers.Flatten()", "layers.GlobalAveragePooling2D()", "layers.GlobalMaxPooling2D()"))
        return f"({size}, {size}, {self.pick(1, 3)})", found

    def volume(self) -> tuple[str, list[str]]:
        found = [f"layers.Conv3D({self.pick(2, 4)}, {self.pick(1, 2)}{self.options()})"]
        found += self.pick([], ["layers.MaxPooling3D()"], ["layers.BatchNormalization()"])
        return "(6, 6, 6, 1)", [*found, self.pick("layers.GlobalAveragePooling3D()", "layers.Flatten()")]

    def decoder(self) -> tuple[str, list[str]]:
        found = [
            "layers.Flatten()",
            "layers.Dense(9, activation='relu')",
            "layers.Dense(27)",
            "layers.Reshape((3, 3, 3))",
        ]
        sizes = f"{self.pick(2, 4)}, {self.pick(2, 3)}"
        found.append(f'layers.Conv2DTranspose({sizes}, strides=2, padding="same"{self.activation()})')
        return "(4, 4, 2)", found

    def text_of(self) -> str:
        """The function that gives the network."""
        shape, found = self.pick(
            self.tabular, self.tabular, self.text, self.series, self.image, self.volume, self.decoder
        )()
        last = self.pick(
            "layers.Dense(1)", 'layers.Dense(3, activation="softmax")', 'layers.Dense(1, activation="sigmoid")'
        )
        found = found if "Conv2DTranspose" in found[-1] else [*found, last]
        name, style = f"net_{self.seed}", self.pick(*STYLES)
        whole = ', dtype="int32"' if "Embedding" in found[0] else ""
        if style == "listed":
            rows = "".join(f"        {one},\n" for one in (f"keras.Input(shape={shape}{whole})", *found))
            return f"def {name}():\n    return keras.Sequential([\n{rows}    ])\n\n\n"
        if style == "added":
            rows = "".join(f"    model.add({one})\n" for one in (f"keras.Input(shape={shape}{whole})", *found))
            return f"def {name}():\n    model = keras.Sequential()\n{rows}    return model\n\n\n"
        if style == "functional":
            head = f"def {name}():\n    inputs = keras.Input(shape={shape}{whole})\n    x = inputs\n"
            return f"{head}{self.chained(found)}    return keras.Model(inputs, x)\n\n\n"
        made = "".join(f"        self.part{i} = {one}\n" for i, one in enumerate(found))
        called = "".join(f"        x = self.part{i}(x)\n" for i in range(len(found)))
        ids = ", dtype=tf.int32" if whole else ""
        build = f"def {name}():\n    model = Net{self.seed}()\n    model(tf.zeros((2, *{shape}){ids}))\n"
        build += "    return model\n\n\n"
        return (
            f"class Net{self.seed}(keras.Model):\n    def __init__(self):\n        super().__init__()\n{made}\n"
            f"    def call(self, x):\n{called}        return x\n\n\n{build}"
        )

    def chained(self, found: list[str]) -> str:
        """The layers one after the other; a wide network adds what a dense layer made of the same input."""
        text = "".join(f"    x = {one}(x)\n" for one in found[:-1])
        if found[-1].startswith("layers.Dense(") and self.pick(0, 1):
            text += "    y = layers.Dense(5)(x)\n    z = layers.Dense(5, activation='tanh')(x)\n"
            text += f"    x = {self.pick('layers.Add()([y, z])', 'layers.concatenate([y, z])', 'y * z')}\n"
        return text + f"    x = {found[-1]}(x)\n"


def written(seeds: range) -> str:
    """A file with the networks of some seeds."""
    return HEAD + "\n" + "".join(Maker(seed).text_of() for seed in seeds)


def proven(seeds: range, folder: Path) -> dict[str, str]:
    """The verdict of each network, by its expression; those that are marked are "marked"."""
    from netglot.migrate.migrating import migrate

    path = folder / f"family_{seeds.start}.py"
    path.write_text(written(seeds))
    report = migrate(path, "torch").report
    found = {one["expression"]: one["verdict"] for one in report["networks"]}
    if any(file["marked"] for file in report["files"]):
        found["marks"] = "marked"
    return found


def main(count: int) -> int:
    """Migrates so many networks, 40 in a file."""
    right = total = 0
    with tempfile.TemporaryDirectory() as folder:
        for first in range(0, count, 40):
            found = proven(range(first, min(first + 40, count)), Path(folder))
            total += len(found)
            right += sum(one == "equivalent" for one in found.values())
            for name, verdict in found.items():
                if verdict != "equivalent":
                    print(f"{name}: {verdict}")
            print(f"{right} of {total} are proven", flush=True)
    return 0 if right == total else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 300))
