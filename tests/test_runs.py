"""The run folder: prepared, refused, read back."""

import json
import shutil
import subprocess

import pytest

from cdd_keras import runs
from cdd_keras.config import Config
from cdd_keras.errors import CddError, UsageError
from cdd_keras.files import replacing
from cdd_keras.runs import RunFolder, choose_folder, evaluations, prepare_run


@pytest.fixture
def config(tmp_path):
    return Config(attr="eyeglasses", steps=5, output=str(tmp_path / "run"))


def test_a_prepared_run_reloads_as_it_was_configured(config):
    folder = prepare_run(config, resume=False, overwrite=False)
    assert folder.read_config() == config
    environment = json.loads((folder.path / "environment.json").read_text())
    assert environment["packages"]["keras"]
    assert environment["machine"]["cores"] >= 1


def test_a_machine_without_git_trains_too(config, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    folder = prepare_run(config, resume=False, overwrite=False)
    assert json.loads((folder.path / "environment.json").read_text())["commit"] is None


@pytest.mark.skipif(shutil.which("git") is None, reason="makes a git repository")
def test_the_commit_is_that_of_the_packages_own_tree(config, monkeypatch, tmp_path):
    def git(*arguments):
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.example"]
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)

    def commit_of(package):
        monkeypatch.setattr(runs, "__file__", str(package / "runs.py"))
        folder = prepare_run(config, resume=False, overwrite=True)
        return json.loads((folder.path / "environment.json").read_text())["commit"]

    own, installed = tmp_path / "cdd_keras", tmp_path / "venv" / "site-packages" / "cdd_keras"
    for package in (own, installed):
        package.mkdir(parents=True)
    git("init")
    assert commit_of(own) is None
    git("commit", "--allow-empty", "--message", "first")
    assert commit_of(own) == git("rev-parse", "HEAD").stdout.strip()
    assert commit_of(installed) is None


def test_the_default_folder_names_attribute_and_method(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    folder = prepare_run(Config(attr="eyeglasses"), resume=False, overwrite=False)
    assert folder.path.parent.name == "runs"
    assert folder.path.name.startswith("eyeglasses-cdd-")
    assert folder.read_config().output == str(folder.path)


def test_a_folder_that_is_not_empty_is_refused(config, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"not empty.*--resume.*--overwrite"):
        prepare_run(config, resume=False, overwrite=False)


def test_overwrite_empties_a_run_and_nothing_else(config, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="not a run folder"):
        prepare_run(config, resume=False, overwrite=True)
    assert (tmp_path / "run" / "thesis.txt").exists()
    (tmp_path / "run" / "thesis.txt").unlink()
    folder = prepare_run(config, resume=False, overwrite=False)
    (folder.path / "old.txt").write_text("")
    assert not (prepare_run(config, resume=False, overwrite=True).path / "old.txt").exists()


def test_a_file_as_output_is_refused(config, tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        prepare_run(config, resume=False, overwrite=False)


def test_a_place_that_cannot_be_written_is_told_before_anything_is_loaded(config, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CddError, match="cannot be written"):
        choose_folder(config.replace(output=str(tmp_path / "file" / "run")), False, False)
    assert not choose_folder(config, resume=False, overwrite=False).path.exists()


def test_resume_starts_anew_where_there_is_nothing(config):
    assert prepare_run(config, resume=True, overwrite=False).config.is_file()


def test_resume_of_what_is_no_run_says_so(config, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"not a run folder: it has no config\.yaml"):
        prepare_run(config, resume=True, overwrite=False)


def test_resume_refuses_another_configuration_and_names_the_fields(config):
    prepare_run(config, resume=False, overwrite=False)
    with pytest.raises(UsageError, match="`steps` 5 -> 9"):
        prepare_run(config.replace(steps=9), resume=True, overwrite=False)
    assert prepare_run(config, resume=True, overwrite=False).read_config() == config


def test_a_run_that_was_moved_is_gone_on_with_where_it_is(config, tmp_path):
    before = prepare_run(config, resume=False, overwrite=False)
    moved = before.path.rename(tmp_path / "moved")
    folder = prepare_run(config.replace(output=str(moved)), resume=True, overwrite=False)
    assert folder.read_config().output == str(moved)
    # By its configuration alone, as the hint at a training's end has it.
    assert prepare_run(folder.read_config(), resume=True, overwrite=False).path == moved
    assert not before.path.exists()


def test_resume_clears_away_what_a_kill_left_half_written(config):
    folder = prepare_run(config, resume=False, overwrite=False)
    with replacing(folder.samples / "grid.png") as half:
        half.write_bytes(b"half")
        prepare_run(config, resume=True, overwrite=False)
        assert list(folder.samples.iterdir()) == []
        half.write_bytes(b"for the end of the block")


def test_a_kill_while_the_configuration_is_written_left_no_run(config, tmp_path):
    with replacing(tmp_path / "run" / "config.yaml") as half:
        half.write_text("half")
        folder = prepare_run(config, resume=True, overwrite=False)
        assert folder.read_config() == config
        assert not half.exists()
        half.write_text(folder.config.read_text())


def test_a_row_cut_off_by_a_kill_is_left_out(tmp_path):
    folder = RunFolder(tmp_path)
    row = {"step": 3, "label_free": {"snd": 1.0}, "source": None, "target": {"accuracy": 0.5}}
    folder.write_rows([row])
    with folder.metrics.open("a") as file:
        file.write('{"step": 6, "lab')
    assert folder.read_rows() == [row]
    assert evaluations([row])[0].report["target"] == {"accuracy": 0.5}


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(UsageError, match="not a run folder"):
        RunFolder(tmp_path).read_config()
    with pytest.raises(CddError, match="labels"):
        RunFolder(tmp_path).read_labels()
