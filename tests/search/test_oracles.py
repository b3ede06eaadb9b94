"""KerasTuner's oracles made to last: first values, lost processes, failures, state."""

import dataclasses
import json

import pytest
from keras_tuner.engine import hyperparameters as parameters
from keras_tuner.engine.trial import Trial, TrialStatus

from cdd_keras.search.lasting import MOST_ATTEMPTS, combinations
from cdd_keras.search.oracles import make_oracle

RATES = {"generator_rate": {"min": 1e-3, "max": 1e-2, "scale": "log"}}
SHAPES = {
    "code_shape": {"values": ["spatial", "flat"]},
    "code_size": [
        {"values": [4, 8], "when": {"code_shape": "spatial"}},
        {"min": 32, "max": 256, "scale": "log", "when": {"code_shape": "flat"}},
    ],
    "ema": {"values": [0.95, 0.99]},
}


def opened(plan, evaluations=8):
    oracle = make_oracle(plan, evaluations)
    oracle._set_project_dir(str(plan.folder.oracle.parent), plan.folder.oracle.name)
    return oracle


def end(oracle, trial, score=None):
    """Reports a trial's outcome; failed without a score."""
    trial.status = TrialStatus.FAILED
    if score is not None:
        oracle.update_trial(trial.trial_id, {str(oracle.objective.name): score})
        trial.status = TrialStatus.COMPLETED
    oracle.end_trial(trial)


@pytest.mark.parametrize("tuner", ["random", "bayesian", "hyperband"])
def test_the_first_trial_has_the_bases_values(tuner, make_plan):
    plan = make_plan(space=SHAPES, tuner=tuner)
    trial = opened(plan).create_trial("a")
    values = plan.space.settle(trial.hyperparameters.values)
    assert values == {"code_shape": "spatial", "code_size": 4, "ema": 0.99}


@pytest.mark.parametrize("tuner", ["random", "bayesian", "hyperband"])
def test_values_keep_to_their_conditions(tuner, make_plan):
    plan = make_plan(space=SHAPES, tuner=tuner, max_trials=7)
    oracle = opened(plan)
    shapes = set()
    for number in range(7):
        trial = oracle.create_trial("a")
        values = plan.space.settle(trial.hyperparameters.values)
        active = [one for one in plan.space.dimensions if one.is_active(values)]
        assert set(values) == {one.name for one in active}
        assert all(one.holds(values[one.name]) for one in active)
        shapes.add(values["code_shape"])
        end(oracle, trial, score=float(number % 5))
    assert shapes == {"spatial", "flat"}
    assert oracle.create_trial("a").status == TrialStatus.STOPPED
    assert oracle.finished


def test_bayesian_finds_a_peak_that_random_misses(make_plan):
    best = {}
    for tuner in ("bayesian", "random"):
        plan = make_plan(space=RATES, tuner=tuner, max_trials=9, generator_rate=1e-3)
        oracle, scores = opened(plan), []
        for _ in range(9):
            trial = oracle.create_trial("a")
            rate = trial.hyperparameters.values["generator_rate"]
            scores.append(-abs(rate - 7e-3))
            end(oracle, trial, scores[-1])
        best[tuner] = max(scores)
        plan.folder.path.rename(plan.folder.path.with_name(tuner))
    assert best["bayesian"] > best["random"]
    assert best["bayesian"] > -3e-4


def test_bayesian_takes_a_failure_for_the_worst_outcome(make_plan):
    plan = make_plan(space={"channels": {"min": 4, "max": 64}}, tuner="bayesian", max_trials=7)
    oracle = opened(plan)
    scores = [0.5, 0.25, None, 0.75, None]
    drawn = []
    for score in scores:
        trial = oracle.create_trial("a")
        drawn.append(trial.hyperparameters.values["channels"])
        end(oracle, trial, score)
    places, costs = oracle._vectorize_trials()
    assert list(costs) == [-0.5, -0.25, -0.75, -0.25, -0.25]
    # The failures come last, at the places that they had.
    order = [0, 1, 3, 2, 4]
    assert places[:, 0] == pytest.approx([(drawn[n] - 4) / 60 for n in order], abs=0.02)


def test_bayesian_tries_nothing_twice_and_ends_when_all_is_tried(make_plan):
    space = {"ema": {"values": [0.955, 0.965, 0.985, 0.995]}}
    plan = make_plan(space=space, tuner="bayesian", max_trials=20)
    oracle, tried = opened(plan), []
    while (trial := oracle.create_trial("a")).status == TrialStatus.RUNNING:
        tried.append(plan.space.settle(trial.hyperparameters.values)["ema"])
        # As a worker's comes back.
        end(oracle, Trial.from_proto(trial.to_proto()), tried[-1])
    assert sorted(tried) == [0.955, 0.965, 0.985, 0.995]
    assert trial.status == TrialStatus.STOPPED


@pytest.mark.parametrize("seed", range(3))
def test_a_small_space_is_tried_to_its_end(seed, make_plan):
    space = {
        "code_shape": {"values": ["spatial", "flat"]},
        "code_size": [
            {"min": 4, "max": 8, "step": 4, "when": {"code_shape": "spatial"}},
            {"min": 9, "max": 11, "scale": "log", "when": {"code_shape": "flat"}},
        ],
        "flip": {"values": [True, False]},
        "ema": {"values": [0.95, 0.98, 0.99]},
    }
    plan = make_plan(space=space, max_trials=40, seed=seed)
    oracle, tried = opened(plan), []
    while (trial := oracle.create_trial("a")).status == TrialStatus.RUNNING:
        tried.append(tuple(plan.space.settle(trial.hyperparameters.values).values()))
        end(oracle, trial, 1.0)
    assert len(tried) == len(set(tried)) == (2 + 3) * 2 * 3


def test_what_is_left_over_of_a_range_without_a_step_is_unknown():
    assert list(combinations([parameters.Float("ema", 0.9, 0.99)])) == []


def test_a_lost_trial_goes_to_the_next_that_asks(make_plan):
    oracle = opened(make_plan(space=RATES, max_trials=2))
    oracle.lease = 1.0
    lost = oracle.create_trial("dead")
    other = oracle.create_trial("alive")
    assert oracle.reclaim() == []
    oracle._seen[lost.trial_id] -= 2
    assert oracle.reclaim() == [("dead", lost.trial_id)]
    end(oracle, other, 1.0)
    again = oracle.create_trial("alive")
    assert again.trial_id == lost.trial_id
    assert again.hyperparameters.values == lost.hyperparameters.values
    end(oracle, again, 2.0)
    assert oracle.create_trial("alive").status == TrialStatus.STOPPED
    assert oracle.get_best_trials()[0].trial_id == lost.trial_id


def test_asking_for_its_trial_is_a_sign_of_life(make_plan):
    oracle = opened(make_plan(space=RATES))
    oracle.lease = 1.0
    trial = oracle.create_trial("slow")
    oracle._seen[trial.trial_id] -= 2
    oracle.get_trial(trial.trial_id)
    assert oracle.reclaim() == []


def test_nobody_is_sent_home_while_a_trial_may_yet_be_taken_over(make_plan):
    oracle = opened(make_plan(space=RATES, max_trials=1))
    trial = oracle.create_trial("a")
    assert oracle.create_trial("b").status == TrialStatus.IDLE
    assert not oracle.finished
    end(oracle, trial, 1.0)
    assert oracle.create_trial("b").status == TrialStatus.STOPPED
    assert oracle.finished


def test_the_outcome_of_one_given_up_counts_once(make_plan):
    ended = []
    oracle = opened(make_plan(space=RATES, max_trials=2))
    oracle.on_end = lambda trial, values, reason: ended.append(trial)
    oracle.lease = 1.0
    trial = oracle.create_trial("frozen")
    oracle._seen[trial.trial_id] -= 2
    oracle.reclaim()
    again = oracle.create_trial("other")
    end(oracle, trial, 1.0)
    end(oracle, again, 5.0)
    assert ended == [trial.trial_id]
    assert oracle.create_trial("other").trial_id != trial.trial_id


def test_a_trial_whose_process_keeps_dying_fails(make_plan):
    ended = []
    plan = make_plan(space=RATES, max_trials=2)
    for _ in range(MOST_ATTEMPTS):
        oracle = opened(plan)
        if plan.folder.oracle.exists():
            oracle.reload()
        fatal = oracle.create_trial("alone").trial_id
    oracle = opened(plan)
    oracle.on_end = lambda *arguments: ended.append(arguments)
    oracle.reload()
    assert oracle.create_trial("alone").trial_id != fatal
    values = oracle.trials[fatal].hyperparameters.values
    assert ended == [(fatal, values, f"its process ended {MOST_ATTEMPTS} times while it ran")]
    assert oracle.trials[fatal].status == TrialStatus.FAILED


def test_a_trial_that_makes_progress_between_deaths_is_not_given_up(make_plan):
    plan = make_plan(space=RATES, max_trials=2)
    for number in range(2 * MOST_ATTEMPTS):
        oracle = opened(plan)
        oracle.progress = lambda trial, step=number: step
        if plan.folder.oracle.exists():
            oracle.reload()
        assert oracle.create_trial("alone").trial_id == "0"


@pytest.mark.parametrize("tuner", ["random", "hyperband"])
def test_a_trial_known_to_its_own_file_alone_is_drawn_again(tuner, make_plan):
    plan = make_plan(space=RATES, tuner=tuner, max_trials=12)
    oracle = opened(plan)
    # Hyperband's first rung; the sixth is the first promotion.
    for number in range(5):
        end(oracle, oracle.create_trial("a"), float(number))
    state = json.dumps(oracle.get_state())
    lost = oracle.create_trial("a")
    (plan.folder.oracle / "oracle.json").write_text(state)
    after = opened(plan)
    after.reload()
    again, another = after.create_trial("a"), after.create_trial("b")
    assert again.trial_id == lost.trial_id
    assert again.hyperparameters.values == lost.hyperparameters.values
    if tuner == "hyperband":
        assert again.hyperparameters.values["tuner/trial_id"] == "04"
        assert another.hyperparameters.values["tuner/trial_id"] == "03"
    assert another.hyperparameters.values != again.hyperparameters.values


def test_a_search_goes_from_a_chief_to_one_process_and_back(make_plan):
    plan = make_plan(space=RATES, max_trials=3)
    chief = opened(plan)
    chief.lease = 60.0
    end(chief, chief.create_trial("worker"), 1.0)
    ran = chief.create_trial("worker")
    alone = opened(plan)
    alone.reload()
    assert alone.create_trial("named").trial_id == ran.trial_id
    # The one process dies too; a chief gives its name's trial up after the lease.
    back = opened(plan)
    back.lease = 60.0
    back.reload()
    assert list(back.ongoing_trials) == ["named"]
    assert back.reclaim() == []
    back._seen[ran.trial_id] -= 61
    assert back.reclaim() == [("named", ran.trial_id)]
    assert back.create_trial("worker").trial_id == ran.trial_id
    # A worker that outlives its chief keeps its trial.
    again = opened(plan)
    again.lease = 60.0
    again.reload()
    assert list(again.ongoing_trials) == ["worker"]


def test_a_chief_resumed_when_all_has_ended_is_finished(make_plan):
    plan = make_plan(space=RATES, max_trials=1)
    oracle = opened(plan)
    assert not oracle.finished
    trial = oracle.create_trial("a")
    assert not oracle.finished
    end(oracle, trial, 1.0)
    resumed = opened(plan)
    resumed.lease = 60.0
    resumed.reload()
    assert resumed.finished
    more = opened(dataclasses.replace(plan, max_trials=2))
    more.reload()
    assert not more.finished


def test_a_failure_in_a_first_rung_is_made_up_for(make_plan):
    plan = make_plan(space=RATES, tuner="hyperband", max_trials=20)
    oracle = opened(plan)
    epochs = []
    for number in range(9):
        trial = oracle.create_trial("a")
        epochs.append(trial.hyperparameters.values["tuner/epochs"])
        end(oracle, trial, None if number < 2 else float(number))
    # Five of the first rung, as if there had been no failure, then the two best go on.
    assert epochs == [3] * 7 + [8] * 2
    promoted = trial.hyperparameters.values["tuner/trial_id"]
    assert oracle.trials[promoted].score in (6.0, 5.0)


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_failures_in_a_later_rung_do_not_end_their_bracket(failing, make_plan):
    plan = make_plan(space=RATES, tuner="hyperband", max_trials=40)
    oracle = opened(plan, evaluations=9)
    rungs, left = [], failing
    for number in range(16):
        trial = oracle.create_trial("a")
        values = trial.hyperparameters.values
        rungs.append(values["tuner/epochs"])
        fails = values["tuner/epochs"] == 3 and values["tuner/round"] == 1 and left > 0
        left -= fails
        end(oracle, trial, None if fails else float(number))
        if values["tuner/epochs"] == 9:
            break
    # Nine, of which three go on; the best of those that did not fail is the one that ends.
    assert rungs[:12] == [1] * 9 + [3] * 3
    if failing < 3:
        assert rungs[12:] == [9]
        assert oracle.trials[values["tuner/trial_id"]].score == 11.0
    else:
        assert 9 not in rungs


def test_hyperband_goes_on_when_more_trials_are_asked_for(make_plan):
    plan = make_plan(space=RATES, tuner="hyperband", max_trials=1)
    oracle = opened(plan)
    end(oracle, oracle.create_trial("a"), 1.0)
    oracle = opened(dataclasses.replace(plan, max_trials=20))
    oracle.reload()
    for number in range(19):
        trial = oracle.create_trial("a")
        assert trial.status == TrialStatus.RUNNING
        end(oracle, trial, float(number))


@pytest.mark.parametrize(("evaluations", "fewest"), [(1, 1), (3, 4), (8, 6), (9, 13)])
def test_hyperband_knows_how_many_trials_it_takes(evaluations, fewest, make_plan):
    oracle = opened(make_plan(space=RATES, tuner="hyperband", max_trials=40), evaluations)
    assert oracle.fewest_trials == fewest
    for number in range(fewest):
        trial = oracle.create_trial("a")
        end(oracle, trial, float(number))
        whole = trial.hyperparameters.values["tuner/epochs"] == evaluations
        assert whole == (number == fewest - 1)


def test_values_survive_the_wire(make_plan):
    space = {**SHAPES, "ema": {"values": [0.955, 0.99, 0.995]}, **RATES}
    plan = make_plan(space=space, tuner="bayesian", max_trials=5)
    oracle = opened(plan)
    for number in range(5):
        drawn = oracle.create_trial("a")
        wired = Trial.from_proto(drawn.to_proto())
        settled = [plan.space.settle(one.hyperparameters.values) for one in (drawn, wired)]
        assert settled[0] == settled[1]
        # From the fourth on the oracle looks up what came back.
        end(oracle, wired, float(number))
    assert oracle.create_trial("a").status == TrialStatus.STOPPED
