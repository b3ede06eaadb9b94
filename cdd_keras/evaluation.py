"""Figures of a model on a pair of domains, in the form of report.json.

The model comes with `classify`, `branches`, `translate`, `sample`, `traits` and what `Abilities`
tells of it; images of a pair are uint8 and become float32 in [-1, 1] batch by batch.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from cdd_keras import judges as judging
from cdd_keras.data.preprocessing import to_float
from cdd_keras.domains import DOMAINS, NO_VALUE, SOURCE, TARGET
from cdd_keras.metrics.classification import score
from cdd_keras.metrics.validators import validate_all
from cdd_keras.naming import NamedCodes, name_codes

SAMPLES_PER_VALUE = 250


def in_batches(function: Callable, *arrays, size: int = 250):
    """Apply a function of one batch to arrays of any length.

    Args:
        function: takes slices of `arrays`; gives an array, (batch, ...), or a dict or tuple of
            them.
        *arrays: of one length, at least 1.
        size: examples a batch.

    Returns:
        What `function` gives, as NumPy arrays, (n, ...).

    Raises:
        ValueError: the arrays are empty or of different lengths.
    """
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(
            f"`arrays` must share one length of at least 1. Received lengths "
            f"{[len(array) for array in arrays]}."
        )
    results = [
        tf.nest.map_structure(np.asarray, function(*(a[start : start + size] for a in arrays)))
        for start in range(0, lengths.pop(), size)
    ]
    return tf.nest.map_structure(lambda *parts: np.concatenate(parts), *results)


def classification_report(model, pair, split: str) -> dict[str, dict | None]:
    """{"source": M, "target": M} of a split; None for a domain without images or labels.

    So too for a domain that the method does not read. Target labels are held out: read by figures
    such as these only.
    """
    report, model = {}, name_codes(model, pair, split)
    for domain in DOMAINS:
        images = pair.sets.get((split, domain))
        readable = images is not None and images.labels is not None and len(images.images)
        if not (readable and model.can_read(domain)):
            report[domain] = None
        else:
            report[domain] = score(images.labels, _classify(model, images.images, domain))
    return report


def label_free_scores(model, pair, split: str = "validation") -> dict[str, float | None]:
    """Validator -> value (higher is better) or None, without any target label.

    Args:
        model: a `CrossDomainModel`.
        pair: a `DomainPair`; of its target only the images are touched.
        split: whose images are read.
    """
    source, target = pair.sets.get((split, SOURCE)), pair.sets.get((split, TARGET))
    observations = {}
    if source is not None and source.labels is not None and len(source.images):
        observations = _observe_source(model, source.images, source.labels)
    if target is not None and len(target.images) and model.can_read(TARGET):
        observations |= _observe_target(model, target.images)
    return validate_all(observations)


def _observe_source(model, images, labels) -> dict:
    # Codes that are no labels' cannot be right or wrong.
    if not model.traits.names_values:
        return {}
    seen = {"source_labels": np.asarray(labels)}
    seen["source_log_probabilities"] = _classify(model, images, SOURCE)
    if model.can_translate(TARGET):
        seen["translated_source_log_probabilities"] = in_batches(
            lambda batch: model.branches(
                _translate(model, batch, SOURCE, TARGET, NO_VALUE), TARGET
            ),
            images,
        ).get("direct")
    return seen


def _observe_target(model, images) -> dict:
    branches = in_batches(lambda batch: model.branches(to_float(batch), TARGET), images)
    return {
        "target_log_probabilities": _classify(model, images, TARGET),
        "direct_log_probabilities": branches.get("direct"),
        "translated_log_probabilities": branches.get("translated"),
    }


def generation_report(model, pair, judges, split: str, seed: int = 0) -> dict:
    """report.json's `generation`: what independent judges see in generated images.

    Args:
        model: a `CrossDomainModel`.
        pair: a `DomainPair`.
        judges: a `judges.Judges`; figures that need a missing judge are None.
        split: whose images are edited, reconstructed and shown to the judges.
        seed: of the samples' noise.

    Returns:
        The fractions of 1 that interface.md defines, None where the method lacks a generator, an
        encoder, a domain or values to draw; without values, domain figures are of images drawn
        without any. `reconstruction`: domain -> {"l1": mean absolute error of the base
        reconstruction, in the scale of [-1, 1]; "ssim": structural similarity, at most 1}.
        `counts`: images used a domain, and samples a value. `code_of_value`, where a method found
        codes of its own: value -> the code that was taken for it.
    """
    model = name_codes(model, pair, split)
    values = range(len(pair.attribute.values)) if model.traits.shows_values else (NO_VALUE,)
    images = {domain: _images(pair, split, domain) for domain in DOMAINS}
    routes, in_domain = _route_figures(model, images, values, judges)
    sampled, sampled_domain = _sample_figures(model, values, judges, SAMPLES_PER_VALUE, seed)
    report = {
        "edit_success": {d: _mean(routes[f"{first}-{d}"] for first in DOMAINS) for d in DOMAINS},
        "routes": routes,
        "domain_success": {
            d: _mean(in_domain[f"{first}-{d}"] for first in DOMAINS) for d in DOMAINS
        },
        "sample_success": sampled,
        "sample_domain_success": sampled_domain,
        "reconstruction": {d: _reconstruction(model, images[d], d) for d in DOMAINS},
        "judge_accuracy": {d: _judge_accuracy(judges, pair, split, d) for d in DOMAINS},
        "counts": {**{d: len(images[d]) for d in DOMAINS}, "samples": SAMPLES_PER_VALUE},
    }
    if isinstance(model, NamedCodes):
        report["code_of_value"] = dict(zip(pair.attribute.values, model.code_of_value, strict=True))
    return report


def _images(pair, split, domain):
    images = pair.sets.get((split, domain))
    return np.empty((0, 0, 0, 3), "uint8") if images is None else images.images


def _route_figures(model, images, values, judges):
    """Per route: share of edits read as the value asked, and as its domain; None if it has none."""
    success, in_domain = {}, {}
    for first in DOMAINS:
        for second in DOMAINS:
            route, count = f"{first}-{second}", len(images[first])

            def edit(rows, value, first=first, second=second):
                return _translate(model, images[first][rows], first, second, value)

            if not model.can_translate(second):
                count = 0
            success[route], in_domain[route] = _shares(edit, values, count, second, judges)
    return success, in_domain


def _sample_figures(model, values, judges, count, seed):
    """Per domain: share of samples read as the value asked, and as the domain."""
    success, in_domain = {}, {}
    for domain in DOMAINS:

        def sample(rows, value, domain=domain):
            # Every value is drawn from the same noise; no two batches share theirs.
            return model.sample(_full(rows, value), domain, seed + int(rows[0]))

        drawn = count if model.can_sample(domain) else 0
        success[domain], in_domain[domain] = _shares(sample, values, drawn, domain, judges)
    return success, in_domain


def _shares(generate, values, count, domain, judges):
    """(share read as the value asked, share read as `domain`), each None without a judge.

    Where no value is asked the first is None too.
    """
    judge = None if NO_VALUE in values else judges.attribute.get(domain)
    if count == 0 or (judge is None and judges.domain is None):
        return None, None

    def look(rows, value):
        images = np.asarray(generate(rows, value))
        asked, place = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
        if judge is not None:
            asked = judging.read(judge, images) == value
        if judges.domain is not None:
            place = judging.read(judges.domain, images) == DOMAINS.index(domain)
        return asked, place

    seen = [in_batches(lambda rows, k=k: look(rows, k), np.arange(count)) for k in values]
    asked, place = (float(np.mean(parts)) for parts in zip(*seen, strict=True))
    return asked if judge is not None else None, place if judges.domain is not None else None


def _reconstruction(model, images, domain) -> dict[str, float] | None:
    if not (model.can_translate(domain) and len(images)):
        return None

    def compare(batch):
        real, base = to_float(batch), _translate(model, batch, domain, domain, NO_VALUE)
        error = tf.reduce_mean(tf.abs(real - base), [1, 2, 3])
        return error, tf.image.ssim(real, base, max_val=2.0)

    error, similarity = in_batches(compare, images)
    return {"l1": float(np.mean(error)), "ssim": float(np.mean(similarity))}


def _judge_accuracy(judges, pair, split, domain) -> float | None:
    images = pair.sets.get((split, domain))
    if images is None:
        return None
    return judging.accuracy(judges.attribute.get(domain), images.images, images.labels)


def _classify(model, images, domain) -> np.ndarray:
    return in_batches(lambda batch: model.classify(to_float(batch), domain), images)


def _translate(model, batch, first, second, value):
    return model.translate(to_float(batch), first, second, _full(batch, value))


def _full(batch, value) -> np.ndarray:
    return np.full(len(batch), value, "int32")


def _mean(values) -> float | None:
    values = list(values)
    return None if None in values else sum(values) / len(values)
