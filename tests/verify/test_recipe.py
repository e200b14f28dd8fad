"""Recipes: what they make, and how gradients go back through them."""

from __future__ import annotations

import numpy as np
import pytest

from netglot.pivot import ops
from netglot.pivot.graph import Parameter, Part
from netglot.pivot.op import TensorType, rand
from netglot.verify.recipe import NotLinear, evaluate_recipe, linear


def parameter(name, *shape):
    return Parameter(name, TensorType("float64", shape), lambda: rand(*shape, seed=len(name)))


A, B, C, D = parameter("a", 4, 3), parameter("bb", 4, 3), parameter("ccc", 2), parameter("dddd", 2)
PARAMETERS = {p.name: p for p in (A, B, C, D)}

RECIPES = {
    "itself": A,
    "permuted": ops.Permute(A, (1, 0)),
    "reshaped": ops.Reshape(ops.Permute(A, (1, 0)), (2, 6)),
    "a sum": ops.Add(A, B),
    "sums side by side": ops.Concat((ops.Add(A, B), ops.Permute(ops.Subtract(B, A), (0, 1))), 0),
    "a sum beside one": ops.Concat((ops.Add(C, D), C), 0),
    "a part": Part(ops.Split(A, (1, 3), 0), 1),
    "gates in another order": ops.Concat((Part(ops.Split(A, (2, 2), 0), 1), Part(ops.Split(A, (2, 2), 0), 0)), 0),
    "flipped": ops.Flip(A, (0,)),
    "padded": ops.Pad(C, (1,), (2,), "constant", 7.0),
    "broadcast": ops.Broadcast(C, (3, 2)),
    "scaled": ops.Multiply(ops.Divide(A, 4.0), np.arange(3.0)),
    "one more": ops.Add(C, 1.0),
    "negative": ops.Negative(ops.Stack((C, D), 1)),
    "a constant beside it": ops.Concat((C, np.array([5.0])), 0),
}


@pytest.mark.parametrize("name", RECIPES)
def test_gradients_go_back_as_differences_say(name):
    recipe = RECIPES[name]
    state = {path: p.load() for path, p in PARAMETERS.items()}
    base = evaluate_recipe(recipe, PARAMETERS, state)
    gradient = rand(*base.shape, seed=7)
    back = linear(recipe, PARAMETERS).back(gradient)
    assert back
    for path, found in back.items():
        expected = np.zeros_like(found)
        for index in np.ndindex(found.shape):
            moved = {**state, path: state[path].copy()}
            moved[path][index] += 1.0  # the recipe is linear, so the step may be large
            expected[index] = ((evaluate_recipe(recipe, PARAMETERS, moved) - base) * gradient).sum()
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_what_is_added_to_another_is_named():
    assert linear(RECIPES["a sum"], PARAMETERS).added == ["bb"]
    assert linear(RECIPES["permuted"], PARAMETERS).added == []
    assert linear(RECIPES["a sum beside one"], PARAMETERS).added == ["dddd"]


def test_what_is_not_linear_is_refused():
    for recipe in (ops.Exp(A), ops.Multiply(A, B), ops.Divide(1.0, A)):
        with pytest.raises(NotLinear):
            linear(recipe, PARAMETERS)


def test_parameters_that_the_state_lacks_are_loaded():
    np.testing.assert_array_equal(evaluate_recipe(ops.Add(A, B), PARAMETERS, {"a": np.zeros((4, 3))}), B.load())
