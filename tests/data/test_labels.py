import numpy as np
import pytest

from cdd_keras.data.labels import class_columns, column


@pytest.mark.parametrize("cells", [["0", "1", "1"], ["-1", "1", "1"], ["False", "true", "TRUE"]])
def test_two_signs_are_binary(cells):
    attribute, labels = column("Hat", cells)
    assert attribute.values == ("no-hat", "hat")
    assert labels.tolist() == [0, 1, 1]
    assert labels.dtype == np.int32


def test_anything_else_names_classes():
    attribute, labels = column("breed", ["pug", "akita", "pug"])
    assert attribute.values == ("akita", "pug")
    assert labels.tolist() == [1, 0, 1]


def test_classes_are_one_choice_and_one_attribute_each():
    columns = class_columns("class", ("glasses", "plain"), np.array([0, 1, 0]))
    assert columns["class"][0].values == ("glasses", "plain")
    assert columns["class"][1].tolist() == [0, 1, 0]
    assert columns["glasses"][0].values == ("no-glasses", "glasses")
    assert columns["glasses"][1].tolist() == [1, 0, 1]


def test_numbers_are_one_choice_only():
    assert list(class_columns("label", ("0", "1"), np.array([0, 1]))) == ["label"]
