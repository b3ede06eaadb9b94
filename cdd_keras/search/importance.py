"""Which settings mattered: a random forest's permutation importance over the trials.

Random forests on (settings, objective) are the surrogate of fANOVA (Hutter et al. 2014, "An
efficient approach for assessing hyperparameter importance"); permuting a column is the plainer
way to ask one.
"""

import math

import numpy as np

from cdd_keras.search.records import COMPLETED

FEWEST = 4
TREES, REPEATS = 200, 20


def rank(space, known, left_out=()) -> dict:
    """Settings by importance, with how far the forest can be believed.

    Args:
        space: the `Space`.
        known: `Record`s; those that trained to the end are used.
        left_out: names of settings that cannot matter.

    Returns:
        {"trials": used, "out_of_bag_r2": R² on trials a tree has not seen (0 and less: the
        ranking says nothing), "ranking": [{"setting", "importance": drop of R² when the setting's
        values are permuted}, falling]}; without ranking where there are fewer than 4 trials or
        all have one objective, as "why_not" says.
    """
    used = [one for one in known if one.state == COMPLETED and one.whole]
    scores = np.array([one.objective for one in used])
    if why_not := _why_not(scores, set(space.names) - set(left_out)):
        return {"trials": len(used), "out_of_bag_r2": None, "ranking": [], "why_not": why_not}
    # scikit-learn is slow to import, and most of a search does without.
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    names = [name for name in space.names if name not in left_out]
    columns = np.array([[position(space, one, name) for name in names] for one in used])
    forest = RandomForestRegressor(TREES, oob_score=True, random_state=0).fit(columns, scores)
    found = permutation_importance(forest, columns, scores, n_repeats=REPEATS, random_state=0)
    ranking = [
        {"setting": name, "importance": float(value)}
        for name, value in zip(names, found.importances_mean, strict=True)
    ]
    ranking.sort(key=lambda one: -one["importance"])
    score = float(forest.oob_score_)
    return {"trials": len(used), "out_of_bag_r2": score, "ranking": ranking}


def _why_not(scores, names) -> str | None:
    if not names:
        return "the method uses no setting that varies"
    if len(scores) < FEWEST:
        return f"nothing can be said of {len(scores)} whole trials; it takes {FEWEST}"
    return "all trials have the same objective" if np.ptp(scores) == 0 else None


def position(space, record, name: str) -> float:
    """Where a trial's value lies in its setting's range, 0 to 1; -1 where it was not searched."""
    if name not in record.values:
        return -1.0
    value = record.values[name]
    values = choices(space, name)
    if values:
        return values.index(value) / max(1, len(values) - 1)
    low, high, scale = ends(space, name)
    if scale == "log":
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def choices(space, name: str) -> list:
    """The values of a setting that is a list in all its cases, in their order; else none."""
    cases = [one for one in space.dimensions if one.name == name]
    if any(one.values is None for one in cases):
        return []
    values = list(dict.fromkeys(value for one in cases for value in one.values))
    return values if isinstance(values[0], str | bool) else sorted(values)


def ends(space, name: str) -> tuple[float, float, str]:
    """Lowest and highest value of a setting over all its cases, and the scale they share."""
    cases = [one for one in space.dimensions if one.name == name]
    lows = [one.low if one.values is None else min(one.values) for one in cases]
    highs = [one.high if one.values is None else max(one.values) for one in cases]
    scales = {one.scale for one in cases if one.values is None}
    return min(lows), max(highs), "log" if "log" in scales and min(lows) > 0 else "linear"
