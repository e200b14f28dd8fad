"""Runs the converted network on the held-out digits: `python check.py out/digits`. It needs Keras and no netglot."""

import sys

from data import digits

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    from model import load

    _, x, _, y = digits()
    scores = load()(x.transpose(0, 2, 3, 1))  # the converted network takes channels last
    print(f"Keras    {(scores.numpy().argmax(1) == y).mean():.2%} of the held-out digits")
