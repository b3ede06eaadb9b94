from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from tiny import BATCH, Always, build, config, floats, labels

from cdd_keras.domains import ANY, DOMAINS, NOISE, OTHER, OWN, SOURCE, TARGET, Edit, last_domain
from cdd_keras.layers.random import Draws
from cdd_keras.readings import class_logits
from cdd_keras.routes import Routes

IMAGES = {SOURCE: tf.constant(floats(0)), TARGET: tf.constant(floats(1))}
LABELS = {SOURCE: tf.constant(labels())}


@pytest.fixture(scope="module")
def model():
    return build(flip=False)


@pytest.fixture
def routes(model):
    return Routes(model, IMAGES, LABELS, Draws(0))


def slopes(routes, output, network):
    """Gradients of an output by the weights of a network; a fresh pass under a tape."""
    variables = [v.value for v in routes.networks[network].trainable_variables]
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(output(routes))
    return [slope for slope in tape.gradient(value, variables) if slope is not None]


def test_nothing_is_computed_until_asked_and_then_once(routes, monkeypatch):
    passes = []
    encoder = routes.networks["encoder"]
    call = type(encoder).call

    def counted(self, images, domain):
        passes.append(domain)
        return call(self, images, domain)

    monkeypatch.setattr(type(encoder), "call", counted)
    assert passes == []
    for _ in range(2):
        routes.image((SOURCE, SOURCE))
        routes.image((SOURCE, TARGET))
        routes.image(Edit((SOURCE, TARGET), OWN))
    assert passes == [SOURCE]
    assert routes.image((SOURCE, TARGET)) is routes.image((SOURCE, TARGET))


@pytest.mark.parametrize(
    "address",
    [
        (SOURCE,),
        (TARGET, TARGET),
        (SOURCE, TARGET, SOURCE),
        (NOISE, TARGET),
        Edit((SOURCE, TARGET), ANY),
        (Edit((TARGET, TARGET), OTHER), TARGET),
        Edit((Edit((SOURCE, SOURCE), OTHER), SOURCE), OWN),
    ],
)
def test_every_address_is_an_image(routes, address):
    image = routes.image(address)
    assert image.shape == (BATCH, 16, 16, 3)
    assert np.abs(image).max() < 1.5
    assert np.isfinite(image).all()


def test_real_images_are_shifted_by_whole_pixels(routes):
    for image, original in zip(routes.image((SOURCE,)), IMAGES[SOURCE], strict=True):
        assert set(np.unique(image)) <= set(np.unique(original))


def test_the_step_picks_the_draws(model):
    def translation(step):
        return Routes(model, IMAGES, LABELS, Draws(0, step)).image((SOURCE, TARGET)).numpy()

    np.testing.assert_array_equal(translation(3), translation(3))
    assert not np.array_equal(translation(3), translation(4))


def test_a_base_is_computed_from_no_value(model):
    def base(values):
        routes = Routes(model, IMAGES, {SOURCE: tf.constant(values)}, Draws(0))
        return routes.image((SOURCE, TARGET))

    np.testing.assert_array_equal(base(labels()), base(1 - labels()))


def test_own_other_and_any_value(routes):
    path = (SOURCE, TARGET)
    np.testing.assert_array_equal(routes.values(path, OWN), labels())
    np.testing.assert_array_equal(routes.values(path, OTHER), 1 - labels())
    assert set(routes.values(path, ANY).numpy()) <= {0, 1}
    assert routes.values(path, ANY) is routes.values(path, ANY)


def test_another_value_of_many_is_never_the_own():
    model = build("cdd_paper", classes=5)
    own = {SOURCE: tf.constant([0, 1, 3, 4])}
    for step in range(20):
        other = Routes(model, IMAGES, own, Draws(0, step)).values((SOURCE, SOURCE), OTHER)
        assert np.all(other != own[SOURCE])
        assert np.all((other >= 0) & (other < 5))


def test_edits_of_a_part_of_the_batch(routes):
    edit = Edit((SOURCE, SOURCE), OTHER, (0.5, 1.0))
    assert routes.image(edit).shape[0] == BATCH // 2
    np.testing.assert_array_equal(routes.value(edit), (1 - labels())[2:])
    # An image made of an edit has the attribute of the image it began with.
    np.testing.assert_array_equal(routes.value(Edit((edit, SOURCE), OWN)), labels()[2:])


def test_parts_tile_the_batch(routes):
    parts = [Edit((SOURCE, SOURCE), OWN, rows) for rows in ((0.0, 0.5), (0.5, 1.0))]
    whole = tf.range(BATCH)
    np.testing.assert_array_equal(tf.concat([routes.rows(whole, e) for e in parts], 0), whole)


def test_target_values_are_drawn_from_the_belief(routes):
    belief = routes.target_belief()
    np.testing.assert_allclose(tf.reduce_sum(belief, -1), 1, rtol=1e-5)
    routes._memo["target_belief",] = tf.constant([[1.0, 0], [0, 1.0], [0, 1.0], [1.0, 0]])
    np.testing.assert_array_equal(routes.values((TARGET, TARGET), OWN), [0, 1, 1, 0])


def test_given_target_labels_stand_in_for_the_belief(model):
    known = {**LABELS, TARGET: tf.constant([1, 1, 0, 0])}
    routes = Routes(model, IMAGES, known, Draws(0))
    np.testing.assert_array_equal(routes.label(TARGET), [1, 1, 0, 0])
    assert ("target_belief",) not in routes._memo


def test_confidence_is_a_threshold_on_the_belief(routes):
    routes._memo["target_belief",] = tf.constant([[0.9, 0.1], [0.79, 0.21], [0.1, 0.9], [0.5, 0.5]])
    np.testing.assert_array_equal(routes.confident(), [1, 0, 1, 0])


def test_the_belief_trains_nothing(routes):
    for network in routes.networks:
        assert slopes(routes, lambda r: r.target_belief(), network) == []


def test_teaching_reaches_the_classifier_and_no_image(routes):
    def taught(routes):
        return tf.concat(routes.taught_logits((SOURCE, TARGET), (TARGET,)), 0)

    assert len(slopes(routes, taught, "classifier")) > 0
    routes._memo.clear()
    assert slopes(routes, taught, "generator") == slopes(routes, taught, "encoder") == []


def test_teaching_gives_logits_by_address(routes):
    views = ((SOURCE, TARGET), (TARGET,))
    assert [part.shape for part in routes.taught_logits(*views)] == [(BATCH, 2)] * 2


@pytest.mark.parametrize("setting", ["view_rotation", "view_shear"])
def test_the_classifier_is_taught_and_not_asked_with_what_is_configured(
    setting, routes, monkeypatch
):
    def features(amount, read):
        settings = {"view_rotation": 0.1, "view_shear": 0.0, setting: amount}
        routes._memo.clear()
        with monkeypatch.context() as patch:
            patch.setattr(routes, "config", config(flip=False, **settings))
            patch.setattr(routes, "draws", Draws(0))
            return read()

    def taught():
        return routes.taught_logits((SOURCE,))[0].numpy()

    def asked():
        return routes.read_logits((SOURCE,)).numpy()

    assert not np.array_equal(features(0.5, taught), features(0.4, taught))
    np.testing.assert_array_equal(features(0.5, asked), features(0.4, asked))


def test_reading_reaches_the_image(routes):
    edit = Edit((SOURCE, TARGET), ANY)
    assert len(slopes(routes, lambda r: r.read_logits(edit), "generator")) > 0


def test_an_image_seen_again_is_taken_as_given(routes):
    changed = Edit((SOURCE, SOURCE), OTHER)
    restored = Edit((changed, SOURCE), OWN)
    with tf.GradientTape() as tape:
        tape.watch(routes._real[SOURCE])
        image = routes.image(restored)
    assert tape.gradient(image, routes._real[SOURCE]) is None
    seen = routes.image((changed,)) - routes.image(changed)
    assert 0.03 < np.std(seen) < 0.07


class Slopes:
    """A discriminator whose outputs rise by known amounts with the brightness of one pixel."""

    def __init__(self, *slopes):
        self.slopes = tf.constant(slopes)

    def realness(self, images, domain):
        return images[:, 0, 0, :1] * self.slopes


@pytest.mark.parametrize(("slopes", "expected"), [((3.0,), 9), ((2.0, -2.0), 8), ((1.0, 2.0), 5)])
def test_the_penalised_slopes_are_those_of_every_output(routes, monkeypatch, slopes, expected):
    monkeypatch.setitem(routes.networks, "discriminator", Slopes(*slopes))
    squares = [tf.square(routes.realness_gradient((SOURCE,))) for _ in range(400)]
    assert np.mean(squares) * 16 * 16 * 3 == pytest.approx(expected, rel=0.1)


def test_realness_has_an_output_a_value_and_one_for_none(routes):
    for domain in DOMAINS:
        assert routes.realness((domain,)).shape == (BATCH, 3)


def test_class_logits_come_from_the_classifier_if_there_is_one(routes):
    read = class_logits(routes.networks, IMAGES[SOURCE], SOURCE)
    expected = routes.networks["classifier"](IMAGES[SOURCE], domain=SOURCE)
    np.testing.assert_array_equal(read, expected)


def test_else_they_come_from_the_discriminator():
    routes = Routes(build("cdd_gan"), IMAGES, LABELS, Draws(0))
    class_head = routes.networks["discriminator"].class_logits
    read = class_logits(routes.networks, IMAGES[SOURCE], SOURCE)
    np.testing.assert_array_equal(read, class_head(IMAGES[SOURCE], SOURCE))
    edit = Edit((NOISE, TARGET), ANY)
    for address in ((SOURCE,), edit):
        (taught,) = routes.taught_logits(address)
        np.testing.assert_array_equal(taught, routes.read_logits(address))
        view = routes._discriminator_view(address)
        np.testing.assert_array_equal(taught, class_head(view, last_domain(address)))
    assert len(slopes(routes, lambda r: r.read_logits(Edit((NOISE, SOURCE), ANY)), "generator")) > 0


class Still(Always):
    """Draws that move nothing, and of values the second one."""

    def normal(self, shape):
        return tf.zeros(shape)

    def integers(self, shape, low, high):
        return tf.fill(shape, tf.constant(1, tf.int32))

    def categories(self, probabilities):
        return tf.argmax(probabilities, -1, tf.int32)


@pytest.mark.parametrize("domain", DOMAINS)
def test_what_is_drawn_judged_and_read_together_is_what_it_is_alone(model, domain):
    (group,) = (g for g in model.recipe.phases[0].together if last_domain(g[0]) == domain)
    assert len(group) == 3
    alone = replace(model.recipe.phases[0], together=())
    found = []
    for phase in (None, alone):
        routes = Routes(model, IMAGES, LABELS, Still(0.5), training=False, phase=phase)
        edits = group[1:]
        found.append(
            [routes.image(edit) for edit in edits]
            + [routes.realness(address) for address in group]
            + [routes.read_logits(edit) for edit in edits]
        )
    for together, apart in zip(*found, strict=True):
        np.testing.assert_allclose(together, apart, rtol=1e-4, atol=1e-5)


def test_rows_are_the_part_that_an_edit_is_made_on(routes):
    batch = tf.range(5)
    for rows, expected in {(0.0, 0.5): [0, 1], (0.5, 1.0): [2, 3, 4], (0.0, 1.0): range(5)}.items():
        part = routes.rows(batch, Edit((SOURCE, SOURCE), OWN, rows))
        np.testing.assert_array_equal(part, list(expected))
