"""A few networks of the family that is made at random; the whole is run by its module."""

import pytest
from tests.migrate.family_to_torch import proven

pytest.importorskip("torch")
pytest.importorskip("keras")


def test_a_share_of_the_family(tmp_path):
    found = proven(range(6), tmp_path)
    assert len(found) == 6
    assert set(found.values()) == {"equivalent"}, found
