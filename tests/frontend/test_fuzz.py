"""Whatever the user types and whatever a file holds: understood, or one clear error, and never another exception."""

import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netglot.errors import NetglotError
from netglot.frontend.inputs import InputSpec, parse_spec
from netglot.frontend.source import parse_source
from netglot.frontend.weights import load_into

torch = pytest.importorskip("torch")
from safetensors.torch import save_file  # noqa: E402

PIECES = [
    "B",
    "3",
    "224",
    "1!",
    ",",
    "=",
    " ",
    "@",
    ":",
    "int64",
    "float32",
    "x",
    "-1",
    "1e3",
    "()",
    "(",
    "'",
    "é",
    "\n",
]


def quietly(function, *arguments):
    """The result, or None for an error that netglot raises on purpose."""
    try:
        return function(*arguments)
    except NetglotError as error:
        assert error.message
        assert error.exit_code in (2, 3)
        return None


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=30))
def test_inputs(text):
    spec = quietly(parse_spec, text)
    assert spec is None or isinstance(spec, InputSpec)


@given(
    st.lists(st.sampled_from(["a.py", ":", "Net", "(", ")", "1", ",", "x=", "[", "'", "{", "*", ".", "/", "os"])).map(
        "".join
    )
    | st.text()
)
def test_sources(text):
    quietly(parse_source, text)


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize("rounds", [60, pytest.param(20000, marks=pytest.mark.fuzz)])
def test_damaged_weights(tmp_path, suffix, rounds):
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    path = tmp_path / f"net.{suffix}"
    if suffix == "pt":
        torch.save(module.state_dict(), path)
    else:
        save_file(module.state_dict(), path)
    whole = path.read_bytes()
    dice = random.Random(os.environ.get("NETGLOT_SEED", "0"))
    for _ in range(rounds):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            where = dice.randrange(min(len(data), 3000) or 1)
            match dice.randrange(4):
                case 0:
                    data[where] = dice.randrange(256)
                case 1:
                    del data[where : where + dice.randint(1, 40)]
                case 2:
                    data[where:where] = dice.randbytes(dice.randint(1, 20))
                case 3:
                    del data[where:]
            data = data or bytearray(b"\0")
        path.write_bytes(data)
        quietly(load_into, torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)), path)


settings.register_profile("netglot", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("netglot")
