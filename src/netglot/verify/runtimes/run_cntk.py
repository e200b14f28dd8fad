"""Runs `model.model` in CNTK."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def load(folder, dtype):
    """A function from inputs by name to outputs."""
    import cntk
    import numpy as np

    model = cntk.Function.load(os.path.join(folder, "model.model"))
    outputs = [cntk.combine([one]) for one in model.outputs]

    def run(inputs):
        made = []
        for one in outputs:
            given = {held: np.ascontiguousarray(inputs[held.name], "float32") for held in one.arguments}
            made.append(np.asarray(one.eval(given)))
        return made

    return run


def main():
    """Serves until the pipe closes."""
    import cntk
    from serving import serve

    serve(load, "CNTK " + cntk.__version__)


if __name__ == "__main__":
    main()
