"""Strengths of edits as flags of the commands that use a run."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from cdd_keras import cli, evaluate, evaluation, export, sample, savedmodel, translate
from cdd_keras.strengths import STRENGTHS, add_strengths, strengths_given

COMMANDS = {"evaluate": evaluate, "translate": translate, "sample": sample, "export": export}


def pictures(folder):
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.iterdir())])


def parsed(*arguments):
    parser = cli.Parser("anything", "Anything.")
    add_strengths(parser)
    return parser.parse_args(arguments)


def test_they_are_the_settings_of_that_name():
    assert [field.name for field in STRENGTHS] == ["edit_strength", "translation_strength"]
    assert strengths_given(parsed()) == {}
    assert strengths_given(parsed("--edit-strength", "2")) == {"edit_strength": 2.0}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_wrong_one_is_refused_with_its_range(name, run_folder, tmp_path, capsys):
    out = [] if name == "evaluate" else ["--out", tmp_path / "out.png"]
    more = [tmp_path, "--to", "source"] if name == "translate" else []
    words = [run_folder, *more, *out, "--translation-strength", "-1"]
    assert cli.main(COMMANDS[name].run, list(map(str, words))) == 2
    error = capsys.readouterr().err
    assert "--translation-strength" in error
    assert "[0, 10]" in error
    assert not list(tmp_path.iterdir())


def test_without_strength_an_edit_is_the_base(run_folder, opened_once, strangers_images, tmp_path):
    def drawn(name, *flags):
        place = tmp_path / name
        words = [run_folder, strangers_images, "--to", "target", "--out", place, *flags]
        assert cli.main(translate.run, list(map(str, words))) == 0
        return pictures(place).astype(int)

    base = drawn("base")
    assert np.abs(drawn("edit", "--set", "1") - base).max() > 1
    assert np.abs(drawn("none", "--set", "1", "--edit-strength", "0") - base).max() <= 1


def test_without_strength_half_of_the_edits_are_read_as_asked(run_folder, monkeypatch, capsys):
    monkeypatch.setattr(evaluation, "SAMPLES_PER_VALUE", 8)
    words = [str(run_folder), "--json", "--edit-strength", "0", "--translation-strength", "0"]
    assert cli.main(evaluate.run, words) == 0
    routes = json.loads(capsys.readouterr().out)["generation"]["routes"]
    assert routes == dict.fromkeys(routes, 0.5)


def test_samples_have_theirs_too(run_folder, opened_once, tmp_path):
    def drawn(name, *flags):
        words = [run_folder, "--out", tmp_path / name, "--count", "8", *flags]
        assert cli.main(sample.run, list(map(str, words))) == 0
        return np.asarray(Image.open(tmp_path / name))

    assert (drawn("a.png") != drawn("b.png", "--translation-strength", "0")).any()


def test_an_export_has_them_in_its_graphs(run_folder, tmp_path, monkeypatch):
    seen = SimpleNamespace()

    def export_run(run, *_):
        seen.run = run
        return []

    monkeypatch.setattr(savedmodel, "export_run", export_run)
    words = [str(run_folder), "--out", str(tmp_path), "--edit-strength", "2.5"]
    assert cli.main(export.run, words) == 0
    assert seen.run.config.edit_strength == seen.run.model.config.edit_strength == 2.5
