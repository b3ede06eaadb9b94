"""Losses and gradients of a batch, by either way of adding them up."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from tensorflow.python.eager import context

from cdd_keras.config import METHODS


def gradients(method, phase, exact):
    model = tiny.build(method, exact_sums=exact)
    for number, weight in enumerate(model.trainable_variables):
        # At their start many layers give zeros.
        weight.assign_add(np.random.default_rng(number).normal(0, 0.1, weight.shape))
    model.phase = phase
    _, _, found, _ = model.look(tiny.batch(method), None)
    return as_arrays(found)


def as_arrays(found):
    """{player: gradients}; some come by rows of a table."""
    return {
        player: [np.array(tf.convert_to_tensor(one)) for one in slopes]
        for player, slopes in found.items()
    }


def assert_alike(found, usually):
    """Gradients of the same players that are the same but for rounding, and not all 0."""
    assert found.keys() == usually.keys()
    for player, slopes in usually.items():
        assert any(np.any(slope) for slope in slopes)
        for one, other in zip(found[player], slopes, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-3 * np.abs(other).max() + 1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_exact_gradients_are_the_usual_ones(method):
    """None of a weight's uses is left out, in any phase."""
    for phase in range(len(tiny.build(method).recipe.phases)):
        exactly, usually = (gradients(method, phase, exact) for exact in (True, False))
        assert_alike(exactly, usually)


def test_exact_gradients_of_half_precision_are_finite():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        found = gradients("cdd", 0, exact=True)
    finally:
        keras.config.set_dtype_policy(before)
    assert all(np.all(np.isfinite(slope)) for slopes in found.values() for slope in slopes)


@pytest.fixture(scope="module", params=["cdd_gan", "unit"])
def compiled(request):
    """What `look` finds when it is to repeat itself, what else, and the operations that ran."""
    model = tiny.build(request.param, deterministic=True)
    look = tf.function(lambda batch: model.look(batch, None), autograph=False)
    context.enable_run_metadata()
    try:
        found = look(tiny.batch(request.param))[2]
        # Eager operations are there as graphs, too.
        graphs = context.export_run_metadata().function_graphs
        nodes = max((one.post_optimization_graph.node for one in graphs), key=len)
    finally:
        context.disable_run_metadata()
    usually = model.look(tiny.batch(request.param), None)[2]
    return as_arrays(found), as_arrays(usually), nodes


def test_gradients_are_added_two_at_a_time(compiled):
    """TensorFlow begins a longer sum with one term or another, as threads come by."""
    *_, nodes = compiled
    assert {len(terms(node)) for node in nodes if node.op == "AddN"} == {2}


def terms(node):
    return [name for name in node.input if not name.startswith("^")]


def test_two_at_a_time_they_are_the_usual_ones(compiled):
    found, usually, _ = compiled
    assert_alike(found, usually)
