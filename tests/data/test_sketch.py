import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageFilter

from cdd_keras.data.sketch import gaussian_blur, simulate_sketch, sketch_blocks


@pytest.fixture
def photos(draw_image):
    return np.stack([draw_image(i, 32, 32) for i in range(4)])


def test_even_areas_turn_white():
    grey = np.full((1, 16, 16, 3), 60, np.uint8)
    assert (simulate_sketch(grey).numpy() == 255).all()


def test_dark_strokes_stay_and_light_ones_go():
    photo = np.full((1, 32, 32, 3), 160, np.uint8)
    photo[:, 10] = 40
    photo[:, 22] = 240
    lines = simulate_sketch(photo).numpy()[0, :, 16, 0]
    assert lines[10] < 100
    assert lines[22] == 255
    assert lines[0] == lines[31] == lines[16] == 255


def test_shade_goes_from_lines_to_the_grey_image(photos):
    lines, mixed, grey = (simulate_sketch(photos, s).numpy().astype(float) for s in (0, 0.25, 1))
    expected = tf.image.rgb_to_grayscale(photos.astype(np.float32)).numpy()
    assert abs(grey - expected).max() <= 0.5
    assert abs(mixed - (0.75 * lines + 0.25 * grey)).max() <= 1


def test_channels_are_alike(photos):
    sketches = simulate_sketch(photos, 0.35).numpy()
    assert sketches.shape == photos.shape
    assert sketches.dtype == np.uint8
    assert (sketches == sketches[..., :1]).all()


def test_agrees_with_pillows_recipe(photos):
    grey = Image.fromarray(photos[0]).convert("L")
    inverted = Image.fromarray(255 - np.asarray(grey)).filter(ImageFilter.GaussianBlur(2))
    dodged = np.minimum(255, np.asarray(grey) * 255.0 / np.maximum(1, 255.0 - np.asarray(inverted)))
    # Pillow approximates the Gaussian by boxes and rounds in between.
    difference = abs(simulate_sketch(photos[:1]).numpy()[0, ..., 0] - dodged)[4:-4, 4:-4]
    assert difference.mean() < 5


def test_blur_keeps_the_sum_and_has_the_spread_asked():
    point = np.zeros((1, 41, 41, 1), np.float32)
    point[0, 20, 20] = 1
    blurred = gaussian_blur(tf.constant(point), 2.0).numpy()[0, ..., 0]
    offsets = np.arange(41) - 20
    assert blurred.sum() == pytest.approx(1, abs=1e-5)
    assert (blurred.sum(1) * offsets**2).sum() == pytest.approx(4, rel=0.03)


def test_blocks_give_what_one_pass_gives(photos):
    many = np.repeat(photos, 200, axis=0)
    blocks = np.concatenate(list(sketch_blocks(many, 0.35)))
    assert (blocks == np.repeat(simulate_sketch(photos, 0.35).numpy(), 200, axis=0)).all()
