"""Answers requests to run a network: one line of JSON each on standard input and output, arrays in `.npz` files.

A request says the `folder` of the network, the file of its `inputs` and their `names`, the file for its `outputs`, and
the `dtype` in which it computes. Outputs are numbered in the order in which the network gives them.
"""

import json
import os
import sys
import traceback

import numpy as np


def serve(load, version):
    """Answers until the pipe closes.

    Args:
        load: a function from a folder and a dtype to a function from inputs by name to a list of outputs.
        version: what runs here, in words.
    """
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    loaded = {}
    replies.write(json.dumps({"framework": version}) + "\n")
    replies.flush()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            key = (request["folder"], request["dtype"])
            if key not in loaded:
                loaded.clear()
                loaded[key] = load(*key)
            with np.load(request["inputs"]) as held:
                inputs = {name: held[f"arr_{i}"] for i, name in enumerate(request["names"])}
            outputs = loaded[key](inputs)
            np.savez(request["outputs"], *[np.asarray(one) for one in outputs])
            reply = {"count": len(outputs)}
        except Exception as error:
            lines = [line for line in str(error).strip().splitlines() if line.strip()] or [""]
            said = lines[-1] if lines[0].startswith("Traceback") else lines[0]
            reply = {"error": f"{type(error).__name__}: {said.strip()}", "trace": traceback.format_exc()}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
