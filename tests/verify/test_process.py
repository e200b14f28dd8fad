"""Whatever a worker does, the parent gets a reply or an error that says what happened, and nothing is left behind."""

from __future__ import annotations

import time

import ml_dtypes
import numpy as np
import psutil
import pytest

from netglot.errors import WorkerError
from netglot.verify.process import OperationError, Worker


@pytest.fixture
def worker():
    with Worker("misbehaving", time_limit=20) as worker:
        yield worker


def gone(worker: Worker) -> bool:
    return not psutil.pid_exists(worker.process.pid) and not worker.folder.exists()


def test_arrays_of_all_kinds_go_and_come_back(worker):
    arrays = {
        "a/b.c": np.arange(6.0).reshape(2, 3).T,
        "scalar": np.float32(2.5),
        "mask": np.array([True, False]),
        "narrow": np.array([1.5, -2], dtype=ml_dtypes.bfloat16),
        "empty": np.zeros((0, 3), "int64"),
    }
    back = worker.get(worker.request("echo", arrays=worker.put(arrays)))
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype and back[name].shape == array.shape
        np.testing.assert_array_equal(back[name], array)
    assert not list(worker.folder.glob("*.npy")), "what was read is deleted"
    assert worker.take_peak() > 2**20 and worker.take_peak() == 0


def test_an_operation_that_raises_leaves_the_worker_alive(worker):
    with pytest.raises(OperationError, match="KeyError: 'no such thing'") as caught:
        worker.request("fail")
    assert caught.value.kind == "KeyError" and "misbehaving.py" in caught.value.trace
    with pytest.raises(OperationError, match="has no operation"):
        worker.request("__init__")
    assert worker.request("echo", arrays=[]) == []


def test_an_exit_is_told_with_the_last_words(worker):
    with pytest.raises(WorkerError, match=r"ended with code 3 during 'exit'; its last words:(.|\n)*cannot go on"):
        worker.request("exit", code=3)
    assert gone(worker)


def test_a_crash_is_told_by_its_signal(worker):
    with pytest.raises(WorkerError, match="SIGSEGV"):
        worker.request("crash")
    assert gone(worker)
    with pytest.raises(WorkerError):
        worker.request("echo", arrays=[])


def test_a_hang_ends_at_the_time_limit(worker):
    start = time.monotonic()
    with pytest.raises(WorkerError, match=r"did not finish 'hang' within 0\.5 s"):
        worker.request("hang", time_limit=0.5)
    assert time.monotonic() - start < 10 and gone(worker)


def test_memory_is_limited():
    with Worker("misbehaving", memory_limit=300 << 20) as worker:
        with pytest.raises(WorkerError, match=r"needed more than 300 MiB of memory in 'grow'"):
            worker.request("grow", mebibytes=1000)
        assert gone(worker)


def test_a_runtime_that_cannot_be_imported_is_an_error_and_no_hang():
    with Worker("no_such_runtime") as worker, pytest.raises(OperationError, match="No module named"):
        worker.request("load")
    assert gone(worker)


def test_a_reply_that_nobody_waited_for_is_dropped(worker):
    worker.send("echo", arrays=worker.put({"old": np.zeros(1)}))
    assert list(worker.get(worker.request("echo", arrays=worker.put({"new": np.ones(1)})))) == ["new"]
