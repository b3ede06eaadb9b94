import numpy as np
import pytest
from stand_ins import GLASSES, SIZE, ImageSet, Model, Pair

from cdd_keras import judges as judging
from cdd_keras import quality
from cdd_keras.data.preprocessing import to_float, to_uint8
from cdd_keras.domains import DOMAINS, SOURCE, TARGET
from cdd_keras.judges import Judges, build_judge
from cdd_keras.metrics.summary import plain
from cdd_keras.objective import Traits
from cdd_keras.quality import quality_report

LABELS = np.arange(40) % 2
JUDGES = Judges({domain: build_judge(SIZE, 2, number) for number, domain in enumerate(DOMAINS)})
PATCH = (slice(4, 8), slice(2, 12))


def show(images, values):
    """Images with a bright patch for value 1 and a dark one for value 0."""
    images = np.array(images)
    images[:, *PATCH] = (2.0 * np.asarray(values) - 1)[:, None, None, None]
    return images.astype("float32")


def real(seed):
    noise = np.random.default_rng(seed).uniform(-1, 1, (40, SIZE, SIZE, 3))
    shown = to_uint8(show(noise, LABELS)).numpy()
    return ImageSet(shown, LABELS.astype("int32"), np.arange(40).astype(str))


PAIR = Pair(GLASSES, {("test", domain): real(n) for n, domain in enumerate(DOMAINS)})


class Painter(Model):
    """Changes the patch alone, and samples what real images are like."""

    def translate(self, images, source, target, values):
        values = np.where(np.asarray(values) < 0, 1, values)
        return show(images, values)

    def sample(self, values, domain, seed):
        noise = np.random.default_rng(100 + seed).uniform(-1, 1, (len(values), SIZE, SIZE, 3))
        return show(noise, values)


class Blurred(Painter):
    """Samples one grey image, and changes all of an image a little."""

    def translate(self, images, source, target, values):
        return super().translate(images, source, target, values) + 0.1 * np.asarray(values)[0]

    def sample(self, values, domain, seed):
        return np.zeros((len(values), SIZE, SIZE, 3), "float32")


def report_of(model, pair=PAIR, judges=JUDGES):
    return plain(quality_report(model, pair, judges, "test"))


@pytest.fixture(scope="module")
def good():
    return report_of(Painter())


@pytest.fixture(scope="module")
def bad():
    return report_of(Blurred())


def test_samples_like_real_images_are_near_and_diverse(good, bad):
    for domain in DOMAINS:
        near, far = (one["judge_frechet"]["samples"][domain] for one in (good, bad))
        assert 0 <= near < 0.5 * far
        near, far = (one["judge_kernel_distance"]["samples"][domain] for one in (good, bad))
        assert near < 0.2 * far
        assert good["diversity"][domain] == pytest.approx(1, abs=0.1)
        assert bad["diversity"][domain] == pytest.approx(0, abs=1e-3)


def test_a_constant_image_at_the_mean_is_all_of_the_variance_away():
    features = judging.features(JUDGES.attribute[SOURCE], PAIR.sets["test", SOURCE].images)
    pairs = quality._scaled(features, np.repeat(features.mean(0)[None], 40, 0))
    assert quality._frechet_share(pairs) == pytest.approx(1, abs=0.05)


def test_content_is_kept_outside_of_the_region(good, bad):
    for domain in DOMAINS:
        inside, outside = good["content"][domain].values()
        assert outside == pytest.approx(0, abs=1e-6)
        # The patch is 40 of the 51 pixels of the region.
        assert inside == pytest.approx(2 * 40 / 52, abs=0.1)
        assert bad["content"][domain]["outside"] == pytest.approx(0.1, abs=1e-5)


class Plain(Painter):
    traits = Traits(draws=(TARGET,), shows_values=False)
    has_prior = False


def test_what_a_method_lacks_is_null():
    report = report_of(Plain())
    nothing = {"source": None, "target": None}
    assert report["judge_frechet"]["samples"] == report["diversity"] == nothing
    assert report["content"] == nothing
    assert report["judge_frechet"]["translations"]["source"] is None
    assert report["judge_frechet"]["translations"]["target"] > 0


def test_what_data_or_judges_lack_is_null():
    unlabelled = ImageSet(PAIR.sets["test", TARGET].images, None, np.arange(40).astype(str))
    report = report_of(Painter(), Pair(GLASSES, {("test", TARGET): unlabelled}))
    assert report["judge_frechet"]["samples"] == {"source": None, "target": None}
    assert report["content"] == {"source": None, "target": None}
    report = report_of(Painter(), judges=Judges({SOURCE: JUDGES.attribute[SOURCE]}))
    assert report["judge_frechet"]["samples"]["target"] is None
    assert report["judge_frechet"]["samples"]["source"] is not None
    assert report["content"]["target"]["inside"] > 0


def test_no_more_images_are_looked_at_than_are_needed(monkeypatch):
    monkeypatch.setattr(quality, "IMAGES", 10)
    thinned = quality._thinned(PAIR.sets["test", SOURCE])
    assert len(thinned.images) == len(thinned.labels) == 10


def test_features_are_what_the_last_layer_reads():
    judge, images = JUDGES.attribute[TARGET], PAIR.sets["test", TARGET].images
    features = judging.features(judge, images, size=16)
    kernel, bias = judge.layers[-1].get_weights()
    logits = judge(to_float(images), training=False)
    np.testing.assert_allclose(features @ kernel + bias, logits, atol=1e-4)
