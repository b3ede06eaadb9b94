"""Codes that a method found without labels, named after the values they fit best.

For reports alone: the labels that name them are those the report is about.
"""

import numpy as np
import tensorflow as tf
from scipy.optimize import linear_sum_assignment

from cdd_keras.data.preprocessing import to_float
from cdd_keras.domains import SOURCE

BATCH = 250


class NamedCodes:
    """A model whose code `code_of_value[v]` is taken for value v; else the model itself.

    Args:
        model: a `CrossDomainModel`.
        code_of_value: a permutation of the codes, one a value.
    """

    def __init__(self, model, code_of_value):
        self._model = model
        self.code_of_value = [int(code) for code in code_of_value]

    def __getattr__(self, name):
        return getattr(self._model, name)

    def classify(self, images, domain):
        """Log-probabilities with a column a value: float32 (batch, classes)."""
        return tf.gather(self._model.classify(images, domain), self.code_of_value, axis=-1)

    def sample(self, values, domain, seed):
        """Images whose codes are those of the values; see `TrainedUse.sample`."""
        return self._model.sample(tf.gather(self.code_of_value, values), domain, seed)


def name_codes(model, pair, split: str):
    """The model with its codes named by the source labels of a split.

    The permutation under which most images are read as they are labelled (the Hungarian method),
    as is usual for clusterings. A model whose values are the labels' own is given back as it is,
    and so is one where there are no labels to name by.
    """
    images = pair.sets.get((split, SOURCE))
    if model.traits.names_values or images is None or images.labels is None:
        return model
    classes = len(pair.attribute.values)
    counts = np.zeros((classes, classes), int)
    for start in range(0, len(images.images), BATCH):
        part = slice(start, start + BATCH)
        read = np.argmax(model.classify(to_float(images.images[part]), SOURCE), -1)
        np.add.at(counts, (images.labels[part], read), 1)
    return NamedCodes(model, linear_sum_assignment(counts, maximize=True)[1])
