"""A run exported, served by a process and asked by another: what the run's own commands give."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import urllib3
from PIL import Image
from small_files import CORRUPT, READABLE

from cdd_keras import classify, translate
from cdd_keras import cli as cdd_cli
from serving import cli
from serving.client import KEEP_LABEL, NO_LABEL, Client
from serving.client.__main__ import run
from serving.config_files import read_monitoring

SCORES, LEVELS = 1e-4, 1
MONITORING = Path(__file__).parents[3] / "serving" / "config" / "monitoring.config"


@pytest.fixture(params=["grpc", "rest"])
def address(exported_server, request):
    grpc, rest = exported_server.address, exported_server.rest
    return grpc if request.param == "grpc" else f"http://{rest}"


@pytest.fixture
def client(address):
    with Client(address) as client:
        yield client


@pytest.fixture
def command(address, capsys):
    """Runs a command of the client, which has to succeed; gives its stdout and stderr."""

    def call(*arguments):
        code = cli.main(run, [*map(str, arguments), "--server", address])
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return printed

    return call


@pytest.fixture
def own(run_folder, opened_once, capsys):
    """Runs a command of cdd_keras on the run; gives its stdout."""

    def call(module, *arguments):
        assert cdd_cli.main(module.run, [str(run_folder), *map(str, arguments)]) == 0
        return capsys.readouterr().out

    return call


@pytest.mark.parametrize("domain", ["source", "target"])
def test_classify_gives_what_the_run_gives(command, own, strangers_images, domain):
    arguments = ("--domain", domain, "--format", "jsonl")
    expected = rows(own(classify, strangers_images, *arguments))
    answer = command("classify", strangers_images, *arguments, "--batch-size", 4)
    found = rows(answer.out)
    assert [row["path"] for row in found] == [row["path"] for row in expected]
    assert len(found) == len(READABLE)
    for one, other in zip(found, expected, strict=True):
        assert one["probabilities"].keys() == other["probabilities"].keys()
        for name, chance in one["probabilities"].items():
            assert chance == pytest.approx(other["probabilities"][name], abs=SCORES)
    for name in CORRUPT:
        assert f"{strangers_images / name} is" in answer.err
    assert f"classified {len(READABLE)} images, skipped {len(CORRUPT)}" in answer.err


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("source", "target", "setting"),
    [
        ("target", "source", ["--set", "keep"]),
        ("source", "target", ["--set", "eyeglasses"]),
        ("target", "target", []),
    ],
)
def test_translate_gives_what_the_run_gives(
    command, own, strangers_images, tmp_path, source, target, setting
):
    arguments = (strangers_images, "--from", source, "--to", target, *setting)
    own(translate, *arguments, "--out", tmp_path / "own")
    command("translate", *arguments, "--out", tmp_path / "served")
    expected, found = (
        {path.name: np.asarray(Image.open(path)).astype(int) for path in folder.iterdir()}
        for folder in (tmp_path / "own", tmp_path / "served")
    )
    assert found.keys() == expected.keys()
    assert len(found) == len(READABLE)
    for name, image in expected.items():
        assert np.abs(found[name] - image).max() <= LEVELS, name


def test_both_transports_draw_the_same(exported_server):
    grpc, rest = exported_server.address, exported_server.rest
    with Client(grpc) as one, Client(f"http://{rest}") as other:
        drawn = [client.generate([0, 1, NO_LABEL], [5, 5, 6]) for client in (one, other)]
        names = [client.class_names() for client in (one, other)]
        metadata = [client.metadata("cdd_generator") for client in (one, other)]
        status = [client.status("cdd_generator") for client in (one, other)]
    np.testing.assert_array_equal(*drawn)
    assert drawn[0].shape == (3, 16, 16, 3)
    for answers in (names, metadata, status):
        assert answers[0] == answers[1]
    assert names[0] == ("no-eyeglasses", "eyeglasses")


def test_a_row_is_the_same_alone(client):
    together = client.generate(["eyeglasses"] * 3, [7, 8, 9], domain="source")
    alone = client.generate(["eyeglasses"], [8], domain="source")
    assert np.abs(together[1].astype(int) - alone[0].astype(int)).max() <= LEVELS


def test_the_library_takes_pictures_and_pixels(client):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 20, 3), "uint8")
    found = client.classify([pixels, Image.fromarray(pixels)])
    np.testing.assert_allclose(found.scores[0], found.scores[1], atol=1e-6)
    np.testing.assert_allclose(found.scores.sum(1), 1, atol=1e-5)
    kept = client.translate([pixels], to="source", label=KEEP_LABEL)
    named = client.translate([pixels], to="source", label=found.labels[0])
    np.testing.assert_array_equal(kept, named)


def test_numbers_are_taken_as_well_as_files(client):
    image = np.random.default_rng(0).uniform(-1, 1, (2, 16, 16, 3)).astype("float32")
    answer = client.predict("cdd_classifier", {"image": image})
    assert answer.outputs["scores"].dtype == np.float32
    assert answer.outputs["class_ids"].tolist() == answer.outputs["scores"].argmax(1).tolist()


def test_no_rows_are_answered(exported_server):
    # JSON has no way to write them.
    with Client(exported_server.address) as client:
        answer = client.predict("cdd_classifier", {"image": np.zeros((0, 16, 16, 3), "float32")})
    assert answer.outputs["scores"].shape == (0, 2)


def test_status_metadata_and_load(command):
    status = json.loads(command("status", "--json").out)
    assert [one["state"] for one in status["cdd_classifier"]] == ["AVAILABLE"]
    shown = command("metadata", "--model", "cdd_generator").out
    assert "translate_bytes_png\n" in shown
    assert "__" not in shown
    report = json.loads(
        command(
            *("load", "--model", "cdd_generator", "--signature", "translate"),
            *("--rows", 4, "--concurrency", 2, "--count", 10, "--json"),
        ).out
    )
    assert (report["answered"], report["errors"]) == (10, {})


def test_a_process_of_its_own_asks_another(exported_server, own, strangers_images):
    words = [sys.executable, "-m", "serving.client", "classify", strangers_images / "photo.jpg"]
    expected = own(classify, strangers_images / "photo.jpg")
    for address in (exported_server.address, f"http://{exported_server.rest}"):
        found = subprocess.run(
            [*words, "--server", address], capture_output=True, text=True, check=False
        )
        assert (found.returncode, found.stderr) == (0, "classified 1 image\n")
        assert found.stdout == expected


def test_the_server_has_metrics_where_its_file_says(exported_server):
    path = read_monitoring(str(MONITORING)).prometheus_config.path
    answer = urllib3.request("GET", f"http://{exported_server.rest}{path}")
    assert answer.status == 200
    assert b":tensorflow:serving:request_count" in answer.data
