"""The pure parts: verdict rules, inputs, random state, paths, comparisons of gradients and training."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Graph, Node, Parameter, Value
from netglot.pivot.op import TensorType, rand
from netglot.verify.compare import Noise, compare_exact, compare_single, noise_of, overflowed
from netglot.verify.findings import Findings, plain
from netglot.verify.inputs import index_ranges, make_inputs, second_size, size_variants, to_target
from netglot.verify.pair import _float32_equal
from netglot.verify.paths import resolve
from netglot.verify.spec import Input, Spec, spec_from_graph
from netglot.verify.state import randomise, roles
from netglot.verify.training import compare_dropout


class TestCompare:
    def test_the_tolerance_is_a_part_of_the_output_itself(self):
        x = rand(3, 4) * 1e-14
        assert compare_exact("x", x, x * (1 + 5e-8)).same
        assert not compare_exact("x", x, x * (1 + 2e-7)).same
        assert compare_exact("x", np.zeros(3), np.zeros(3)).same
        assert not compare_exact("x", np.zeros(3), np.full(3, 1e-300)).same

    def test_the_worst_place_and_both_values_are_told(self):
        x = rand(3, 4)
        y = x.copy()
        y[1, 2] += 0.5
        found = compare_exact("x", x, y)
        assert found.index == (1, 2) and found.max_abs == pytest.approx(0.5)
        assert found.found == pytest.approx(found.expected + 0.5)

    def test_nan_and_infinities_must_stand_in_the_same_places(self):
        x = np.array([1.0, np.nan, np.inf, -np.inf])
        assert compare_exact("x", x, x).same
        for odd in ([np.nan, np.nan, np.inf, -np.inf], [1, 1, np.inf, -np.inf], [1, np.nan, -np.inf, np.inf]):
            found = compare_exact("x", x, np.array(odd, float))
            assert not found.same and found.max_rel == float("inf")

    def test_shapes_and_kinds_of_dtypes_are_compared(self):
        assert "shape [2, 3] became [3, 2]" in compare_exact("x", np.ones((2, 3)), np.ones((3, 2))).reason
        assert "dtype" in compare_exact("x", np.ones(2), np.ones(2, int)).reason
        assert compare_exact("x", np.ones(2, "int64"), np.ones(2, "int32")).same
        assert not compare_exact("x", np.array([1, 2]), np.array([1, 3])).same

    def test_float32_is_judged_by_the_sources_own_noise(self):
        generator = np.random.default_rng(0)
        double = generator.normal(size=1000)
        single = double + generator.normal(size=1000) * 1e-5
        noise = noise_of(single, double)
        assert compare_single("x", double, double + generator.normal(size=1000) * 2e-5, noise).same
        assert not compare_single("x", double, double + generator.normal(size=1000) * 2e-4, noise).same
        biased = compare_single("x", double, double + 9e-5, noise)
        assert not biased.same and "on average" in biased.reason, "within the maximum everywhere, and wrong"

    def test_a_lucky_draw_does_not_condemn(self):
        assert compare_single("x", np.ones(1), np.ones(1) + 1e-6, Noise()).same
        assert not compare_single("x", np.ones(1), np.ones(1) + 3e-6, Noise()).same

    def test_what_leaves_float32_is_judged_in_float64_alone(self):
        double, single = np.array([1.0, 1e60, 2.0]), np.array([1.0, np.inf, 2.0], "float32")
        beyond, noise = overflowed(single, double), noise_of(single, double)
        assert compare_single("x", double, single, noise, beyond).same
        assert not compare_single("x", double, np.array([1.0, np.inf, 2.1], "float32"), noise, beyond).same
        assert not compare_single("x", double, np.array([np.inf, np.inf, 2.0], "float32"), noise, beyond).same

    def test_the_floor_matters_only_where_float32_has_no_digit(self):
        usual, lost = Noise(1e-6, 1e-6), Noise(1.0, 1.0)
        assert usual.floor() < 1e-7 * 1e-6
        assert compare_exact("x", np.full(2, 1e-3), np.full(2, 1e-3 + 1e-9), floor=lost.floor()).same


class TestInputs:
    INPUTS = (
        Input("x", "float32", (Dim.symbol("B"), 3, Dim.symbol("H")), permutation=(0, 2, 1)),
        Input("ids", "int64", (Dim.symbol("B"), 9), low=0, high=50),
        Input("mask", "bool", (Dim.symbol("B"), 9)),
    )

    def spec(self, **sizes):
        outputs = variables = ()
        return Spec(self.INPUTS, outputs, variables, {}, {}, {}, sizes=sizes)

    def test_sizes_vary(self):
        found = dict(size_variants(self.spec(B=2, H=16)))
        assert found["batch 1"] == {"B": 1, "H": 16} and found["batch 3"] == {"B": 3, "H": 16}
        assert found["other sizes"] == {"B": 3, "H": 11}

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 16, 224])
    def test_the_second_size_is_odd_and_another(self, size):
        assert second_size(size) % 2 == 1 and second_size(size) != size

    def test_values_are_negative_repeated_zero_and_large(self):
        arrays = make_inputs(self.INPUTS, {"B": 3, "H": 64}, kind="large")
        x = arrays["x"]
        assert x.dtype == "float32" and x.shape == (3, 3, 64)
        assert x.min() < -2 and np.abs(x).max() > 10 and (x == 0).sum() > 4
        assert max(np.unique(x[x != 0], return_counts=True)[1]) > 4
        assert arrays["ids"].max() < 50 and arrays["ids"].dtype == "int64"
        assert arrays["mask"][:, 0].all() and not arrays["mask"].all()
        smooth = make_inputs(self.INPUTS, {"B": 3, "H": 64}, kind="smooth")["x"]
        assert len(np.unique(smooth)) == smooth.size
        assert to_target(self.INPUTS, arrays)["x"].shape == (3, 64, 3)

    def test_the_same_seed_gives_the_same_numbers(self):
        one, two = (make_inputs(self.INPUTS, {"B": 2, "H": 5}, seed=3)["x"] for _ in range(2))
        np.testing.assert_array_equal(one, two)
        assert (make_inputs(self.INPUTS, {"B": 2, "H": 5}, seed=4)["x"] != one).any()


def small_graph():
    batch = Dim.symbol("B")

    def parameter(name, *shape, kind="parameter", fill=None, dtype="float32"):
        return Parameter(
            name, TensorType(dtype, shape), lambda: np.full(shape, 0.3 if fill is None else fill, dtype), kind=kind
        )

    p = {
        name: parameter(name, *shape, **known)
        for name, shape, known in (
            ("table", (50, 8), {}),
            ("position", (1, 9, 8), {}),
            ("weight", (8, 8), {}),
            ("gamma", (8,), {}),
            ("mean", (8,), {"kind": "buffer", "fill": 0}),
            ("variance", (8,), {"kind": "buffer", "fill": 1}),
            ("angles", (8,), {"kind": "buffer"}),
            ("count", (), {"kind": "buffer", "dtype": "int64", "fill": 0}),
            ("matrix", (8, 8), {}),
        )
    }
    ids = Value("ids", TensorType("int32", (batch, 9)))
    nodes = []

    def add(op, name, shape=(batch, 9, 8), dtype="float32"):
        nodes.append(Node(op, (Value(name, TensorType(dtype, shape)),)))
        return nodes[-1].result

    long = add(ops.Cast(ids, "int64"), "long", (batch, 9), "int64")
    x = add(ops.Embedding(long, p["table"], None), "embedded")
    x = add(ops.Add(x, p["position"]), "placed")
    turned = add(ops.Permute(p["weight"], (1, 0)), "turned", (8, 8))
    x = add(ops.Linear(x, turned, None), "y")
    x = add(ops.BatchNorm(x, p["gamma"], None, p["mean"], p["variance"], 1e-5, 0.1, True, 2), "z")
    x = add(ops.Matmul(x, p["matrix"]), "out")
    return Graph("Small", [ids], p, nodes, x)


class TestState:
    def test_roles_follow_the_ops(self):
        assert roles(small_graph()) == {
            "table": "embedding",
            "position": "bias",
            "weight": "weight",
            "gamma": "scale",
            "mean": "mean",
            "variance": "variance",
            "angles": "other",
            "count": "other",
            "matrix": "matrix",
        }

    def test_state_is_random_where_it_may_be(self):
        graph = small_graph()
        drawn = randomise(graph.parameters, roles(graph))
        assert set(drawn) == {"table", "position", "weight", "gamma", "mean", "variance", "matrix"}
        assert drawn["variance"].min() >= 0.5 and drawn["gamma"].min() >= 0.5 and drawn["gamma"].max() <= 1.5
        assert 0.3 < drawn["weight"].std() < 0.65
        assert not np.array_equal(drawn["weight"], drawn["matrix"])
        assert all(array.dtype == "float32" for array in drawn.values())

    def test_ranges_of_indices_come_from_the_table(self):
        graph = small_graph()
        assert index_ranges(graph) == {"ids": (0, 50)}
        (one,) = spec_from_graph(graph, []).inputs
        assert (one.low, one.high) == (0, 50)


class TestPaths:
    MODEL = SimpleNamespace(a=SimpleNamespace(b=[1, {"x y": 2}]))

    def test_attributes_and_indices(self):
        assert resolve(self.MODEL, "a.b[0]") == 1
        assert resolve(self.MODEL, "a.b[-1]['x y']") == 2

    @pytest.mark.parametrize("path", ["a.b()", "a..b", "a b", "a.b[x]", "a.b[0:1]", ".a", "ab[0]c"])
    def test_nothing_else(self, path):
        with pytest.raises(ValueError, match="not a path"):
            resolve(self.MODEL, path)

    @pytest.mark.parametrize("path", ["a.c", "a.b[7]", "a.b[1].x"])
    def test_what_is_missing_is_told(self, path):
        with pytest.raises(LookupError, match="after"):
            resolve(self.MODEL, path)


class TestDropout:
    def judged(self, source, target):
        findings = Findings()
        compare_dropout(source, target, 8, findings)
        return findings.differs

    def test_the_same_is_the_same_in_any_order(self):
        one, two = [0.1, 4000, 0.1004, 1 / 0.9], [0.5, 4000, 0.4996, 2.0]
        assert not self.judged([one, two], [two, one])

    def test_rate_scale_size_and_count_matter(self):
        one = [0.1, 4000, 0.1, 1 / 0.9]
        assert "rate 0.11" in self.judged([one], [[0.11, 4000, 0.11, 1 / 0.89]])[0]
        assert "scales by" in self.judged([one], [[0.1, 4000, 0.1, 1.0]])[0]
        assert "draws 4000 numbers in the source and 40" in self.judged([one], [[0.1, 40, 0.1, 1 / 0.9]])[0]
        assert "no place" in self.judged([one], [])[0]
        assert "dropped 0.150" in self.judged([one], [[0.1, 4000, 0.15, 1 / 0.9]])[0]


def test_reports_are_json():
    json.dumps(plain({"a": float("inf"), "b": [float("nan"), 1.0], "c": (1, None)}), allow_nan=False)


def test_loaded_values_are_equal_to_the_last_digit_of_float32():
    third = np.array([1 / 3, -2e10])
    assert _float32_equal(third, third.astype("float32"))
    assert not _float32_equal(third, third * (1 + 3e-7))
    assert _float32_equal(np.array([True, False]), np.array([True, False]))
    assert not _float32_equal(np.array([1, 2]), np.array([1, 3]))
    assert not _float32_equal(third, np.full(2, np.nan))
