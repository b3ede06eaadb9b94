"""Trials: what they may see, how they fail and go on, and that they leave nothing behind."""

import dataclasses
import gc
import json
import resource
from pathlib import Path

import keras_tuner as kt
import pytest
import tensorflow as tf
import tiny

from cdd_keras import callbacks, checkpoints, judges
from cdd_keras.checkpoints import DamagedError
from cdd_keras.config import Config
from cdd_keras.data.sets import ImageSet
from cdd_keras.domains import SOURCE, TARGET
from cdd_keras.errors import CddError, UsageError
from cdd_keras.finite import NotFiniteError
from cdd_keras.metrics.validators import VALIDATORS
from cdd_keras.model import CrossDomainModel
from cdd_keras.search import experiment, parse_objective, records
from cdd_keras.search.alarms import DivergedError
from cdd_keras.search.client import FinishedError
from cdd_keras.search.cluster import Place
from cdd_keras.search.experiment import Experiment, without_target_labels
from cdd_keras.search.oracles import make_oracle
from cdd_keras.search.owner import Claim, TakenError
from cdd_keras.search.run import search
from cdd_keras.search.rungs import promote
from cdd_keras.search.trials import TrialTuner


def run(plan, pair):
    lines = []
    return search(plan, Place(), pair, lines.append, lease=60.0), lines


def make_tuner(plan, pair, evaluations=2):
    oracle = make_oracle(plan, evaluations)
    return oracle, TrialTuner(oracle, plan, Experiment(plan, pair), Place(), lambda line: None)


def stored(folder, step):
    """The numbers in a checkpoint, optimisers' included."""
    model = CrossDomainModel(folder.read_config(), 2)
    model.compile()
    checkpoints.load(model, folder.checkpoints, step)
    return tiny.values([*model.variables, *model.optimizer.variables])


def test_a_trial_sees_no_target_label(pair):
    seen = without_target_labels(pair)
    for (split, domain), one in seen.sets.items():
        assert (one.labels is None) == (domain == TARGET)
        assert one.images is pair.get(split, domain).images


def test_permuted_target_labels_change_no_record(make_plan, pair, tmp_path):
    sets = {
        (split, domain): ImageSet(
            one.images, 1 - one.labels if domain == TARGET else one.labels, one.ids
        )
        for (split, domain), one in pair.sets.items()
    }
    other = type(pair)(pair.attribute, pair.names, sets)
    outcomes = []
    for labelled in (pair, other):
        plan = make_plan(max_trials=1)
        run(plan, labelled)
        outcomes.append([(one.values, one.figures) for one in records.read_all(plan.folder)])
        plan.folder.path.rename(tmp_path / f"done-{len(outcomes)}")
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("method", ["source_only", pytest.param("cdd", marks=pytest.mark.slow)])
def test_a_rung_goes_on_from_the_one_before_with_its_optimisers(method, make_plan, pair):
    plan = make_plan(space={"channels": {"values": [2, 4]}}, method=method)
    hp = kt.HyperParameters()
    hp.values = {"channels": 4}
    experiment = Experiment(plan, pair)
    whole, first, second = (plan.folder.trial(name) for name in ("whole", "first", "second"))
    for folder, until in ((whole, None), (first, 1)):
        folder.path.mkdir(parents=True)
        config = experiment.config(hp).replace(output=str(folder.path))
        folder.config.write_text(config.to_yaml())
        claim = Claim(folder.path, "alone")
        figures = experiment.fit(hp, experiment.build(hp), folder, claim, until)
    assert checkpoints.steps(first.checkpoints) == [2]
    promote(first, second)
    model = experiment.build(hp)
    promoted = experiment.fit(hp, model, second, Claim(second.path, "alone"), 2)
    assert int(model.step.numpy()) == 4
    # Adam's and AdamW's moments are not those of a fresh optimiser's two steps.
    assert tiny.equal(stored(second, 4), stored(whole, 4))
    assert not tiny.equal(stored(second, 4), stored(first, 2))
    assert second.read_rows()[-1]["label_free"] == whole.read_rows()[-1]["label_free"]
    assert promoted["infomax"] >= figures["infomax"]


def test_hyperband_stops_most_and_promotes_the_best(make_plan, pair):
    plan = make_plan(tuner="hyperband", max_trials=4, steps=3, evaluate_every=0.34)
    run(plan, pair)
    *short, promoted = records.read_all(plan.folder)
    assert [one.steps for one in short] == [1, 1, 1]
    assert not any(one.whole for one in short)
    assert promoted.whole
    assert promoted.values == max(short, key=lambda one: one.objective).values
    # The row of the rung before is there, and its step was not trained again.
    rows = plan.folder.trial(promoted.trial).read_rows()
    assert [row["step"] for row in rows] == [1, 2, 3]
    first = plan.folder.trial(max(short, key=lambda one: one.objective).trial)
    assert rows[0] == first.read_rows()[0]
    assert Config.from_file(plan.folder.best).steps == 3
    # What it was made of says no more where it came from.
    run_folder = plan.folder.trial(promoted.trial)
    assert run_folder.read_config().output == str(run_folder.path)
    assert (run_folder.path / "environment.json").is_file()


def test_a_failure_ends_the_trial_and_not_the_search(make_plan, pair, monkeypatch):
    failures = {
        "out of memory: OOM when allocating": tf.errors.ResourceExhaustedError(
            None, None, "OOM when allocating\nmore"
        ),
        "out of memory": MemoryError(),
        "collapse: every target image is read alike": DivergedError(
            "collapse: every target image is read alike"
        ),
        "generator/kl is NaN": NotFiniteError("generator/kl is NaN"),
    }
    build, left = experiment.build_model, list(failures.values())

    def build_in_the_end(config, pair):
        if left:
            raise left.pop(0)
        return build(config, pair)

    monkeypatch.setattr(experiment, "build_model", build_in_the_end)
    plan = make_plan(max_trials=5)
    _, lines = run(plan, pair)
    *failed, completed = records.read_all(plan.folder)
    assert [one.reason for one in failed] == list(failures)
    assert {one.state for one in failed} == {"failed"}
    assert completed.state == "completed"
    rows = [line for line in lines if " failed " in line]
    for line, reason in zip(rows, failures, strict=True):
        assert line.endswith(reason)
        assert reason in plan.folder.results.read_text()


def test_an_error_that_is_not_the_trials_fault_ends_the_search(make_plan, pair, monkeypatch):
    def broken(config, pair):
        raise OSError("no space left on device")

    monkeypatch.setattr(experiment, "build_model", broken)
    with pytest.raises(OSError, match="no space left"):
        run(make_plan(), pair)
    plan = make_plan()
    assert records.read_all(plan.folder) == []
    assert not plan.folder.results.exists()


def test_an_oracle_reads_the_labels_that_others_do_not(make_plan, pair):
    plan = make_plan(objective="oracle_target_accuracy", max_trials=1)
    run(plan, pair)
    (record,) = records.read_all(plan.folder)
    assert 0 <= record.objective <= 1
    assert record.objective * 16 == int(record.objective * 16)
    assert "CHOSEN BY TARGET LABELS" in plan.folder.best.read_text()


def test_edit_success_is_read_by_a_judge_of_the_source_alone(make_plan, pair, monkeypatch):
    taught, judged = [], []

    def train_judge(images, labels, *arguments):
        taught.append((images, labels))
        return judges.train_judge(images, labels, *arguments, steps=1)

    def generation_report(model, pair, judges, split):
        judged.append((judges, split))
        return {"edit_success": {"source": 0.75, "target": None}}

    monkeypatch.setattr(experiment, "train_judge", train_judge)
    # What it does with a judge is tested beside it; drawing here would cost a minute of tracing.
    monkeypatch.setattr(experiment, "generation_report", generation_report)
    plan = make_plan(objective="infomax+0.5*source_edit_success", max_trials=2)
    run(plan, pair)
    for record in records.read_all(plan.folder):
        assert record.objective == record.figures["infomax"] + 0.375
    ((images, labels),) = taught
    assert images is pair.get("train", SOURCE).images
    assert labels is pair.get("train", SOURCE).labels
    for seen, split in judged:
        assert (list(seen.attribute), seen.domain, split) == ([SOURCE], None, "validation")


def test_workers_share_the_judge_that_was_first(make_plan, pair, monkeypatch):
    plan = make_plan()
    theirs, own = judges.build_judge(16, 2, seed=1), judges.build_judge(16, 2, seed=2)

    def train_judge(*arguments):
        # Another worker is done with its own meanwhile.
        judges.save_judges(judges.Judges({"source": theirs}), plan.folder.judge)
        return own

    monkeypatch.setattr(experiment, "train_judge", train_judge)
    used = Experiment(plan, pair)._source_judge().attribute["source"]
    assert tiny.equal(tiny.values(used.variables), tiny.values(theirs.variables))
    assert not tiny.equal(tiny.values(used.variables), tiny.values(own.variables))


def test_a_search_goes_on_where_it_was_killed(make_plan, pair, monkeypatch):
    class KilledError(BaseException):
        """Stands for the end of a process: nothing after it is written."""

    plan = make_plan(max_trials=3)
    with monkeypatch.context() as patch:
        save = checkpoints.save
        calls = []

        def save_until(model, folder):
            calls.append(folder)
            if len(calls) == 4:
                raise KilledError
            return save(model, folder)

        patch.setattr(checkpoints, "save", save_until)
        with pytest.raises(KilledError):
            run(plan, pair)
    assert [one.trial for one in records.read_all(plan.folder)] == ["0"]
    kept = records.path_of(plan.folder, "0").read_bytes()
    drawn = json.loads((plan.folder.oracle / "trial_1" / "trial.json").read_text())
    run(plan, pair)
    known = records.read_all(plan.folder)
    assert [one.trial for one in known] == ["0", "1", "2"]
    assert {one.state for one in known} == {"completed"}
    assert records.path_of(plan.folder, "0").read_bytes() == kept
    # The trial that ran is gone on with, not replaced.
    assert known[1].values == plan.space.settle(drawn["hyperparameters"]["values"])
    assert known[1].values != known[2].values


@pytest.fixture
def stub(plan, pair, monkeypatch):
    """A tuner whose trials are rows that a test writes; gives it, its oracle and the folder."""
    oracle, tuner = make_tuner(plan, pair)
    monkeypatch.setattr(Experiment, "build", lambda self, hp: None)
    return tuner, oracle, plan.folder.trial("0")


def completed(folder, claim):
    folder.write_rows([{"step": 4, "seconds": 7.0, "label_free": {}}])
    return records.Record("0", "completed", {}, 0.5)


def test_a_folder_without_its_configuration_is_made_anew(stub, monkeypatch):
    tuner, oracle, folder = stub
    monkeypatch.setattr(tuner, "_attempt", lambda trial, folder, claim: completed(folder, claim))
    folder.path.mkdir(parents=True)
    # As a kill leaves it.
    (folder.path / ".0123.config.yaml").touch()
    tuner.run_trial(oracle.create_trial("tuner0"))
    assert folder.read_config().output == str(folder.path)
    assert not (folder.path / ".0123.config.yaml").exists()


def test_a_trial_that_another_took_over_gets_no_record(stub, monkeypatch):
    tuner, oracle, _ = stub

    def overtaken(trial, folder, claim):
        Claim(folder.path, "another")
        return completed(folder, claim)

    def cleared_away(trial, folder, claim):
        Claim(folder.path, "another")
        raise FileNotFoundError(".0123.step-00000002.weights.h5")

    trial = oracle.create_trial("tuner0")
    monkeypatch.setattr(tuner, "_attempt", cleared_away)
    with pytest.raises(TakenError, match="another"):
        tuner.run_trial(trial)
    monkeypatch.setattr(tuner, "_attempt", overtaken)
    with pytest.raises(TakenError, match="another"):
        tuner.run_trial(trial)
    assert records.read_all(tuner.plan.folder) == []
    # A worker leaves it to whoever has it, and asks for another.
    monkeypatch.setattr(tuner, "_is_worker", lambda: True)
    tuner._try_run_and_update_trial(trial)
    tuner.on_trial_end(trial)
    assert oracle.end_order == []


@pytest.mark.parametrize("moment", ["evaluation", "checkpoint"])
def test_one_that_was_given_up_while_it_evaluated_writes_nothing(
    moment, make_plan, pair, monkeypatch
):
    """As a process that was frozen there finds the trial when it goes on."""
    plan = make_plan(steps=2, evaluate_every=1.0)
    tuner = make_tuner(plan, pair)[1]
    folder = plan.folder.trial("0")
    theirs = [{"step": 2, "seconds": 1.0, "label_free": {}}]

    def taken_over():
        Claim(folder.path, "another")
        folder.write_rows(theirs)

    def evaluate(*arguments):
        if moment == "evaluation":
            taken_over()
        return dict.fromkeys(VALIDATORS, 0.5)

    def save(model, path):
        if moment == "evaluation":
            raise AssertionError("saved")
        taken_over()

    monkeypatch.setattr(callbacks, "label_free_scores", evaluate)
    monkeypatch.setattr(checkpoints, "save", save)
    with pytest.raises(TakenError):
        tuner.search()
    assert folder.read_rows() == theirs
    assert records.read_all(plan.folder) == []


def test_a_failure_is_kept_with_what_was_trained(stub, monkeypatch):
    tuner, oracle, _ = stub

    def diverges(self, hp, model, folder, claim, until):
        rows = [{"step": 2, "seconds": 9.0, "label_free": {"infomax": None, "snd": 0.5}}]
        folder.write_rows(rows)
        raise DivergedError("collapse")

    monkeypatch.setattr(Experiment, "fit", diverges)
    with pytest.raises(kt.errors.FailedTrialError, match="collapse"):
        tuner.run_trial(oracle.create_trial("tuner0"))
    record = records.read(tuner.plan.folder, "0")
    assert (record.steps, record.figures) == (2, {"infomax": None, "snd": 0.5})


def test_seconds_count_what_a_killed_process_trained(stub, monkeypatch):
    tuner, oracle, folder = stub
    monkeypatch.setattr(tuner, "_attempt", lambda trial, folder, claim: completed(folder, claim))
    trial = oracle.create_trial("tuner0")
    tuner._take(trial)
    folder.write_rows([{"step": 2, "seconds": 1000.0, "label_free": {}}])
    tuner.run_trial(trial)
    assert 1000 < records.read(tuner.plan.folder, "0").seconds < 1100


def test_an_alarm_that_a_kill_kept_back_is_raised_on_resume(make_plan, pair, monkeypatch):
    plan = make_plan()
    folder = plan.folder.trial("0")
    folder.write_rows([{"step": 4, "seconds": 1.0, "label_free": {"infomax": None}}])
    monkeypatch.setattr(experiment, "resume_model", lambda model, folder, say: 4)
    model = type("Model", (), {"config": plan.config})
    with pytest.raises(DivergedError, match="not numbers"):
        Experiment(plan, pair).fit(None, model, folder, Claim(folder.path, "alone"))


def test_a_worker_reloads_nothing(stub, monkeypatch):
    tuner, oracle, _ = stub
    oracle.create_trial("tuner0")
    # What its chief is about to write.
    for path in tuner.plan.folder.oracle.rglob("*.json"):
        path.write_text("{")
    monkeypatch.setattr(tuner, "_is_worker", lambda: True)
    tuner.reload()
    monkeypatch.setattr(tuner, "_is_worker", lambda: False)
    with pytest.raises(ValueError, match="Expecting"):
        tuner.reload()


def test_a_worker_leaves_a_search_that_another_replaced(stub, monkeypatch):
    tuner, _, _ = stub
    monkeypatch.setattr(tuner, "_is_worker", lambda: True)
    another = dataclasses.replace(tuner.plan, objective=parse_objective("snd"))
    another.prepare(resume=False, overwrite=True)
    with pytest.raises(UsageError, match="is another one: objective changed"):
        tuner.pre_create_trial()


def test_a_search_that_ends_before_all_its_trials_says_so(make_plan, pair, monkeypatch):
    monkeypatch.setattr(TrialTuner, "run_trial", lambda self, trial: {"infomax": 0.5})
    lines = []
    plan = make_plan(space={"channels": {"values": [2, 4]}}, max_trials=5)
    # No record was written.
    with pytest.raises(CddError, match="no trial trained"):
        search(plan, Place(), pair, lines.append, lease=60.0)
    assert lines[-1] == "the space has no more than these 2 trials: all have been tried"


def test_a_trial_whose_checkpoints_are_damaged_begins_anew(stub, monkeypatch):
    tuner, oracle, folder = stub
    left = [DamagedError("No checkpoint can be read")]

    def damaged_once(trial, folder, claim):
        if left:
            folder.checkpoints.mkdir()
            raise left.pop()
        assert not folder.checkpoints.exists()
        return completed(folder, claim)

    monkeypatch.setattr(tuner, "_attempt", damaged_once)
    tuner.run_trial(oracle.create_trial("tuner0"))
    assert records.read(tuner.plan.folder, "0").state == "completed"
    assert folder.config.is_file()


def test_a_worker_stops_where_the_search_has_ended(stub, monkeypatch):
    tuner, _, _ = stub
    monkeypatch.setattr(tuner, "_is_worker", lambda: True)
    tuner.pre_create_trial()
    tuner.plan.mark_finished()
    with pytest.raises(FinishedError):
        tuner.pre_create_trial()


def resident_mebibytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


@pytest.mark.parametrize(
    ("method", "count"),
    [
        ("source_only", 5),
        pytest.param("cdd", 20, marks=pytest.mark.slow),
    ],
)
def test_memory_does_not_grow_from_trial_to_trial(method, count, make_plan, pair):
    plan = make_plan(max_trials=count, method=method, steps=1, evaluate_every=1.0)
    _, tuner = make_tuner(plan, pair)
    used, run_trial = [], tuner.run_trial
    before = sum(type(one).__name__ == "FuncGraph" for one in gc.get_objects())

    def measured(trial):
        outcome = run_trial(trial)
        gc.collect()
        used.append(resident_mebibytes())
        return outcome

    tuner.run_trial = measured
    tuner.search()
    print("MiB after each trial:", [round(one) for one in used])
    assert len(used) == count
    # The first fills caches that are there once. 150 MiB in 20 trials are the limit, and what
    # a trial of cdd left behind was 86.
    assert used[-1] - used[0] < 150 / 20 * count
    after = sum(type(one).__name__ == "FuncGraph" for one in gc.get_objects())
    assert after <= before
