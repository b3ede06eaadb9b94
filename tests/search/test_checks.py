"""Checks before a search: what could come to nothing is refused, and what could not is not."""

import dataclasses

import pytest
import tiny

from cdd_keras.config import CRITERIA, METHODS
from cdd_keras.domains import TARGET
from cdd_keras.errors import UsageError
from cdd_keras.evaluation import label_free_scores
from cdd_keras.search import parse_objective
from cdd_keras.search.checks import available, check, check_data


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "oracle"}, "trains on target labels"),
        (
            {"objective": "agreement"},
            r"agreement, the default, is undefined for .* source_only.* Try --objective infomax\.",
        ),
        ({"objective": "kappa", "method": "cdd", "belief_via_source": 0.0}, "kappa is undefined"),
        ({"objective": "infomax", "method": "acgan"}, "one of source_accuracy, or another method"),
        ({"objective": "infomax", "method": "infogan"}, r"infogan\. Expected another method"),
        ({"objective": "source_edit_success"}, "undefined for method source_only"),
        ({"objective": "source_edit_success", "method": "cdd_gan"}, "undefined for method cdd_gan"),
        ({"objective": "source_edit_success", "method": "dtn"}, "undefined for method dtn"),
        ({"tuner": "hyperband", "evaluate_every": 0.25}, "Expected at least 6"),
    ],
)
def test_what_no_trial_could_end_well_with_is_refused(settings, words, make_plan):
    with pytest.raises(UsageError, match=words):
        check(make_plan(**settings))


@pytest.mark.parametrize(
    "settings",
    [
        {"objective": "infomax+source_edit_success", "method": "cdd"},
        {"objective": "source_accuracy", "method": "acgan"},
        {
            "objective": "agreement",
            "method": "cdd",
            "belief_via_source": 0.0,
            "space": {"belief_via_source": {"min": 0.1, "max": 0.5}},
        },
        {"tuner": "hyperband", "evaluate_every": 1.0, "max_trials": 1},
        {"tuner": "hyperband", "evaluate_every": 0.25, "max_trials": 6},
    ],
)
def test_what_could_is_not(settings, make_plan):
    check(make_plan(**settings))


QUICK = ("source_only", "acgan", "infogan")


@pytest.mark.parametrize(
    "method",
    [
        method if method in QUICK else pytest.param(method, marks=pytest.mark.slow)
        for method in METHODS
    ],
)
def test_a_method_has_the_figures_that_it_is_said_to_have(method, make_plan, pair):
    scores = label_free_scores(tiny.build(method), pair)
    has = {name for name, score in scores.items() if score is not None}
    assert has == set(available(make_plan(method=method))) & set(CRITERIA)


def test_an_oracles_objective_needs_target_labels(make_plan, pair):
    plan = make_plan(objective="infomax+oracle_target_accuracy")
    check_data(plan, pair)
    bare = dataclasses.replace(pair.get("validation", TARGET), labels=None)
    unlabelled = dataclasses.replace(pair, sets={**pair.sets, ("validation", TARGET): bare})
    check_data(dataclasses.replace(plan, objective=parse_objective("infomax")), unlabelled)
    with pytest.raises(UsageError, match="the validation images of photo have none"):
        check_data(plan, unlabelled)
