import json

import pytest

from cdd_keras.reproduction import plan
from cdd_keras.table_report import collect, markdown
from cdd_keras.tables import TABLES


def figures(accuracy, majority=0.6):
    names = ("balanced_accuracy", "f1", "auc")
    return {"accuracy": accuracy, **dict.fromkeys(names, 0.5), "majority": majority, "count": 9}


def report(seed, target, success=None, method="cdd"):
    generation = success and {
        "edit_success": {"source": success, "target": success},
        "sample_success": {"source": success, "target": None},
    }
    return {
        "method": method,
        "seed": seed,
        "domains": {"source": "sketch", "target": "photo"},
        "source": figures(0.9),
        "target": target if target is None else figures(target, 0.7),
        "selection": {"final": {"target": target and figures(target)}, "oracle": None},
        "generation": generation,
        "seconds": 60.0,
    }


@pytest.fixture
def runs(tmp_path):
    """Planned runs of Table 2, of which some are finished."""
    planned = plan(TABLES["2"], ["source_only", "infogan", "cdd"], 2, tmp_path, tmp_path, {})
    reports = {
        ("source_only", 0): report(0, 0.8),
        ("infogan", 0): report(0, None, 0.75),
        ("cdd", 0): report(0, 0.875, 0.75),
        ("cdd", 1): report(1, 0.885, 0.85),
    }
    for run in planned:
        if (run.row, run.seed) in reports:
            run.folder.path.mkdir(parents=True)
            run.folder.report.write_text(json.dumps(reports[run.row, run.seed]))
            (run.folder.path / "environment.json").write_text('{"commit": "abc"}')
    return planned


def rows(result):
    return {row["row"]: row for row in result["tasks"][0]["rows"]}


def test_seeds_are_joined_and_the_rest_is_null(runs):
    found = rows(collect("2", TABLES["2"], runs, {}))
    assert list(found) == ["source_only", "infogan", "cdd"]
    cdd = found["cdd"]["target"]["accuracy"]
    assert cdd["mean"] == pytest.approx(0.88)
    assert cdd["std"] == pytest.approx(0.0070711, abs=1e-6)
    assert cdd["values"] == [0.875, 0.885]
    assert found["cdd"]["published"] == {"source": 0.9001, "target": 0.8828}
    assert found["cdd"]["edit_success"]["target"]["mean"] == pytest.approx(0.8)
    assert (found["cdd"]["sample_success"]["target"], found["cdd"]["oracle_pick"]) == (None, None)
    assert (found["cdd"]["seeds"], found["cdd"]["commits"]) == ([0, 1], ["abc"])
    assert found["source_only"]["target"]["accuracy"]["std"] is None
    assert found["infogan"]["target"]["accuracy"] is None


def test_the_task_tells_of_its_images_and_of_what_is_missing(runs):
    (task,) = collect("2", TABLES["2"], runs, {})["tasks"]
    assert task["images"] == {"source": 9, "target": 9}
    assert task["majority"] == {"source": 0.6, "target": 0.7}
    assert task["missing"] == ["source_only seed 1", "infogan seed 1"]


def test_the_page_has_a_line_a_row(runs):
    page = markdown(collect("2", TABLES["2"], runs, {"steps": 60}))
    lines = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")]
    assert len({len(line) for line in lines}) == 1
    assert [line[0] for line in lines[2:]] == [
        *("| majority", "| `source_only`", "| `infogan`", "| `cdd`"),
    ]
    assert lines[-1][1:4] == ["2", "0.880 ± 0.007", "0.883"]
    assert lines[-1][-2:] == ["0.800 ± 0.071 / 0.800 ± 0.071", "0.800 ± 0.071 / - |"]
    assert "Settings other than the table's own: `steps` 60." in page
    assert "Not finished: source_only seed 1, infogan seed 1." in page


def test_rows_with_settings_of_their_own_are_named(tmp_path):
    def page(**changes):
        planned = plan(TABLES["2"], ["unit", "cogan", "cdd"], 1, tmp_path, tmp_path, changes)
        for run in planned:
            run.folder.path.mkdir(parents=True, exist_ok=True)
            run.folder.report.write_text(json.dumps(report(0, 0.8, method=run.row)))
        return markdown(collect("2", TABLES["2"], planned, changes))

    said = "Settings of their own, `cogan`, `unit`: "
    assert f"{said}`adversarial_weight` 0.5, `discriminator_rate` 0.002.\n" in page()
    assert f"{said}`discriminator_rate` 0.002.\n" in page(adversarial_weight=2.0)


def test_validators_are_compared_where_labels_are_not_trained_on(tmp_path):
    planned = plan(TABLES["2"], ["cdd", "oracle"], 2, tmp_path, tmp_path, {})
    for run in planned:
        run.folder.path.mkdir(parents=True)
        run.folder.report.write_text(json.dumps(report(run.seed, 0.8, method=run.row)))
        rows = [
            {
                "step": step,
                "label_free": {"agreement": score, "infomax": -score},
                "source": None,
                "target": {"balanced_accuracy": balanced - 0.1 * run.seed * step},
            }
            for step, score, balanced in ((1, 0.5, 0.9), (2, 0.1, 0.8))
        ]
        run.folder.write_rows(rows)
    result = collect("2", TABLES["2"], planned, {})
    (task,) = result["tasks"]
    assert task["validators"]["agreement"] == {"cdd-0": 0, "cdd-1": 0}
    assert task["validators"]["infomax"] == pytest.approx({"cdd-0": 0.1, "cdd-1": 0.2})
    page = markdown(result)
    assert "| `agreement` | 2 | 0.000 | 0.000 |\n| `infomax` | 2 | 0.150 | 0.200 |" in page


def test_all_target_images_have_a_column_where_they_are_measured(tmp_path):
    planned = plan(TABLES["1"], ["cdd"], 1, tmp_path, tmp_path, {})
    folder = planned[0].folder
    folder.path.mkdir(parents=True)
    folder.report.write_text(json.dumps(report(0, 0.7)))
    (folder.path / "all-target.json").write_text(json.dumps(figures(0.9)))
    result = collect("1", TABLES["1"], planned, {})
    assert rows(result)["cdd"]["all_target"]["accuracy"]["mean"] == 0.9
    page = markdown(result)
    assert "| All target images |" in page
    assert page.rstrip().endswith("| 0.900 |")


def test_before_any_run_there_is_a_page_too(tmp_path):
    planned = plan(TABLES["digits"], ["cdd"], 1, tmp_path, tmp_path, {})
    page = markdown(collect("digits", TABLES["digits"], planned, {}))
    assert page.count("No run is finished yet.") == 2
