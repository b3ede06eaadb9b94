"""One harness for all methods: what a recipe has to do, whichever it is."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from stand_ins import Attribute, ImageSet, Judge, Pair
from tiny import BATCH, batch, build, config, equal, floats, images, labels, values

from cdd_keras import evaluation
from cdd_keras.config import METHODS
from cdd_keras.domains import DOMAINS, NO_VALUE, SOURCE, TARGET, Edit
from cdd_keras.evaluation import classification_report, generation_report
from cdd_keras.judges import Judges
from cdd_keras.layers.random import Draws
from cdd_keras.methods import find_method, reads_target_labels
from cdd_keras.metrics.summary import plain
from cdd_keras.networks import code_shape
from cdd_keras.objective import Recipe
from cdd_keras.routes import Routes

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
    model.fit_at_rest({SOURCE: IMAGES, TARGET: tf.constant(floats(1))}, labels())
    check_classification(model)
    check_samples(model)
    check_translations(model)
    check_reports(model)
    check_round_trip(model, folder)


def check_recipe(model):
    assert isinstance(model.recipe, Recipe)
    owned = [network for player in model.recipe.players for network in player.networks]
    assert sorted(owned) == sorted(model.networks)
    for phase in model.recipe.phases:
        for player in phase.players:
            assert not player.terms or sum(term.weight for term in player.terms) > 0
        check_groups(model, phase)


def check_groups(model, phase):
    """What is computed together is all asked for."""
    if not phase.together:
        return
    sources = {SOURCE: IMAGES, TARGET: tf.constant(floats(1))}
    routes = Routes(model, sources, {SOURCE: VALUES}, Draws(0), training=False, phase=phase)
    model.term_losses(phase.players, routes)
    for group in phase.together:
        for address in group:
            assert ("realness", address) in routes._memo
            assert not isinstance(address, Edit) or ("read_logits", address) in routes._memo


def check_losses(model, logs):
    """A step gives a finite figure for each term of its phase, and finite weights."""
    terms = {
        f"{player.name}/{term.name}"
        for player in model.recipe.phases[model.phase].players
        for term in player.terms
    }
    # Beside the terms there may be their sum, and the count of steps skipped.
    assert terms <= set(logs) <= {*terms, "loss", "skipped"}
    for term, value in logs.items():
        assert np.isfinite(value), term
    assert all(np.all(np.isfinite(weight)) for weight in values(model.weights))


def check_players(model):
    """Each player in turn is the only one with a learning rate, and the only one that moves."""
    players = model.recipe.players
    model.compile({player.name: keras.optimizers.SGD(0.0) for player in players})
    for number, (player, optimizer) in enumerate(
        zip(players, model.optimizer.optimizers, strict=True)
    ):
        model.phase = last_busy_phase(model, number)
        optimizer.learning_rate = 1e-2
        before = trainable_values(model)
        check_losses(model, model.train_step(batch(model.config.method)))
        optimizer.learning_rate = 0.0
        after = trainable_values(model)
        for network in model.networks:
            moved = not equal(before[network], after[network])
            assert moved == (network in player.networks), (player.name, network)


def last_busy_phase(model, number):
    """The last phase in which a player has something to minimise."""
    phases = model.recipe.phases
    return max(index for index, phase in enumerate(phases) if phase.players[number].terms)


def trainable_values(model):
    return {name: values(net.trainable_variables) for name, net in model.networks.items()}


def check_classification(model):
    for domain in model.traits.reads:
        read = model.classify(IMAGES, domain)
        assert read.shape == (BATCH, 2)
        np.testing.assert_allclose(np.sum(np.exp(read), -1), 1, rtol=1e-5)
        through = model.reads_through_source and domain == TARGET
        names = {"direct", "translated"} if through else {"direct"}
        assert set(model.branches(IMAGES, domain)) == names


def check_image(image):
    assert image.shape == (BATCH, 16, 16, 3)
    assert image.dtype == tf.float32
    assert np.abs(image).max() <= 1


def check_samples(model):
    for domain in filter(model.can_sample, DOMAINS):
        drawn = model.sample(VALUES, domain, seed=1)
        check_image(drawn)
        np.testing.assert_array_equal(model.sample(VALUES, domain, seed=1), drawn)
        assert not np.array_equal(model.sample(VALUES, domain, seed=2), drawn)


def check_translations(model):
    for source in DOMAINS:
        for target in filter(model.can_translate, DOMAINS):
            check_image(model.translate(IMAGES, source, target, VALUES))
    if model.has_encoder and model.has_prior:
        assert model.encode(IMAGES, SOURCE).shape[1:] == code_shape(model.config)


def check_reports(model):
    """What a method lacks is null, all else a number, and nothing is NaN."""
    sets = {("test", d): ImageSet(images(n), labels()) for n, d in enumerate(DOMAINS)}
    pair = Pair(Attribute("eyeglasses", ("no", "yes")), sets)
    read = plain(classification_report(model, pair, "test"))
    assert {domain for domain in DOMAINS if read[domain]} == set(model.traits.reads)
    if not model.has_generator:
        return
    value = Judge(lambda images: np.zeros(len(images), int))
    judges = Judges(dict.fromkeys(DOMAINS, value), value)
    report = plain(generation_report(model, pair, judges, "test"))
    shown = model.traits.shows_values
    for domain in DOMAINS:
        samples, edits = model.can_sample(domain), model.can_translate(domain)
        assert (report["sample_success"][domain] is not None) == (samples and shown)
        assert (report["sample_domain_success"][domain] is not None) == samples
        assert (report["edit_success"][domain] is not None) == (edits and shown)
        assert (report["domain_success"][domain] is not None) == edits
        assert (report["reconstruction"][domain] is not None) == edits
    assert ("code_of_value" in report) != model.traits.names_values


def check_round_trip(model, folder):
    path, weights = folder / "model.weights.h5", values(model.weights)
    model.save_weights(path)
    for variable in model.weights:
        variable.assign(tf.ones_like(variable.value))
    model.load_weights(path)
    assert equal(values(model.weights), weights)


@pytest.mark.parametrize("name", METHODS)
def test_method(name, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation, "SAMPLES_PER_VALUE", BATCH)
    run_method_test(name, tmp_path)


@pytest.mark.parametrize(
    "name", ["source_only", "oracle", "cdd_gan", "cogan", "unit", "dann", "dtn"]
)
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
    model.decode = lambda codes, domain, values, strengths: seen.append(codes)
    for domain in DOMAINS:
        for shown in (0, 1):
            model.sample(tf.fill((BATCH,), shown), domain, seed=3)
    assert equal(seen[:-1], seen[1:])


def step_of(name, phase=0, **changes):
    """All weights after a step of a fresh model; `changes` are of the batch's parts."""
    model = build(name)
    (source, truth), target = batch(name)
    parts = {"source": source, "truth": truth, "target": target, **changes}
    model.phase = phase
    model.train_step(((parts["source"], parts["truth"]), parts["target"]))
    return values([*model.weights, *model.optimizer.variables])


@pytest.mark.parametrize(
    ("name", "reads_labels", "sees_target"),
    [("infogan", False, False), ("acgan", True, False), ("cogan", True, True)],
)
def test_what_is_not_for_a_method_leaves_its_weights_alone(name, reads_labels, sees_target):
    usual = step_of(name)
    assert equal(step_of(name), usual)
    assert equal(step_of(name, truth=tf.constant(1 - labels())), usual) != reads_labels
    assert equal(step_of(name, target=tf.constant(images(7))), usual) != sees_target


def test_dtn_fixes_its_features_for_the_transfer():
    model = build("dtn")
    encoder, optimizer = model.networks["encoder"], model.optimizer.optimizers[0]
    learned = []
    for phase in (0, 1):
        model.phase = phase
        before = values([*encoder.weights, *optimizer.variables])
        model.train_step(batch("dtn"))
        learned.append(not equal(values([*encoder.weights, *optimizer.variables]), before))
    assert learned == [True, False]


def test_dtns_discriminator_has_an_output_an_origin():
    recipe = find_method("dtn").recipe(config("dtn"))
    assert recipe.phases[0].players[1].terms == ()
    found = names(recipe.phases[1].players)
    assert found["discriminator"] == [
        "source-target_as_0",
        "target-target_as_1",
        "target_as_2",
    ]
    assert found["generator"][:2] == ["constancy", "identity"]
    assert found["generator"][2:] == ["source-target_as_2", "target-target_as_2"]


def test_units_terms_are_the_papers():
    found = names(find_method("unit").recipe(config("unit")).players)
    for domain in DOMAINS:
        kinds = ("reconstruction", "cycle", "kl", "kl_translated", "realness")
        assert {f"{kind}_{domain}" for kind in kinds} < set(found["generator"])
        kinds = ("real", "generated", "pair")
        assert {f"{kind}_{domain}" for kind in kinds} < set(found["discriminator"])
    assert "labelled" in found["discriminator"]


def test_cogans_pairs_are_of_one_noise():
    model = build("cogan")
    drawn = [model.sample(VALUES, domain, seed=1) for domain in DOMAINS]
    assert not np.array_equal(*drawn)
    # The value plays no part.
    np.testing.assert_array_equal(model.sample(1 - VALUES, SOURCE, seed=1), drawn[0])
    found = names(find_method("cogan").recipe(config("cogan")).players)
    assert not any("value" in term for terms in found.values() for term in terms)
    assert "pair" in found["discriminator"]


def test_danns_features_learn_against_the_critic_more_and_more():
    moves = []
    for step in (0, 10, 20):
        model = build("dann", steps=20)
        model.step.assign(step)
        sources, targets = {SOURCE: IMAGES, TARGET: tf.constant(floats(1))}, {SOURCE: VALUES}
        with tf.GradientTape(persistent=True) as tape:
            routes = Routes(model, sources, targets, Draws(0))
            loss = model.recipe.players[0].terms[1].loss(routes)
        watched = [
            model.networks[name].trainable_variables[0].value
            for name in ("classifier", "domain_critic")
        ]
        moves.append([np.linalg.norm(slope) for slope in tape.gradient(loss, watched)])
    features, critic = np.transpose(moves)
    assert features[0] == 0
    np.testing.assert_allclose(features[1] / features[2], np.tanh(2.5) / np.tanh(5), rtol=1e-3)
    np.testing.assert_allclose(critic, critic[0], rtol=1e-3)
