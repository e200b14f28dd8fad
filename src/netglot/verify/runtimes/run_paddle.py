"""Runs `model.py` with `model.npz` in PaddlePaddle."""

import importlib.util
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def load(folder, dtype):
    """A function from inputs by name to outputs; floats are computed in `dtype`."""
    import paddle

    paddle.set_default_dtype(dtype)
    spec = importlib.util.spec_from_file_location("written", os.path.join(folder, "model.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.load()

    def run(inputs):
        tensors = [paddle.to_tensor(one.astype(dtype) if one.dtype.kind == "f" else one) for one in inputs.values()]
        with paddle.no_grad():
            return [one.numpy() for one in leaves(network(*tensors))]

    return run


def leaves(result):
    """The tensors in what a network returns."""
    if isinstance(result, (list, tuple)):
        return [leaf for one in result for leaf in leaves(one)]
    return [result]


def main():
    """Serves until the pipe closes."""
    import paddle
    from serving import serve

    serve(load, f"PaddlePaddle {paddle.__version__}")


if __name__ == "__main__":
    main()
