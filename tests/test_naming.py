import numpy as np
from stand_ins import GLASSES, Model, Pair, certain, painted_set, seen_value

from cdd_keras.domains import SOURCE
from cdd_keras.evaluation import classification_report
from cdd_keras.naming import NamedCodes, name_codes
from cdd_keras.objective import Traits

LABELS = np.array([0, 1] * 5)
CODES = np.array([1, 0])


class Coded(Model):
    """Reads and draws codes: the other of the two values."""

    traits = Traits(reads=(SOURCE,), draws=(SOURCE,), names_values=False)

    def classify(self, images, domain):
        return certain(CODES[seen_value(images)])

    def sample(self, values, domain, seed):
        return super().sample(CODES[np.asarray(values)], domain, seed)


def pair(labels=LABELS):
    return Pair(GLASSES, {("test", SOURCE): painted_set(labels, SOURCE, shown=LABELS)})


def test_codes_are_named_by_what_fits_best():
    named = name_codes(Coded(), pair(), "test")
    assert isinstance(named, NamedCodes)
    assert named.code_of_value == [1, 0]
    assert classification_report(Coded(), pair(), "test")["source"]["accuracy"] == 1
    np.testing.assert_array_equal(seen_value(named.sample(LABELS, SOURCE, 0)), LABELS)


def test_the_better_of_two_bad_names_is_taken():
    labels = LABELS.copy()
    labels[:6] = 1 - labels[:6]
    assert name_codes(Coded(), pair(labels), "test").code_of_value == [0, 1]
    assert classification_report(Coded(), pair(labels), "test")["source"]["accuracy"] == 0.6


def test_values_that_have_names_keep_them():
    model = Model()
    assert name_codes(model, pair(), "test") is model


def test_without_labels_codes_stay_as_they_are():
    unlabelled = Pair(GLASSES, {})
    model = Coded()
    assert name_codes(model, unlabelled, "test") is model
