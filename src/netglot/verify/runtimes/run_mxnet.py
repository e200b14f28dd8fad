"""Runs `model-symbol.json` with `model-0000.params` in MXNet."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def load(folder, dtype):
    """A function from inputs by name to outputs; floats are computed in `dtype`."""
    import mxnet as mx

    with open(os.path.join(folder, "model-symbol.json")) as file:
        text = file.read()
    stored = mx.nd.load(os.path.join(folder, "model-0000.params"))
    stored = stored if isinstance(stored, dict) else {}  # of no weights it is a list
    weights = {name.split(":", 1)[-1]: held for name, held in stored.items()}
    wide = any("float64" in str(held.dtype) for held in weights.values())
    if wide != (dtype == "float64"):
        text = in_precision(text, dtype)
    symbol = mx.sym.load_json(text)
    states = set(symbol.list_auxiliary_states())

    def floats(array):
        return array.astype(dtype) if array.dtype.name in ("float32", "float64", "float16") else array

    def run(inputs):
        arguments = {name: mx.nd.array(floats(one), dtype=floats(one).dtype) for name, one in inputs.items()}
        held = {name: _as(one, dtype) for name, one in weights.items()}
        arguments.update({name: one for name, one in held.items() if name not in states})
        known = {name: one for name, one in arguments.items() if name in symbol.list_arguments()}
        auxiliary = {name: held[name] for name in states}
        bound = symbol.bind(mx.cpu(), known, args_grad=None, grad_req="null", aux_states=auxiliary)
        return [one.asnumpy() for one in bound.forward(is_train=False)]

    return run


def in_precision(text, dtype):
    """A symbol of which all floats are of this precision."""
    other, code = ("float32", "1") if dtype == "float64" else ("float64", "0")
    text = re.sub(rf'("(?:dtype|__dtype__)": )"{other}"', rf'\1"{dtype}"', text)
    return re.sub(r'("__dtype__": )"[01]"', rf'\1"{code}"', text)


def _as(array, dtype):
    return array.astype(dtype) if "float" in str(array.dtype) else array


def main():
    """Serves until the pipe closes."""
    import mxnet as mx
    from serving import serve

    serve(load, f"MXNet {mx.__version__}")


if __name__ == "__main__":
    main()
