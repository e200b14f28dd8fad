"""Runs `model.cfg` with `model.weights` in OpenCV's dnn module."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def load(folder, dtype):
    """A function from inputs to outputs: what the last section gives."""
    import cv2

    network = cv2.dnn.readNetFromDarknet(os.path.join(folder, "model.cfg"), os.path.join(folder, "model.weights"))
    network.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)

    def run(inputs):
        import numpy as np

        (array,) = inputs.values()
        network.setInput(np.ascontiguousarray(array, "float32"))
        return [network.forward()]

    return run


def main():
    """Serves until the pipe closes."""
    import cv2
    from serving import serve

    serve(load, f"OpenCV {cv2.__version__}")


if __name__ == "__main__":
    main()
