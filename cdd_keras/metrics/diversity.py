"""How much images of one kind differ from each other."""

import numpy as np


def diversity(features, labels) -> float | None:
    """Mean distance between the features of two examples of one value, over the values.

    As Zhu et al. (BicycleGAN, NIPS 2017) measure it, with features of a judge in place of theirs.

    Args:
        features: float, (n, features).
        labels: int, (n,): values; those with a single example are left out.

    Returns:
        0 where all examples of a value are the same; None where no value has two.
    """
    features, labels = np.asarray(features, "float64"), np.asarray(labels)
    groups = [features[labels == value] for value in np.unique(labels)]
    distances = [_mean_distance(group) for group in groups if len(group) > 1]
    return float(np.mean(distances)) if distances else None


def _mean_distance(features):
    squares = np.sum(features**2, -1)
    products = squares[:, None] + squares[None] - 2 * features @ features.T
    count = len(features)
    return np.sqrt(np.maximum(products, 0)).sum() / (count * (count - 1))
