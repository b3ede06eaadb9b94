"""The one way from a picture of any size to what the networks see."""

from functools import cached_property

import numpy as np
import tensorflow as tf

from cdd_keras.errors import UsageError


class Preprocessing:
    """Crops a square, resizes it and pads it: a TensorFlow graph.

    Used alike for training data, commands and the exported model.

    Args:
        image_size: pixels of a side; a multiple of 4 from 16 to 256.
        crop: side of the square as a fraction of the shorter side, in (0, 1].
        crop_y: where the square lies, 0 (top) to 1 (bottom); it is centred horizontally.
        pad: black pixels added on each side, within `image_size`.

    Raises:
        UsageError: an argument is out of its range.
    """

    def __init__(self, image_size: int, crop: float = 1.0, crop_y: float = 0.5, pad: int = 0):
        if image_size % 4 or not 16 <= image_size <= 256:
            raise UsageError(
                f"`image_size` must be a multiple of 4 from 16 to 256, got {image_size}."
            )
        if not 0 < crop <= 1:
            raise UsageError(f"`crop` must be above 0 and at most 1, got {crop}.")
        if not 0 <= crop_y <= 1:
            raise UsageError(f"`crop_y` must be from 0 (top) to 1 (bottom), got {crop_y}.")
        self.image_size, self.crop, self.crop_y, self.pad = image_size, crop, crop_y, pad

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """uint8 (height, width, 3), any size -> uint8 (image_size, image_size, 3).

        Images of one size may come together: (n, height, width, 3).
        """
        shape = tf.shape(images)
        height, width = shape[-3], shape[-2]
        shorter = tf.cast(tf.minimum(height, width), tf.float32)
        side = tf.maximum(tf.cast(shorter * self.crop, tf.int32), 1)
        top = tf.cast(tf.cast(height - side, tf.float32) * self.crop_y, tf.int32)
        left = (width - side) // 2
        square = images[..., top : top + side, left : left + side, :]
        inner = self.image_size - 2 * self.pad
        # Antialiased Lanczos keeps thin strokes (frames of glasses) that averaging loses,
        # and leaves an image of the right size as it is.
        resized = _to_bytes(tf.image.resize(square, (inner, inner), "lanczos3", antialias=True))
        border = [(0, 0)] * (len(images.shape) - 3) + [(self.pad,) * 2] * 2 + [(0, 0)]
        padded = tf.pad(resized, border)
        return tf.ensure_shape(padded, (*images.shape[:-3], *(self.image_size,) * 2, 3))

    @cached_property
    def _graph(self):
        return tf.function(self, input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)])

    def apply(self, images: np.ndarray) -> np.ndarray:
        """The same for NumPy images of one size, (n, height, width, 3); thread-safe."""
        return self._graph(images).numpy()

    def get_config(self) -> dict:
        return {
            "image_size": self.image_size,
            "crop": self.crop,
            "crop_y": self.crop_y,
            "pad": self.pad,
        }

    @classmethod
    def from_config(cls, config: dict) -> "Preprocessing":
        return cls(**config)


def _to_bytes(images: tf.Tensor) -> tf.Tensor:
    return tf.saturate_cast(tf.round(images), tf.uint8)


def to_float(images) -> tf.Tensor:
    """uint8 in [0, 255] -> float32 in [-1, 1], any shape."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def to_uint8(images) -> tf.Tensor:
    """float in [-1, 1] (beyond is clipped) -> uint8 in [0, 255], any shape."""
    return _to_bytes((tf.cast(images, tf.float32) + 1.0) * 127.5)


# Aligned CelebA faces fill the middle of their picture: crop, crop_y.
_CELEBA_CROP = (0.85, 0.55)
_WHOLE = (1.0, 0.5)


def preprocessing_for(config) -> Preprocessing:
    """The preprocessing of a configuration; what it leaves open depends on the data."""
    celeba = config.data == "celeba" or "celeb_a" in (config.tfds_name or "")
    crop, crop_y = _CELEBA_CROP if celeba else _WHOLE
    # Digits of 28 pixels keep their strokes: 32 pixels are reached by a black border.
    pad = 2 if config.data == "digits" and config.image_size == 32 else 0
    return Preprocessing(
        config.image_size,
        crop if config.crop is None else config.crop,
        crop_y if config.crop_y is None else config.crop_y,
        pad,
    )
