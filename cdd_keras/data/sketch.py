"""Pencil sketches simulated from photos."""

import math
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

_BLOCK = 512


def gaussian_blur(images: tf.Tensor, sigma: float) -> tf.Tensor:
    """Blurs float (n, height, width, 1) by a Gaussian of `sigma` pixels, edges mirrored."""
    radius = min(math.ceil(3 * sigma), min(images.shape[1:3]))
    offsets = tf.range(-radius, radius + 1, dtype=tf.float32)
    weights = tf.nn.softmax(-0.5 * tf.square(offsets / sigma))
    reach = (radius, radius)
    padded = tf.pad(images, ((0, 0), reach, reach, (0, 0)), "SYMMETRIC")
    rows = tf.nn.conv2d(padded, tf.reshape(weights, (-1, 1, 1, 1)), 1, "VALID")
    return tf.nn.conv2d(rows, tf.reshape(weights, (1, -1, 1, 1)), 1, "VALID")


def simulate_sketch(photos, shade: float = 0.0) -> tf.Tensor:
    """Draws photos in pencil: grey, inverted, blurred, colour-dodged.

    The dodge divides the grey image by its own blur (sigma = a sixteenth of the side):
    even areas turn white, what is darker than its surroundings stays as a stroke.

    Args:
        photos: uint8 in [0, 255], (n, size, size, 3).
        shade: 0 gives pure lines, 1 the grey image, between them a shaded drawing.

    Returns:
        uint8 (n, size, size, 3), the three channels alike.
    """
    grey = tf.image.rgb_to_grayscale(tf.cast(photos, tf.float32))
    inverted_blur = gaussian_blur(255.0 - grey, grey.shape[2] / 16)
    lines = tf.minimum(255.0, 255.0 * grey / tf.maximum(1.0, 255.0 - inverted_blur))
    drawn = (1.0 - shade) * lines + shade * grey
    return tf.repeat(tf.saturate_cast(tf.round(drawn), tf.uint8), 3, axis=-1)


def sketch_blocks(photos: np.ndarray, shade: float) -> Iterable[np.ndarray]:
    """`simulate_sketch` over more photos than fit in memory, a block at a time."""
    for start in range(0, len(photos), _BLOCK):
        yield simulate_sketch(photos[start : start + _BLOCK], shade).numpy()
