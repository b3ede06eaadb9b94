"""The command `evaluate` on a tiny run."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
from small_files import write_table

from cdd_keras import checkpoints, cli, evaluate, evaluation, inference, judges
from cdd_keras.data import load_pair
from cdd_keras.evaluation import classification_report, generation_report
from cdd_keras.metrics.summary import plain
from cdd_keras.quality import quality_report

KEYS = [
    "method",
    "attribute",
    "domains",
    "image_size",
    "steps",
    "seed",
    "seconds",
    "images_per_second",
    "source",
    "target",
    "selection",
    "generation",
]


@pytest.fixture
def evaluated(run_folder, opened_once, capsys, monkeypatch):
    """Runs the command; gives its exit code, stdout and stderr."""
    monkeypatch.setattr(evaluation, "SAMPLES_PER_VALUE", 8)

    def call(*arguments, run=run_folder):
        code = cli.main(evaluate.run, [str(part) for part in (run, *arguments)])
        return code, *capsys.readouterr()

    return call


def rows_of(folder):
    with (folder / "attributes.csv").open(newline="") as file:
        return list(csv.reader(file))[1:]


@pytest.fixture
def reader_run(other_runs):
    """A run that draws nothing: what data are read is seen sooner with it."""
    return other_runs["source_only"]


@pytest.fixture
def images_of_the_test(labelled_folder, tmp_path):
    """The data without the images of other splits."""
    folder = tmp_path / "test-only"
    folder.mkdir()
    rows = [row for row in rows_of(labelled_folder) if row[2] == "test"]
    for name, _, _ in rows:
        shutil.copy(labelled_folder / name, folder)
    write_table(folder, rows)
    return folder


@pytest.fixture
def quick_judges(monkeypatch):
    for name in ("MIN_STEPS", "MAX_STEPS", "DOMAIN_STEPS"):
        monkeypatch.setattr(judges, name, 2)


def test_report_is_measured_now_beside_the_runs_own_picks(evaluated, run_folder):
    code, out, err = evaluated("--json")
    report = json.loads(out)
    assert code == 0
    assert list(report) == KEYS
    assert report["domains"] == {"source": "sketch", "target": "photo"}
    assert (report["method"], report["attribute"], report["steps"]) == ("cdd", "Eyeglasses", 4)
    assert (report["seconds"], report["images_per_second"]) == (4.0, 2 * 8 * 2 / 4.0)
    run = inference.open_run(run_folder)
    pair = load_pair(run.config, ("test",))
    measured = plain(classification_report(run.model, pair, "test"))
    assert {domain: report[domain] for domain in measured} == measured
    assert report["source"]["count"] == 16
    # The rows were measured with the same weights.
    pick = report["selection"]["label_free"]
    assert (pick["step"], pick["criterion"]) == (1, "agreement")
    assert pick["target"]["accuracy"] == report["target"]["accuracy"]
    assert report["selection"]["final"]["step"] == 2
    seen = (run.model, pair, judges.load_judges(run.folder.judges), "test")
    assert report["generation"] == plain({**generation_report(*seen), **quality_report(*seen)})
    assert err == "evaluating step 1 on the test split\n"


def test_table(evaluated):
    code, out, _ = evaluated()
    assert code == 0
    assert out.startswith("cdd: Eyeglasses, 16 px, 4 steps, seed 0\n")
    for text in (
        "balanced",
        "source (sketch)",
        "edit success",
        "routes",
        "ssim",
        "judge frechet",
        "inside",
    ):
        assert text in out


def test_other_splits(evaluated, reader_run):
    for split in ("validation", "train"):
        code, out, _ = evaluated("--split", split, "--json", run=reader_run)
        assert code == 0
        report = json.loads(out)
        counts = [report[domain]["count"] for domain in ("source", "target")]
        # Outside the test split no photo is on both sides.
        assert sum(counts) == {"validation": 8, "train": 24}[split]


def test_all_images_of_a_domain(evaluated, reader_run):
    counts = {}
    for split in ("train", "validation", "test", "all"):
        code, out, _ = evaluated("--split", split, "--json", run=reader_run)
        assert code == 0
        report = json.loads(out)
        counts[split] = np.array([report[domain]["count"] for domain in ("source", "target")])
    whole = counts.pop("all")
    np.testing.assert_array_equal(whole, sum(counts.values()))


def test_the_picks_are_measured_on_the_split_asked(evaluated, reader_run, monkeypatch):
    def measure(model, pair, split):
        return {"source": {"split": split}, "target": {"step": int(model.step.numpy())}}

    monkeypatch.setattr(evaluation, "classification_report", measure)
    code, out, _ = evaluated("--split", "validation", "--json", run=reader_run)
    report = json.loads(out)
    assert code == 0
    for pick in report["selection"].values():
        assert pick["source"] == {"split": "validation"}
        assert pick["target"] == {"step": pick["step"]}
    assert report["selection"]["final"]["step"] == 2
    assert report["selection"]["label_free"] == {
        "source": report["source"],
        "target": report["target"],
        "step": 1,
        "criterion": "agreement",
    }


def test_picks_without_a_checkpoint_have_no_figures_of_other_data(
    evaluated, reader_run, images_of_the_test, tmp_path
):
    run = shutil.copytree(reader_run, tmp_path / "copy")
    checkpoints.path_of(run / "checkpoints", 2).unlink()
    kept = json.loads(evaluated("--json", run=run)[1])["selection"]["final"]
    assert kept["source"]["count"] == 16
    asked = ("--json", "--data-dir", images_of_the_test)
    selection = json.loads(evaluated(*asked, run=run)[1])["selection"]
    assert selection["final"] == {"source": None, "target": None, "step": 2}
    assert selection["label_free"]["source"]["count"] == 16


def test_data_of_the_asked_split_are_enough(evaluated, reader_run, images_of_the_test):
    usual = json.loads(evaluated("--json", run=reader_run)[1])
    code, out, _ = evaluated("--json", "--data-dir", images_of_the_test, run=reader_run)
    assert code == 0
    assert json.loads(out) == usual


def test_labels_are_matched_by_name(evaluated, reader_run, images_of_the_test):
    named = {"0": "no-eyeglasses", "1": "eyeglasses"}
    usual = json.loads(evaluated("--json", "--data-dir", images_of_the_test, run=reader_run)[1])
    # Named values are numbered by the alphabet: eyeglasses come first.
    rows = rows_of(images_of_the_test)
    write_table(images_of_the_test, [[name, named[label], split] for name, label, split in rows])
    code, out, _ = evaluated("--json", "--data-dir", images_of_the_test, run=reader_run)
    assert code == 0
    assert json.loads(out) == usual
    write_table(images_of_the_test, [[name, "hat", split] for name, _, split in rows])
    code, out, err = evaluated("--json", "--data-dir", images_of_the_test, run=reader_run)
    assert (code, out) == (2, "")
    assert "was not trained on: hat. Expected no-eyeglasses, eyeglasses." in err


def test_missing_judges_are_trained_and_kept(evaluated, run_copy, quick_judges):
    shutil.rmtree(run_copy / "judges")
    code, out, err = evaluated("--json", run=run_copy)
    assert code == 0
    assert "holds no judges: training them" in err
    assert json.loads(out)["generation"]["judge_accuracy"]["target"] is not None
    assert sorted(path.name for path in (run_copy / "judges").iterdir()) == [
        "domain.keras",
        "judges.json",
        "source.keras",
        "target.keras",
    ]
    assert set(judges.load_judges(run_copy / "judges").attribute) == {"source", "target"}


def test_missing_judges_are_trained_on_the_data_of_the_run(
    evaluated, run_copy, labelled_folder, images_of_the_test, monkeypatch
):
    kept, seen = judges.load_judges(run_copy / "judges"), []

    def train(pair, config, folder):
        seen.append((config.data_dir, len(pair.get("train", "source"))))
        return kept

    monkeypatch.setattr(judges, "train_judges", train)
    shutil.rmtree(run_copy / "judges")
    # These have no training images at all.
    assert evaluated("--json", "--data-dir", images_of_the_test, run=run_copy)[0] == 0
    # Half of the 24 training photos.
    assert seen == [(str(labelled_folder), 12)]


def test_judges_cannot_be_trained_without_the_data_of_the_run(
    evaluated, run_copy, labelled_folder, tmp_path
):
    shutil.rmtree(run_copy / "judges")
    settings = run_copy / "config.yaml"
    gone = str(tmp_path / "gone")
    settings.write_text(settings.read_text().replace(str(labelled_folder), gone))
    code, out, err = evaluated("--json", "--data-dir", labelled_folder, run=run_copy)
    assert (code, out) == (2, "")
    assert "holds no judges, and the run's own data to train them on cannot be had" in err
    assert gone in err
    assert not (run_copy / "judges").exists()


def test_run_without_evaluations(evaluated, run_copy):
    (run_copy / "metrics.jsonl").unlink()
    code, out, err = evaluated("--json", run=run_copy)
    report = json.loads(out)
    assert code == 0
    assert report["selection"] == {"final": None, "label_free": None, "oracle": None}
    assert (report["seconds"], report["images_per_second"]) == (None, None)
    assert np.isfinite(report["target"]["accuracy"])
    assert "evaluating step 2" in err


def test_method_without_a_generator(evaluated, other_runs):
    code, out, _ = evaluated("--json", run=other_runs["source_only"])
    assert code == 0
    assert json.loads(out)["generation"] is None
    assert not (other_runs["source_only"] / "judges").exists()


def test_wrong_data_dir(evaluated, run_copy, tmp_path):
    code, out, err = evaluated("--data-dir", tmp_path / "missing")
    assert (code, out) == (2, "")
    assert err == f"error: `--data-dir` is not a folder: {tmp_path / 'missing'}.\n"
    settings = run_copy / "config.yaml"
    drawn = settings.read_text().replace("data: folder", "data: synthetic")
    settings.write_text(re.sub(r"^data_dir: .*$", "data_dir: null", drawn, flags=re.MULTILINE))
    code, _, err = evaluated("--data-dir", tmp_path, run=run_copy)
    assert code == 2
    assert "its faces are drawn, not read" in err


def test_method_of_one_domain(evaluated, other_runs, quick_judges):
    code, out, _ = evaluated("--json", run=other_runs["infogan"])
    report = json.loads(out)
    assert (code, report["target"]) == (0, None)
    # Codes are named after the values they fit best: of two, never below a half.
    assert report["source"]["accuracy"] >= 0.5
    assert sorted(report["generation"]["code_of_value"]) == ["eyeglasses", "no-eyeglasses"]
    assert report["generation"]["edit_success"] == {"source": None, "target": None}
    code, out, _ = evaluated(run=other_runs["infogan"])
    assert code == 0
    assert "code of value" in out
