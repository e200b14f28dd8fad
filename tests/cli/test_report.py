"""What is told in words: the terminal's report, the tree of agreement, the emitted README."""

import io

import pytest
from rich.console import Console

from netglot.report.readme import readme
from netglot.report.terminal import show_report

TENSOR = {"name": "x", "dtype": "float32", "shape": ["B", 8, 8, 3], "permutation": [0, 2, 3, 1]}


def shown(record):
    console = Console(file=io.StringIO(), width=120)
    show_report(console, record)
    return console.file.getvalue()


def test_an_empty_record_is_shown_too():
    assert shown({}).startswith("unverified")


def test_refusals_are_grouped():
    place = {"where": "a.b", "what": "Pool", "site": "net.py:3", "kind": "never", "reason": "no", "advice": "do"}
    text = shown({"verdict": "refused", "refused": [place, place | {"where": "c"}, place | {"reason": "other"}]})
    assert "  a.b    Pool    net.py:3    (2 places)\n      never: no\n      -> do\n" in text
    assert "      never: other" in text


def test_differences():
    text = shown({"differences": ["one", {"where": "bn", "size": "6e-4"}]})
    assert "not the same (2)\n  one\n  bn  6e-4" in text


def test_the_tree_of_agreement():
    rows = [
        {"path": "layer1", "class": "Sequential", "agreement": "different"},
        {"path": "layer1.0", "class": "Block", "agreement": "different", "max_abs": 0.25},
        {"path": "fc", "class": "Linear", "agreement": "unseen"},
    ]
    lines = shown({"verdict": "different", "trace": rows}).splitlines()
    assert any("0  Block  0.25" in line for line in lines)


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"verdict": "equivalent", "float64": {"max_abs": 1e-15}}, "equivalent to the source"),
        ({"verdict": "different", "float64": {"max_abs": 0.5}}, "DIFFERENT"),
        ({"verdict": "unverified"}, "Not verified"),
    ],
)
def test_the_emitted_readme(record, says):
    text = readme("Net", record | {"inputs": [TENSOR]})
    title, blank, *lines = text.splitlines()
    assert (title, blank, len(lines)) == ("# Net in Keras", "", 4)
    assert "`x` float32 (B, 8, 8, 3), channels last" in lines[1]
    assert says in lines[3]


def test_the_first_difference_is_told_with_both_values():
    found = {"op": "Conv", "module": "layer1.0", "site": "net.py:9", "index": [0, 1], "source": 0.5, "target": 0.25}
    line = next(
        line for line in shown({"verdict": "different", "first_difference": found}).splitlines() if "Conv" in line
    )
    assert line.startswith("first ")
    assert "layer1.0  net.py:9: at [0, 1] the source has 0.5 and the target 0.25" in line


def test_what_is_not_finite_is_told_too():
    text = shown({"float64": {"max_abs": "inf", "max_rel": "nan"}, "known_imprecisions": [], "phases": []})
    assert "largest difference inf, relative nan" in text
