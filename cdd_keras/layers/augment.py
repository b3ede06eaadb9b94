"""Random changes of an image that leave its attribute readable; images are float32 in [-1, 1]."""

import tensorflow as tf

# Mean distance of an image's channels from its grey, beyond which it is tinted in full.
FULL_COLOUR = 0.05


def move(images, draws, *, shift, scale, rotation, shear=0.0, flip=False):
    """Shifts, scales, turns, slants, mirrors each image by amounts of its own, in one resampling.

    Args:
        images: float32 (batch, height, width, channels).
        draws: `Draws`.
        shift: largest shift, in pixels.
        scale: largest relative change of size, 0.08 for 8 %.
        rotation: largest angle, in radians.
        shear: largest slant, in pixels sideways for each pixel down.
        flip: whether half of the images are mirrored left to right.

    Returns:
        float32, same shape; what lies outside is filled by reflection.
    """
    count = tf.shape(images)[0]
    size = images.shape[1]
    centre = (size - 1) / 2.0
    factor = 1.0 + draws.uniform((count,), -scale, scale)
    angle = draws.uniform((count,), -rotation, rotation)
    mirror = tf.where(_mirrored(count, draws, flip), -1.0, 1.0)
    offset_x, offset_y = tf.unstack(draws.uniform((2, count), -shift, shift, axis=1))
    cosine, sine = tf.cos(angle) * factor, tf.sin(angle) * factor
    # From where in the image each pixel comes: x and y of it by x and y of the pixel.
    x_x, x_y, y_x, y_y = cosine * mirror, -sine, sine * mirror, cosine
    if shear:
        slant = draws.uniform((count,), -shear, shear)
        x_y, y_y = x_y + slant * x_x, y_y + slant * y_x
    start_x = centre - centre * (x_x + x_y) + offset_x
    start_y = centre - centre * (y_x + y_y) + offset_y
    zeros = tf.zeros((count,))
    transforms = tf.stack([x_x, x_y, start_x, y_x, y_y, start_y, zeros, zeros], axis=1)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=[size, images.shape[2]],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )


def shift(images, draws, *, most, flip=False):
    """Shifts each image by whole pixels of its own, and mirrors half of them: `move` without loss.

    Args:
        images: float32 (batch, size, size, channels).
        draws: `Draws`.
        most: largest shift, in pixels, at most the size.
        flip: whether half of the images are mirrored left to right.

    Returns:
        float32, same shape; what lies outside is filled by reflection. Its gradient is exact, that
        of `move` is the gradient moved back.
    """
    count = tf.shape(images)[0]
    mirrored = _mirrored(count, draws, flip)
    offsets = tf.round(draws.uniform((2, count), -most, most, axis=1))
    x, y = tf.unstack(tf.cast(offsets, tf.int32))
    return _shift(images, x, y, mirrored, most)


def _shift(images, x, y, mirrored, most):
    """`shift` by x to the left and y up, int32 (batch,), after mirroring where bool (batch,)."""
    last = images.shape[1] - 1
    mirrored = mirrored[:, None]
    # Two gathers take a third of what ImageProjectiveTransformV3 does.
    margins = [[0, 0], [most, most], [most, most], [0, 0]]

    def gather(images, rows, columns):
        return tf.gather(
            tf.gather(images, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1
        )

    @tf.custom_gradient
    def shifted(images):
        places = tf.range(last + 1)[None]
        rows = places + y[:, None]
        columns = tf.where(mirrored, last - places, places) + x[:, None]
        outputs = gather(images, _reflect(rows, last), _reflect(columns, last))

        def slope(upstream):
            # Onto the image with margins first, which the reflection then folds in.
            places = tf.range(-most, last + 1 + most)[None]
            rows, columns = places - y[:, None], places - x[:, None]
            columns = tf.where(mirrored, last - columns, columns)
            padded = tf.pad(upstream, [[2 * side for side in pair] for pair in margins])
            padded = gather(padded, rows + 2 * most, columns + 2 * most)
            return tf.raw_ops.MirrorPadGrad(input=padded, paddings=margins, mode="SYMMETRIC")

        return outputs, slope

    return shifted(images)


def _reflect(places, last):
    """Places within 0 .. last for those up to as far outside: -1 is 0, last + 1 is last."""
    places = tf.where(places < 0, -1 - places, places)
    return tf.where(places > last, 2 * last + 1 - places, places)


def _mirrored(count, draws, flip):
    """Which images are mirrored: bool (batch,)."""
    if flip:
        return draws.uniform((count,), 0.0, 1.0) < 0.5
    return tf.zeros((count,), tf.bool)


def jitter_colour(images, draws):
    """Changes brightness, tint (per channel) and contrast of each image.

    DiffAugment (Zhao et al., NeurIPS 2020): shown to the discriminator real and generated
    alike, so that few images go further and no fixed tint pays. The tint shrinks with an image's
    own colour: a tinted sketch would teach that sketches may have colour.
    """
    count = tf.shape(images)[0]
    brightness = draws.uniform((count, 1), -0.2, 0.2)
    tint = draws.uniform((count, images.shape[-1]), -0.15, 0.15)
    contrast = draws.uniform((count, 1), 0.8, 1.2)
    return _shaded(images, brightness, tint, contrast)


def _shaded(images, brightness, tint, contrast):
    """`jitter_colour` by brightness and contrast, each (batch, 1), and tint (batch, channels).

    One affine map an image and channel, and a gradient by hand: each pass over the pixels costs as
    much as the next, and TensorFlow derives twice as many.
    """
    pixels, channels = images.shape[1] * images.shape[2], images.shape[-1]
    from_grey = tf.eye(channels) - 1.0 / channels

    def flat(images):
        return tf.reshape(images, (-1, pixels * channels))

    @tf.custom_gradient
    def shaded(images):
        colours = tf.reshape(images - to_grey(images), (-1, channels))
        colour = tf.reduce_mean(tf.abs(flat(colours)), 1, keepdims=True)
        shade = brightness + tf.minimum(1.0, colour / FULL_COLOUR) * tint
        mean = tf.reduce_mean(flat(images), 1, keepdims=True)
        mean += tf.reduce_mean(shade, 1, keepdims=True)
        offset = contrast * shade + (1.0 - contrast) * mean
        scaled = tf.reshape(flat(images) * contrast, (-1, pixels, channels))

        def slope(upstream):
            # What moves an image's offset moves all of its pixels.
            slopes = tf.reduce_sum(tf.reshape(upstream, (-1, pixels, channels)), 1)
            by_mean = (1.0 - contrast) * tf.reduce_sum(slopes, 1, keepdims=True)
            along_tint = tint * (contrast * slopes + by_mean / channels)
            by_colour = tf.reduce_sum(along_tint, 1, keepdims=True) / FULL_COLOUR
            by_colour = tf.where(colour < FULL_COLOUR, by_colour, 0.0)
            signs = flat(tf.sign(colours) @ from_grey)
            shared = (by_colour * signs + by_mean) / (pixels * channels)
            return tf.reshape(flat(upstream) * contrast + shared, tf.shape(images))

        return tf.reshape(scaled + offset[:, None], tf.shape(images)), slope

    return shaded(images)


def jitter_contrast(images, draws):
    """Scales each image by 0.8 to 1.2 and adds noise of a strength of its own, up to 0.2."""
    shape = tf.shape(images)
    count = shape[0]
    noise = draws.normal(shape) * draws.uniform((count, 1, 1, 1), 0.0, 0.2)
    contrast = draws.uniform((count, 1, 1, 1), 0.8, 1.2)
    return images * tf.cast(contrast, images.dtype) + tf.cast(noise, images.dtype)


def to_grey(images):
    """Mean of the channels: (batch, h, w, c) -> (batch, h, w, 1)."""
    channels = images.shape[-1]
    if channels == 1:
        return images
    # A product with a matrix, whose gradient takes half of a mean's.
    mean = tf.fill((channels, 1), tf.cast(1.0 / channels, images.dtype))
    grey = tf.matmul(tf.reshape(images, (-1, channels)), mean)
    return tf.reshape(grey, (-1, *images.shape[1:3], 1))


def contrast_normalised_grey(images):
    """Grey level of each image with mean 0 and about unit variance: (batch, h, w, c) -> (.., 1).

    What two domains differ in most, colour and contrast, is gone before the classifier sees it.
    """
    grey = to_grey(images)
    mean, variance = tf.nn.moments(grey, [1, 2], keepdims=True)
    return (grey - mean) * tf.math.rsqrt(variance + 1e-2)
