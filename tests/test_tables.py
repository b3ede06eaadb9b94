import numpy as np
import pytest

from cdd_keras import tables
from cdd_keras.config import METHODS, Config
from cdd_keras.errors import UsageError
from cdd_keras.reproduction import plan
from cdd_keras.tables import ORDER, ROWS, SETTLED, TABLES, TUNED

TASKS = [task for table in TABLES.values() for task in table.tasks]


def test_every_method_has_a_row_and_a_place():
    assert set(METHODS) < set(ROWS)
    assert sorted(ORDER) == sorted(ROWS)
    for table in TABLES.values():
        assert set(table.rows) <= set(ROWS)
        for task in table.tasks:
            assert set(task.published) <= set(ROWS)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_tasks_settings_are_those_of_its_file(task, tmp_path):
    source = Config(**task.settings(tmp_path), **ROWS["source_only_raw"], seed=3)
    assert (source.method, source.classifier_input, source.seed) == ("source_only", "raw", 3)
    assert source.data_dir == str(tmp_path)
    assert set(task.settings(tmp_path)) & set(SETTLED) >= {"data", "domains", "data_dir"}


def test_a_flag_wins_over_a_rows_own_settings_and_these_over_the_tasks(tmp_path):
    def rates(**changes):
        runs = plan(TABLES["2"], ["cdd", "unit"], 1, tmp_path, tmp_path, changes)
        return [run.config.discriminator_rate for run in runs]

    assert rates() == [pytest.approx(0.000514306), TUNED["unit"]["discriminator_rate"]]
    assert rates(discriminator_rate=0.25) == [0.25, 0.25]


def test_published_figures_are_the_papers():
    table1, table2, table3 = (TABLES[name].tasks[0].published for name in ("1", "2", "3"))
    assert (table1["cdd"], table1["cogan"]) == ((0.8973, 0.8443), (0.8703, 0.7192))
    assert (table2["cdd"], table2["unit"]) == ((0.9001, 0.8828), (0.9010, 0.8104))
    assert (table3["cdd_gan"], table3["unit"]) == ((0.9706, 0.9449), (0.9765, 0.7989))
    there, back = (task.published["cdd_gan"] for task in TABLES["digits"].tasks)
    assert (there, back) == ((None, 0.9505), (None, 0.9435))
    svhn = TABLES["svhn"].tasks[0].published
    assert {row: figures[1] for row, figures in svhn.items()} == {
        **{"sa": 0.5932, "dann": 0.7385, "dtn": 0.8488, "unit": 0.9053},
    }


def test_svhn_is_read_from_npz_files_or_from_tfds(tmp_path):
    (task,) = TABLES["svhn"].tasks
    stored = task.settings(tmp_path)
    assert (stored["data"], stored["domains"]) == ("tfds", "svhn_cropped-mnist")
    assert Config(**stored).attr == "digit"
    np.savez(tmp_path / "svhn.npz", x=0)
    files = task.settings(tmp_path)
    assert (files["data"], files["domains"]) == ("digits", "svhn-mnist")
    assert Config(**files).attr == "digit"


def test_settings_that_are_not_beside_the_package_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "CONFIGS", tmp_path / "configs")
    with pytest.raises(UsageError, match=r"celeba_table2.yaml is missing. .* from a checkout"):
        TABLES["2"].tasks[0].settings(tmp_path)
