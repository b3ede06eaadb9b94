import keras
import numpy as np
import pytest
import tensorflow as tf

from cdd_keras.domains import DOMAINS, SOURCE, TARGET
from cdd_keras.layers.coupled import Coupled


def dense(units):
    return lambda: keras.layers.Dense(units)


@pytest.fixture
def coupled():
    layer = Coupled(
        stems=Coupled.per_domain(dense(3)),
        trunk=keras.layers.Dense(4),
        heads=Coupled.per_domain(dense(2)),
    )
    layer.build((None, 5))
    return layer


def test_the_trunk_is_one_and_the_rest_private(coupled):
    source, target = (coupled.parts_of(domain) for domain in DOMAINS)
    assert source[1] is target[1] is coupled.trunk
    assert source[0] is not target[0]
    assert source[2] is not target[2]
    # Five layers of a kernel and a bias each, the shared one counted once.
    assert len(coupled.trainable_variables) == 10


def test_domains_give_different_outputs_by_their_private_parts(coupled):
    inputs = tf.ones((1, 5))
    before = coupled(inputs, domain=TARGET)
    coupled.stems[SOURCE].kernel.assign_add(tf.ones((5, 3)))
    np.testing.assert_array_equal(coupled(inputs, domain=TARGET), before)
    coupled.trunk.bias.assign_add(tf.ones(4))
    assert np.all(coupled(inputs, domain=TARGET) != before)


def test_the_trunk_learns_from_one_domain_for_both(coupled):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(coupled(tf.ones((1, 5)), domain=SOURCE))
    gradients = tape.gradient(loss, [v.value for v in coupled.trainable_variables])
    reached = {
        variable.path
        for variable, slope in zip(coupled.trainable_variables, gradients, strict=True)
        if slope is not None
    }
    of_source = {v.path for part in coupled.parts_of(SOURCE) for v in part.trainable_variables}
    assert reached == of_source


@pytest.mark.parametrize("kept", ["stems", "trunk", "heads"])
def test_parts_may_be_absent(kept):
    part = keras.layers.Dense(2) if kept == "trunk" else Coupled.per_domain(dense(2))
    layer = Coupled(**{kept: part})
    layer.build((None, 5))
    assert [len(layer.parts_of(domain)) for domain in DOMAINS] == [1, 1]
    assert layer(tf.ones((3, 5)), domain=TARGET).shape == (3, 2)
    assert layer.compute_output_shape((None, 5)) == (None, 2)


def test_there_may_be_one_domain():
    layer = Coupled(heads=Coupled.per_domain(dense(2), (TARGET,)), trunk=keras.layers.Dense(4))
    layer.build((None, 5))
    assert layer(tf.ones((1, 5)), domain=TARGET).shape == (1, 2)
    assert layer.compute_output_shape((None, 5)) == (None, 2)
    assert len(layer.trainable_variables) == 4
