"""Reads every network of `keras.applications`, and compares the pivot's meaning with Keras in double precision.

    python -m tests.zoo_keras [name ...] [--read-only]

Prints a table of Markdown: seconds to build and to read, nodes, and the largest difference of the outputs relative to
their largest element.
"""

from __future__ import annotations

import inspect
import sys
import time

import numpy as np

SMALLEST = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71, "NASNetMobile": 32, "NASNetLarge": 32}
"""Input sizes where 64 is too small for a network, or not allowed."""


def networks() -> list[str]:
    """The names of all networks that Keras comes with."""
    import keras

    found = {name: getattr(keras.applications, name) for name in dir(keras.applications)}
    return sorted(name for name, held in found.items() if inspect.isfunction(held))


def one(name: str, read_only: bool) -> str:
    """One line of the table."""
    import keras

    from netglot.dialects.keras.read import read_keras
    from netglot.pivot.evaluate import evaluate

    side = SMALLEST.get(name, 64)
    start = time.perf_counter()
    model = getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3), include_top=False)
    built = time.perf_counter()
    try:
        graph = read_keras(model)
    except Exception as error:
        return f"| {name} | {built - start:.1f} | {type(error).__name__}: {str(error).splitlines()[0]} | | |"
    read = time.perf_counter()
    if read_only:
        return f"| {name} | {built - start:.1f} | {read - built:.1f} | {len(graph.nodes)} | |"
    _randomise(model)
    x = np.random.default_rng(0).uniform(0, 255, (1, side, side, 3))
    expected = np.asarray(model(keras.ops.convert_to_tensor(x), training=False))
    actual = evaluate(graph, {graph.inputs[0].name: x}, precision="float64")
    worst = float(np.max(np.abs(actual - expected)) / np.max(np.abs(expected)))
    return f"| {name} | {built - start:.1f} | {read - built:.1f} | {len(graph.nodes)} | {worst:.1e} |"


def _randomise(model) -> None:
    generator = np.random.default_rng(0)
    for variable in model.variables:
        path = variable.path.rpartition("/")[2]
        if "variance" in path:
            variable.assign(generator.uniform(0.5, 1.5, variable.shape))
        elif path in ("gamma", "beta", "bias", "moving_mean"):
            variable.assign(generator.normal(1.0 if path == "gamma" else 0.0, 0.1, variable.shape))


def main(arguments: list[str]) -> None:
    """Prints the table."""
    import keras

    keras.config.set_floatx("float64")
    read_only = "--read-only" in arguments
    wanted = [a for a in arguments if not a.startswith("-")] or networks()
    print("| network | build s | read s | nodes | difference |\n| --- | --- | --- | --- | --- |")
    for name in wanted:
        print(one(name, read_only), flush=True)
        keras.backend.clear_session()


if __name__ == "__main__":
    main(sys.argv[1:])
