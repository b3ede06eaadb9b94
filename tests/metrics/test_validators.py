import math

import numpy as np
import pytest

from cdd_keras.metrics import validators
from cdd_keras.metrics.validators import VALIDATORS, register, validate, validate_all


def read(*probabilities):
    with np.errstate(divide="ignore"):
        return np.log(np.array(probabilities, "float64"))


SURE = read(*[[1, 0], [0, 1]] * 20)
CONSTANT = read(*[[1, 0]] * 40)
UNIFORM = read(*[[0.5, 0.5]] * 40)


def target(name, predictions):
    return validate(name, {"target_log_probabilities": predictions})


def branches(name, direct, translated):
    seen = {"direct_log_probabilities": direct, "translated_log_probabilities": translated}
    return validate(name, seen)


def test_source_accuracy():
    seen = {"source_labels": np.array([0, 1, 1, 1]), "source_log_probabilities": SURE[:4]}
    assert validate("source_accuracy", seen) == 0.75


def test_translated_source_accuracy():
    labels = np.array([0, 0, 0, 1])
    seen = {"source_labels": labels, "translated_source_log_probabilities": SURE[:4]}
    assert validate("translated_source_accuracy", seen) == 0.75
    assert validate("translated_source_accuracy", {"source_labels": labels}) is None


@pytest.mark.parametrize("classes", [2, 10])
def test_entropy_and_infomax_of_uniform(classes):
    uniform = np.full((7, classes), -math.log(classes))
    assert target("target_entropy", uniform) == pytest.approx(-math.log(classes))
    assert target("infomax", uniform) == pytest.approx(0, abs=1e-12)


def test_entropy_and_infomax_of_certainty():
    assert target("target_entropy", SURE) == target("target_entropy", CONSTANT) == 0
    assert target("infomax", SURE) == pytest.approx(math.log(2))
    assert target("infomax", CONSTANT) == pytest.approx(0, abs=1e-12)
    ten = np.log(np.eye(10) * (1 - 1e-9) + 1e-10)
    assert target("infomax", ten) == pytest.approx(math.log(10), abs=1e-6)


def test_soft_neighbourhood_density():
    # Every image has 19 neighbours alike and 20 with similarity 0.
    alike, unlike = math.exp(1 / 0.05), 1.0
    total = 19 * alike + 20 * unlike
    entropy = -19 * alike / total * math.log(alike / total) - 20 / total * math.log(1 / total)
    assert target("snd", SURE) == pytest.approx(entropy)
    assert target("snd", CONSTANT) == pytest.approx(math.log(39))
    assert target("snd", SURE[:1]) is None
    scattered = np.log(np.stack([np.linspace(0, 1, 40), 1 - np.linspace(0, 1, 40)], 1) + 1e-9)
    assert target("snd", scattered) < target("snd", SURE)


def test_soft_neighbourhood_density_thins_large_sets(monkeypatch):
    monkeypatch.setattr(validators, "DENSITY_ROWS", 10)
    assert target("snd", CONSTANT) == pytest.approx(math.log(9))


def test_agreement_of_known_joints():
    assert branches("agreement", SURE, SURE) == pytest.approx(math.log(2))
    assert branches("agreement", SURE, SURE[::-1]) == pytest.approx(-math.log(2))
    assert branches("agreement", SURE, UNIFORM) == pytest.approx(0, abs=1e-12)
    # Half of each class agrees: a joint of quarters is independence.
    mixed = np.concatenate([SURE[:20], SURE[:20][::-1]])
    assert branches("agreement", SURE, mixed) == pytest.approx(0, abs=1e-12)


def test_kappa_of_known_tables():
    assert branches("kappa", SURE, SURE) == 1
    assert branches("kappa", SURE, SURE[::-1]) == -1
    assert branches("kappa", CONSTANT, CONSTANT) == 0
    direct = read(*[[1, 0]] * 25, *[[0, 1]] * 25)
    translated = read(*[[1, 0]] * 20, *[[0, 1]] * 5, *[[1, 0]] * 10, *[[0, 1]] * 15)
    assert branches("kappa", direct, translated) == pytest.approx(0.4)


@pytest.mark.parametrize("name", ["agreement", "kappa"])
def test_a_constant_predictor_loses(name):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 200)
    noisy = [np.where(rng.random(200) < 0.2, 1 - truth, truth) for _ in range(2)]
    direct, translated = (np.log(np.where(np.eye(2)[values] > 0, 0.9, 0.1)) for values in noisy)
    constant = np.log(np.tile([0.999, 0.001], (200, 1)))
    useful = branches(name, direct, translated)
    assert useful > 0.01
    assert branches(name, constant, constant) == pytest.approx(0, abs=1e-6)
    assert branches(name, direct, constant) == pytest.approx(0, abs=1e-6)


def test_the_default_is_a_validator_of_both_branches():
    assert validators.DEFAULT in VALIDATORS
    assert branches(validators.DEFAULT, SURE, None) is None


def test_agreement_grows_as_branches_meet():
    values = [
        branches("agreement", SURE, np.concatenate([SURE[:keep], SURE[:-keep][::-1]]))
        for keep in (24, 30, 36)
    ]
    assert values == sorted(values)
    assert len(set(values)) == 3


def test_order_of_images_does_not_matter():
    rng = np.random.default_rng(1)
    direct, translated = (np.log(rng.dirichlet([1, 1, 1], 30)) for _ in range(2))
    order = rng.permutation(30)
    for name in ("agreement", "kappa"):
        permuted = branches(name, direct[order], translated[order])
        assert permuted == pytest.approx(branches(name, direct, translated))


def test_undefined_is_none():
    nothing = validate_all({})
    assert set(nothing) == set(VALIDATORS)
    assert set(nothing.values()) == {None}
    assert target("infomax", np.full((4, 2), np.nan)) is None
    assert target("infomax", np.zeros((0, 2))) is None


def test_target_labels_have_no_name():
    def cheats(target_labels, target_log_probabilities):
        return 1.0

    def hides(**anything):
        return 1.0

    with pytest.raises(ValueError, match="may not see 'target_labels'"):
        register(cheats)
    with pytest.raises(ValueError, match="names what it sees"):
        register(hides)
    with pytest.raises(ValueError, match="may not see \\['target_labels'\\]"):
        validate("infomax", {"target_labels": np.zeros(2), "target_log_probabilities": SURE})
    assert "cheats" not in VALIDATORS


def test_unknown_validator():
    with pytest.raises(ValueError, match="not a validator: 'oracle'"):
        validate("oracle", {})
