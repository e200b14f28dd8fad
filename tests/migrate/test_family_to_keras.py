"""One network of each kind of the family, all in one file: the whole family runs by `make family`."""

import pytest
from tests.migrate import family_to_keras

from netglot.migrate.migrating import migrate

pytest.importorskip("torch")
pytest.importorskip("keras")


def test_networks_of_every_kind_are_equivalent(tmp_path):
    numbers = list(range(14, 14 + len(family_to_keras.KINDS)))
    found = migrate(family_to_keras.written(numbers, tmp_path / "nets.py"), "keras")
    assert found.verdict == "equivalent", found.report["networks"]
    assert found.report["marked"] == 0
    wanted = {f"{family_to_keras.network(number)[1]}()" for number in numbers}
    assert {one["expression"] for one in found.report["networks"]} == wanted
