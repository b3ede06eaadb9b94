"""Steps that are not finite: skipped whole, counted, and named when there are too many."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import BATCH, batches, build, equal, fit, floats, labels, values

from cdd_keras.callbacks import EndAtNonFinite
from cdd_keras.finite import FiniteGuard, HeldBack, NotFiniteError, gradients_finite, is_finite


@pytest.fixture
def guard():
    return FiniteGuard(["a", "b", "the gradient of c"])


def run(guard, **finite):
    """Whether the update is done at a step of which so much is finite."""
    done = []

    @tf.function
    def step():
        flags = {"a": True, "b": True, "the gradient of c": True, **finite}
        flags = {name: tf.constant(flag) for name, flag in flags.items()}
        guard.apply(flags, lambda: tf.py_function(lambda: done.append("update"), [], []))

    step()
    return bool(done)


def test_a_finite_step_is_taken_and_others_left_out_and_counted(guard):
    assert run(guard)
    assert not run(guard, b=False)
    assert not run(guard, b=False, **{"the gradient of c": False})
    assert (int(guard.in_a_row.numpy()), float(guard.skipped.result())) == (2, 2)
    assert guard.names[int(guard.culprit.numpy())] == "b"
    assert run(guard)
    assert (int(guard.in_a_row.numpy()), float(guard.skipped.result())) == (0, 2)
    run(guard, **{"the gradient of c": False})
    assert guard.names[int(guard.culprit.numpy())] == "the gradient of c"


def test_what_is_held_back_is_seen_inside_alone_and_without_a_gradient():
    moved, left = keras.Variable(1.0), keras.Variable(2.0)
    source = tf.Variable(3.0)
    with tf.GradientTape() as tape, HeldBack() as held:
        moved.assign(moved + source)
        moved.assign(2 * moved)
        seen = moved * source
    assert (float(seen), float(moved.numpy())) == (24, 1)
    assert tape.gradient(seen, source) == 8
    assert {place: float(value) for place, value in held.assigned([left, moved]).items()} == {1: 8}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_number_among_many_is_found(value):
    tensors = [tf.zeros((3, 2)), tf.zeros(5)]
    assert is_finite(tensors)
    assert not is_finite([*tensors, tf.constant([0.0, value])])


def test_an_overflow_is_the_loss_scales_own_affair_while_it_can_fall():
    weight = keras.Variable([1.0])
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
    optimizer.build([weight])
    gradients = [tf.constant([np.inf])]
    assert gradients_finite(gradients, optimizer)
    optimizer.dynamic_scale.assign(1.0)
    assert not gradients_finite(gradients, optimizer)
    assert not gradients_finite(gradients, optimizer.inner_optimizer)


def state(model):
    return values([*model.weights, *model.optimizer.variables])


def float_batch(seed, spoilt=False):
    """A training batch, one of whose source images may be no numbers."""
    source = floats(seed)
    if spoilt:
        source[0] = np.nan
    return (tf.constant(source), tf.constant(labels())), tf.constant(floats(seed + 1))


def test_a_step_on_numbers_that_are_none_changes_nothing_but_the_step():
    model = build("dann")
    train = tf.function(model.train_step)
    train(float_batch(0))
    before, means = state(model), values(model.total_loss.variables)
    logs = train(float_batch(2, spoilt=True))
    assert float(logs["skipped"]) == 1
    assert np.isfinite(float(logs["loss"]))
    assert int(model.step.numpy()) == 2
    moved = [
        variable.path
        for variable, was in zip([*model.weights, *model.optimizer.variables], before, strict=True)
        if not np.array_equal(variable.numpy(), was)
    ]
    assert moved == [model.step.path]
    assert equal(values(model.total_loss.variables), means)
    train(float_batch(4))
    assert not equal(state(model), before)
    assert all(np.isfinite(value).all() for value in state(model))
    assert int(model.guard.in_a_row.numpy()) == 0
    assert train.experimental_get_tracing_count() == 1


def nan_gradient(loss):
    """The same loss, whose gradient is no number."""

    @tf.custom_gradient
    def bad(value):
        return value, lambda upstream: upstream * np.nan

    return lambda routes: bad(loss(routes))


def spoil(model, name, change):
    """Puts `change(loss)` in the place of a term's loss."""
    for phase in model.recipe.phases:
        for player in phase.players:
            for term in player.terms:
                if term.name == name:
                    object.__setattr__(term, "loss", change(term.loss))


@pytest.mark.parametrize(
    ("change", "culprit"),
    [
        (lambda loss: lambda routes: loss(routes) * np.inf, "classifier/labelled"),
        (nan_gradient, "the gradient of classifier"),
    ],
)
def test_training_ends_after_so_many_in_a_row_and_names_what_was_wrong(change, culprit):
    model = build("source_only")
    spoil(model, "labelled", change)
    before = values(model.trainable_variables)
    with pytest.raises(NotFiniteError, match=rf"^{culprit} is NaN .* 3 steps .* to step 3\."):
        fit(model, batches(9), callbacks=[EndAtNonFinite(3)])
    assert equal(values(model.trainable_variables), before)


def test_fewer_in_a_row_do_not_end_it():
    model = build("source_only")
    source = floats(0, 9 * BATCH)
    for number in (0, 1, 3, 4, 6, 7):
        source[number * BATCH] = np.nan
    pairs = ((source, labels(9 * BATCH)), source)
    data = tf.data.Dataset.from_tensor_slices(pairs).batch(BATCH)
    history = fit(model, data, callbacks=[EndAtNonFinite(3)])
    assert history["skipped"] == [6]
    assert np.isfinite(history["classifier/labelled"]).all()
    assert int(model.step.numpy()) == 9
