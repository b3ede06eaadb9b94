"""Alarms: what goes wrong is told, and what is merely young or rare is not."""

import pytest
import tiny

from cdd_keras.search import parse_objective
from cdd_keras.search.alarms import DivergedError, Watch, alarm
from cdd_keras.search.owner import Claim, TakenError

HEALTHY = {
    "agreement": 0.634,
    "infomax": 0.68,
    "target_entropy": -0.011,
    "translated_source_accuracy": 0.988,
    "kappa": 0.976,
}


def row(step=100, **seen):
    return {"step": step, "label_free": {**HEALTHY, **seen}}


@pytest.mark.parametrize(
    "seen",
    [
        {},
        # Table 3's glasses: one in fifteen.
        {"infomax": 0.16, "target_entropy": -0.112, "translated_source_accuracy": 0.948},
        # Nothing learnt yet.
        {"infomax": 1e-5, "target_entropy": -0.69, "translated_source_accuracy": 0.5, "kappa": 0},
        # No translation.
        {"translated_source_accuracy": None, "kappa": None},
    ],
)
def test_healthy_trainings_raise_no_alarm(seen):
    assert alarm(row(**seen), steps=100) is None


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"translated_source_accuracy": 0.99, "kappa": 0.02}, "leak alarm"),
        ({"translated_source_accuracy": 1.0, "kappa": -0.5}, "leak alarm"),
        ({"infomax": 0.001, "target_entropy": -0.01}, "collapse"),
    ],
)
def test_leaks_and_collapses_do_from_half_the_run_on(seen, words):
    assert words in alarm(row(50, **seen), steps=100)
    assert alarm(row(49, **seen), steps=100) is None


def test_a_run_of_a_few_steps_has_not_collapsed():
    assert alarm(row(2, infomax=0.001, target_entropy=-0.01), steps=2) is None


def test_readings_that_are_no_numbers_do_at_any_time():
    assert "not numbers" in alarm(row(1, infomax=None), steps=100)


@pytest.fixture
def watch(tmp_path):
    claim = Claim(tmp_path, "worker")
    config = tiny.config(steps=100)
    return Watch(config, 6, parse_objective("agreement+kappa"), claim)


def test_an_alarm_ends_the_training(watch, capsys):
    watch.evaluated([row(40)])
    with pytest.raises(DivergedError, match=r"collapse: .* at step 60"):
        watch.evaluated([row(40), row(60, infomax=0.0, target_entropy=0.0)])
    assert capsys.readouterr().err == ""


def test_a_figure_of_the_objective_that_is_no_number_ends_the_training(watch):
    with pytest.raises(DivergedError, match="diverged: agreement is no number, at step 20"):
        watch.evaluated([row(10), row(20, agreement=None)])
    watch.evaluated([row(10), row(20, snd=None)])


def test_nothing_is_told_of_readings_that_a_method_does_not_have(tmp_path):
    config = tiny.config("acgan", steps=100)
    watch = Watch(config, 0, parse_objective("source_accuracy"), Claim(tmp_path, "worker"))
    watch.evaluated([row(60, infomax=None, target_entropy=None, source_accuracy=0.9)])


def test_a_trial_that_another_took_over_is_left_before_anything_is_written(watch, tmp_path):
    watch.on_train_batch_end(0)
    Claim(tmp_path, "another")
    with pytest.raises(TakenError):
        watch.on_train_batch_end(1)
