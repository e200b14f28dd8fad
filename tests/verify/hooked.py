"""Stands for a library whose hooks share a variable that no pickle takes."""

import threading

lock = threading.Lock()


def install(module):
    """Registers a hook."""

    def hook(module, args, output):
        with lock:
            return output

    module.register_forward_hook(hook)
