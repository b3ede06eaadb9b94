"""Kernel distance between two sets of features."""

import numpy as np


def kernel_distance(first, second) -> float | None:
    """Unbiased squared maximum mean discrepancy with the kernel (x.y / d + 1)^3.

    Binkowski et al., "Demystifying MMD GANs" (ICLR 2018), who take Inception's features and call
    it KID; with other features it is not that. Unlike the Fréchet distance it does not grow as
    examples get fewer.

    Args:
        first, second: float, (n, features), at least two examples each.

    Returns:
        About 0, below it too, where both are of one distribution; None where a set is too small.
    """
    first, second = (np.asarray(one, "float64") for one in (first, second))
    if min(len(first), len(second)) < 2:
        return None
    between = _kernel(first, second).mean()
    return float(_mean_of_pairs(first) + _mean_of_pairs(second) - 2 * between)


def _kernel(first, second):
    return (first @ second.T / first.shape[1] + 1) ** 3


def _mean_of_pairs(features):
    kernel, count = _kernel(features, features), len(features)
    return (kernel.sum() - np.trace(kernel)) / (count * (count - 1))
