"""Image bytes decoded in a graph: like Pillow for what is sound, refused with a reason else."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from cdd_keras.data.images import read_image
from cdd_keras.data.preprocessing import Preprocessing
from cdd_keras.savedmodel import decoding

PREPROCESSING = Preprocessing(16, crop=0.8, crop_y=0.6)
PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3), "uint8"))
PHOTO = PHOTO.resize((40, 30), Image.Resampling.BICUBIC)


@tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
def decode(contents):
    return decoding.decode_images(contents, PREPROCESSING)


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_that_claims(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", len(header))
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
    )


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("PNG", "RGB", {}),
        ("PNG", "L", {}),
        ("PNG", "P", {}),
        ("BMP", "RGB", {}),
        ("GIF", "P", {"save_all": True, "append_images": [PHOTO.rotate(180)]}),
        ("JPEG", "RGB", {"quality": 90}),
        ("JPEG", "L", {}),
    ],
)
def test_what_is_decoded_is_what_commands_read(tmp_path, kind, mode, options):
    content = saved(PHOTO.convert(mode), kind, **options)
    (tmp_path / "image").write_bytes(content)
    expected = PREPROCESSING.apply(read_image(tmp_path / "image")[None])[0]
    found = decode([content])[0].numpy().astype(int)
    assert np.abs(found - expected).max() <= 1


def test_images_of_different_sizes_come_in_one_batch():
    contents = [saved(PHOTO, "PNG"), saved(PHOTO.resize((1, 1)), "BMP")]
    assert decode(contents).shape == (2, 16, 16, 3)
    assert decode(tf.zeros((0,), tf.string)).shape == (0, 16, 16, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty or cut off"),
        (b"GIF8", "empty or cut off"),
        (b"no image at all, but long enough to be one", "no JPEG, PNG, GIF or BMP"),
        (png_that_claims(60_000, 60_000), "too many pixels"),
        (png_that_claims(0, 5), "no pixels"),
        (png_that_claims(40, 30), "PNG"),
        (saved(PHOTO, "PNG")[:200], "PNG"),
        (saved(PHOTO, "JPEG")[:30], "JPEG"),
    ],
)
def test_what_is_no_sound_image_is_refused(content, reason):
    with pytest.raises(tf.errors.InvalidArgumentError, match=reason):
        decode([saved(PHOTO, "PNG"), content])
