"""The worker's side of the pipe: `PYTHON -m netglot.verify.worker FRAMEWORK READ WRITE FOLDER PARENT`.

Requests and replies are JSON, one a line, on two file descriptors of their own, so that whatever the user's code
prints cannot break them. A request is `{"id": n, "op": name, "args": {...}}`; the reply `{"id": n, "ok": result,
"peak": bytes}` or `{"id": n, "error": {"kind", "message", "trace"}, "peak": bytes}`. Arrays travel beside it as
files, see `arrays`.

Kept small and to old syntax, because a frozen framework may need an old interpreter.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import time
import traceback

RUNTIMES = {
    "torch": "netglot.verify.runtime_torch",
    "torch-target": "netglot.verify.target_torch",
    "pivot": "netglot.verify.runtime_pivot",
    "onnx": "netglot.verify.runtime_onnx",
    "onnx-target": "netglot.verify.runtime_onnx",
    "exported-target": "netglot.verify.runtime_exported",
    "packaged-target": "netglot.verify.runtime_packaged",
    "file-target": "netglot.verify.runtime_file",
    "keras": "netglot.verify.runtime_keras",
    "keras-source": "netglot.verify.source_keras",
    "tensorflow-source": "netglot.verify.source_tensorflow",
}


def main(framework, read, write, folder, parent):
    """Answers requests until the pipe closes."""
    threading.Thread(target=_follow, args=(int(parent),), daemon=True).start()
    requests = os.fdopen(int(read), "r", encoding="utf-8")
    replies = os.fdopen(int(write), "w", encoding="utf-8")
    runtime = None
    for line in requests:
        request = json.loads(line)
        _reset_peak()
        reply = {"id": request["id"]}
        try:
            if runtime is None:
                module = importlib.import_module(RUNTIMES.get(framework, framework))
                runtime = module.Runtime(folder)
            operation = request["op"]
            if operation not in runtime.OPERATIONS:
                raise ValueError(f"{framework} has no operation {operation}")
            reply["ok"] = getattr(runtime, operation)(**request["args"])
        except Exception as error:
            trace = traceback.format_exc()
            kind = type(error).__name__
            reply["error"] = {"kind": kind, "message": str(error), "trace": trace}
        reply["peak"] = _peak()
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def _follow(parent):
    """Ends this process when its parent is gone."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _reset_peak():
    """Makes the kernel count the peak of resident memory anew (Linux; elsewhere the peak is the process's)."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def _peak():
    """The peak of resident memory in bytes."""
    try:
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
