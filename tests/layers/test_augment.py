import numpy as np
import pytest
import tensorflow as tf
from tiny import Always, floats

from cdd_keras.layers.augment import (
    contrast_normalised_grey,
    jitter_colour,
    jitter_contrast,
    move,
    shift,
    to_grey,
)
from cdd_keras.layers.random import Draws

IMAGES = tf.constant(np.random.default_rng(0).uniform(-1, 1, (6, 16, 16, 3)).astype("float32"))


def shifted_back(image, original):
    """The whole-pixel shift that makes the image of the original, or None."""
    for y in range(-3, 4):
        for x in range(-3, 4):
            inner = np.roll(original, (y, x), (0, 1))[3:-3, 3:-3]
            if np.array_equal(image[3:-3, 3:-3], inner):
                return x, y
    return None


def test_no_amounts_are_the_identity():
    np.testing.assert_array_equal(shift(IMAGES, Draws(0), most=0), IMAGES)
    np.testing.assert_array_equal(move(IMAGES, Draws(0), shift=0, scale=0, rotation=0), IMAGES)


def test_resampling_without_movement_is_the_identity():
    still = Always(0.5)
    moved = move(IMAGES, still, shift=2, scale=0.1, rotation=0.2)
    np.testing.assert_allclose(moved, IMAGES, atol=1e-5)


def test_shifts_are_whole_pixels_and_exact():
    moved = shift(IMAGES, Draws(1), most=3).numpy()
    shifts = [shifted_back(*pair) for pair in zip(moved, IMAGES.numpy(), strict=True)]
    assert None not in shifts
    assert len(set(shifts)) > 1


def test_shift_is_in_pixels_and_the_edge_is_reflected():
    moved = shift(IMAGES, Always(1.0), most=2).numpy()
    np.testing.assert_array_equal(moved[:, :-2, :-2], IMAGES[:, 2:, 2:])
    np.testing.assert_array_equal(moved[:, :-2, -2:], IMAGES[:, 2:, :-3:-1])
    moved = shift(IMAGES, Always(0.0), most=2).numpy()
    np.testing.assert_array_equal(moved[:, 2:, 2:], IMAGES[:, :-2, :-2])
    np.testing.assert_array_equal(moved[:, 2:, :2], IMAGES[:, :-2, 1::-1])


@pytest.mark.parametrize("flip", [False, True])
def test_shifting_is_moving_by_whole_pixels(flip):
    class Whole(Draws):
        def uniform(self, shape, low, high, axis=0):
            drawn = super().uniform(shape, low, high, axis)
            return drawn if low == 0.0 else tf.round(drawn)

    moved = move(IMAGES, Whole(5), shift=3, scale=0.0, rotation=0.0, flip=flip)

    class Without(Whole):
        """`shift` draws neither scale nor angle."""

        def __init__(self):
            super().__init__(5)
            self._count = 2

    np.testing.assert_allclose(
        shift(IMAGES, Without(), most=3, flip=flip), moved, rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("flip", [False, True])
def test_the_gradient_of_a_shift_is_exact(flip):
    weights = tf.constant(np.random.default_rng(1).normal(size=IMAGES.shape).astype("float32"))
    with tf.GradientTape() as tape:
        tape.watch(IMAGES)
        total = tf.reduce_sum(weights * shift(IMAGES, Draws(3), most=3, flip=flip))
    slope = tape.gradient(total, IMAGES)
    other = tf.constant(np.random.default_rng(2).normal(size=IMAGES.shape).astype("float32"))
    # A shift is linear, so its gradient is its transpose.
    expected = tf.reduce_sum(weights * shift(other, Draws(3), most=3, flip=flip))
    np.testing.assert_allclose(tf.reduce_sum(slope * other), expected, rtol=1e-4)


def test_mirroring_is_exact_and_takes_half_of_the_images():
    images = tf.tile(IMAGES[:1], (200, 1, 1, 1))
    moved = shift(images, Draws(0), most=0, flip=True).numpy()
    mirrored = np.all(moved == IMAGES[:1, :, ::-1], axis=(1, 2, 3))
    kept = np.all(moved == IMAGES[:1], axis=(1, 2, 3))
    assert np.all(mirrored | kept)
    assert 70 < mirrored.sum() < 130


def test_a_mirrored_image_can_be_turned_and_scaled():
    moved = move(IMAGES, Always(0.0), shift=0, scale=0.0, rotation=np.pi, flip=True)
    # Mirrored left to right and turned by half a circle: upside down.
    np.testing.assert_allclose(moved, IMAGES[:, ::-1], atol=1e-4)


def test_slanting_moves_rows_sideways_by_their_distance_from_the_centre():
    ramp = tf.tile(tf.linspace(-1.0, 1.0, 17)[None, None, :, None], (1, 17, 1, 3))
    moved = move(ramp, Always(1.0), shift=0, scale=0.0, rotation=0.0, shear=0.25).numpy()
    # A row four below the centre shows what is one pixel (an eighth) to the right.
    np.testing.assert_allclose(moved[0, 8], ramp[0, 8], atol=1e-5)
    np.testing.assert_allclose(moved[0, 12, 3:-3], ramp[0, 12, 3:-3] + 0.125, atol=1e-5)
    np.testing.assert_allclose(moved[0, 4, 3:-3], ramp[0, 4, 3:-3] - 0.125, atol=1e-5)


def test_scaling_is_about_the_centre():
    ramp = tf.tile(tf.linspace(-1.0, 1.0, 16)[None, None, :, None], (1, 16, 1, 3))
    moved = move(ramp, Always(0.0), shift=0, scale=0.5, rotation=0.0)
    np.testing.assert_allclose(moved, 0.5 * ramp, atol=1e-5)


def test_images_move_each_by_its_own_and_alike_for_the_same_draws():
    view = {"shift": 2, "scale": 0.1, "rotation": 0.2, "flip": True}
    moved = move(tf.tile(IMAGES[:1], (4, 1, 1, 1)), Draws(0, 1), **view)
    assert not np.array_equal(moved[0], moved[1])
    again = move(tf.tile(IMAGES[:1], (4, 1, 1, 1)), Draws(0, 1), **view)
    np.testing.assert_array_equal(moved, again)


def test_gradients_reach_the_images():
    with tf.GradientTape() as tape:
        tape.watch(IMAGES)
        moved = move(IMAGES, Draws(0), shift=2, scale=0.1, rotation=0.2, flip=True)
    assert np.mean(tape.gradient(moved, IMAGES) != 0) > 0.8


def test_colour_jitter_of_middle_draws_is_the_identity():
    np.testing.assert_allclose(jitter_colour(IMAGES, Always(0.5)), IMAGES, atol=1e-6)


def test_colour_jitter_is_affine_in_each_channel():
    jittered = jitter_colour(IMAGES, Draws(0)).numpy()
    factors = jittered.std((1, 2)) / IMAGES.numpy().std((1, 2))
    np.testing.assert_allclose(factors, factors[:, :1].repeat(3, 1), rtol=1e-4)
    assert 0.8 <= factors.min() < factors.max() <= 1.2
    offsets = (jittered - factors[:, None, None] * IMAGES.numpy()).mean((1, 2))
    assert not np.allclose(offsets, offsets[:, :1], atol=0.01)


def test_slopes_of_colour_jitter_are_those_of_its_formula():
    # Colourful ones, and some too grey for the full tint.
    grey = tf.reduce_mean(IMAGES, -1, keepdims=True)
    images = tf.concat([IMAGES[:3], grey[3:] + 0.05 * (IMAGES[3:] - grey[3:])], 0)
    draws, upstream = Draws(0), Draws(1).normal(images.shape)
    brightness = draws.uniform((6, 1), -0.2, 0.2)[..., None, None]
    tint = draws.uniform((6, 3), -0.15, 0.15)[:, None, None]
    contrast = draws.uniform((6, 1), 0.8, 1.2)[..., None, None]
    found = []
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(images)
        bright = images + brightness
        distance = tf.abs(bright - tf.reduce_mean(bright, -1, keepdims=True))
        colour = tf.reduce_mean(distance, [1, 2, 3], keepdims=True)
        tinted = bright + tf.minimum(1.0, colour / 0.05) * tint
        mean = tf.reduce_mean(tinted, [1, 2, 3], keepdims=True)
        for jittered in ((tinted - mean) * contrast + mean, jitter_colour(images, Draws(0))):
            found.append([jittered, tape.gradient(jittered, images, output_gradients=upstream)])
    assert (colour[:3] > 0.05).numpy().all()
    assert (colour[3:] < 0.05).numpy().all()
    for expected, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_a_grey_image_stays_grey_and_a_dot_of_colour_earns_it_little_tint():
    grey = np.repeat(IMAGES.numpy()[..., :1], 3, -1)
    jittered = jitter_colour(tf.constant(grey), Draws(0)).numpy()
    np.testing.assert_allclose(jittered, jittered[..., :1].repeat(3, -1), atol=1e-6)
    grey[:, 5, 5, 0] += 1.0
    jittered = jitter_colour(tf.constant(grey), Draws(0)).numpy()
    others = np.delete(jittered.reshape(6, -1, 3), 5 * 16 + 5, axis=1)
    assert np.ptp(others, axis=-1).max() < 0.02


def test_grey_is_the_mean_of_the_channels_and_known_in_size_whatever_the_batch():
    grey = tf.function(to_grey, input_signature=[tf.TensorSpec((None, 16, 16, 3))])
    assert grey.get_concrete_function().output_shapes.as_list() == [None, 16, 16, 1]
    np.testing.assert_allclose(grey(IMAGES)[..., 0], IMAGES.numpy().mean(-1), atol=1e-6)


def test_contrast_jitter_is_bounded_in_contrast_and_noise():
    jittered = jitter_contrast(tf.zeros((50, 16, 16, 1)), Draws(0)).numpy()
    strength = jittered.std((1, 2, 3))
    assert strength.min() < 0.05
    assert 0.15 < strength.max() < 0.22


def test_contrast_jitter_keeps_half_precision():
    halves = tf.cast(IMAGES, tf.bfloat16)
    assert jitter_contrast(halves, Draws(0)).dtype == tf.bfloat16


def test_normalised_grey_forgets_brightness_and_contrast():
    normal = contrast_normalised_grey(tf.constant(floats())).numpy()
    assert normal.shape == (4, 16, 16, 1)
    np.testing.assert_allclose(normal.mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(normal.std((1, 2)), 1, atol=0.1)
    brighter = contrast_normalised_grey(tf.constant(0.5 * floats() + 0.3)).numpy()
    factors = brighter.std((1, 2, 3), keepdims=True) / normal.std((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(brighter, factors * normal, atol=1e-4)
    assert 0.8 < factors.min() < factors.max() < 1


def test_normalised_grey_of_one_colour_is_zero():
    grey = contrast_normalised_grey(tf.fill((1, 8, 8, 3), 0.7))
    np.testing.assert_allclose(grey, np.zeros((1, 8, 8, 1)), atol=1e-5)
