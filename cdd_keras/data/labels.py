"""Labels as people write them, turned into attributes."""

import numpy as np

from cdd_keras.data.attributes import Attribute, binary_attribute, kebab

Columns = dict[str, tuple[Attribute, np.ndarray]]

_BINARY = ({"0", "1"}, {"-1", "1"}, {"false", "true"})
_YES = ("1", "true")


def column(name: str, cells: list[str]) -> tuple[Attribute, np.ndarray]:
    """A column of text: 0/1, -1/1 or false/true is binary, anything else names classes."""
    found = {cell.lower() for cell in cells}
    if any(found <= pair for pair in _BINARY):
        labels = np.array([cell.lower() in _YES for cell in cells])
        return binary_attribute(name), labels.astype(np.int32)
    values, labels = np.unique(np.array(cells), return_inverse=True)
    return Attribute(name, tuple(values.tolist())), labels.astype(np.int32)


def class_columns(name: str, values: tuple[str, ...], labels: np.ndarray) -> Columns:
    """One label an image: the choice among all classes, and each class against the rest."""
    one_of_all = {name: (Attribute(name, values), labels.astype(np.int32))}
    if all(value.isdecimal() for value in values):
        return one_of_all
    # `glasses` and `no-glasses`: asking for either is asking for the same attribute.
    return one_of_all | {
        value: (binary_attribute(value), (labels == i).astype(np.int32))
        for i, value in enumerate(values)
        if kebab(value) != kebab(name)
    }
