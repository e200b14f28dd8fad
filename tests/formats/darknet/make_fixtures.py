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
    for name, net in networks.NETWORKS.items():
        try:
            text = net.text.replace("[yolo]\n", "[yolo]\nthresh=0\n").replace("[region]\n", "[region]\nthresh=0\n")
            run = cv2.dnn.readNetFromDarknet(
                np.frombuffer(text.encode(), np.uint8), np.frombuffer(net.weights(), np.uint8)
            )
            run.setInput(net.array())
            tops = run.getUnconnectedOutLayersNames()
            for top, array in zip(tops, run.forward(tops)):
                recorded[f"{name}/{top}"] = np.asarray(array)
        except cv2.error as error:
            print(name, "cannot be run by OpenCV:", str(error).split("error:")[-1][:150])
    np.savez_compressed(HERE / "recorded.npz", **recorded)
    print(len(recorded), "outputs of", cv2.__version__)


main()
