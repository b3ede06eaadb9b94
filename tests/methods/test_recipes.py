"""One harness for all methods: what a recipe has to do, whichever it is."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import BATCH, batch, build, config, equal, floats, labels, values

from cdd_keras.config import METHODS
from cdd_keras.domains import DOMAINS, NO_VALUE, SOURCE, TARGET
from cdd_keras.methods import find_method, reads_target_labels
from cdd_keras.networks import code_shape
from cdd_keras.objective import Recipe

IMAGES = tf.constant(floats())
VALUES = tf.constant(labels())


def run_method_test(name, folder):
    """Builds, trains and uses a tiny model of a method."""
    model = build(name, edit_start=0.5)
    check_recipe(model)
    for phase in range(len(model.recipe.phases) - 1):
        model.phase = phase
        check_losses(model, model.train_step(batch(name)))
    check_players(model)
    check_classification(model)
    if model.has_generator:
        check_samples(model)
    if model.has_encoder:
        check_translations(model)
    check_round_trip(model, folder)


def check_recipe(model):
    assert isinstance(model.recipe, Recipe)
    owned = [network for player in model.recipe.players for network in player.networks]
    assert sorted(owned) == sorted(model.networks)
    for phase in model.recipe.phases:
        for player in phase.players:
            assert sum(term.weight for term in player.terms) > 0


def check_losses(model, logs):
    """A step gives a finite figure for each term of its phase, and finite weights."""
    terms = {
        f"{player.name}/{term.name}"
        for player in model.recipe.phases[model.phase].players
        for term in player.terms
    }
    # Beside the terms there may be their sum.
    assert terms <= set(logs) <= {*terms, "loss"}
    for term, value in logs.items():
        assert np.isfinite(value), term
    assert all(np.all(np.isfinite(weight)) for weight in values(model.weights))


def check_players(model):
    """Each player in turn is the only one with a learning rate, and the only one that moves."""
    players = model.recipe.players
    model.compile({player.name: keras.optimizers.SGD(0.0) for player in players})
    model.phase = len(model.recipe.phases) - 1
    for player, optimizer in zip(players, model.optimizer.optimizers, strict=True):
        optimizer.learning_rate = 1e-2
        before = trainable_values(model)
        check_losses(model, model.train_step(batch(model.config.method)))
        optimizer.learning_rate = 0.0
        after = trainable_values(model)
        for network in model.networks:
            moved = not equal(before[network], after[network])
            assert moved == (network in player.networks), (player.name, network)


def trainable_values(model):
    return {name: values(net.trainable_variables) for name, net in model.networks.items()}


def check_classification(model):
    for domain in DOMAINS:
        read = model.classify(IMAGES, domain)
        assert read.shape == (BATCH, 2)
        np.testing.assert_allclose(np.sum(np.exp(read), -1), 1, rtol=1e-5)
        through = model.reads_through_source and domain == TARGET
        names = {"direct", "translated"} if through else {"direct"}
        assert set(model.branches(IMAGES, domain)) == names


def check_image(images):
    assert images.shape == (BATCH, 16, 16, 3)
    assert images.dtype == tf.float32
    assert np.abs(images).max() <= 1


def check_samples(model):
    for domain in DOMAINS:
        drawn = model.sample(VALUES, domain, seed=1)
        check_image(drawn)
        np.testing.assert_array_equal(model.sample(VALUES, domain, seed=1), drawn)
        assert not np.array_equal(model.sample(VALUES, domain, seed=2), drawn)


def check_translations(model):
    for source in DOMAINS:
        for target in DOMAINS:
            check_image(model.translate(IMAGES, source, target, VALUES))
    assert model.encode(IMAGES, SOURCE).shape[1:] == code_shape(model.config)


def check_round_trip(model, folder):
    path, weights = folder / "model.weights.h5", values(model.weights)
    model.save_weights(path)
    for variable in model.weights:
        variable.assign(tf.ones_like(variable.value))
    model.load_weights(path)
    assert equal(values(model.weights), weights)


@pytest.mark.parametrize("name", METHODS)
def test_method(name, tmp_path):
    run_method_test(name, tmp_path)


@pytest.mark.parametrize("name", ["source_only", "oracle", "cdd_gan"])
def test_a_method_without_beliefs_reads_the_target_as_it_is(name):
    model = build(name, channels=2, discriminator_channels=2)
    (source, _), target = batch(name)
    for _ in range(3):
        # All of one value: a prior that followed it would shift every reading.
        model.train_step(((source, tf.zeros(BATCH, tf.int32)), target))
    direct = model.branches(IMAGES, TARGET)["direct"]
    np.testing.assert_allclose(model.classify(IMAGES, TARGET), direct, atol=1e-5)


def test_cdd_paper_draws_the_value_it_reads_where_none_is_asked():
    model = build("cdd_paper")
    assert not model.reads_through_source
    read = tf.argmax(model.classify(IMAGES, TARGET), -1, tf.int32)
    expected = model.translate(IMAGES, TARGET, SOURCE, read)
    none = tf.fill((BATCH,), NO_VALUE)
    np.testing.assert_allclose(model.translate(IMAGES, TARGET, SOURCE, none), expected, atol=1e-6)


def test_an_unknown_method_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"`method` is unknown: 'cdg'\. Expected one of .*cdd_gan"):
        find_method("cdg")


def test_the_oracle_alone_reads_target_labels():
    assert [name for name in METHODS if reads_target_labels(name)] == ["oracle"]


def names(players):
    return {player.name: [term.name for term in player.terms] for player in players}


def test_cdd_begins_without_edits():
    first, second = find_method("cdd").recipe(config(edit_start=0.15)).phases
    assert (first.start, second.start) == (0.0, 0.15)
    early, late = names(first.players), names(second.players)
    for domain in DOMAINS:
        assert f"value_{domain}" not in early["generator"]
        assert f"value_{domain}" in late["generator"]
    assert set(early["generator"]) < set(late["generator"])
    assert early["classifier"] == late["classifier"]


@pytest.mark.parametrize(("start", "edits"), [(0.0, True), (1.0, False)])
def test_cdd_may_have_a_single_phase(start, edits):
    (phase,) = find_method("cdd").recipe(config(edit_start=start)).phases
    assert phase.start == 0
    assert ("identity_source" in names(phase.players)["generator"]) is edits


def test_cdds_classifier_may_be_the_discriminators():
    model = build("cdd", classifier_trunk="shared")
    check_recipe(model)
    generator, critic = model.recipe.players
    assert critic.networks == ("discriminator",)
    assert {"labelled", "translated", "self_training"} <= set(names([critic])["discriminator"])
    assert generator.networks == ("encoder", "generator")
    check_losses(model, model.train_step(batch()))
    check_classification(model)


def test_edit_ramps_begin_with_their_phase_and_the_target_follows():
    phase = find_method("cdd").recipe(config(edit_start=0.2, ramp=0.1)).phases[1]
    ramps = {term.name: term.ramp for term in phase.players[0].terms}
    np.testing.assert_allclose(ramps["value_source"], (0.2, 0.3))
    np.testing.assert_allclose(ramps["value_target"], (0.275, 0.375))
    assert ramps["reconstruction_source"] is None


def test_ramps_end_with_the_run():
    recipe = find_method("cdd").recipe(config(edit_start=0.95, ramp=0.1))
    assert recipe.settled == 1.0


def test_the_gradient_penalty_costs_nothing_unless_weighed():
    recipes = [find_method("cdd").recipe(config(r1_weight=weight)) for weight in (0.0, 1.0)]
    has = ["r1_source" in names(recipe.players)["discriminator"] for recipe in recipes]
    assert has == [False, True]


def test_the_papers_players_are_the_slides():
    players = {player.name: player for player in find_method("cdd_paper").recipe(config()).players}
    assert {name: player.networks for name, player in players.items()} == {
        "encoder": ("encoder",),
        "generator": ("generator",),
        "discriminator": ("discriminator",),
    }
    found = names(players.values())
    for domain in DOMAINS:
        assert f"kl_{domain}" in found["encoder"]
        assert {f"perceptual_{domain}", f"value_{domain}", f"realness_{domain}"} <= set(
            found["generator"]
        )
        assert {f"value_{domain}", f"real_{domain}", f"generated_{domain}"} <= set(
            found["discriminator"]
        )


def test_a_samples_code_does_not_depend_on_value_or_domain():
    model = build("cdd_gan")
    seen = []
    model.decode = lambda codes, domain, values: seen.append(codes)
    for domain in DOMAINS:
        for shown in (0, 1):
            model.sample(tf.fill((BATCH,), shown), domain, seed=3)
    assert equal(seen[:-1], seen[1:])
