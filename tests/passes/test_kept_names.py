"""What the names of weights tell of lists."""

import pytest

from netglot.passes.kept_names import list_of, short


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("layer1.0", "layer1"),
        ("encoder.layers.layer_3", "encoder.layers"),
        ("encoder.layer3", "encoder"),
        ("encoder", ""),
        ("encoder.final", ""),
        ("x." + "a" * 60, ""),  # a name out of a file: must not take for ever
        ("x." + "a_" * 60 + "!", ""),
    ],
)
def test_lists_are_told_by_numbered_items(path, found):
    assert list_of(path) == found


def test_short_names_tell_paths_apart():
    assert short(["a.conv", "b.conv"]) == ["a_conv", "b_conv"]
    assert short(["a.conv", "b.norm"]) == ["conv", "norm"]
