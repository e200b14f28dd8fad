"""A runtime that crashes, hangs and grows on request; it needs no framework."""

from __future__ import annotations

import os
import signal
import sys
import time

import numpy as np

from netglot.verify.arrays import read_arrays, write_arrays


class Runtime:
    OPERATIONS = ("echo", "fail", "exit", "crash", "hang", "grow")

    def __init__(self, folder):
        self.folder = folder

    def echo(self, arrays):
        print('{"id": 0, "ok": "a print is not a reply"}', flush=True)
        return write_arrays(self.folder, read_arrays(arrays))

    def fail(self):
        raise KeyError("no such thing")

    def exit(self, code):
        print("cannot go on", file=sys.stderr, flush=True)
        os._exit(code)

    def crash(self):
        os.kill(os.getpid(), signal.SIGSEGV)

    def hang(self):
        time.sleep(600)

    def grow(self, mebibytes):
        held = np.ones(mebibytes << 17)
        time.sleep(30)
        return float(held.sum())
