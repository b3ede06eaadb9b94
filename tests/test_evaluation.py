import math

import numpy as np
import pytest
import stand_ins
import tensorflow as tf
from stand_ins import (
    GLASSES,
    Attribute,
    ImageSet,
    Judge,
    Model,
    Pair,
    SecretSet,
    certain,
    painted_set,
)

from cdd_keras import evaluation
from cdd_keras.domains import DOMAINS, SOURCE, TARGET
from cdd_keras.evaluation import (
    classification_report,
    generation_report,
    in_batches,
    label_free_scores,
)
from cdd_keras.judges import Judges
from cdd_keras.objective import Traits

LABELS = np.array([0, 1] * 5)


def make_pair(source=LABELS, target=LABELS, split="test", **shown):
    sets = {
        (split, SOURCE): painted_set(source, SOURCE, shown=shown.get("source_shown")),
        (split, TARGET): painted_set(target, TARGET, shown=shown.get("target_shown")),
    }
    return Pair(GLASSES, sets)


def make_judges():
    value = Judge(stand_ins.seen_value)
    return Judges(dict.fromkeys(DOMAINS, value), Judge(stand_ins.seen_domain))


def report_of(model, pair=None, judges=None, **settings):
    return generation_report(
        model, pair or make_pair(), judges or make_judges(), "test", **settings
    )


def test_in_batches_joins_what_it_splits():
    sizes = []

    def add(first, second):
        sizes.append(len(first))
        return tf.constant(first + second)

    total = in_batches(add, np.arange(7), 10 * np.arange(7), size=3)
    assert sizes == [3, 3, 1]
    np.testing.assert_array_equal(total, 11 * np.arange(7))


def test_in_batches_joins_dicts_and_tuples():
    result = in_batches(lambda x: {"a": x, "b": (x + 1, x + 2)}, np.arange(5), size=2)
    np.testing.assert_array_equal(result["a"], np.arange(5))
    np.testing.assert_array_equal(result["b"][1], np.arange(5) + 2)


@pytest.mark.parametrize("arrays", [([],), ([1, 2], [1])])
def test_in_batches_refuses_empty_and_unequal(arrays):
    with pytest.raises(ValueError, match="share one length"):
        in_batches(lambda *parts: parts[0], *arrays)


def test_classification_report():
    shown = LABELS.copy()
    shown[:2] = 1 - shown[:2]
    report = classification_report(Model(), make_pair(target_shown=shown), "test")
    assert report["source"]["accuracy"] == 1
    assert report["target"]["accuracy"] == pytest.approx(0.8)
    assert report["target"]["count"] == 10


def test_classification_report_batches():
    model = Model()
    labels = np.arange(600) % 2
    assert classification_report(model, make_pair(labels, labels), "test")["source"]["count"] == 600
    assert model.largest_batch == 250


def test_classification_without_a_domain_or_labels_is_null():
    pair = make_pair()
    unlabelled = ImageSet(pair.sets["test", TARGET].images, None)
    assert classification_report(
        Model(), Pair(GLASSES, {("test", TARGET): unlabelled}), "test"
    ) == {"source": None, "target": None}


def test_label_free_scores_do_not_touch_target_labels():
    pair = make_pair(split="validation")
    pair.sets["validation", TARGET] = SecretSet(pair.sets["validation", TARGET].images)
    scores = label_free_scores(Model(), pair)
    assert scores["source_accuracy"] == scores["translated_source_accuracy"] == 1
    assert scores["kappa"] == 1
    certainty = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert scores["target_entropy"] == pytest.approx(-certainty, abs=1e-6)
    assert scores["infomax"] == pytest.approx(math.log(2) - certainty, abs=1e-6)
    # Two readings that are each right with 0.9: the joint has 0.41 and 0.09.
    joint = -2 * (0.41 * math.log(0.41) + 0.09 * math.log(0.09))
    assert scores["agreement"] == pytest.approx(2 * math.log(2) - joint, abs=1e-6)


def test_label_free_scores_of_a_method_without_generator():
    model = Model()
    model.has_encoder = model.has_generator = False
    scores = label_free_scores(model, make_pair(split="validation"))
    assert scores["agreement"] is scores["kappa"] is scores["translated_source_accuracy"] is None
    assert scores["source_accuracy"] == 1
    assert scores["infomax"] > 0


def test_a_faultless_generator():
    report = report_of(Model())
    ones = {"source": 1.0, "target": 1.0}
    for key in ("edit_success", "domain_success", "sample_success", "sample_domain_success"):
        assert report[key] == ones
    assert report["judge_accuracy"] == ones
    assert set(report["routes"].values()) == {1.0}
    assert list(report["routes"]) == [f"{a}-{b}" for a in DOMAINS for b in DOMAINS]
    for domain in DOMAINS:
        # Real images are rounded to bytes.
        assert report["reconstruction"][domain]["l1"] < 0.005
        assert report["reconstruction"][domain]["ssim"] == pytest.approx(1, abs=1e-3)
    assert report["counts"] == {"source": 10, "target": 10, "samples": 250}


class Flawed(Model):
    """Target to source never draws glasses; the source's own edits look like the target."""

    def translate(self, images, source, target, values):
        if (source, target) == (TARGET, SOURCE):
            values = np.zeros_like(values)
        if (source, target) == (SOURCE, SOURCE):
            target = TARGET
        return super().translate(images, source, target, values)

    def sample(self, values, domain, seed):
        values = np.where(np.arange(len(values)) % 4 == 0, 1, values)
        return super().sample(values, domain, seed)


def test_routes_are_means_over_values_and_images(monkeypatch):
    monkeypatch.setattr(evaluation, "SAMPLES_PER_VALUE", 8)
    report = report_of(Flawed())
    assert report["routes"] == {
        "source-source": 1.0,
        "source-target": 1.0,
        "target-source": 0.5,
        "target-target": 1.0,
    }
    assert report["edit_success"] == {"source": 0.75, "target": 1.0}
    assert report["domain_success"] == {"source": 0.5, "target": 1.0}
    # A quarter of the samples without glasses has them.
    assert report["sample_success"]["source"] == pytest.approx(0.875)
    assert report["counts"] == {"source": 10, "target": 10, "samples": 8}
    # A channel of three is off by 2.
    assert report["reconstruction"]["source"]["l1"] == pytest.approx(2 / 3, abs=0.005)


def test_ten_values():
    digits = Attribute("digit", tuple("0123456789"))
    labels = np.arange(10)
    sets = {("test", d): painted_set(labels, d, 10) for d in DOMAINS}
    judge = Judge(lambda images: np.minimum(stand_ins.seen_value(images, 10), 8))
    report = report_of(Model(10), Pair(digits, sets), Judges(dict.fromkeys(DOMAINS, judge)))
    # The judge cannot see nines.
    assert report["routes"]["source-target"] == pytest.approx(0.9)
    assert report["judge_accuracy"]["target"] == pytest.approx(0.9)
    assert report["domain_success"] == {"source": None, "target": None}


def test_without_a_generator_all_but_the_judges_is_null():
    model = Model()
    model.has_encoder = model.has_generator = False
    report = report_of(model)
    nothing = {"source": None, "target": None}
    for key in (
        "edit_success",
        "domain_success",
        "sample_success",
        "sample_domain_success",
        "reconstruction",
    ):
        assert report[key] == nothing
    assert set(report["routes"].values()) == {None}
    assert report["judge_accuracy"] == {"source": 1.0, "target": 1.0}


def test_without_an_encoder_samples_remain():
    model = Model()
    model.has_encoder = False
    report = report_of(model)
    assert report["sample_success"] == {"source": 1.0, "target": 1.0}
    assert set(report["routes"].values()) == {None}


def test_a_missing_judge_or_domain_is_null():
    judges = make_judges()
    del judges.attribute[TARGET]
    report = report_of(Model(), judges=judges)
    assert report["edit_success"] == {"source": 1.0, "target": None}
    assert report["domain_success"] == {"source": 1.0, "target": 1.0}
    assert report["judge_accuracy"] == {"source": 1.0, "target": None}
    pair = make_pair()
    del pair.sets["test", SOURCE]
    report = report_of(Model(), pair)
    assert report["routes"]["source-target"] is None
    assert report["routes"]["target-target"] == 1
    assert report["edit_success"] == {"source": None, "target": None}
    assert report["reconstruction"]["source"] is None


def test_samples_of_each_value_share_their_noise_and_batches_do_not():
    seeds = []

    class Seeded(Model):
        def sample(self, values, domain, seed):
            seeds.append((domain, int(values[0]), seed, len(values)))
            return super().sample(values, domain, seed)

    report_of(Seeded(), seed=7)
    assert seeds == [(d, value, 7, 250) for d in DOMAINS for value in (0, 1)]


def test_certain_is_what_the_tests_take_it_for():
    np.testing.assert_allclose(np.exp(certain([0, 1])), [[0.9, 0.1], [0.1, 0.9]], rtol=1e-6)


class Plain(Model):
    """Draws and reads, but knows no values to draw."""

    traits = Traits(shows_values=False)


def test_without_values_only_domains_are_judged():
    report = report_of(Plain())
    ones, nothing = {"source": 1.0, "target": 1.0}, {"source": None, "target": None}
    assert report["edit_success"] == report["sample_success"] == nothing
    assert set(report["routes"].values()) == {None}
    assert report["domain_success"] == report["sample_domain_success"] == ones
    assert report["reconstruction"]["source"]["l1"] < 0.005


class SourceOnly(Model):
    """Reads and draws one domain."""

    has_encoder = False
    traits = Traits(reads=(SOURCE,), draws=(SOURCE,))

    def classify(self, images, domain):
        assert domain == SOURCE
        return super().classify(images, domain)


def test_a_domain_that_is_not_read_is_null():
    report = classification_report(SourceOnly(), make_pair(), "test")
    assert (report["source"]["accuracy"], report["target"]) == (1, None)
    scores = label_free_scores(SourceOnly(), make_pair(split="validation"))
    assert scores["source_accuracy"] == 1
    assert scores["infomax"] is scores["target_entropy"] is None
    drawn = report_of(SourceOnly())["sample_success"]
    assert drawn == {"source": 1.0, "target": None}


class TargetOnly(Model):
    """Translates to the target, and draws nothing from noise."""

    has_prior = False
    traits = Traits(draws=(TARGET,))


def test_a_domain_that_is_not_drawn_is_null():
    report = report_of(TargetOnly())
    assert report["edit_success"] == {"source": None, "target": 1.0}
    assert report["routes"]["target-source"] is report["routes"]["source-source"] is None
    assert report["reconstruction"]["source"] is None
    assert report["sample_domain_success"] == {"source": None, "target": None}


class Coded(Model):
    """Codes of its own: right and wrong are not for it to say."""

    traits = Traits(names_values=False)


def test_codes_without_names_are_not_selected_by_labels():
    scores = label_free_scores(Coded(), make_pair(split="validation"))
    assert scores["source_accuracy"] is None
    assert report_of(Coded())["code_of_value"] == {"no-eyeglasses": 0, "eyeglasses": 1}
