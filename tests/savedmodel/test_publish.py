"""What an export leaves in its folder, and what stops it."""

import json

import numpy as np
import pytest
import tensorflow as tf

from cdd_keras import cli, export
from cdd_keras.savedmodel import parity, publish
from cdd_keras.savedmodel.endpoints import classifier_endpoints, generator_endpoints


def run_command(*arguments):
    return cli.main(export.run, [str(argument) for argument in arguments])


@pytest.fixture
def small(monkeypatch):
    """Exports with one signature a model, for tests of what lies around them."""

    def only_default(endpoints):
        return lambda run: {"serving_default": endpoints(run)["serving_default"]}

    monkeypatch.setattr(publish, "classifier_endpoints", only_default(classifier_endpoints))
    monkeypatch.setattr(publish, "generator_endpoints", only_default(generator_endpoints))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_version_holds_the_model_its_card_and_its_warm_up(exported):
    _, out = exported
    assert names(out) == ["cdd_classifier", "cdd_generator"]
    for name in names(out):
        assert names(out / name) == ["1"]
        assert {"saved_model.pb", "variables", "assets.extra"} <= set(names(out / name / "1"))
        assert names(out / name / "1" / "assets.extra") == [
            "MODEL_CARD.md",
            "model_card.json",
            "tf_serving_warmup_requests",
        ]


def test_the_signatures_are_the_contracts(classifier, generator):
    assert set(classifier) == {
        *("serving_default", "source", "predict_bytes", "source_bytes", "classify")
    }
    drawing = ("serving_default", "translate", "translate_bytes")
    assert set(generator) == {*drawing, *(f"{name}_png" for name in drawing)}
    _, inputs = generator["translate"].structured_input_signature
    assert {name: (spec.dtype, tuple(spec.shape)) for name, spec in inputs.items()} == {
        "image": (tf.float32, (None, 16, 16, 3)),
        **dict.fromkeys(("label", "source_domain", "target_domain"), (tf.int32, (None,))),
    }


def test_the_card_says_what_the_model_is(exported):
    run, out = exported
    folder = out / "cdd_classifier" / "1" / "assets.extra"
    card = json.loads((folder / "model_card.json").read_text())
    assert card["class_names"] == ["no-eyeglasses", "eyeglasses"]
    assert [one["name"] for one in card["domains"]] == ["sketch", "photo"]
    assert (card["attribute"], card["image_size"]) == (run.attribute.name, 16)
    assert card["checkpoint"]["step"] == run.step
    text = (folder / "MODEL_CARD.md").read_text()
    assert "0: no-eyeglasses, 1: eyeglasses" in text
    assert "not measured" in text


def test_each_signature_is_warmed_up_by_a_request_that_it_takes(exported, generator):
    from tensorflow_serving.apis import prediction_log_pb2

    path = exported[1] / "cdd_generator" / "1" / "assets.extra" / "tf_serving_warmup_requests"
    asked = set()
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        assert request.model_spec.name == "cdd_generator"
        inputs = {key: tf.constant(tf.make_ndarray(one)) for key, one in request.inputs.items()}
        generator[request.model_spec.signature_name](**inputs)
        asked.add(request.model_spec.signature_name)
    assert asked == set(generator)


def test_versions_count_up_and_are_never_replaced(run_folder, small, tmp_path, capsys):
    assert run_command(run_folder, "--out", tmp_path, "--version", 7) == 0
    assert run_command(run_folder, "--out", tmp_path) == 0
    assert capsys.readouterr().out.split() == [
        str(tmp_path / name / version)
        for version in ("7", "8")
        for name in ("cdd_classifier", "cdd_generator")
    ]
    before = (tmp_path / "cdd_classifier" / "7" / "saved_model.pb").stat().st_mtime_ns
    assert run_command(run_folder, "--out", tmp_path, "--version", 7) == 2
    assert "`--version` 7 is there already" in capsys.readouterr().err
    assert (tmp_path / "cdd_classifier" / "7" / "saved_model.pb").stat().st_mtime_ns == before
    assert names(tmp_path / "cdd_classifier") == ["7", "8"]


def test_an_export_that_differs_from_its_run_is_not_published(
    run_folder, small, tmp_path, capsys, monkeypatch
):
    def another_model(run, name, endpoints, folder):
        for weight in run.model.averaged["generator"].weights:
            weight.assign(weight * 1.01)
        write(run, name, endpoints, folder)
        for weight in run.model.averaged["generator"].weights:
            weight.assign(weight / 1.01)

    write = publish._write
    monkeypatch.setattr(publish, "_write", another_model)
    assert run_command(run_folder, "--out", tmp_path) == 1
    assert "signature `serving_default`" in capsys.readouterr().err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("found", [[[0.5, 0.6]], [[0.5, np.nan]], [[0.5, 0.5], [0.5, 0.5]]])
def test_answers_that_differ_are_told(found):
    with pytest.raises(parity.CddError, match="differs from the run: scores"):
        parity._compare("scores", np.array([[0.5, 0.5]]), np.array(found))


def test_a_run_without_generator_has_a_classifier_alone(other_runs, small, tmp_path):
    assert run_command(other_runs["source_only"], "--out", tmp_path) == 0
    assert names(tmp_path) == ["cdd_classifier"]


def test_a_generator_without_encoder_has_no_translations(other_runs, small):
    from cdd_keras.inference import open_run

    endpoints = generator_endpoints(open_run(other_runs["cdd_gan"]))
    assert set(endpoints) == {"serving_default", "serving_default_png"}


@pytest.mark.parametrize("version", [0, -3])
def test_versions_out_of_range_are_refused(run_folder, tmp_path, version, capsys):
    assert run_command(run_folder, "--out", tmp_path, "--version", version) == 2
    assert "`--version` is out of range" in capsys.readouterr().err


def test_a_method_that_cannot_do_what_clients_ask_has_no_such_model(
    other_runs, small, tmp_path, capsys
):
    assert run_command(other_runs["cogan"], "--out", tmp_path) == 0
    assert names(tmp_path) == ["cdd_classifier"]
    assert "no cdd_generator: method cogan draws without a value" in capsys.readouterr().err
    assert run_command(other_runs["infogan"], "--out", tmp_path / "none") == 2
    assert "method infogan, which reads source images alone: no export." in capsys.readouterr().err
    assert names(tmp_path / "none") == []
