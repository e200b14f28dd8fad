"""The folder's own modules can be imported; models are built in double precision unless a test says otherwise."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(autouse=True)
def double_precision():
    import keras

    keras.backend.clear_session(free_memory=False)  # it remembers the precision of models of other tests
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx("float32")
    keras.backend.clear_session(free_memory=False)
