import pytest

from cdd_keras.metrics.selection import Evaluation, pick_label_free, regrets, select


def evaluation(step, agreement, balanced, **scores):
    report = {
        "source": {"balanced_accuracy": 0.9},
        "target": None if balanced is None else {"balanced_accuracy": balanced},
    }
    return Evaluation(step, {"agreement": agreement, **scores}, report)


RUN = [evaluation(100, 0.1, 0.6), evaluation(200, 0.5, 0.7), evaluation(300, 0.3, 0.8)]


def test_evaluations_before_a_model_is_settled_are_passed_over():
    early = Evaluation(1, {"agreement": 0.9}, {}, settled=False)
    late = Evaluation(2, {"agreement": 0.1}, {})
    assert pick_label_free([early, late]) == (late, "agreement")
    assert pick_label_free([early]) == (early, "agreement")


def test_three_picks():
    selection = select(RUN)
    assert selection["final"] == {
        "source": {"balanced_accuracy": 0.9},
        "target": {"balanced_accuracy": 0.8},
        "step": 300,
    }
    assert (selection["label_free"]["step"], selection["label_free"]["criterion"]) == (
        200,
        "agreement",
    )
    assert selection["oracle"]["step"] == 300
    assert "reads target labels" in selection["oracle"]["criterion"]


def test_what_each_validator_gives_up_to_the_oracle():
    run = [
        evaluation(100, 0.1, 0.9, infomax=0.5, snd=None),
        evaluation(200, 0.5, 0.7, infomax=0.2, snd=None),
    ]
    found = regrets(run)
    assert found["agreement"] == pytest.approx(0.2)
    assert found["infomax"] == 0
    # Not what it would fall back on.
    assert found["snd"] is None
    assert regrets([evaluation(100, 0.1, None)]) == {}


def test_order_does_not_matter():
    assert select(RUN[::-1]) == select(RUN)


def test_the_label_free_pick_does_not_see_the_target_labels():
    permuted = [
        evaluation(one.step, one.label_free["agreement"], 1 - i) for i, one in enumerate(RUN)
    ]
    assert select(permuted)["label_free"]["step"] == select(RUN)["label_free"]["step"]
    blind = [evaluation(one.step, one.label_free["agreement"], None) for one in RUN]
    selection = select(blind)
    assert selection["label_free"]["step"] == 200
    assert selection["oracle"] is None
    assert selection["final"]["target"] is None


def test_the_latest_of_equals():
    run = [evaluation(step, 0.5, 0.7) for step in (100, 200, 300)]
    assert select(run)["label_free"]["step"] == select(run)["oracle"]["step"] == 300


def test_another_criterion():
    run = [evaluation(1, 0.9, 0.5, snd=2.0), evaluation(2, 0.1, 0.5, snd=3.0)]
    assert pick_label_free(run, "snd") == (run[1], "snd")


def test_falls_back_where_the_criterion_is_undefined():
    run = [
        evaluation(1, None, 0.5, infomax=0.6, source_accuracy=0.1),
        evaluation(2, None, 0.5, infomax=0.2, source_accuracy=0.9),
    ]
    assert pick_label_free(run) == (run[0], "infomax")
    undefined = [evaluation(1, None, 0.5), evaluation(2, None, 0.5)]
    assert pick_label_free(undefined) == (undefined[1], None)


def test_zero_is_a_score():
    run = [evaluation(1, 0.0, 0.0), evaluation(2, -0.2, None)]
    assert pick_label_free(run) == (run[0], "agreement")
    assert select(run)["oracle"]["step"] == 1


def test_refuses_no_evaluations_and_unknown_criteria():
    with pytest.raises(ValueError, match="at least once"):
        select([])
    with pytest.raises(ValueError, match="not a validator: 'accuracy'"):
        select(RUN, "accuracy")
