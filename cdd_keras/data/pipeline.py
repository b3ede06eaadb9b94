"""Training batches addressed by the step: the order of samples needs no iterator state."""

import os
import weakref
from collections.abc import Callable
from mmap import mmap

import numpy as np
import tensorflow as tf

from cdd_keras.data.sets import ImageSet
from cdd_keras.domains import SOURCE, TARGET
from cdd_keras.errors import UsageError
from cdd_keras.replicas import Share

# Bytes. Larger sets are read from their file, image by image: memory does not grow with them.
_IN_MEMORY = 2**26
_STREAMS = {SOURCE: 0, TARGET: 1}
_ROUNDS = 4

Order = Callable[[tf.Tensor], tf.Tensor]


def training_batches(
    source: ImageSet,
    target: ImageSet,
    *,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    balanced: bool = False,
    with_target_labels: bool = False,
    share: Share | None = None,
) -> tf.data.Dataset:
    """Endless batches, the same for the same step whatever step is started from.

    Every image comes once an epoch, in an order of its own for each epoch and domain.

    Args:
        source: labelled images. target: images whose labels are not read.
        batch_size: images of each domain in a batch.
        start_step: the step whose batch comes first.
        balanced: draw the classes of the source equally often.
        with_target_labels: for the oracle alone.
        share: the part of each batch to read; None: all of it.

    Returns:
        A data set of ((images, labels), images), or with the target's labels of
        ((images, labels), (images, labels)): images uint8 (batch, size, size, 3) and labels
        int32 (batch,).

    Raises:
        UsageError: labels are needed and absent.
    """
    if source.labels is None:
        raise UsageError("The source images have no labels. Training needs them.")
    if with_target_labels and target.labels is None:
        raise UsageError("The target images have no labels. The oracle needs them.")
    order = _balanced_order if balanced else _plain_order
    draw_source = _drawer(source, order(source, seed, _STREAMS[SOURCE]))
    # Target labels are held out: not even the order depends on them.
    draw_target = _drawer(target, _plain_order(target, seed, _STREAMS[TARGET]), with_target_labels)

    def batch(step: tf.Tensor):
        rows = tf.range(batch_size, dtype=tf.int64)
        positions = step * batch_size + (share.take(rows) if share else rows)
        return draw_source(positions), draw_target(positions)

    steps = tf.data.Dataset.counter(start_step)
    return steps.map(batch, tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)


def _plain_order(images: ImageSet, seed: int, stream: int) -> Order:
    """Position in the endless sequence of samples -> index of an image."""
    return lambda positions: _shuffled(positions, len(images), seed, stream)


def _balanced_order(images: ImageSet, seed: int, stream: int) -> Order:
    """The classes take turns; each has epochs of its own."""
    members = [np.flatnonzero(images.labels == label) for label in np.unique(images.labels)]
    counts = tf.constant([len(indices) for indices in members], tf.int64)
    offsets = tf.math.cumsum(counts, exclusive=True)
    by_class = tf.constant(np.concatenate(members), tf.int64)

    def order(positions: tf.Tensor) -> tf.Tensor:
        label = positions % len(members)
        # Streams below those are the domains' own.
        streams = len(_STREAMS) * (1 + label) + stream
        within = _shuffled(positions // len(members), tf.gather(counts, label), seed, streams)
        return tf.gather(by_class, tf.gather(offsets, label) + within)

    return order


def _shuffled(positions: tf.Tensor, count, seed: int, stream) -> tf.Tensor:
    """Where in a set of `count` the samples at int64 `positions` (batch,) lie."""
    epochs = positions // count
    parts = [tf.broadcast_to(tf.cast(part, tf.int64), tf.shape(epochs)) for part in (seed, stream)]
    last = tf.broadcast_to(tf.cast(count, tf.int64) - 1, tf.shape(epochs))
    # The op below tf.random.experimental.index_shuffle, which takes one seed for a whole
    # batch; a batch may reach into the next epoch.
    return tf.raw_ops.RandomIndexShuffle(
        index=positions % count,
        seed=tf.stack([*parts, epochs], axis=1),
        max_index=last,
        rounds=_ROUNDS,
    )


def _drawer(images: ImageSet, order: Order, labelled: bool = True):
    """Positions -> images, with their labels if asked."""
    gather = _gatherer(images.images)
    labels = tf.constant(images.labels, tf.int32) if labelled else None

    def draw(positions: tf.Tensor):
        indices = order(positions)
        drawn = gather(indices)
        return (drawn, tf.gather(labels, indices)) if labelled else drawn

    return draw


def _gatherer(images: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor]:
    if images.nbytes <= _IN_MEMORY:
        with tf.device("CPU:0"):
            table = tf.constant(images)
        return lambda indices: tf.gather(table, indices)

    read = _file_reader(images)

    def from_disk(indices: tf.Tensor) -> tf.Tensor:
        drawn = tf.numpy_function(read, [indices], tf.uint8, stateful=False)
        return tf.ensure_shape(drawn, (indices.shape[0], *images.shape[1:]))

    return from_disk


def _file_reader(images: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Indices -> images, by reads of the file behind a memory map.

    A page of a map that was looked at counts as the process's memory, and soon all were.
    """
    # A part of a map tells the whole's offset.
    if not (isinstance(images, np.memmap) and isinstance(images.base, mmap)):
        return images.__getitem__
    file = os.open(images.filename, os.O_RDONLY)
    length = images[0].nbytes

    def read(indices: np.ndarray) -> np.ndarray:
        drawn = np.empty((len(indices), *images.shape[1:]), images.dtype)
        for image, index in zip(drawn, indices, strict=True):
            if os.preadv(file, [image], images.offset + int(index) * length) < length:
                raise OSError(f"{images.filename} is shorter than it was.")
        return drawn

    weakref.finalize(read, os.close, file)
    return read
