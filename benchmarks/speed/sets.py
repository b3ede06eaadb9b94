"""Data sets of any size, made on the fly, and how fast the pipeline delivers them."""

import tempfile
import time
from pathlib import Path

import numpy as np

from cdd_keras.data import ImageSet, training_batches
from speed.timing import held, peak_memory

# Images written at a time.
BLOCK = 4096


def stored_images(path, count, size, seed=0):
    """Random bytes kept as `cdd_keras.data` does: uint8 (count, size, size, 3), a memory map."""
    draws = np.random.default_rng(seed)
    shape = (count, size, size, 3)
    images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    for start in range(0, count, BLOCK):
        part = images[start : start + BLOCK]
        part[:] = draws.integers(0, 256, part.shape, "uint8")
    del images, part
    return np.load(path, mmap_mode="r")


def deliver(count, size, batch_size, seconds):
    """Batches of two domains of `count` images each, taken as fast as they come.

    Returns:
        images_per_second of both domains, and MiB of the process: what is its own (anonymous), the
        files it has mapped, and how much more of its own it holds than before it had data.
    """
    with tempfile.TemporaryDirectory() as folder:
        sets = [
            ImageSet(
                stored_images(Path(folder) / f"{number}.npy", count, size, number),
                np.arange(count, dtype="int32") % 2,
                np.arange(count).astype(str),
            )
            for number in range(2)
        ]
        before = held()
        batches = iter(training_batches(*sets, batch_size=batch_size, seed=0, balanced=True))
        next(batches)
        taken, start = 0, time.perf_counter()
        while time.perf_counter() < start + seconds:
            next(batches)
            taken += 1
        spent = time.perf_counter() - start
        after = held()
    return {
        "images_per_second": 2 * batch_size * taken / spent,
        "own": after["RssAnon"],
        "mapped": after["RssFile"],
        "grown": after["RssAnon"] - before["RssAnon"],
        "memory": peak_memory(),
    }
