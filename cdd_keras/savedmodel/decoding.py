"""Image bytes of strangers -> what the networks see, inside the graph."""

import tensorflow as tf

# Pixels an image may have: a PNG of 62 KB can hold 64 MB of them.
MOST_PIXELS = 2**24
# Longer than every header read here, shorter than any image.
_SHORTEST = 26
_JPEG, _PNG, _GIF, _BMP = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM"


def decode_images(contents, preprocessing):
    """Decodes JPEG, PNG, GIF (first frame) and BMP, then crops and resizes.

    What an image's header claims is checked before anything is decoded. EXIF orientation and alpha
    are the client's to settle: TensorFlow ignores both.

    Args:
        contents: string (batch,), whole files.
        preprocessing: the run's `Preprocessing`.

    Returns:
        uint8 (batch, size, size, 3).

    Raises:
        tf.errors.InvalidArgumentError: one of them is no such image, damaged or too large.
    """
    size = preprocessing.image_size
    return tf.map_fn(
        lambda content: preprocessing(_decode(content)),
        contents,
        fn_output_signature=tf.TensorSpec((size, size, 3), tf.uint8),
    )


def _decode(content):
    long_enough = tf.debugging.assert_greater_equal(
        tf.strings.length(content), _SHORTEST, "The image is empty or cut off."
    )
    with tf.control_dependencies([long_enough]):
        content = tf.identity(content)
    height, width = tf.unstack(tf.ensure_shape(_claimed_shape(content), (2,)))
    checks = [
        tf.debugging.assert_positive(tf.stack([height, width]), "The image has no pixels."),
        tf.debugging.assert_less_equal(
            height * width, tf.constant(MOST_PIXELS, tf.int64), "The image has too many pixels."
        ),
    ]
    with tf.control_dependencies(checks):
        content = tf.identity(content)
    image = tf.cond(
        _starts(content, _JPEG),
        # The accurate transform is what other libraries decode with.
        lambda: tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_image(content, channels=3, expand_animations=False),
    )
    return tf.ensure_shape(image, (None, None, 3))


def _claimed_shape(content):
    """Height and width by the header: int64 (2,)."""

    def numbers(position, length, kind, little_endian):
        part = tf.strings.substr(content, position, length)
        return tf.cast(tf.io.decode_raw(part, kind, little_endian=little_endian), tf.int64)

    def unknown():
        told = tf.debugging.Assert(False, ["The image is no JPEG, PNG, GIF or BMP."])
        with tf.control_dependencies([told]):
            return tf.zeros((2,), tf.int64)

    return tf.case(
        [
            (
                _starts(content, _JPEG),
                lambda: tf.cast(tf.io.extract_jpeg_shape(content)[:2], tf.int64),
            ),
            (_starts(content, _PNG), lambda: numbers(16, 8, tf.int32, False)[::-1]),
            (_starts(content, _GIF), lambda: numbers(6, 4, tf.uint16, True)[::-1]),
            # A BMP's height is negative where its rows go downwards.
            (_starts(content, _BMP), lambda: tf.abs(numbers(18, 8, tf.int32, True)[::-1])),
        ],
        default=unknown,
        exclusive=True,
    )


def _starts(content, mark):
    return tf.strings.substr(content, 0, len(mark)) == mark
