"""Runs the networks of `networks.py` in OpenCV 4 and records what they give: `python make_fixtures.py`.

Needs opencv-python-headless before version 5.
"""

import pathlib

import cv2
import networks
import numpy as np

HERE = pathlib.Path(__file__).parent


def main():
    recorded = {}
    for name, make in networks.NETWORKS.items():
        net = make()
        try:
            run = cv2.dnn.readNetFromCaffe(
                np.frombuffer(net.text.encode(), np.uint8),
                np.frombuffer(networks.caffemodel(net.weights), np.uint8),
            )
            for one, array in net.arrays().items():
                run.setInput(np.ones_like(array) if one == "cont" else array, one)
            tops = run.getUnconnectedOutLayersNames()
            for top, array in zip(tops, run.forward(tops)):
                recorded[f"{name}/{top}"] = np.asarray(array)
        except cv2.error as error:
            print(name, "cannot be run by OpenCV:", str(error).split("error:")[-1][:150])
    np.savez_compressed(HERE / "recorded.npz", **recorded)
    print(len(recorded), "outputs of", cv2.__version__)


main()
