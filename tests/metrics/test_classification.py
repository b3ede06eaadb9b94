import json

import numpy as np
import pytest

from cdd_keras.metrics.classification import score, wilson_interval


def log_probabilities(chosen, classes=2, confidence=0.8):
    rest = (1 - confidence) / (classes - 1)
    return np.log(np.where(np.eye(classes)[chosen] > 0, confidence, rest))


def test_known_confusion():
    # 6 negatives, 4 of them read rightly; 4 positives, 3 of them read rightly.
    labels = np.array([0] * 6 + [1] * 4)
    chosen = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 0])
    result = score(labels, log_probabilities(chosen))
    assert result["accuracy"] == pytest.approx(0.7)
    assert result["balanced_accuracy"] == pytest.approx((4 / 6 + 3 / 4) / 2)
    assert result["f1"] == pytest.approx(2 * 3 / (2 * 3 + 2 + 1))
    # Of 24 pairs, 4 * 3 are ordered rightly and 4 * 1 + 2 * 3 are ties.
    assert result["auc"] == pytest.approx((12 + 10 / 2) / 24)
    assert result["majority"] == pytest.approx(0.6)
    assert result["count"] == 10
    assert result["accuracy_ci95"] == pytest.approx([0.3967781, 0.8922087])


def test_f1_is_of_class_one():
    labels, chosen = np.array([1, 0, 0, 0]), np.array([0, 0, 0, 0])
    assert score(labels, log_probabilities(chosen))["f1"] == 0
    assert score(1 - labels, log_probabilities(1 - chosen))["f1"] == pytest.approx(6 / 7)


@pytest.mark.parametrize(
    ("correct", "count", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_wilson_interval(correct, count, low, high):
    # 81 of 263 is Newcombe's (1998) example: 0.2553 to 0.3662.
    assert wilson_interval(correct, count) == pytest.approx((low, high), abs=5e-5)


def test_one_class_leaves_comparisons_undefined():
    result = score(np.zeros(5, int), log_probabilities(np.array([0, 0, 0, 1, 0])))
    assert result["auc"] is None
    assert result["balanced_accuracy"] is None
    assert result["accuracy"] == pytest.approx(0.8)
    assert result["majority"] == 1
    assert result["f1"] == 0
    all_negative = score(np.zeros(5, int), log_probabilities(np.zeros(5, int)))
    assert all_negative["f1"] is None


def test_no_examples_and_nan_are_null():
    empty = score(np.zeros(0, int), np.zeros((0, 2)))
    assert empty.pop("count") == 0
    assert set(empty.values()) == {None}
    diverged = score(np.array([0, 1, 1]), np.full((3, 2), np.nan))
    assert (diverged["count"], diverged["majority"]) == (3, pytest.approx(2 / 3))
    assert diverged["accuracy"] is diverged["auc"] is diverged["accuracy_ci95"] is None


def test_auc_of_saturated_predictions():
    predictions = np.array([[0.0, -40.0], [0.0, -30.0], [-30.0, 0.0], [-np.inf, 0.0]])
    assert score(np.array([0, 0, 1, 1]), predictions)["auc"] == 1
    assert score(np.array([0, 1, 0, 1]), predictions)["auc"] == pytest.approx(0.75)


def test_ten_classes_are_macro():
    labels = np.arange(10).repeat(2)
    perfect = score(labels, log_probabilities(labels, 10))
    assert {perfect[key] for key in ("accuracy", "balanced_accuracy", "f1", "auc")} == {1.0}
    chosen = labels.copy()
    chosen[:2] = 1  # Both zeros are read as ones.
    result = score(labels, log_probabilities(chosen, 10))
    assert result["accuracy"] == pytest.approx(0.9)
    assert result["f1"] == pytest.approx((8 * 1 + 0 + 2 / 3) / 10)
    # Zeros are no better than chance; ones: 16 of 18 others lie below, 2 tie.
    assert result["auc"] == pytest.approx((8 * 1 + 0.5 + 17 / 18) / 10)


def test_a_class_that_does_not_occur_is_left_out():
    labels = np.array([0, 0, 1, 1])
    result = score(labels, log_probabilities(np.array([0, 0, 1, 2]), 3))
    assert result["balanced_accuracy"] == pytest.approx(0.75)
    assert result["f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    # Zeros are told apart fully; of the ones' four pairs, two are right and two tie.
    assert result["auc"] == pytest.approx((1 + 0.75) / 2)


def test_order_does_not_matter_and_json_holds_it():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 2, 50), np.log(rng.dirichlet([1, 1], 50))
    order = rng.permutation(50)
    result, permuted = score(labels, predictions), score(labels[order], predictions[order])
    assert json.loads(json.dumps(result)) == result
    assert result.pop("accuracy_ci95") == permuted.pop("accuracy_ci95")
    assert result == pytest.approx(permuted)


@pytest.mark.parametrize(
    ("labels", "shape", "words"),
    [([0, 1, 1], (2, 2), "same n"), ([0, 2], (2, 2), "0 to 1"), ([0, -1], (2, 2), "0 to 1")],
)
def test_wrong_shapes_and_labels_are_refused(labels, shape, words):
    with pytest.raises(ValueError, match=words):
        score(labels, np.zeros(shape))
