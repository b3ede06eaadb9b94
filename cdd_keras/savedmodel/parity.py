"""Whether a SavedModel gives what its run gives: part of every export."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from cdd_keras.errors import CddError
from cdd_keras.savedmodel.examples import example_inputs

# Probabilities, and levels of 255, by which the two may differ.
SCORES, LEVELS = 1e-4, 1


def check_parity(run, endpoints, folder: Path) -> None:
    """Calls every signature of the SavedModel in `folder`, and Python, with the same requests.

    Raises:
        CddError: the answers differ, in number or beyond `SCORES` and `LEVELS`.
    """
    # Its variables live as long as the model does, not as its signatures do.
    model = tf.saved_model.load(str(folder))
    for name, endpoint in endpoints.items():
        inputs = {key: tf.constant(rows) for key, rows in example_inputs(run, endpoint).items()}
        expected = endpoint.function(*inputs.values())
        found = model.signatures[name](**inputs)
        for output, value in expected.items():
            _compare(f"`{output}` of signature `{name}`", value.numpy(), found[output].numpy())


def _compare(what, expected, found):
    as_images = expected.dtype == np.uint8
    if expected.dtype == object and expected.ndim == 1:
        expected, found, as_images = _pixels(expected), _pixels(found), True
    if expected.shape != found.shape:
        raise _differing(f"{what} is {found.shape}, not {expected.shape}")
    if expected.dtype == object:
        if (expected != found).any():
            raise _differing(f"{what} holds other names")
        return
    apart = float(np.abs(expected.astype("float64") - found.astype("float64")).max())
    limit = LEVELS if as_images else SCORES
    # Not `apart > limit`, which NaN would pass.
    if not apart <= limit:
        raise _differing(f"{what} by up to {apart:g}, where {limit:g} is the limit")


def _differing(how) -> CddError:
    return CddError(f"The export differs from the run: {how}. Nothing was published.")


def _pixels(pngs):
    return np.stack([tf.io.decode_png(png).numpy() for png in pngs])
