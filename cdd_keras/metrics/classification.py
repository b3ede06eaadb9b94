"""How well class predictions match labels, in the form of report.json's M."""

import math

import numpy as np
from sklearn.metrics import f1_score, recall_score, roc_auc_score

# Two-sided 95% quantile of the standard normal distribution.
NORMAL_95 = 1.959963984540054


def score(labels, log_probabilities) -> dict:
    """Score class predictions; every figure is a fraction of 1, or None where undefined.

    Binary attributes: `f1` and `auc` are of class 1. More classes: `f1` is the mean over the
    classes that occur in labels or predictions, `auc` the mean of one class against the rest
    over the classes that occur. `balanced_accuracy` is the mean recall over the classes that
    occur. `auc` and `balanced_accuracy` are None where the labels hold a single class.

    Args:
        labels: int, (n,), class indices.
        log_probabilities: float, (n, classes). NaN anywhere (a diverged model) leaves every
            figure that depends on predictions None.

    Returns:
        {"accuracy", "balanced_accuracy", "f1", "auc", "majority", "count",
        "accuracy_ci95": [low, high]}: `majority` is the share of the most frequent label,
        the interval Wilson's.

    Raises:
        ValueError: the shapes do not fit each other.
    """
    labels, predictions = _checked(labels, log_probabilities)
    count = len(labels)
    result = {
        "accuracy": None,
        "balanced_accuracy": None,
        "f1": None,
        "auc": None,
        "majority": float(np.bincount(labels).max() / count) if count else None,
        "count": count,
        "accuracy_ci95": None,
    }
    if count and not np.isnan(predictions).any():
        correct = int((predictions.argmax(-1) == labels).sum())
        result["accuracy"] = correct / count
        result["balanced_accuracy"] = _balanced_accuracy(labels, predictions)
        result["f1"] = _f1(labels, predictions)
        result["auc"] = _auc(labels, predictions)
        result["accuracy_ci95"] = list(wilson_interval(correct, count))
    return result


def wilson_interval(correct: int, count: int) -> tuple[float, float]:
    """95% interval of a proportion (Wilson 1927): holds near 0 and 1 and for few examples.

    Args:
        correct: successes, 0 to `count`.
        count: trials, at least 1.

    Returns:
        (low, high), fractions of 1.
    """
    share, z2 = correct / count, NORMAL_95**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    spread = share * (1 - share) / count + z2 / (4 * count**2)
    half = NORMAL_95 * math.sqrt(spread) / (1 + z2 / count)
    return max(0.0, centre - half), min(1.0, centre + half)


def _checked(labels, log_probabilities):
    labels = np.asarray(labels).astype("int64")
    predictions = np.asarray(log_probabilities, "float64")
    if labels.ndim != 1 or predictions.ndim != 2 or len(labels) != len(predictions):
        raise ValueError(
            "`labels` must be (n,) and `log_probabilities` (n, classes) of the same n. "
            f"Received shapes {labels.shape} and {predictions.shape}."
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < predictions.shape[1]:
        raise ValueError(
            f"`labels` must lie in 0 to {predictions.shape[1] - 1}, the columns of "
            f"`log_probabilities`. Received {labels.min()} to {labels.max()}."
        )
    # log(0) is a legal prediction, but scikit-learn refuses infinities.
    return labels, np.clip(predictions, -1e6, 1e6)


def _balanced_accuracy(labels, predictions) -> float | None:
    present = np.unique(labels)
    if len(present) < 2:
        return None
    # `balanced_accuracy_score` warns of predicted classes that the labels lack; the same mean.
    return float(recall_score(labels, predictions.argmax(-1), labels=present, average="macro"))


def _f1(labels, predictions) -> float | None:
    chosen, classes = predictions.argmax(-1), predictions.shape[1]
    if classes == 2:
        value = f1_score(labels, chosen, pos_label=1, zero_division=np.nan)
    else:
        present = np.union1d(labels, chosen)
        value = f1_score(labels, chosen, labels=present, average="macro")
    return None if math.isnan(value) else float(value)


def _auc(labels, predictions) -> float | None:
    present = np.unique(labels)
    if len(present) < 2:
        return None
    if predictions.shape[1] == 2:
        # The log odds keep apart what a probability rounded to 1 would tie.
        return float(roc_auc_score(labels, predictions[:, 1] - predictions[:, 0]))
    return float(np.mean([roc_auc_score(labels == k, predictions[:, k]) for k in present]))
