"""The main job from its command line: what it leaves, refuses and goes on with."""

import json

import keras
import pytest

from benchmarks.killing import digest
from cdd_keras import checkpoints, cli, data, judges, train
from cdd_keras.runs import RunFolder

SMALL = [
    *("--attr", "eyeglasses", "--steps", "4", "--batch-size", "4", "--image-size", "16"),
    *("--channels", "4", "--discriminator-channels", "4", "--code-size", "4"),
    *("--synthetic-count", "60", "--evaluate-every", "0.5", "--edit-start", "0.5"),
    *("--precision", "float32", "--checkpoint-seconds", "3600"),
]


def call(*arguments):
    return cli.main(train.run, [*SMALL, *arguments])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The run folder of a whole small training of `cdd`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDD_KERAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = RunFolder(tmp_path_factory.mktemp("runs") / "whole")
        assert call("--output", str(folder.path)) == 0
    return folder


def test_a_run_leaves_what_interface_says(finished):
    names = {path.name for path in finished.path.iterdir()}
    assert names >= {
        "config.yaml",
        "environment.json",
        "metrics.jsonl",
        "samples",
        "tensorboard",
        "checkpoints",
        "judges",
        "report.json",
    }
    assert [row["step"] for row in finished.read_rows()] == [2, 4]
    assert checkpoints.steps(finished.checkpoints) == [2, 4]
    pictures = {path.name for path in finished.samples.iterdir()}
    assert {"translations-00000004.png", "samples-00000004.png"} <= pictures


def test_the_report_has_the_fixed_shape(finished):
    report = json.loads(finished.report.read_text())
    assert report["method"] == "cdd"
    assert report["domains"] == {"source": "sketch", "target": "photo"}
    figures = {"accuracy", "balanced_accuracy", "f1", "auc", "majority", "count", "accuracy_ci95"}
    for domain in ("source", "target"):
        assert set(report[domain]) == figures
        assert report[domain] == report["selection"]["label_free"][domain]
    assert report["selection"]["final"]["step"] == 4
    routes = {"source-source", "source-target", "target-source", "target-target"}
    assert set(report["generation"]["routes"]) == routes
    assert report["images_per_second"] > 0


def test_a_finished_run_is_left_as_it_was(finished, capsys):
    before = finished.report.read_bytes()
    assert call("--output", str(finished.path), "--resume") == 0
    assert "finished" in capsys.readouterr().err
    assert finished.report.read_bytes() == before


def test_an_existing_folder_is_refused_and_untouched(finished, capsys):
    before = finished.report.read_bytes()
    assert call("--output", str(finished.path)) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert finished.report.read_bytes() == before


def test_overwrite_keeps_the_old_run_if_the_new_ones_data_are_wrong(finished, capsys):
    before = finished.report.read_bytes()
    assert call("--attr", "eyeglases", "--output", str(finished.path), "--overwrite") == 2
    assert "Did you mean eyeglasses" in capsys.readouterr().err
    assert finished.report.read_bytes() == before


def test_a_refused_or_finished_folder_costs_no_loading(finished, monkeypatch, tmp_path):
    monkeypatch.setattr(data, "load_pair", lambda config: pytest.fail("the data were loaded"))
    (tmp_path / "thesis.txt").touch()
    for output, asked, code in (
        (finished.path, [], 2),
        (finished.path, ["--resume"], 0),
        (finished.path, ["--resume", "--seed", "1"], 2),
        (tmp_path, ["--resume"], 2),
        (tmp_path, ["--overwrite"], 2),
    ):
        assert call("--output", str(output), *asked) == code


def test_workers_that_the_strategy_leaves_out_are_told_of(monkeypatch, capsys):
    monkeypatch.setenv("TF_CONFIG", "{}")
    assert cli.main(train.run, ["--attr", "eyeglass"]) == 2
    first, error = capsys.readouterr().err.splitlines()
    assert first == "TF_CONFIG is not used: --strategy is none. This process trains alone"
    assert error.startswith("error: `attr`")


def test_resume_and_overwrite_exclude_each_other(capsys):
    assert call("--resume", "--overwrite") == 2
    assert "exclude each other" in capsys.readouterr().err


def test_a_method_without_generator_reports_no_generation(tmp_path):
    output = tmp_path / "run"
    assert call("--method", "source_only", "--output", str(output)) == 0
    report = json.loads((output / "report.json").read_text())
    assert report["generation"] is None
    assert report["target"]["count"] > 0


@pytest.mark.parametrize("method", ["unit", "infogan", "dtn", "sa"])
def test_a_method_that_lacks_something_trains_to_its_report(method, tmp_path, monkeypatch):
    for name in ("MIN_STEPS", "MAX_STEPS", "DOMAIN_STEPS"):
        monkeypatch.setattr(judges, name, 2)
    output = tmp_path / "run"
    assert call("--method", method, "--output", str(output)) == 0
    report = json.loads((output / "report.json").read_text())
    assert report["method"] == method
    assert report["source"]["count"] > 0
    assert (report["target"] is None) == (method == "infogan")
    assert (report["generation"] is None) == (method == "sa")
    kinds = {path.name.partition("-")[0] for path in (output / "samples").glob("*.png")}
    drawn = {"unit": {"translations", "samples"}, "infogan": {"samples"}, "dtn": {"translations"}}
    assert kinds == drawn.get(method, set())


def test_a_seed_repeats_a_run_and_another_does_not(tmp_path):
    weights = []
    for number, seed in enumerate(("0", "0", "1")):
        # What was drawn before in this process must not matter.
        keras.utils.set_random_seed(number)
        output = tmp_path / str(number)
        small = ("--method", "source_only", "--steps", "1", "--seed", seed)
        assert call(*small, "--output", str(output)) == 0
        weights.append(digest(RunFolder(output), 1))
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--attr", "eyeglases"], "Did you mean eyeglasses"),
        (["--data", "celeba", "--data-dir", "nowhere"], "nowhere"),
        (["--image-size", "30"], "image-size"),
        (["--domains", "mnist-usps"], "domains"),
    ],
)
def test_wrong_input_ends_with_2_and_one_message(arguments, words, tmp_path, capsys):
    assert call(*arguments, "--output", str(tmp_path / "run")) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    # The corrected command is not to find a folder in its way.
    assert not (tmp_path / "run").exists()


def test_a_dry_run_shows_configuration_networks_and_cost(tmp_path, capsys):
    assert call("--dry-run", "--output", str(tmp_path / "run")) == 0
    shown = capsys.readouterr().out
    assert "image_size: 16" in shown
    for name in ("encoder", "generator", "discriminator", "classifier"):
        assert name in shown
    assert "from step 2" in shown
    assert not (tmp_path / "run").exists()


def test_data_that_are_gone_are_named_and_the_run_left_as_it_is(run_copy, tmp_path, capsys):
    config = run_copy / "config.yaml"
    gone = tmp_path / "gone"
    lines = config.read_text().splitlines()
    lines = [f"data_dir: {gone}" if one.startswith("data_dir:") else one for one in lines]
    config.write_text("\n".join(lines))
    before = {path: path.read_bytes() for path in run_copy.rglob("*") if path.is_file()}
    resume = ["--config", str(config), "--output", str(run_copy), "--resume"]
    assert cli.main(train.run, resume) == 2
    assert str(gone) in capsys.readouterr().err
    after = {path: path.read_bytes() for path in run_copy.rglob("*") if path.is_file()}
    assert after == before
