import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import config, values

from cdd_keras.objective import Player, Term
from cdd_keras.optimisers import Adam, AdamW, PlayerOptimizers, default_optimizer, rate_left


def player(name):
    return Player(name, (name,), (Term("any", abs),))


def group(*rates):
    return PlayerOptimizers([keras.optimizers.SGD(rate) for rate in rates])


def rates(optimizers):
    return [float(one.learning_rate) for one in optimizers.optimizers]


@pytest.fixture
def half_precision():
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    ("step", "left"), [(0, 1.0), (50, 1.0), (75, 0.5), (99, 0.02), (100, 0.02), (1000, 0.02)]
)
def test_rates_hold_then_fall_to_two_percent(step, left):
    assert rate_left(step, config(steps=100, decay_start=0.5)) == pytest.approx(left)


def test_rates_may_hold_to_the_end_or_fall_from_the_start():
    assert rate_left(99, config(steps=100, decay_start=1.0)) == 1.0
    assert rate_left(50, config(steps=100, decay_start=0.0)) == 0.5


def test_the_rate_is_the_first_players():
    np.testing.assert_allclose(float(group(0.1, 0.4).learning_rate), 0.1)


def test_setting_the_rate_scales_every_players():
    optimizers = group(0.1, 0.4)
    optimizers.learning_rate = 0.05
    np.testing.assert_allclose(rates(optimizers), [0.05, 0.2], rtol=1e-6)


def test_a_rate_can_be_warmed_up_from_zero():
    optimizers = group(0.1, 0.4)
    for rate in (0.0, 0.1):
        optimizers.learning_rate = rate
    np.testing.assert_allclose(rates(optimizers), [0.1, 0.4], rtol=1e-6)


def test_all_state_is_among_the_variables():
    weights = [[keras.Variable([1.0, 2.0])], [keras.Variable([3.0])]]
    optimizers = PlayerOptimizers([keras.optimizers.Adam(0.1), keras.optimizers.Adam(0.1)])
    optimizers.build_for(weights)
    # Iterations, rate, and two moments for the one weight of each.
    assert len(optimizers.variables) == 8
    assert optimizers.built


@pytest.mark.parametrize("kind", [Adam, AdamW])
def test_what_the_operation_does_not_have_is_refused(kind):
    with pytest.raises(ValueError, match="`amsgrad` is true"):
        kind(1e-3, amsgrad=True)


def test_every_player_needs_an_optimiser():
    with pytest.raises(ValueError, match="zip"):
        group(0.1).build_for([[], []])


def test_the_group_comes_back_from_its_configuration():
    optimizers = PlayerOptimizers([keras.optimizers.AdamW(0.1), keras.optimizers.SGD(0.2)])
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizers))
    assert [type(one) for one in again.optimizers] == [keras.optimizers.AdamW, keras.optimizers.SGD]
    assert again.get_config() == optimizers.get_config()


@pytest.mark.parametrize(
    ("name", "rate", "kind", "clip"),
    [
        ("generator", 1e-3, Adam, 7.0),
        ("encoder", 1e-3, Adam, 7.0),
        ("discriminator", 2e-3, Adam, None),
        ("classifier", 3e-3, AdamW, None),
    ],
)
def test_default_optimisers(name, rate, kind, clip):
    settings = config(
        generator_rate=1e-3, discriminator_rate=2e-3, classifier_rate=3e-3, clip_norm=7.0
    )
    optimizer = default_optimizer(player(name), settings)
    assert type(optimizer) is kind
    np.testing.assert_allclose(float(optimizer.learning_rate), rate, rtol=1e-6)
    assert optimizer.global_clipnorm == clip


def test_float16_gradients_are_kept_in_range(half_precision):
    optimizer = default_optimizer(player("generator"), config())
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    assert optimizer.inner_optimizer.global_clipnorm == config().clip_norm


def test_a_step_with_an_infinite_gradient_is_skipped(half_precision):
    weight = keras.Variable([1.0], dtype="float32")
    optimizer = default_optimizer(player("generator"), config())
    optimizer.build([weight])
    optimizer.apply([tf.constant([np.inf])], [weight])
    assert values([weight]) == [1.0]
    assert float(optimizer.dynamic_scale) == 2.0**14
    optimizer.apply([tf.constant([2.0**14])], [weight])
    # Adam's first step is as long as its rate, whatever the gradient.
    np.testing.assert_allclose(weight.numpy(), [1 - 1.5e-3], rtol=1e-5)


@pytest.mark.parametrize(
    ("fused", "plain", "options"),
    [
        (Adam, keras.optimizers.Adam, {"beta_1": 0.5, "beta_2": 0.99, "global_clipnorm": 0.5}),
        (AdamW, keras.optimizers.AdamW, {"weight_decay": 1e-2}),
    ],
)
def test_fused_updates_are_those_of_keras(fused, plain, options):
    draws = np.random.default_rng(0)
    start = draws.normal(size=(5, 3)).astype("float32")
    variables = [keras.Variable(start) for _ in range(2)]
    optimizers = [kind(0.01, **options) for kind in (plain, fused)]
    for one, variable in zip(optimizers, variables, strict=True):
        one.build([variable])
        step = tf.function(one.apply)
        for gradient in np.random.default_rng(1).normal(size=(10, 5, 3)).astype("float32"):
            step([tf.constant(gradient)], [variable.value])
    np.testing.assert_allclose(variables[1].numpy(), variables[0].numpy(), rtol=1e-5, atol=1e-6)
    assert np.abs(variables[0].numpy() - start).max() > 0.05
    for ours, theirs in zip(optimizers[1].variables, optimizers[0].variables, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-7)
