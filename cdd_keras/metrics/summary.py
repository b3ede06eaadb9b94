"""The content of report.json."""

import math

import numpy as np

from cdd_keras.domains import DOMAINS, SOURCE, TARGET


def build_report(
    config,
    pair,
    selection: dict,
    generation: dict | None,
    seconds: float | None = None,
    images_per_second: float | None = None,
) -> dict:
    """report.json's content: plain numbers, strings and None, never NaN.

    Args:
        config: the run's `Config`.
        pair: the `DomainPair` that was evaluated.
        selection: what `select` gives; the label-free pick's figures stand at the top too.
        generation: what `generation_report` gives, or None.
        seconds: of training, evaluation included.
        images_per_second: real images a second of training.
    """
    pick = selection["label_free"]
    return plain(
        {
            "method": config.method,
            "attribute": pair.attribute.name,
            "domains": {domain: pair.names.get(domain) for domain in DOMAINS},
            "image_size": config.image_size,
            "steps": config.steps,
            "seed": config.seed,
            "seconds": seconds,
            "images_per_second": images_per_second,
            SOURCE: pick[SOURCE],
            TARGET: pick[TARGET],
            "selection": selection,
            "generation": generation,
        }
    )


def plain(value):
    """The same with plain Python numbers, and None for what is not finite: fit for JSON."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
