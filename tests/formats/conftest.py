"""What the tests of all model files share: damaging a file in many ways."""

import numpy as np
import pytest

from netglot.errors import Bug, NetglotError


def damages(whole, count, seed=0):
    """The bytes of a file, cut off or with some of them changed."""
    generator = np.random.RandomState(seed)
    for number in range(count):
        data = bytearray(whole)
        if number % 4 == 0:
            data = data[: generator.randint(len(data))]
        for _ in range(generator.randint(1, 4) if data else 0):
            place = generator.randint(min(len(data), 2000)) if number % 2 else generator.randint(len(data))
            data[place] = generator.choice([0, 1, 127, 128, 255, generator.randint(256)])
        yield bytes(data)


@pytest.fixture(params=[150, pytest.param(5000, marks=pytest.mark.fuzz)], ids=["some", "many"])
def damage(request):
    """Damages a file many times over and reads it: each time it is a graph whose weights can be loaded, or an error."""

    def run(file, read, *, any_bytes=False):
        """`any_bytes`: whether each change of a byte may give another network, because bytes are numbers."""
        survived = 0
        for data in damages(file.read_bytes(), request.param):
            file.write_bytes(data)
            try:
                graph = read()
                for one in graph.parameters.values():
                    assert one.load().shape == tuple(one.shape)
                survived += 1
            except NetglotError as error:
                assert not isinstance(error, Bug)
        assert any_bytes or survived < request.param

    return run
