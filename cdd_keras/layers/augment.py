"""Random changes of an image that leave its attribute readable; images are float32 in [-1, 1]."""

import tensorflow as tf

# Mean distance of an image's channels from its grey, beyond which it is tinted in full.
FULL_COLOUR = 0.05


def move(images, draws, *, shift, scale=0.0, rotation=0.0, flip=False):
    """Shifts, scales, turns and mirrors each image by amounts of its own, in one resampling.

    Args:
        images: float32 (batch, height, width, channels).
        draws: `Draws`.
        shift: largest shift, in pixels.
        scale: largest relative change of size, 0.08 for 8 %.
        rotation: largest angle, in radians.
        flip: whether half of the images are mirrored left to right.

    Returns:
        float32, same shape; what lies outside is filled by reflection.
    """
    count = tf.shape(images)[0]
    size = images.shape[1]
    centre = (size - 1) / 2.0
    factor = 1.0 + draws.uniform((count,), -scale, scale)
    angle = draws.uniform((count,), -rotation, rotation)
    if flip:
        mirror = tf.where(draws.uniform((count,), 0.0, 1.0) < 0.5, -1.0, 1.0)
    else:
        mirror = tf.ones((count,))
    # Whole pixels where nothing is turned or scaled: the resampling is then exact.
    offsets = draws.uniform((2, count), -shift, shift, axis=1)
    offset_x, offset_y = tf.unstack(tf.round(offsets) if not (scale or rotation) else offsets)
    cosine, sine = tf.cos(angle) * factor, tf.sin(angle) * factor
    zeros = tf.zeros((count,))
    transforms = tf.stack(
        [
            cosine * mirror,
            -sine,
            centre - centre * (cosine * mirror - sine) + offset_x,
            sine * mirror,
            cosine,
            centre - centre * (sine * mirror + cosine) + offset_y,
            zeros,
            zeros,
        ],
        axis=1,
    )
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=[size, images.shape[2]],
        fill_value=0.0,
        interpolation="BILINEAR" if scale or rotation else "NEAREST",
        fill_mode="REFLECT",
    )


def jitter_colour(images, draws):
    """Changes brightness, tint (per channel) and contrast of each image.

    DiffAugment (Zhao et al., NeurIPS 2020): shown to the discriminator real and generated
    alike, so that few images go further and no fixed tint pays. The tint shrinks with an image's
    own colour: a tinted sketch would teach that sketches may have colour.
    """
    count = tf.shape(images)[0]
    images += draws.uniform((count, 1, 1, 1), -0.2, 0.2)
    grey = tf.reduce_mean(images, -1, keepdims=True)
    colour = tf.reduce_mean(tf.abs(images - grey), [1, 2, 3], keepdims=True)
    tint = draws.uniform((count, 1, 1, images.shape[-1]), -0.15, 0.15)
    images += tf.minimum(1.0, colour / FULL_COLOUR) * tint
    mean = tf.reduce_mean(images, [1, 2, 3], keepdims=True)
    return (images - mean) * draws.uniform((count, 1, 1, 1), 0.8, 1.2) + mean


def jitter_contrast(images, draws):
    """Scales each image by 0.8 to 1.2 and adds noise of a strength of its own, up to 0.2."""
    shape = tf.shape(images)
    count = shape[0]
    noise = draws.normal(shape) * draws.uniform((count, 1, 1, 1), 0.0, 0.2)
    contrast = draws.uniform((count, 1, 1, 1), 0.8, 1.2)
    return images * tf.cast(contrast, images.dtype) + tf.cast(noise, images.dtype)


def to_grey(images):
    """Mean of the channels: (batch, h, w, c) -> (batch, h, w, 1)."""
    return tf.reduce_mean(images, -1, keepdims=True)


def contrast_normalised_grey(images):
    """Grey level of each image with mean 0 and about unit variance: (batch, h, w, c) -> (.., 1).

    What two domains differ in most, colour and contrast, is gone before the classifier sees it.
    """
    grey = to_grey(images)
    mean, variance = tf.nn.moments(grey, [1, 2], keepdims=True)
    return (grey - mean) * tf.math.rsqrt(variance + 1e-2)
