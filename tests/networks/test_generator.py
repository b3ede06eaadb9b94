import numpy as np
import pytest
import tensorflow as tf
from tiny import BATCH, config

from cdd_keras.domains import DOMAINS, SOURCE, TARGET
from cdd_keras.layers.blocks import to_image
from cdd_keras.layers.random import Draws
from cdd_keras.networks import CodeGenerator, EditGenerator, code_shape

CODES = Draws(0).normal((BATCH, *code_shape(config())))
ZEROS, ONES = tf.zeros(BATCH, tf.int32), tf.ones(BATCH, tf.int32)


def build(kind, classes=2, **settings):
    generator = kind(config(**settings), classes)
    generator.build()
    return generator


@pytest.fixture(scope="module")
def editor():
    return build(EditGenerator, classes=3)


def draw(generator, codes, values, domain):
    features = generator.features(codes)
    return to_image(generator.base(features, domain)), generator.edit(features, values, domain)


@pytest.mark.parametrize("kind", [EditGenerator, CodeGenerator])
@pytest.mark.parametrize("shape", ["spatial", "flat"])
def test_images_have_size_and_range(kind, shape):
    settings = {"code_shape": shape, "image_size": 20}
    generator = build(kind, **settings)
    codes = 100 * tf.ones((2, *code_shape(config(**settings))))
    for domain in DOMAINS:
        for image in draw(generator, codes, tf.constant([0, 1]), domain):
            assert image.shape == (2, 20, 20, 3)
            assert image.dtype == tf.float32
            assert np.all(np.abs(image) <= 1)


def test_an_edit_starts_as_nearly_nothing(editor):
    base, edited = draw(editor, CODES, ONES, SOURCE)
    assert 0 < np.mean(np.abs(edited - base)) < 0.01


def test_an_edit_trains_the_head_and_the_features_only_through_the_change(editor):
    def slopes(change):
        features = editor.features(CODES)
        with pytest.MonkeyPatch.context() as patch, tf.GradientTape() as tape:
            patch.setattr(editor, "change", change)
            tape.watch(features)
            image = editor.edit(features, ONES, TARGET)
        kernel = editor.head.heads[TARGET].layers[0].kernel.value
        return tape.gradient(image, [features, kernel], unconnected_gradients="zero")

    none = slopes(lambda features, domain: tf.zeros_like(features))
    assert [np.abs(slope).max() > 0 for slope in none] == [False, True]
    assert [np.abs(slope).max() > 0 for slope in slopes(editor.change)] == [True, True]


def test_a_base_never_depends_on_the_value(editor):
    # Whatever the parts that see values hold, the base stays as it was.
    before = editor.base(editor.features(CODES), SOURCE)
    seeing = [*editor.modulation.variables, *editor.change.variables]
    for variable in seeing:
        variable.assign_add(tf.ones_like(variable.value))
    np.testing.assert_array_equal(editor.base(editor.features(CODES), SOURCE), before)
    for variable in seeing:
        variable.assign_add(-tf.ones_like(variable.value))


def test_an_edit_depends_on_its_own_value(editor):
    first = draw(editor, CODES, tf.constant([0, 0, 0, 0]), SOURCE)[1]
    second = draw(editor, CODES, tf.constant([0, 2, 0, 0]), SOURCE)[1]
    changed = np.abs(first - second).max((1, 2, 3))
    np.testing.assert_array_equal(changed > 1e-6, [False, True, False, False])


def test_a_null_change_gives_the_base_back():
    editor = build(EditGenerator)
    for domain in DOMAINS:
        for variable in editor.change.heads[domain].layers[-1].variables:
            variable.assign(tf.zeros_like(variable.value))
        base, edited = draw(editor, CODES, ONES, domain)
        np.testing.assert_array_equal(edited, base)


def test_each_change_is_as_strong_as_is_asked(editor):
    features = editor.features(CODES)
    one, trained_for = (
        editor.edit(features, ONES, TARGET, strengths) for strengths in (tf.ones(BATCH), None)
    )
    np.testing.assert_array_equal(one, trained_for)
    # Nearly linear, as changes are small at the start.
    mixed = editor.edit(features, ONES, TARGET, tf.constant([0.0, 1.0, 2.0, 0.0]))
    base = to_image(editor.base(features, TARGET))
    np.testing.assert_array_equal(mixed[::3], base[::3])
    np.testing.assert_array_equal(mixed[1], one[1])
    change = np.abs(one - base)[2].mean()
    np.testing.assert_allclose(np.abs(mixed - base)[2].mean(), 2 * change, rtol=0.1)


def test_values_share_trunk_and_base_head_but_not_their_modulation(editor):
    assert editor.modulation.shift.embeddings.shape == (3, 16)
    assert editor.head.heads[SOURCE] is not editor.head.heads[TARGET]
    assert editor.change.heads[SOURCE] is not editor.change.heads[TARGET]


def test_the_papers_generator_is_fed_the_value():
    generator = build(CodeGenerator, classes=3)
    base, first = draw(generator, CODES, ZEROS, SOURCE)
    second = draw(generator, CODES, ONES, SOURCE)[1]
    assert np.abs(first - second).max() > 1e-3
    assert np.abs(first - base).max() > 1e-3
    assert generator.features(CODES) is CODES


def test_the_papers_generator_draws_no_value_as_a_zero_vector():
    generator = build(CodeGenerator)
    depth = code_shape(config())[-1]
    kernel = generator.network.trunk.layers[0].kernel
    kernel.assign(tf.concat([kernel[:, :, :depth], tf.zeros_like(kernel[:, :, depth:])], 2))
    base, edited = draw(generator, CODES, ONES, TARGET)
    np.testing.assert_array_equal(base, edited)


def test_without_values_there_is_a_base_alone():
    generator = CodeGenerator(config(), 0, (7,), (TARGET,))
    generator.build()
    codes = Draws(0).normal((BATCH, 7))
    image = to_image(generator.base(generator.features(codes), TARGET))
    assert image.shape == (BATCH, 16, 16, 3)
    assert np.std(image, 0).max() > 0
    assert generator.draws_base
    assert not build(CodeGenerator).draws_base
    assert set(generator.network.heads) == {TARGET}
