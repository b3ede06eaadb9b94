"""Shares of a batch, and draws that do not depend on how it is dealt out."""

import numpy as np
import pytest
import tensorflow as tf
import tiny

from cdd_keras.domains import DOMAINS, SOURCE
from cdd_keras.layers.random import Draws
from cdd_keras.replicas import Share, mean_over_replicas
from cdd_keras.routes import Routes

COUNT, HALF = 3, 2
SHARES = [Share(index, COUNT, HALF) for index in range(COUNT)]


def test_a_share_is_the_same_part_of_either_half():
    rows = [share.take(tf.range(12)).numpy().tolist() for share in SHARES]
    assert rows == [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]]
    # Of a half alone, and of two batches behind each other, as losses have them.
    assert SHARES[1].take(tf.range(6)).numpy().tolist() == [2, 3]
    assert SHARES[1].take(tf.range(24)).numpy().tolist() == [2, 3, 8, 9, 14, 15, 20, 21]


def test_the_share_of_a_share_is_a_replicas():
    whole = tf.range(24)
    workers = [Share(index, 2, 6).take(whole) for index in range(2)]
    found = [Share(index, 3, 2).take(part).numpy() for part in workers for index in range(3)]
    for index, rows in enumerate(found):
        np.testing.assert_array_equal(rows, Share(index, 6, 2).take(whole))


@pytest.mark.parametrize("share", SHARES)
def test_what_is_spread_is_taken_again(share):
    own = tf.reshape(tf.range(8.0), (4, 2))
    assert share.spread(own).shape == (12, 2)
    np.testing.assert_array_equal(share.take(share.spread(own)), own)


def test_shapes_that_are_known_stay_known():
    @tf.function(input_signature=[tf.TensorSpec((4, 5, 5, 1))])
    def step(images):
        count = tf.shape(images)[0]
        drawn = Draws(0, 0, SHARES[0]).uniform((count, 1, 1, images.shape[-1]), 0.0, 1.0)
        assert drawn.shape[1:] == (1, 1, 1)
        return drawn

    step(tf.zeros((4, 5, 5, 1)))


DRAWN = {
    "normal": (lambda draws, count: draws.normal((count, 3)), 0),
    "uniform": (lambda draws, count: draws.uniform((2, count), -1.0, 1.0, axis=1), 1),
    "integers": (lambda draws, count: draws.integers((count,), 0, 99), 0),
}


@pytest.mark.parametrize("name", DRAWN)
def test_every_share_draws_its_rows_of_one_draw(name):
    draw, axis = DRAWN[name]
    whole = draw(Draws(3, 7), COUNT * 2 * HALF).numpy()
    for share in SHARES:
        own = draw(Draws(3, 7, share), 2 * HALF)
        np.testing.assert_array_equal(own, share.take(whole, axis))


def test_what_is_drawn_for_a_row_goes_by_its_place():
    draws = np.random.default_rng(0)
    chances = tf.constant(draws.dirichlet([1.0, 1.0, 1.0], 12), tf.float32)
    classes, features = Draws(1, 2).categories(chances), tf.ones((12, 9))
    dropped = Draws(1, 2).dropout(features, 0.4)
    for share in SHARES:
        own = Draws(1, 2, share)
        np.testing.assert_array_equal(own.categories(share.take(chances)), share.take(classes))
        own = Draws(1, 2, share)
        np.testing.assert_array_equal(own.dropout(share.take(features), 0.4), share.take(dropped))
    assert 0 < np.mean(dropped == 0) < 1


def test_one_device_has_the_mean():
    tensors = {"a": tf.constant(1.0), "b": [tf.constant([2.0])]}
    assert mean_over_replicas(tensors) is tensors


@pytest.mark.parametrize("method", ["cdd", "cdd_paper", "cogan", "dann", "dtn"])
def test_the_losses_of_shares_are_those_of_the_batch(method):
    """Of every term, half batches and stacked ones too, each row with its own draws."""
    count, half = 2, 2
    model = tiny.build(method, batch_size=8)
    for number, weight in enumerate(model.trainable_variables):
        # At their start many layers give zeros.
        weight.assign_add(np.random.default_rng(number).normal(0, 0.1, weight.shape))
    images = {d: tf.constant(tiny.floats(n, 8)) for n, d in enumerate(DOMAINS)}
    labels = {SOURCE: tf.constant(tiny.labels(8))}

    def losses(share, images, labels):
        draws = Draws(0, model.step.value, share)
        routes = Routes(model, images, labels, draws, training=False)
        return model.term_losses(model.recipe.phases[-1].players, routes)

    whole = losses(None, images, labels)
    shares = [Share(index, count, half) for index in range(count)]
    parts = [
        losses(share, *tf.nest.map_structure(share.take, (images, labels))) for share in shares
    ]
    for name, loss in whole.items():
        mean = np.mean([part[name] for part in parts])
        np.testing.assert_allclose(mean, loss, rtol=1e-5, atol=1e-6, err_msg=name)
