import csv
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import BATCH, SIZE, batch, batches, build, equal, fit, floats, images, labels, values

from cdd_keras.data import training_batches
from cdd_keras.data.sets import ImageSet
from cdd_keras.domains import DOMAINS, NO_VALUE, SOURCE, TARGET
from cdd_keras.layers.random import Draws
from cdd_keras.methods import reads_target_labels
from cdd_keras.model import CrossDomainModel, unpack
from cdd_keras.objective import Term

IMAGES = tf.constant(floats())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """`cdd` trained for two steps and two more; resumed in between; on permuted target labels.

    One model in turn, since tracing its step is what takes time here.
    """
    checkpoint = tmp_path_factory.mktemp("run") / "at.weights.h5"
    # Without it, threads of a busy machine have been seen to add in another order.
    model = build(deterministic=True)
    start = state(model)
    history = train(model, 2)
    model.save_weights(checkpoint)
    train(model, 2)
    final = state(model)
    put_back(model, start)
    train(model, 4, permuted=True)
    permuted = state(model)
    put_back(model, [np.ones_like(value) for value in start])
    model.load_weights(checkpoint)
    resumed_at = int(model.step.numpy())
    train(model, 2)
    return SimpleNamespace(
        model=model,
        start=start,
        history=history,
        final=final,
        permuted=permuted,
        resumed_at=resumed_at,
        resumed=state(model),
    )


@pytest.fixture(scope="module")
def trained(run):
    """The same model with a fitted prior: only for reading."""
    run.model.fit_at_rest({SOURCE: IMAGES, TARGET: tf.constant(floats(1))}, labels())
    return run.model


def image_sets(permuted):
    truth = labels(24)
    hidden = np.random.default_rng(5).permutation(truth) if permuted else truth
    assert permuted == (not np.array_equal(hidden, truth))
    numbers = np.arange(24).astype(str)
    return ImageSet(images(0, 24), truth, numbers), ImageSet(images(1, 24), hidden, numbers)


def train(model, steps, permuted=False):
    """Goes on training on sets whose target labels may be permuted."""
    data = training_batches(
        *image_sets(permuted),
        batch_size=BATCH,
        seed=0,
        start_step=int(model.step.numpy()),
        with_target_labels=reads_target_labels(model.config.method),
    )
    return fit(model, data, steps_per_epoch=steps)


def state(model):
    return values([*model.weights, *model.optimizer.variables])


def put_back(model, state):
    for variable, value in zip([*model.weights, *model.optimizer.variables], state, strict=True):
        variable.assign(value)


def outputs(model):
    wanted = tf.constant(labels())
    return [
        model.classify(IMAGES, TARGET).numpy(),
        model.translate(IMAGES, SOURCE, TARGET, wanted).numpy(),
        model.sample(wanted, SOURCE, seed=1).numpy(),
    ]


def test_float_and_uint8_images_train_alike():
    states = []
    for make in (images, floats):
        model = build("source_only")
        before = state(model)
        model.compile(run_eagerly=True)
        history = fit(model, batches(2, make=make))
        assert np.isfinite(history["classifier/labelled"][-1])
        assert not equal(before, state(model))
        states.append(state(model))
    for one, two in zip(*states, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_all_of_cdd_trains_in_one_graph(run):
    # The source's accuracy is measured on validation data alone.
    names = {metric.name for metric in run.model.metrics} - {"source_accuracy"}
    assert set(run.history) == names
    assert all(np.isfinite(figures).all() for figures in run.history.values())
    assert all(np.isfinite(weight).all() for weight in run.final)
    assert not equal(run.start, run.final)


def test_validation_data_are_evaluated():
    model = build("source_only")
    model.compile(run_eagerly=True)
    history = fit(model, batches(1), validation_data=batches(1))
    assert {
        "classifier/labelled",
        "val_classifier/labelled",
        "val_source_accuracy",
    } <= set(history)


def test_source_accuracy_is_of_all_batches():
    model = build("source_only")
    model.compile(run_eagerly=True)
    model.averaged["classifier"].head.bias.assign([50.0, -50.0])
    # Every image is read as 0: none of the first batch's, all of the second's.
    truth = np.repeat([1, 0], BATCH).astype("int32")
    source = images(0, 2 * BATCH)
    data = tf.data.Dataset.from_tensor_slices(((source, truth), source)).batch(BATCH)
    report = model.evaluate(data, return_dict=True, verbose=0)
    assert report["source_accuracy"] == 0.5


def changed_by_evaluation(model):
    """Paths of the variables that a validation step moves."""
    before = state(model)
    model.test_step(batch())
    variables = [*model.weights, *model.optimizer.variables]
    pairs = zip(variables, before, state(model), strict=True)
    return [variable.path for variable, *pair in pairs if not np.array_equal(*pair)]


def test_evaluation_moves_no_weight():
    assert changed_by_evaluation(build("source_only")) == []


def test_evaluation_moves_no_belief(trained):
    assert changed_by_evaluation(trained) == []


def test_a_saved_model_gives_the_same_outputs(trained, tmp_path):
    trained.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again, CrossDomainModel)
    assert again.config == trained.config
    assert equal(outputs(again), outputs(trained))
    assert equal(state(again), state(trained))
    kinds = [type(optimizer) for optimizer in again.optimizer.optimizers]
    assert kinds == [type(optimizer) for optimizer in trained.optimizer.optimizers]


def test_an_optimiser_of_the_users_is_saved_with_the_model(tmp_path):
    model = build("source_only")
    model.compile({"classifier": keras.optimizers.SGD(0.25, momentum=0.5)})
    model.train_step(batch())
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    (optimizer,) = again.optimizer.optimizers
    assert (float(optimizer.learning_rate), optimizer.momentum) == (0.25, 0.5)
    assert equal(state(again), state(model))


def test_a_resumed_run_goes_on_to_the_last_bit(run):
    assert run.resumed_at == 2
    assert equal(run.resumed, run.final)


def test_a_fresh_model_goes_on_to_the_last_bit(tmp_path):
    model = build("source_only")
    model.compile(run_eagerly=True)
    train(model, 2)
    model.save_weights(tmp_path / "at.weights.h5")
    train(model, 2)
    fresh = build("source_only", seed=9)
    fresh.compile(run_eagerly=True)
    fresh.load_weights(tmp_path / "at.weights.h5")
    train(fresh, 2)
    assert equal(state(fresh), state(model))


def test_target_labels_leave_the_weights_alone(run):
    assert equal(run.permuted, run.final)


def test_the_oracle_learns_from_target_labels():
    states = []
    for permuted in (False, True):
        model = build("oracle")
        model.compile(run_eagerly=True)
        train(model, 1, permuted)
        states.append(state(model))
    assert not equal(*states)


def test_standard_callbacks_work(tmp_path):
    model = build("source_only", classifier_rate=1e-3)
    watched = "classifier/labelled"
    callbacks = [
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2),
        keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras"),
        keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.weights.h5", save_weights_only=True),
        keras.callbacks.EarlyStopping(watched, min_delta=100.0, patience=1, mode="min"),
        keras.callbacks.TensorBoard(tmp_path / "board"),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.TerminateOnNaN(),
    ]
    history = fit(model, batches(2), epochs=5, callbacks=callbacks)
    # Stopped after the second epoch, in which nothing was 100 better.
    assert len(history[watched]) == 2
    np.testing.assert_allclose(float(model.optimizer.learning_rate), 2.5e-4, rtol=1e-6)
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    np.testing.assert_allclose([float(row[watched]) for row in rows], history[watched])
    assert list((tmp_path / "board" / "train").iterdir())
    assert sorted(path.name for path in tmp_path.glob("?.*")) == [
        f"{epoch}.{kind}" for epoch in (1, 2) for kind in ("keras", "weights.h5")
    ]
    final = values(model.weights)
    restored = build("source_only", seed=1)
    restored.compile({"classifier": keras.optimizers.AdamW(1e-3)})
    restored.load_weights(tmp_path / "2.weights.h5")
    assert equal(values(restored.weights), final)


@pytest.mark.parametrize(
    "data",
    [
        (images(), labels()),
        (images(), labels(), images()),
        images(),
        ((images(), labels()),),
    ],
)
def test_a_batch_of_another_structure_is_refused(data):
    model = build("source_only")
    model.compile(run_eagerly=True)
    wrong = tf.data.Dataset.from_tensors(data)
    with pytest.raises(ValueError, match=r"must be \(\(source images, labels\), target images\)"):
        fit(model, wrong)


def test_the_refusal_tells_what_came():
    wrong = (tf.zeros((4, 16, 16, 3)), tf.zeros(4))
    with pytest.raises(ValueError, match=r"got .*4, 16, 16, 3"):
        unpack(wrong)


def test_images_and_labels_are_brought_to_one_form():
    whole = np.broadcast_to(np.array([0, 255], "uint8")[:, None, None, None], (2, 4, 4, 3))
    parts = ((tf.constant(whole), tf.constant([0, 1], tf.int64)), tf.zeros((2, 4, 4, 3)))
    found, known = unpack(parts)
    np.testing.assert_array_equal(found[SOURCE][:, 0, 0, 0], [-1, 1])
    np.testing.assert_array_equal(found[TARGET], np.zeros((2, 4, 4, 3)))
    assert known[SOURCE].dtype == tf.int32
    assert set(known) == {SOURCE}


def test_optimisers_are_for_players_there_are():
    model = build("source_only")
    with pytest.raises(ValueError, match=r"no player: 'generator'\. Expected .*classifier"):
        model.compile({"generator": keras.optimizers.SGD()})


def test_an_unknown_method_is_refused(monkeypatch):
    config = build("source_only").config
    object.__setattr__(config, "method", "cyclegan")
    with pytest.raises(ValueError, match="`method` is unknown"):
        CrossDomainModel(config, 2)


@pytest.mark.parametrize(("step", "decay"), [(0, 0.1), (5, 0.4), (1000, 0.75)])
def test_averages_follow_the_weights_closely_at_first(trained, step, decay):
    model = build("source_only", ema=0.75)
    model.step.assign(step)
    network, average = model.networks["classifier"], model.averaged["classifier"]
    start = values(network.weights)
    assert equal(values(average.weights), start)
    model.train_step(batch())
    moved = values(network.weights)
    for kept, first, now in zip(values(average.weights), start, moved, strict=True):
        np.testing.assert_allclose(kept, decay * first + (1 - decay) * now, rtol=1e-4, atol=1e-6)
    assert not trained.averaged["generator"].trainable_variables


def test_a_term_ramps_over_its_part_of_the_run():
    model = build("source_only", steps=20)
    ramped = Term("edit", abs, ramp=(0.4, 0.7))
    weights = []
    for step in (0, 8, 11, 14, 20):
        model.step.assign(step)
        weights.append(model._ramp(ramped))
    np.testing.assert_allclose(weights, [0, 0, 0.5, 1, 1], atol=1e-6)
    assert model._ramp(Term("kl", abs)) == 1


def test_no_value_gives_the_base(trained):
    codes = trained.encode(IMAGES, SOURCE)
    strengths = tf.ones(BATCH)
    edited = trained.decode(codes, TARGET, tf.constant([1, 1, 1, 1]), strengths)
    base = trained.decode(codes, TARGET, tf.fill((BATCH,), NO_VALUE), strengths)
    mixed = trained.decode(codes, TARGET, tf.constant([1, NO_VALUE, 1, NO_VALUE]), strengths)
    np.testing.assert_allclose(mixed[::2], edited[::2], atol=1e-5)
    np.testing.assert_allclose(mixed[1::2], base[1::2], atol=1e-5)
    assert np.abs(edited - base).max() > 1e-4


@pytest.mark.parametrize(
    ("source", "strength"), [(SOURCE, "translation_strength"), (TARGET, "edit_strength")]
)
def test_an_edit_is_as_strong_as_its_domains_ask_for(source, strength, trained, monkeypatch):
    values = tf.ones(BATCH, tf.int32)
    settings = {"edit_strength": 3.0, "translation_strength": 0.0, strength: 0.5}
    monkeypatch.setattr(trained, "config", trained.config.replace(**settings))
    codes = trained.encode(IMAGES, source)
    halved = trained.decode(codes, TARGET, values, tf.fill((BATCH,), 0.5))
    np.testing.assert_array_equal(trained.translate(IMAGES, source, TARGET, values), halved)
    trained_for = trained.decode(codes, TARGET, values, tf.ones(BATCH))
    assert np.abs(trained_for - halved).max() > 1e-4


def test_samples_are_as_strong_as_translations(trained, monkeypatch):
    values = tf.ones(BATCH, tf.int32)
    as_trained = trained.sample(values, TARGET, 3)
    monkeypatch.setattr(trained, "config", trained.config.replace(translation_strength=0.5))
    codes = trained.prior.sample(BATCH, Draws(3))
    halved = trained.decode(codes, TARGET, values, tf.fill((BATCH,), 0.5))
    np.testing.assert_array_equal(trained.sample(values, TARGET, 3), halved)
    assert np.abs(as_trained - halved).max() > 1e-4


def test_reading_is_blind_to_mirroring(trained):
    mirrored = IMAGES[:, :, ::-1]
    np.testing.assert_allclose(
        trained.classify(mirrored, SOURCE), trained.classify(IMAGES, SOURCE), atol=1e-5
    )
    plain = build("source_only", flip=False)
    read = [plain.classify(view, SOURCE) for view in (mirrored, IMAGES)]
    assert not np.allclose(*read, atol=1e-3)


def test_the_target_is_read_by_both_branches(trained):
    branches = trained.branches(IMAGES, TARGET)
    base = trained.translate(IMAGES, TARGET, SOURCE, tf.fill((BATCH,), NO_VALUE))
    translated = trained.branches(base, SOURCE)["direct"]
    np.testing.assert_allclose(branches["translated"], translated, atol=1e-5)
    # What is used is the target's own branch, which the other has taught.
    np.testing.assert_allclose(trained.classify(IMAGES, TARGET), branches["direct"], atol=1e-5)


def test_the_fitted_prior_samples_what_was_encoded(trained):
    codes = tf.concat([trained.encode(tf.constant(floats(n)), d) for n, d in enumerate(DOMAINS)], 0)
    mean = np.mean(codes, 0).reshape(-1)
    np.testing.assert_allclose(trained.prior.mean, mean, atol=1e-5)


@pytest.fixture
def policy(request):
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"], indirect=True)
def test_half_precision_trains_finite(policy):
    model = build()
    before = values(model.trainable_variables)
    logs = model.train_step(batch())
    assert all(np.isfinite(value) for value in logs.values())
    assert all(np.isfinite(weight).all() for weight in values(model.weights))
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    scaled = [
        isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        for optimizer in model.optimizer.optimizers
    ]
    assert set(scaled) == {policy == "mixed_float16"}
    drawn = model.translate(IMAGES, SOURCE, TARGET, tf.constant(labels()))
    assert drawn.dtype == tf.float32
    assert model.classify(IMAGES, TARGET).dtype == tf.float32
    if policy == "mixed_bfloat16":
        assert not equal(before, values(model.trainable_variables))


@pytest.mark.parametrize("policy", ["mixed_float16"], indirect=True)
def test_loss_scales_are_resumed(policy, tmp_path):
    model = build("source_only")
    for number in range(2):
        model.train_step(batch(seed=number))
    (optimizer,) = model.optimizer.optimizers
    optimizer.dynamic_scale.assign(64.0)
    model.save_weights(tmp_path / "at.weights.h5")
    resumed = build("source_only", seed=1)
    resumed.load_weights(tmp_path / "at.weights.h5")
    assert float(resumed.optimizer.optimizers[0].dynamic_scale) == 64
    for one in (model, resumed):
        one.train_step(batch(seed=2))
    assert equal(state(model), state(resumed))


def test_image_size_is_the_configurations(trained):
    assert trained.image_size == SIZE
    assert (trained.has_encoder, trained.has_generator) == (True, True)
