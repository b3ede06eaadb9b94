"""Losses and gradients of a batch, by either way of adding them up."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from cdd_keras import model
from cdd_keras.config import METHODS


def gradients(method, phase, exact):
    built = tiny.build(method, exact_sums=exact)
    for number, weight in enumerate(built.trainable_variables):
        # At their start many layers give zeros.
        weight.assign_add(np.random.default_rng(number).normal(0, 0.1, weight.shape))
    built.phase = phase
    _, _, found, _ = built.look(tiny.batch(method), None)
    return {
        player: [np.array(tf.convert_to_tensor(one)) for one in slopes]
        for player, slopes in found.items()
    }


@pytest.fixture(autouse=True)
def _graphs_are_as_usual(monkeypatch):
    monkeypatch.setattr(model, "use_exact_sums", lambda on: None)


@pytest.mark.parametrize("method", METHODS)
def test_exact_gradients_are_the_usual_ones(method):
    """None of a weight's uses is left out, in any phase."""
    for phase in range(len(tiny.build(method).recipe.phases)):
        exactly, usually = (gradients(method, phase, exact) for exact in (True, False))
        assert exactly.keys() == usually.keys()
        for player, slopes in usually.items():
            assert any(np.any(slope) for slope in slopes)
            for one, other in zip(exactly[player], slopes, strict=True):
                np.testing.assert_allclose(one, other, atol=1e-3 * np.abs(other).max() + 1e-7)


def test_exact_gradients_of_half_precision_are_finite():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        found = gradients("cdd", 0, exact=True)
    finally:
        keras.config.set_dtype_policy(before)
    assert all(np.all(np.isfinite(slope)) for slopes in found.values() for slope in slopes)


@pytest.mark.parametrize(
    ("method", "asked"), [("unit", "deterministic"), ("cdd_gan", "exact_sums")]
)
def test_gradients_are_added_two_at_a_time(method, asked):
    """TensorFlow begins a longer sum with one term or another, as threads come by."""
    built = tiny.build(method, **{asked: True})
    graph = tf.function(built.look).get_concrete_function(tiny.batch(method), None).graph
    sums = [len(one.inputs) for one in graph.get_operations() if one.type == "AddN"]
    assert len(sums) > 50
    assert set(sums) == {2}
