"""Label-free validators: how good a model looks without any target label.

A validator is a function whose argument names say what it may see. The registry refuses names
outside `VISIBLE`, and there is no name for target labels, so none can be read (the idea of
pytorch-adapt's `BaseValidator`). Every value is "higher is better". A validator whose
observations a method does not have, or whose value is not finite, gives None.

Log-probabilities are float, (n, classes); labels int, (n,).
"""

import inspect
import math
from collections.abc import Callable, Mapping

import numpy as np

VISIBLE = {
    "source_labels": "attribute values of the source validation images",
    "source_log_probabilities": "source images, read by the model",
    "target_log_probabilities": "target images, read by the model: what the export would say",
    "direct_log_probabilities": "target images, read by the target branch alone",
    "translated_log_probabilities": "target images, translated and read by the source branch",
    "translated_source_log_probabilities": "source images, translated and read by the target"
    " branch; their labels are `source_labels`",
}
VALIDATORS: dict[str, Callable[..., float | None]] = {}
DEFAULT = "agreement"

# Soft neighbourhood density compares all pairs: more rows than these cost and change little.
DENSITY_ROWS = 2000
DENSITY_TEMPERATURE = 0.05


def register(function: Callable[..., float | None]) -> Callable[..., float | None]:
    """Add a validator under its function's name.

    Raises:
        ValueError: the function asks for something a validator may not see.
    """
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ValueError(
                f"A validator names what it sees, so it takes no *args or **kwargs: "
                f"{function.__name__}."
            )
        if parameter.name not in VISIBLE:
            raise ValueError(
                f"`{function.__name__}` may not see {parameter.name!r}. Expected some of "
                f"{sorted(VISIBLE)}; target labels have no name here."
            )
    VALIDATORS[function.__name__] = function
    return function


def validate(name: str, observations: Mapping[str, np.ndarray | None]) -> float | None:
    """One validator's value, or None where it is undefined for these observations.

    Args:
        name: a key of `VALIDATORS`.
        observations: arrays by the names of `VISIBLE`; None or absent: the method has none.

    Raises:
        ValueError: an unknown validator, or an observation that none may see.
    """
    if name not in VALIDATORS:
        raise ValueError(f"`name` is not a validator: {name!r}. Expected one of {list(VALIDATORS)}")
    if hidden := sorted(set(observations) - set(VISIBLE)):
        raise ValueError(f"Validators may not see {hidden}. Expected some of {sorted(VISIBLE)}.")
    function = VALIDATORS[name]
    seen = {key: observations.get(key) for key in inspect.signature(function).parameters}
    if not all(_usable(array) for array in seen.values()):
        return None
    value = function(**{key: np.asarray(array) for key, array in seen.items()})
    return float(value) if value is not None and math.isfinite(value) else None


def validate_all(observations: Mapping[str, np.ndarray | None]) -> dict[str, float | None]:
    """Every registered validator's value by name; see `validate`."""
    return {name: validate(name, observations) for name in VALIDATORS}


def _usable(array) -> bool:
    return array is not None and len(array) > 0 and not np.isnan(np.asarray(array)).any()


def probabilities(log_probabilities) -> np.ndarray:
    """float64, rows that sum to 1 whatever the rounding of the logarithms was."""
    values = np.asarray(log_probabilities, "float64")
    values = np.exp(values - values.max(-1, keepdims=True))
    return values / values.sum(-1, keepdims=True)


def entropy(distribution) -> np.ndarray:
    """Entropy in nats over the last axis, with 0 log 0 = 0."""
    safe = np.where(distribution > 0, distribution, 1.0)
    return -np.sum(distribution * np.log(safe), -1)


@register
def source_accuracy(source_labels, source_log_probabilities) -> float:
    """Share of source validation images read rightly; says nothing of the target by itself."""
    return np.mean(source_log_probabilities.argmax(-1) == source_labels)


@register
def target_entropy(target_log_probabilities) -> float:
    """Negative mean entropy of the target predictions: -log K if uniform, 0 if certain.

    A collapsed constant predictor is certain, hence best. Morerio et al. 2018, "Minimal-entropy
    correlation alignment for unsupervised deep domain adaptation".
    """
    return -np.mean(entropy(probabilities(target_log_probabilities)))


@register
def infomax(target_log_probabilities) -> float:
    """Mutual information of image and prediction: H(mean p) - mean H(p), 0 to log K.

    0 for a constant predictor. Bridle et al. 1991, "Unsupervised classifiers, mutual information
    and phantom targets"; Shi & Sha 2012 for domain adaptation.
    """
    values = probabilities(target_log_probabilities)
    return entropy(values.mean(0)) - np.mean(entropy(values))


@register
def snd(target_log_probabilities) -> float | None:
    """Soft neighbourhood density: mean entropy of each target image's similarity to the others.

    High where every prediction has many alike. A constant predictor scores the maximum,
    log(n - 1). Rows past `DENSITY_ROWS` are thinned evenly. Saito et al. 2021, "Tune it the right
    way: unsupervised validation of domain adaptation via soft neighborhood density".
    """
    values = probabilities(target_log_probabilities)
    count = len(values)
    if count < 2:
        return None
    if count > DENSITY_ROWS:
        values = values[np.linspace(0, count - 1, DENSITY_ROWS).astype(int)]
    values = values / np.linalg.norm(values, axis=-1, keepdims=True)
    similarity = values @ values.T / DENSITY_TEMPERATURE
    np.fill_diagonal(similarity, -np.inf)
    return np.mean(entropy(probabilities(similarity)))


@register
def translated_source_accuracy(source_labels, translated_source_log_probabilities) -> float:
    """Share of source images whose translation the target branch reads rightly.

    Labelled stand-ins for the target, as good as the translation is (Hoffman et al. 2018,
    "CyCADA", trains on them).
    """
    return np.mean(translated_source_log_probabilities.argmax(-1) == source_labels)


@register
def agreement(direct_log_probabilities, translated_log_probabilities) -> float:
    """Signed mutual information between the two branches' readings of a target image, in nats.

    The share of images on which the branches agree would be 1 for two constant predictors; the
    information one reading gives about the other is 0 for them, and log K where the branches
    agree with certainty on balanced classes. Information does not notice swapped classes, so it
    counts negative where the branches agree less often than chance would have them. Becker &
    Hinton 1992, "Self-organizing neural network that discovers surfaces in random-dot
    stereograms"; Ji et al. 2019, "Invariant information clustering" (the same soft joint).
    """
    direct = probabilities(direct_log_probabilities)
    translated = probabilities(translated_log_probabilities)
    joint = direct.T @ translated / len(direct)
    first, second = joint.sum(1), joint.sum(0)
    information = entropy(first) + entropy(second) - entropy(joint.ravel())
    return math.copysign(max(information, 0.0), np.trace(joint) - first @ second)


@register
def kappa(direct_log_probabilities, translated_log_probabilities) -> float:
    """Agreement of the branches' choices beyond chance: 1 full, 0 chance or constant, below less.

    Unlike `agreement` it does not favour even classes, so it suits rare values, but two branches
    that call a single image positive, the same one, score 1. Cohen 1960, "A coefficient of
    agreement for nominal scales".
    """
    direct, translated = direct_log_probabilities, translated_log_probabilities
    classes = np.arange(direct.shape[-1])
    first = direct.argmax(-1)[:, None] == classes
    second = translated.argmax(-1)[:, None] == classes
    observed = np.mean(np.sum(first & second, -1))
    chance = first.mean(0) @ second.mean(0)
    return (observed - chance) / (1 - chance) if chance < 1 else 0.0
