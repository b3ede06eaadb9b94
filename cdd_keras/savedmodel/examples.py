"""Requests made up for a SavedModel: what it is warmed up with, and compared with its run on."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image

from cdd_keras.domains import NO_VALUE
from cdd_keras.savedmodel.endpoints import EXAMPLE_FEATURE, KEEP_VALUE

ROWS = 8


def example_inputs(run, endpoint) -> dict[str, np.ndarray]:
    """{input: array of `ROWS` rows} for an `Endpoint`, of mixed values, seeds and domains.

    Pictures are noise, of the model's size where they come as numbers and of another where they
    come as files.
    """
    draw = np.random.default_rng(0)
    size = run.model.image_size
    names = [spec.name for spec in endpoint.inputs]
    # Samples come from no image whose value could be kept.
    lowest = NO_VALUE if "seed" in names else KEEP_VALUE
    pictures = [_picture(draw, size + 7, size + 3) for _ in range(ROWS)]
    rows = np.arange(ROWS)
    made = {
        "image": draw.uniform(-1, 1, (ROWS, size, size, 3)).astype("float32"),
        "image_bytes": np.array(pictures, object),
        "inputs": np.array([_example(picture) for picture in pictures], object),
        "label": (lowest + rows % (run.attribute.classes - lowest)).astype("int32"),
        "seed": rows.astype("int64"),
        "domain": (rows % 2).astype("int32"),
        "source_domain": (rows % 2).astype("int32"),
        "target_domain": (rows // 2 % 2).astype("int32"),
    }
    return {name: made[name] for name in names}


def _picture(draw, height, width) -> bytes:
    # Smooth, as photographs are: of pure noise little is left when it is resized.
    small = draw.integers(0, 256, (4, 4, 3), "uint8")
    file = io.BytesIO()
    Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(file, "PNG")
    return file.getvalue()


def _example(picture: bytes) -> bytes:
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[picture]))
    features = tf.train.Features(feature={EXAMPLE_FEATURE: feature})
    return tf.train.Example(features=features).SerializeToString()
