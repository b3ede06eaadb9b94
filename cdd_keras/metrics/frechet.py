"""Fréchet distance between two sets of features."""

import numpy as np


def frechet_distance(first, second) -> float | None:
    """Squared Fréchet distance of the Gaussians that fit two sets of features.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)): Dowson and Landau (1982). Heusel et al. (NIPS
    2017) take Inception's features and call it FID; with other features it is not that, nor
    comparable to it. Biased upwards for few examples, so compare sets of equal size only.

    Args:
        first, second: float, (n, features), at least two examples each.

    Returns:
        0 where mean and covariance are the same; None where a set is too small.
    """
    first, second = (np.asarray(one, "float64") for one in (first, second))
    if min(len(first), len(second)) < 2:
        return None
    apart = np.sum((first.mean(0) - second.mean(0)) ** 2)
    covariances = [np.atleast_2d(np.cov(one, rowvar=False)) for one in (first, second)]
    root = _root(covariances[0])
    # The roots of C1 C2 are those of the symmetric C1^(1/2) C2 C1^(1/2).
    shared = np.trace(_root(root @ covariances[1] @ root))
    return float(apart + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * shared)


def _root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    # Rounding leaves small negative ones.
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
