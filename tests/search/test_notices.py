"""Notices: what of a plan is told before a search, and that a good one gets none."""

import dataclasses
import re

import pytest

from cdd_keras.intervals import evaluation_count
from cdd_keras.search import parse_space
from cdd_keras.search.notices import notices, unused
from cdd_keras.search.oracles import make_oracle
from cdd_keras.search.space_file import DEFAULT


def told(plan):
    return "\n".join(notices(plan, make_oracle(plan, evaluation_count(plan.config))))


def test_a_rung_before_the_last_edits_begin_is_told(make_plan):
    settings = {"tuner": "hyperband", "max_trials": 20, "steps": 80, "evaluate_every": 0.125}
    late = {"edit_start": {"min": 0.1, "max": 0.5}}
    plan = make_plan(method="cdd", space=late, ramp=0.1, **settings)
    # 0.5 + 0.1, and what the target's edits come after the source's.
    assert re.search(r"at 38% of a run.* from 68% on", told(plan))
    assert "hyperband" not in told(dataclasses.replace(plan, tuner="random"))
    early = parse_space({"edit_start": {"min": 0.1, "max": 0.2}})
    assert "hyperband" not in told(dataclasses.replace(plan, space=early))


def test_hyperband_without_rungs_is_told(make_plan):
    plan = make_plan(tuner="hyperband", method="cdd", evaluate_every=0.5, max_trials=2)
    assert "with 2 evaluations a run hyperband has one rung" in told(plan)


def test_nothing_is_told_of_a_plan_that_is_as_it_should_be(make_plan):
    space = {"generator_rate": {"min": 1e-4, "max": 1e-2}, "channels": {"values": [2, 4]}}
    assert told(make_plan(method="cdd", space=space)) == ""


def test_an_inexact_search_and_a_base_outside_the_space_are_told(make_plan):
    plan = make_plan(method="cdd", space={"channels": {"values": [2]}}, deterministic=False)
    assert "may not repeat the winner's figures exactly" in told(plan)
    assert "lies outside the space" in told(plan)


def test_a_criterion_that_the_method_lacks_is_told(make_plan):
    words = "agreement is undefined for method source_only: each trial's evaluation is picked by "
    assert f"{words}infomax" in told(make_plan())


@pytest.mark.parametrize(
    ("objective", "idle"),
    [("agreement", ("edit_strength",)), ("agreement+source_edit_success", ())],
)
def test_strengths_change_what_is_seen_of_edits_alone(objective, idle, make_plan):
    space = {"edit_strength": {"min": 1, "max": 2}}
    assert unused(make_plan(method="cdd", space=space, objective=objective)) == idle


@pytest.mark.parametrize(
    ("method", "names", "idle"),
    [
        ("source_only", DEFAULT.names, set(DEFAULT.names) - {"classifier_rate"}),
        ("cdd", DEFAULT.names, set()),
        ("cdd", ("classifier_rate", "classifier_trunk"), set()),
        ("cdd_gan", ("classifier_rate", "generator_rate"), {"classifier_rate"}),
    ],
)
def test_settings_that_change_nothing_are_found(method, names, idle, make_plan):
    ranges = {
        "edit_start": {"min": 0.1, "max": 0.5},
        "classifier_trunk": {"values": ["separate", "shared"]},
    }
    space = {name: ranges.get(name, {"min": 0.1, "max": 0.9}) for name in names}
    # Here `cdd` has no classifier of its own, but in other trials.
    trunk = "shared" if "classifier_trunk" in names else "separate"
    found = unused(make_plan(method=method, space=space, classifier_trunk=trunk))
    assert set(found) == idle
