"""A training batch as the model computes with it."""

import tensorflow as tf

from cdd_keras.data.preprocessing import to_float
from cdd_keras.domains import SOURCE, TARGET


def unpack(batch):
    """A batch of `fit` as ({domain: images in [-1, 1]}, {domain: labels}).

    Raises:
        ValueError: the batch is not ((source images, labels), target images), or its halves
            differ in size.
    """
    if not (isinstance(batch, tuple) and len(batch) == 2 and isinstance(batch[0], tuple)):
        raise ValueError(
            "A batch must be ((source images, labels), target images); "
            f"got {tf.nest.map_structure(lambda part: getattr(part, 'shape', part), batch)}."
        )
    (source, source_labels), target = batch
    labels = {SOURCE: tf.cast(source_labels, tf.int32)}
    if isinstance(target, tuple):
        target, target_labels = target
        labels[TARGET] = tf.cast(target_labels, tf.int32)
    sizes = source.shape[0], target.shape[0]
    if None not in sizes and sizes[0] != sizes[1]:
        raise ValueError(
            f"A batch must hold as many source as target images; got {sizes[0]} and "
            f"{sizes[1]}. Give both data sets one batch size, with drop_remainder=True."
        )
    return {SOURCE: _in_range(source), TARGET: _in_range(target)}, labels


def _in_range(images):
    return to_float(images) if images.dtype == tf.uint8 else tf.cast(images, tf.float32)
