"""Objectives: names, sums, and which of them read target labels."""

import dataclasses

import pytest

from cdd_keras.config import CRITERIA, Config
from cdd_keras.errors import UsageError
from cdd_keras.metrics.validators import VALIDATORS
from cdd_keras.search.objectives import NAMES, ORACLE_MARK, ORACLES, parse_objective


def test_a_sum_is_its_terms_times_their_weights():
    objective = parse_objective("agreement + 0.5*source_edit_success")
    assert str(objective) == "agreement+0.5*source_edit_success"
    assert objective.value({"agreement": 0.6, "source_edit_success": 0.8, "snd": 9}) == 1.0
    assert parse_objective(str(objective)) == objective


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2*kappa", "2*kappa"),
        ("1e6*kappa", "1000000*kappa"),
        ("1e20*kappa", "1e20*kappa"),
        ("0.33333333*kappa", "0.33333333*kappa"),
    ],
)
def test_a_weight_is_shown_whole_and_can_be_read_again(text, shown):
    assert str(parse_objective(text)) == shown
    assert parse_objective(shown) == parse_objective(text)


@pytest.mark.parametrize("name", NAMES)
def test_what_reads_target_labels_is_marked_by_its_name(name):
    assert parse_objective(name).reads_target_labels == name.startswith(ORACLE_MARK)
    assert (name in ORACLES) == name.startswith(ORACLE_MARK)


def test_no_oracle_can_be_the_default():
    # The default is the run's criterion, and the schema knows none of them.
    assert set(CRITERIA) == set(VALIDATORS)
    assert not set(CRITERIA) & set(ORACLES)
    for name in ORACLES:
        with pytest.raises(UsageError, match="`criterion` is not available"):
            Config(attr="eyeglasses", criterion=name)
    fields = {field.name: field for field in dataclasses.fields(Config)}
    assert not parse_objective(fields["criterion"].default).reads_target_labels


def test_a_sum_with_an_oracle_is_an_oracle():
    assert parse_objective("agreement+2*oracle_target_accuracy").reads_target_labels


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("agrement", "'agrement'.*Did you mean agreement"),
        ("", "not available: ''"),
        ("agreement+", "not available: ''"),
        ("x*agreement", "wrong weight: 'x'"),
        ("*agreement", "wrong weight: ''"),
        ("-1*agreement", "wrong weight: '-1'"),
        ("nan*agreement", "wrong weight: 'nan'"),
        ("agreement+2*agreement", "names agreement twice"),
    ],
)
def test_what_is_no_objective_is_refused(text, message):
    with pytest.raises(UsageError, match=r"`--objective`.*" + message.replace("*a", r"\*a")):
        parse_objective(text)
