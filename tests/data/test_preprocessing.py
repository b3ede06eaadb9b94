from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from cdd_keras.data.preprocessing import Preprocessing, preprocessing_for, to_float, to_uint8
from cdd_keras.errors import UsageError


def test_an_image_of_the_right_size_is_left_alone(draw_image):
    image = draw_image(0, 32, 32)
    assert (Preprocessing(32)(image).numpy() == image).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 50), (300, 2), (109, 89), (16, 400)])
def test_any_size_becomes_the_size_asked(draw_image, height, width):
    prepared = Preprocessing(32, crop=0.85)(draw_image(0, height, width))
    assert prepared.shape == (32, 32, 3)
    assert prepared.dtype == tf.uint8


def test_even_images_keep_their_colour():
    image = np.full((57, 91, 3), (10, 128, 250), np.uint8)
    assert (Preprocessing(16)(image).numpy() == image[0, 0]).all()


def test_the_crop_is_a_square_of_the_shorter_side():
    # CelebA's 178 x 218: 151 pixels, 13 from the left and 36 from above.
    image = np.zeros((218, 178, 3), np.uint8)
    image[36 : 36 + 151, 13 : 13 + 151] = 255
    assert (Preprocessing(64, 0.85, 0.55)(image).numpy() == 255).all()
    image[36, 13] = 0
    assert Preprocessing(64, 0.85, 0.55)(image).numpy()[0, 0, 0] < 255


def test_padding_is_black_and_within_the_size():
    prepared = Preprocessing(32, pad=2)(np.full((28, 28, 3), 255, np.uint8)).numpy()
    assert (prepared[2:-2, 2:-2] == 255).all()
    assert prepared.sum() == 28 * 28 * 3 * 255


def test_shrinking_averages():
    checks = np.indices((64, 64)).sum(0) % 2 * 255
    prepared = Preprocessing(16)(np.repeat(checks[..., None], 3, -1).astype(np.uint8)).numpy()
    assert abs(prepared[4:-4, 4:-4].astype(float) - 127.5).max() < 3


def test_several_images_of_one_size_together(draw_image):
    images = np.stack([draw_image(i) for i in range(3)])
    preprocessing = Preprocessing(16, 0.9, 0.2, pad=1)
    one_by_one = np.stack([preprocessing(image).numpy() for image in images])
    assert (preprocessing.apply(images) == one_by_one).all()


def test_configuration_round_trip(draw_image):
    preprocessing = Preprocessing(24, 0.7, 0.1, 2)
    copy = Preprocessing.from_config(preprocessing.get_config())
    assert copy.get_config() == preprocessing.get_config()
    assert (copy(draw_image(0)).numpy() == preprocessing(draw_image(0)).numpy()).all()


@pytest.mark.parametrize("size", [0, 12, 30, 31, 260])
def test_wrong_image_size(size):
    with pytest.raises(UsageError, match=f"multiple of 4 from 16 to 256, got {size}"):
        Preprocessing(size)


@pytest.mark.parametrize("changes", [{"crop": 0.0}, {"crop": 1.1}, {"crop_y": -0.1}])
def test_wrong_crop(changes):
    with pytest.raises(UsageError, match="`crop"):
        Preprocessing(32, **changes)


def test_float_and_back():
    levels = np.arange(256, dtype=np.uint8)
    floats = to_float(levels).numpy()
    assert floats.min() == -1.0
    assert floats.max() == 1.0
    assert (to_uint8(floats).numpy() == levels).all()
    assert to_uint8([-3.0, 3.0]).numpy().tolist() == [0, 255]
    assert to_float(tf.constant(levels)).dtype == tf.float32


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"data": "synthetic"}, (1.0, 0.5, 0)),
        ({"data": "celeba"}, (0.85, 0.55, 0)),
        ({"data": "tfds", "tfds_name": "celeb_a:2.1.0"}, (0.85, 0.55, 0)),
        ({"data": "celeba", "crop": 0.5, "crop_y": 0.0}, (0.5, 0.0, 0)),
        ({"data": "digits"}, (1.0, 0.5, 2)),
        ({"data": "digits", "image_size": 28}, (1.0, 0.5, 0)),
    ],
)
def test_what_a_configuration_leaves_open_depends_on_the_data(fields, expected):
    config = {"image_size": 32, "crop": None, "crop_y": None, "tfds_name": None, **fields}
    made = preprocessing_for(SimpleNamespace(**config))
    assert (made.crop, made.crop_y, made.pad) == expected
