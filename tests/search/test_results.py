"""Results: what stands in the files, and that the ranking finds what mattered."""

import csv
import io
import json

import numpy as np
import pytest
import tensorflow as tf
import yaml
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

from cdd_keras.config import Config
from cdd_keras.search import records
from cdd_keras.search.importance import position, rank
from cdd_keras.search.records import Record
from cdd_keras.search.results import Results, _duration, best_yaml, table

SPACE = {
    "generator_rate": {"min": 1e-3, "max": 1e-1, "scale": "log"},
    "flip": {"values": [True, False]},
    "code_shape": {"values": ["spatial", "flat"]},
    "code_size": {"min": 4, "max": 8, "when": {"code_shape": "flat"}},
}


def make_records(count=12):
    """Completed trials whose objective follows the rate and nothing else."""
    draws = np.random.default_rng(0)
    known = []
    for number in range(count):
        level = draws.random()
        values = {"generator_rate": 10 ** (-3 + 2 * level), "flip": bool(number % 2)}
        values["code_shape"] = "spatial" if number % 3 else "flat"
        if values["code_shape"] == "flat":
            values["code_size"] = int(draws.integers(4, 9))
        figures = {"infomax": level, "snd": 1.0, "kappa": None}
        known.append(
            Record(f"{number:02d}", "completed", values, level, figures, 4, 4, True, 1.5 * number)
        )
    return known


@pytest.fixture
def finished(make_plan):
    """The plan of a search of which twelve trials succeeded, one failed and one was stopped."""
    plan = make_plan(space=SPACE, max_trials=20, seed=3, method="cdd")
    lines = []
    results = Results(plan, lines.append)
    stopped = Record("12", "completed", {"flip": True}, 9.0, {}, 2, 2, False, 1.0, earlier="03")
    for record in [*make_records(), stopped]:
        records.write(plan.folder, record)
        results.trial_ended(record.trial, record.values)
    # A trial whose process died again and again.
    rows = [{"step": 2, "seconds": 5.0, "label_free": {"snd": 0.25}}]
    plan.folder.trial("13").write_rows(rows)
    values = {"generator_rate": 0.02, "flip": 1, "code_shape": "spatial"}
    results.trial_ended("13", values, "its process ended 3 times while it ran")
    known, _ = results.finish()
    return plan, known, lines


def test_the_csv_has_a_row_a_trial(finished):
    plan, known, _ = finished
    rows = list(csv.DictReader(io.StringIO(plan.folder.results.read_text())))
    assert [row["trial"] for row in rows] == [f"{number:02d}" for number in range(14)]
    for row, record in zip(rows, known, strict=True):
        assert row["state"] == record.state
        assert row["seed"] == "3"
        assert float(row["seconds"]) == record.seconds
        assert row["infomax"] == ("" if record.objective is None else repr(record.objective))
        for name in plan.space.names:
            assert row[name] == str(record.values.get(name, ""))
    assert rows[-1]["reason"] == "its process ended 3 times while it ran"
    assert rows[-1]["generator_rate"] == "0.02"
    assert [row["whole"] for row in rows] == ["True"] * 12 + ["False"] * 2
    assert rows[12]["earlier"] == "03"
    assert (rows[-1]["steps"], rows[-1]["seconds"], rows[-1]["snd"]) == ("2", "5.0", "0.25")
    assert rows[0]["kappa"] == ""


def test_the_best_is_whole_and_complete(finished):
    plan, known, _ = finished
    winner = max(known[:12], key=lambda one: one.objective)
    config = Config.from_file(plan.folder.best)
    assert config == plan.config.replace(**winner.values, output=None)
    assert (config.seed, config.steps, config.attr) == (3, 4, "eyeglasses")
    assert repr(winner.objective) in plan.folder.best.read_text()
    assert "TARGET LABELS" not in plan.folder.best.read_text()


def test_the_best_names_what_picked_its_evaluation(make_plan):
    best = Record("0", "completed", {}, 1.0, {"infomax": 1.0}, 4, 4, True)
    config = Config(**yaml.safe_load(best_yaml(make_plan(), best)))
    # `source_only` has no agreement.
    assert (make_plan().config.criterion, config.criterion) == ("agreement", "infomax")


@pytest.mark.parametrize(("deterministic", "but"), [(True, ""), (False, ", but not exactly")])
def test_the_best_says_which_figures_train_repeats(deterministic, but, make_plan):
    plan = make_plan(objective="infomax+source_edit_success", deterministic=deterministic)
    figures = {"infomax": 0.5, "kappa": None, "snd": 1.25, "source_edit_success": 0.75}
    record = Record("0", "completed", {}, 1.25, {**figures, str(plan.objective): 1.25}, 4, 4, True)
    lines = best_yaml(plan, record).splitlines()
    assert lines[1] == f"# Figures which `train` repeats{but}: infomax 0.5, snd 1.25."
    assert lines[2] == (
        "# Figures which `train` does not show: source_edit_success 0.75, "
        "infomax+source_edit_success 1.25."
    )


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0:00:00"), (-30, "0:00:00"), (3661, "1:01:01"), (100000, "1 day, 3:46:40")],
)
def test_days_are_told_and_nothing_is_negative(seconds, shown):
    assert _duration(seconds) == shown


def test_trials_are_in_the_order_of_their_numbers(make_plan):
    plan = make_plan()
    # As many digits as there were trials to come.
    for name in ("0", "2", "03", "10", "1"):
        records.write(plan.folder, Record(name, "failed", {}))
    assert [one.trial for one in records.read_all(plan.folder)] == ["0", "1", "2", "03", "10"]


def test_each_trial_is_told_with_the_best_so_far_and_the_time_left(finished):
    _, known, lines = finished
    assert lines[0].split() == ["trial", "objective", "best", "by", "seconds", "left"]
    best = 0.0
    for line, record in zip(lines[1:13], known, strict=False):
        best = max(best, record.objective)
        trial, objective, so_far, *_ = line.split()
        assert (trial, objective, so_far) == (
            record.trial,
            f"{record.objective:.4g}",
            f"{best:.4g}",
        )
    # Six trials of 20 are left, of 7.5 seconds each.
    assert "0:00:45" in lines[-1]
    assert lines[-1].endswith("its process ended 3 times while it ran")


def test_a_search_that_goes_on_tells_what_it_had(finished):
    plan, _, before = finished
    lines = []
    Results(plan, lines.append).tell_earlier()
    assert [line.split()[:5] for line in lines] == [line.split()[:5] for line in before]


def test_tensorboard_has_hyper_parameters_and_figures(finished):
    plan, known, _ = finished
    events = EventAccumulator(str(plan.folder.tensorboard / "05")).Reload()
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    for name in ("generator_rate", "flip", "code_shape"):
        assert name.encode() in content
    (event,) = events.Tensors("infomax")
    assert event.step == 4
    for trial, status in (("05", api_pb2.STATUS_SUCCESS), ("13", api_pb2.STATUS_FAILURE)):
        events = EventAccumulator(str(plan.folder.tensorboard / trial)).Reload()
        content = events.SummaryMetadata("_hparams_/session_end_info").plugin_data.content
        ended = plugin_data_pb2.HParamsPluginData.FromString(content).session_end_info
        assert ended.status == status
        assert ended.end_time_secs > 0
    assert tf.make_ndarray(event.tensor_proto) == pytest.approx(known[5].objective)


def test_what_a_kill_kept_from_tensorboard_comes_at_the_end(make_plan):
    plan = make_plan(space=SPACE)
    for record in make_records(2):
        records.write(plan.folder, record)
    Results(plan, lambda line: None).finish()
    assert {path.name for path in plan.folder.tensorboard.iterdir()} == {"00", "01"}


def test_the_ranking_finds_the_setting_that_mattered(finished):
    plan, _, _ = finished
    found = json.loads(plan.folder.importance.read_text())
    assert found["trials"] == 12
    assert found["out_of_bag_r2"] > 0.5
    assert found["ranking"][0]["setting"] == "generator_rate"
    assert found["ranking"][0]["importance"] > 5 * found["ranking"][1]["importance"]


def test_too_few_or_equal_trials_are_not_ranked(finished):
    plan, known, _ = finished
    few = rank(plan.space, known[:3])
    assert few["ranking"] == []
    assert few["why_not"] == "nothing can be said of 3 whole trials; it takes 4"
    assert table(plan, known[:3], few).endswith(f"importance: {few['why_not']}")
    equal = [Record(str(n), "completed", known[n].values, 1.0, whole=True) for n in range(6)]
    assert rank(plan.space, equal) == {
        **{"trials": 6, "out_of_bag_r2": None, "ranking": []},
        "why_not": "all trials have the same objective",
    }


def test_settings_that_cannot_matter_are_not_ranked(finished):
    plan, known, _ = finished
    found = rank(plan.space, known, left_out=("flip", "code_size"))
    assert {one["setting"] for one in found["ranking"]} == {"generator_rate", "code_shape"}
    assert rank(plan.space, known, plan.space.names)["why_not"] == (
        "the method uses no setting that varies"
    )


def test_a_ranking_that_says_nothing_says_so(finished):
    plan, known, _ = finished
    found = {**rank(plan.space, known), "out_of_bag_r2": -0.1}
    assert "importance (out-of-bag R2 -0.10, which says nothing):" in table(plan, known, found)


def test_positions_are_in_the_unit_interval(finished):
    plan, _, _ = finished
    values = {"generator_rate": 1e-2, "flip": False, "code_shape": "spatial"}
    record = Record("0", "completed", values)
    places = [position(plan.space, record, name) for name in plan.space.names]
    assert places == pytest.approx([0.5, 1.0, 0.0, -1.0])


def test_the_picture_grows_with_the_settings(finished):
    plan, _, _ = finished
    with Image.open(plan.folder.picture) as picture:
        width, height = picture.size
        colours = picture.convert("RGB").getcolors(maxcolors=width * height)
    assert width > height
    # Lines from viridis's dark to its bright end, on white.
    assert len(colours) > 100


def test_the_table_has_the_best_first_and_those_stopped_and_failed_last(finished):
    plan, known, _ = finished
    lines = table(plan, known, rank(plan.space, known)).splitlines()
    assert lines[0].split() == ["trial", "infomax", "steps", "seconds", *plan.space.names]
    winner = max(known[:12], key=lambda one: one.objective)
    assert lines[1].split()[:2] == [winner.trial, f"{winner.objective:.4g}"]
    # A short one's objective is the highest, and not to be compared.
    assert lines[13].split()[:2] == ["12", "9"]
    assert lines[14].split()[:2] == ["13", "failed"]
    assert lines[16].startswith("importance")
