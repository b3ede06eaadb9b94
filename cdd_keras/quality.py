"""What of `report.json`'s `generation` tells how good images are, beside what they show.

Distances are between features of the independent judge of a domain, on at most `IMAGES` images,
in units of the real images' own spread. They are named for that: with Inception's features they
would be FID and KID, which these are not.
"""

from itertools import pairwise

import numpy as np

from cdd_keras import judges as judging
from cdd_keras.data.preprocessing import to_float
from cdd_keras.data.sets import ImageSet
from cdd_keras.domains import DOMAINS, NO_VALUE, other
from cdd_keras.evaluation import in_batches
from cdd_keras.metrics.content import attribute_region, change_by_region
from cdd_keras.metrics.diversity import diversity
from cdd_keras.metrics.frechet import frechet_distance
from cdd_keras.metrics.kernel_distance import kernel_distance
from cdd_keras.naming import name_codes

IMAGES = 500


def quality_report(model, pair, judges, split: str, seed: int = 0) -> dict:
    """Distances to real images, diversity and preserved content, each by domain, None if unknown.

    Args:
        model, pair, judges, split, seed: as for `evaluation.generation_report`.

    Returns:
        {"judge_frechet", "judge_kernel_distance"}: {"samples", "translations"} -> domain -> of
        the generated to the real images of the domain. The Fréchet distance is given as a share
        of the real images' variance: 1 if all were one average image. Samples have the values of
        the real images. "diversity": of samples, as a share of the real images'. "content":
        domain -> {"inside", "outside"}: mean absolute difference between edits that differ in
        value alone, in the scale of [-1, 1], in the attribute's region and outside of it.
    """
    model = name_codes(model, pair, split)
    sets = {domain: _thinned(pair.sets.get((split, domain))) for domain in DOMAINS}
    report = {
        "judge_frechet": {"samples": {}, "translations": {}},
        "judge_kernel_distance": {"samples": {}, "translations": {}},
        "diversity": {},
        "content": {},
    }
    for domain in DOMAINS:
        judge = judges.attribute.get(domain)
        real = _features(judge, sets[domain] and sets[domain].images)
        samples = _features(judge, _samples(model, sets[domain], domain, seed))
        translations = _features(judge, _translations(model, sets[other(domain)], domain))
        for kind, made in (("samples", samples), ("translations", translations)):
            pairs = _scaled(real, made)
            report["judge_frechet"][kind][domain] = _frechet_share(pairs)
            report["judge_kernel_distance"][kind][domain] = pairs and kernel_distance(*pairs)
        report["diversity"][domain] = _relative_diversity(real, samples, sets[domain])
        report["content"][domain] = _content(model, sets, domain, len(pair.attribute.values))
    return report


def _thinned(images):
    """At most `IMAGES` images with their labels, spread evenly; None for none."""
    if images is None or len(images.images) == 0:
        return None
    rows = judging.thin(np.arange(len(images.images)), IMAGES)
    labels = None if images.labels is None else images.labels[rows]
    return ImageSet(images.images[rows], labels, images.ids[rows])


def _features(judge, images):
    return None if judge is None or images is None else judging.features(judge, images)


def _samples(model, real, domain, seed):
    """As many samples as there are real images, of the values that those have."""
    if real is None or real.labels is None or not model.can_sample(domain):
        return None

    def draw(rows, values):
        return model.sample(values, domain, seed + int(rows[0]))

    return in_batches(draw, np.arange(len(real)), np.asarray(real.labels, "int32"))


def _translations(model, real, domain):
    """The other domain's images redrawn in a domain without a value of choice."""
    if real is None or not model.can_translate(domain):
        return None
    return _redrawn(model, real, other(domain), domain, NO_VALUE)


def _redrawn(model, real, first, second, value):
    def redraw(batch):
        values = np.full(len(batch), value, "int32")
        return model.translate(to_float(batch), first, second, values)

    return in_batches(redraw, real.images)


def _scaled(real, made):
    """Both with the mean of the real ones at 0 and their variance 1 on average."""
    if real is None or made is None:
        return None
    centre, spread = real.mean(0), np.sqrt(real.var(0).mean()) or 1.0
    return (real - centre) / spread, (made - centre) / spread


def _frechet_share(pairs) -> float | None:
    distance = pairs and frechet_distance(*pairs)
    return None if distance is None else distance / pairs[0].shape[-1]


def _relative_diversity(real, samples, images) -> float | None:
    if real is None or samples is None:
        return None
    expected, found = (diversity(one, images.labels) for one in (real, samples))
    return found / expected if expected else None


def _content(model, sets, domain, classes) -> dict[str, float] | None:
    """Changes that a value makes, over both routes into a domain."""
    real = sets[domain]
    drawn = model.traits.shows_values and model.can_translate(domain)
    if not drawn or real is None or real.labels is None:
        return None
    region = attribute_region(real.images, real.labels)
    if region is None:
        return None
    changes = []
    for first in DOMAINS:
        if sets[first] is not None:
            edits = [_redrawn(model, sets[first], first, domain, v) for v in range(classes)]
            changes += [change_by_region(one, two, region) for one, two in pairwise(edits)]
    inside, outside = np.mean(changes, 0)
    return {"inside": float(inside), "outside": float(outside)}
