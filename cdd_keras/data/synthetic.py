"""The embedded data: avatar faces, drawn on this machine, the same for everyone."""

import itertools
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from cdd_keras.data import avatars
from cdd_keras.data.attributes import binary_attribute
from cdd_keras.data.cache import blocks, cached_images, fingerprint
from cdd_keras.data.layouts import SYNTHETIC_ATTRIBUTES
from cdd_keras.data.preprocessing import Preprocessing
from cdd_keras.data.sets import TRAIN, Collection
from cdd_keras.data.splits import carve
from cdd_keras.errors import CddError

# The data are a fixed set: a run's seed does not change them.
_SEED = 0
# Raise when the faces are drawn differently.
_RECIPE = 6
_LIBRARIES = ("dicebear-core", "dicebear-styles", "resvg-py")
# Fewer faces are drawn sooner here than by starting processes.
_WORTH_PROCESSES = 200


def open_collections(
    config, preprocessing: Preprocessing, splits: tuple[str, ...]
) -> tuple[Collection]:
    """`config.synthetic_count` faces, drawn at the first reading."""
    count = config.synthetic_count
    faces = [avatars.face(_SEED, index) for index in range(count)]
    columns = {
        name: (
            binary_attribute(name),
            np.array([getattr(face, field) for face in faces], np.int32),
        )
        for name, field in SYNTHETIC_ATTRIBUTES.items()
    }
    ids = np.array([f"face-{index:06d}" for index in range(count)])
    everyone = carve(np.full(count, TRAIN), config.validation_fraction)
    return (
        Collection(
            "the synthetic faces",
            ids,
            everyone,
            columns,
            lambda indices: _faces(count, preprocessing)[indices],
        ),
    )


def _faces(count: int, preprocessing: Preprocessing) -> np.ndarray:
    key = fingerprint(
        "synthetic", _RECIPE, _SEED, count, preprocessing.get_config(), *map(version, _LIBRARIES)
    )
    size = preprocessing.image_size
    return cached_images("synthetic", key, count, size, lambda: _drawn(count, preprocessing))


def _drawn(count: int, preprocessing: Preprocessing) -> Iterable[np.ndarray]:
    """Draws at twice the size asked (sharp edges) and reduces."""
    size = preprocessing.image_size
    logging.getLogger(__name__).info("Drawing %d faces of %d pixels.", count, size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "faces.npy"
        shape = (count, 2 * size, 2 * size, 3)
        np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape).flush()
        _draw_all(str(path), count)
        large = np.load(path, mmap_mode="r")
        for block in blocks(np.arange(count)):
            yield preprocessing.apply(large[block])


def _draw_all(path: str, count: int) -> None:
    # The renderer keeps Python's lock, so threads do not help. The processes are started
    # plainly: multiprocessing would run the caller's script again, or fork TensorFlow.
    if count < _WORTH_PROCESSES:
        avatars.draw_range(path, _SEED, 0, count)
        return
    bounds = np.linspace(0, count, (os.cpu_count() or 1) + 1).astype(int)
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", avatars.__name__, path, str(_SEED)]
    workers = [
        subprocess.Popen(
            [*command, str(start), str(stop)],
            env={**os.environ, "PYTHONPATH": paths},
            stderr=subprocess.PIPE,
            text=True,
        )
        for start, stop in itertools.pairwise(bounds)
    ]
    try:
        messages = [worker.communicate()[1] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    for worker, message in zip(workers, messages, strict=True):
        if worker.returncode:
            reason = message.strip().splitlines()[-1:] or [f"exit code {worker.returncode}"]
            raise CddError(f"The synthetic faces could not be drawn: {reason[0]}")
