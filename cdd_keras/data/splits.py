"""Who goes where: train, validation and test, source and target.

A split belongs to the data and not to the run: the permutations below are fixed, so that
runs with different seeds are compared on the same images (and reuse what is cached).
"""

import numpy as np

from cdd_keras.data.sets import TEST, TRAIN, VALIDATION

_SPLIT_SEED = 1705
_TEST_FRACTION = 1 / 6


def permutation(count: int) -> np.ndarray:
    """The fixed random order of `count` things."""
    return np.random.default_rng(_SPLIT_SEED).permutation(count)


def carve(
    splits: np.ndarray, validation_fraction: float, test_fraction: float = _TEST_FRACTION
) -> np.ndarray:
    """Completes the splits of data that name only some of them.

    Args:
        splits: (n,) str. Without test, `test_fraction` of train becomes test; without
            validation, `validation_fraction` of what is left of train becomes validation.
    """
    splits = np.array(splits, dtype="<U10")
    for split, fraction in ((TEST, test_fraction), (VALIDATION, validation_fraction)):
        # Data that hold only the split asked for (a test folder, say) are left alone.
        train = np.flatnonzero(splits == TRAIN)
        if split not in splits and len(train):
            splits[train[permutation(len(train))[: round(fraction * len(train))]]] = split
    return splits


def two_halves(groups: np.ndarray) -> np.ndarray:
    """Parts images in two so that no group (a person, or a photo) is on both sides.

    Args:
        groups: (n,) hashable labels. Returns: bool (n,), true for the first half.
    """
    names, members, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = permutation(len(names))
    starts = np.cumsum(sizes[order]) - sizes[order]
    first = np.empty(len(names), bool)
    first[order] = starts < len(groups) / 2
    return first[members]


def keep_apart(splits: np.ndarray, identities: np.ndarray | None) -> np.ndarray:
    """Bool (n,): the images that stay when no person may be in two splits.

    A person met in test is left out of validation and train; in validation, out of train.
    """
    keep = np.ones(len(splits), bool)
    if identities is None:
        return keep
    for later, earlier in ((TEST, VALIDATION), (TEST, TRAIN), (VALIDATION, TRAIN)):
        people = identities[splits == later]
        keep &= ~((splits == earlier) & np.isin(identities, people))
    return keep


def limited(indices: np.ndarray, limit: int | None) -> np.ndarray:
    """At most `limit` of the indices, in order; a smaller limit gives a subset."""
    if limit is None or len(indices) <= limit:
        return indices
    return np.sort(indices[permutation(len(indices))[:limit]])
