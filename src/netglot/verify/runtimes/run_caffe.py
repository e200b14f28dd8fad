"""Runs `model.prototxt` with `model.caffemodel` in OpenCV's dnn module."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def load(folder, dtype):
    """A function from inputs by name to outputs: the tops that no layer reads, in the order of the file."""
    import cv2

    text = os.path.join(folder, "model.prototxt")
    network = cv2.dnn.readNetFromCaffe(text, os.path.join(folder, "model.caffemodel"))
    network.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    with open(text) as file:
        said = re.findall(r'^  (top|bottom): "([^"]*)"', file.read(), re.M)
    read = {name for side, name in said if side == "bottom"}
    wanted = [name for side, name in said if side == "top" and name not in read]

    def run(inputs):
        import numpy as np

        for name, array in inputs.items():
            network.setInput(np.ascontiguousarray(array, "float32"), name)
        return list(network.forward(wanted))

    return run


def main():
    """Serves until the pipe closes."""
    import cv2
    from serving import serve

    serve(load, f"OpenCV {cv2.__version__}")


if __name__ == "__main__":
    main()
